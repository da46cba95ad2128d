"""What is tried again: trouble that may have passed a moment later, a few times, after growing waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenacity import RetryCallState

T = TypeVar("T")
TroubleT = TypeVar("TroubleT", bound=Exception)

_FIRST_WAIT_SECONDS = 0.3
_LONGEST_WAIT_SECONDS = 5


def retry(
    attempt: Callable[[], T],
    *,
    on: type[TroubleT],
    attempts: int,
    least_wait: Callable[[TroubleT], float] = lambda _: 0,
) -> T:
    """Return what ``attempt`` returns, which is called again when it raises ``on``, ``attempts`` times in all.

    ``least_wait`` says how many seconds to wait at least after a trouble. Raises the last trouble.
    """
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

    backoff = wait_exponential_jitter(multiplier=_FIRST_WAIT_SECONDS, max=_LONGEST_WAIT_SECONDS)

    def wait(state: RetryCallState) -> float:
        trouble = state.outcome.exception() if state.outcome else None
        return max(backoff(state), least_wait(trouble) if isinstance(trouble, on) else 0)

    retrying = Retrying(
        stop=stop_after_attempt(attempts), wait=wait, retry=retry_if_exception_type(on), reraise=True
    )
    return retrying(attempt)
