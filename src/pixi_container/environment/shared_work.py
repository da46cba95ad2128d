"""What the environments of one step share, in a private folder: archives, and compressed files of packages.

Any number of processes and threads use the folder at the same time. Nothing in it is needed: what is missing or
damaged is made again, and where the disk has little room nothing is kept.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_container.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LONGEST_TEXT = 2 << 20
_RESERVE_BYTES = 4 << 30
"""So much of the disk stays free for layers on their way."""

_AGAIN_SECONDS = 0.02
_NAME = re.compile(r"[0-9a-f]{64}(\.[a-z0-9-]{1,40})?")


class SharedWork:
    """A folder, made when it is missing. Names of files are a sha256, with the form of what is in them.

    Raises ``UserError`` where the folder cannot be made.
    """

    def __init__(self, folder: Path, reserve: int = _RESERVE_BYTES) -> None:
        self._folder = folder
        self._reserve = reserve
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot create a temporary folder: {error}") from error

    def file(self, name: str) -> Path:
        """Return where a file is or will be. Raises ``ValueError`` for a name that is none of ours."""
        if not _NAME.fullmatch(name):
            raise ValueError(name)
        return self._folder / name

    def has_room(self, size: int) -> bool:
        """Tell whether so many bytes more may be kept."""
        return shutil.disk_usage(self._folder).free - size >= self._reserve

    @contextmanager
    def locked(self, name: str, check: Callable[[], None]) -> Iterator[None]:
        """Have a file to oneself; ``check`` is called while another process or thread has it, and may raise.

        The lock of a process that dies is free.
        """
        with self.file(name).with_name(f".{name}.lock").open("ab") as lock:
            while True:
                check()
                with suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                time.sleep(_AGAIN_SECONDS)
            yield

    @contextmanager
    def aside(self) -> Iterator[Path]:
        """Yield an empty file that no one else knows of, and remove it afterwards if it is still there."""
        descriptor, name = tempfile.mkstemp(dir=self._folder, prefix=".new-")
        os.close(descriptor)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)


def once(work: SharedWork | None, name: str, do: Callable[[], str], check: Callable[[], None]) -> tuple[str, bool]:
    """Return the text of up to 2 MB that ``do`` returns, and whether this is what did it, no other environment."""
    if work is None:
        return do(), True
    with work.locked(name, check):
        kept = work.file(name)
        if kept.exists():
            with kept.open("rb") as file:
                return file.read(_LONGEST_TEXT).decode(), False
        text = do()
        with work.aside() as aside:
            aside.write_text(text, "utf-8")
            aside.rename(kept)
        return text, True
