"""Threads whose work can be given up at any moment."""

from __future__ import annotations

import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pixi_container.registry.blobs import Parts
    from pixi_container.registry.repository import ImageRepository

_STOP_SECONDS = 5.0
"""How long threads have to notice that they are to stop, before the files that they use are removed."""

_AGAIN_SECONDS = 0.02


class StoppedError(Exception):
    """What threads end with when another one has failed."""


class Stop:
    """Whether threads are to stop what they are doing."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Have every later ``check`` raise."""
        self._event.set()

    def check(self) -> None:
        """Raise ``StoppedError`` if it is so. To be called often."""
        if self._event.is_set():
            raise StoppedError

    def checked(self, parts: Iterable[bytes]) -> Parts:
        """Pass parts on, for as long as nothing is to stop."""
        for part in parts:
            self.check()
            yield part


class Threads:
    """Some threads of one kind, their unfinished work, and the repositories that they may be using."""

    def __init__(self, number: int, name: str, repositories: Iterable[ImageRepository]) -> None:
        self._pool = ThreadPoolExecutor(
            number, name, initializer=lambda: self._threads.append(threading.current_thread())
        )
        self._threads: list[threading.Thread] = []
        self._repositories = tuple(repositories)
        self._running: set[Future[object]] = set()

    def submit(self, work: Callable[..., object], *arguments: object) -> Future[object]:
        """Have a thread do something."""
        future: Future[object] = self._pool.submit(work, *arguments)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return future

    def give_up(self) -> bool:
        """Begin nothing more, and break off what is being done; return whether nothing is any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._running:
            for repository in self._repositories:
                repository.give_up(self._threads)
        return not self._running


def end(*kinds: Threads) -> None:
    """Give up what threads are doing, and wait until that is so, but not for long."""
    until = time.monotonic() + _STOP_SECONDS
    # Again and again, as a thread may be about to open its first connection.
    while [threads for threads in kinds if not threads.give_up()] and time.monotonic() < until:
        time.sleep(_AGAIN_SECONDS)


def finish(futures: Iterable[Future[object]], then: Callable[[object], Iterable[Future[object]]]) -> None:
    """Wait for work, and for what follows ``then`` from each result. Raises the first error."""
    pending = set(futures)
    while pending:
        done, pending = wait(pending, return_when=FIRST_COMPLETED)
        for future in done:
            pending.update(then(future.result()))
