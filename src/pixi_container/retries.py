"""Retry after failures that may be temporary, a few times, with increasing waits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenacity import RetryCallState

T = TypeVar("T")
TroubleT = TypeVar("TroubleT", bound=Exception)

_FIRST_WAIT_SECONDS = 0.3
_LONGEST_WAIT_SECONDS = 5
_CHECKED_SECONDS = 0.2


def retry(
    attempt: Callable[[], T],
    *,
    on: type[TroubleT],
    attempts: int,
    least_wait: Callable[[TroubleT], float] = lambda _: 0,
    check: Callable[[], None] = lambda: None,
) -> T:
    """Return what ``attempt`` returns, calling it again if it raises ``on``, at most ``attempts`` times in total.

    ``least_wait`` returns the minimum wait after a failure, in seconds. ``check`` may raise, to end a wait. Raises
    the last failure.
    """
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

    backoff = wait_exponential_jitter(multiplier=_FIRST_WAIT_SECONDS, max=_LONGEST_WAIT_SECONDS)

    def wait(state: RetryCallState) -> float:
        trouble = state.outcome.exception() if state.outcome else None
        return max(backoff(state), least_wait(trouble) if isinstance(trouble, on) else 0)

    retrying = Retrying(
        stop=stop_after_attempt(attempts),
        wait=wait,
        retry=retry_if_exception_type(on),
        sleep=lambda seconds: pause(seconds, check),
        reraise=True,
    )
    return retrying(attempt)


def pause(seconds: float, check: Callable[[], None]) -> None:
    """Wait, for as long as ``check`` does not raise."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        check()
        time.sleep(min(left, _CHECKED_SECONDS))
