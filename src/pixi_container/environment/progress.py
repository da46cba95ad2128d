"""How far an image is, counted by several threads and shown by one at a time."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far it is: packages that are in a layer, and bytes that were downloaded and uploaded.

    ``to_download`` has the sizes that the lock tells of all packages that are or were downloaded; a lock tells
    none of wheels. What is tried again after trouble is counted again.
    """

    doing: str = ""
    packages: int = 0
    of: int = 0
    downloaded: int = 0
    to_download: int = 0
    uploaded: int = 0


class ProgressCount:
    """Counts for any number of threads. ``show`` is called by one thread at a time."""

    def __init__(self, show: Callable[[Progress], None]) -> None:
        self._show = show
        self._lock = threading.Lock()
        self._now = Progress()

    @property
    def now(self) -> Progress:
        """How far it is."""
        return self._now

    def end(self) -> None:
        """Show nothing any more: threads may still be at work until they notice that they are to stop."""
        # Without the lock, as the thread that has it may be waiting for a terminal.
        self._show = lambda _: None

    def tell(self, doing: str) -> None:
        """Show what is being done."""
        with self._lock:
            self._set(replace(self._now, doing=doing))

    def expect(self, *, packages: int, of: int, more_bytes: int) -> None:
        """Show how many packages are in a layer, of how many, and the bytes that are still to be downloaded."""
        with self._lock:
            to_download = self._now.to_download + more_bytes
            self._set(replace(self._now, packages=packages, of=of, to_download=to_download))

    def spare(self, size: int) -> None:
        """Show that so many bytes need not be downloaded after all."""
        with self._lock:
            self._set(replace(self._now, to_download=self._now.to_download - size))

    def count(self, *, packages: int = 0, downloaded: int = 0, uploaded: int = 0) -> None:
        """Add to what is done, and show it."""
        with self._lock:
            now = self._now
            self._set(
                replace(
                    now,
                    packages=now.packages + packages,
                    downloaded=now.downloaded + downloaded,
                    uploaded=now.uploaded + uploaded,
                )
            )

    def _set(self, progress: Progress) -> None:
        self._now = progress
        self._show(progress)
