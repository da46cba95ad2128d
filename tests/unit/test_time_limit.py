"""A computation that takes too long is stopped, and nothing of the limit is left."""

from __future__ import annotations

import re
import signal
import threading

import pytest

from pixi_container.time_limit import TimeLimitError, time_limit


def test_a_loop_is_stopped() -> None:
    before = signal.getsignal(signal.SIGVTALRM)
    with pytest.raises(TimeLimitError), time_limit(0.02):
        re.fullmatch("(a+)+b", "a" * 27)
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)
    assert signal.getsignal(signal.SIGVTALRM) == before


def test_what_is_in_time_goes_on() -> None:
    with time_limit(5):
        assert 0 < signal.getitimer(signal.ITIMER_VIRTUAL)[0] <= 5.1
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)


def test_another_thread_has_none() -> None:
    timers: list[float] = []

    def run() -> None:
        with time_limit(5):
            timers.append(signal.getitimer(signal.ITIMER_VIRTUAL)[0])

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert timers == [0]
