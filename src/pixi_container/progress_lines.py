"""Progress of an environment's image in the log: a line every few seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixi_container.environment.progress import Progress
    from pixi_container.log import Log

_SECONDS = 5.0


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

    def line(self, progress: Progress, seconds: float) -> str:
        """Return how far it is after some seconds."""
        rate = (progress.downloaded + progress.uploaded) / 1e6 / max(seconds, 0.1)
        return (
            f"{progress.packages} of {progress.of} packages, {progress.downloaded / 1e6:.0f} of "
            f"{progress.to_download / 1e6:.0f} MB downloaded, {progress.uploaded / 1e6:.0f} MB uploaded, "
            f"{rate:.0f} MB/s: {progress.doing}"
        )
