"""Turn the signals that stop the program into an exception, so that every clean-up runs."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class Interrupted(BaseException):
    """A signal asked the program to stop; not an ``Exception``, so that no handler takes it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class _Deferral:
    """Whether interrupts are deferred, and the signal that arrived meanwhile."""

    active = False
    interrupted = 0


_deferral = _Deferral()


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Defer ``Interrupted`` to the end of the block, so that the block never stops halfway."""
    _deferral.active = True
    try:
        yield
    finally:
        _deferral.active = False
    number, _deferral.interrupted = _deferral.interrupted, 0
    if number:
        raise Interrupted(number)


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into ``Interrupted``, so that every clean-up on the way out runs."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        # The second signal that a runner sends must not cut the clean-up short.
        for other in (signal.SIGINT, signal.SIGTERM):
            signal.signal(other, signal.SIG_IGN)
        if not _deferral.active:
            raise Interrupted(number)
        _deferral.interrupted = number

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
