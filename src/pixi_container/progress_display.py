"""How far an environment's image is: a bar on a terminal, a line every few seconds in a log."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from pixi_container.display import without_controls
from pixi_container.log import TerminalLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixi_container.environment.progress import Progress
    from pixi_container.log import Log

_SECONDS = 5.0
_BAR_SECONDS = 0.1
_BAR = "{percentage:3.0f}% |{bar}| {n_fmt} of {total_fmt} MB, {rate_noinv_fmt}, {desc}"


class ProgressDisplay(Protocol):
    """Where progress is shown."""

    def show(self, progress: Progress) -> None:
        """Show how far it is, unless something was shown a moment ago."""

    def clear(self) -> None:
        """Make room for other lines; the next progress is shown below them."""


@contextmanager
def progress_display(log: Log) -> Iterator[ProgressDisplay]:
    """Yield a bar where the log is a terminal that a person sees, else lines; nothing is left of the bar."""
    display = ProgressBar() if isinstance(log, TerminalLog) and sys.stderr.isatty() else ProgressLines(log)
    try:
        yield display
    finally:
        display.clear()


class ProgressLines:
    """Says how far it is, at most every ``_SECONDS``."""

    def __init__(self, log: Log, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._start = clock()
        self._said_at = self._start

    def show(self, progress: Progress) -> None:
        """Say a line, unless the last one was said a moment ago."""
        now = self._clock()
        if now - self._said_at < _SECONDS:
            return
        self._said_at = now
        self._log.say(self.line(progress, now - self._start))

    def clear(self) -> None:
        """Do nothing: lines are in nobody's way."""

    def line(self, progress: Progress, seconds: float) -> str:
        """Return how far it is after some seconds."""
        rate = (progress.downloaded + progress.uploaded) / 1e6 / max(seconds, 0.1)
        return (
            f"{progress.packages} of {progress.of} packages, {progress.downloaded / 1e6:.0f} of "
            f"{progress.to_download / 1e6:.0f} MB downloaded, {progress.uploaded / 1e6:.0f} MB uploaded, "
            f"{rate:.0f} MB/s: {progress.doing}"
        )


class ProgressBar:
    """Draws a bar of the downloads on the terminal's last line, with what is going on beside it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        from tqdm import tqdm

        self._bar = tqdm(unit=" MB", bar_format=_BAR, dynamic_ncols=True, leave=False, file=sys.stderr, delay=1e9)
        self._clock = clock
        self._drawn_at = clock() - _BAR_SECONDS

    def show(self, progress: Progress) -> None:
        """Draw it, unless it was drawn a moment ago."""
        now, bar = self._clock(), self._bar
        if now - self._drawn_at < _BAR_SECONDS:
            return
        self._drawn_at = now
        bar.n = round(progress.downloaded / 1e6)
        bar.total = max(round(progress.to_download / 1e6), bar.n)
        # The names are those of others' packages.
        doing = without_controls(f"{progress.packages} of {progress.of} packages: {progress.doing}")
        bar.set_description_str(doing, refresh=False)
        bar.refresh()

    def clear(self) -> None:
        """Take it off the terminal until the next progress."""
        self._bar.clear()
