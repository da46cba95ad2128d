"""Contents of packages that the environments of one step share, packed or compressed in some form.

There is a file for each package and form: contents one after the other, an index of them in JSON, and at the end
the index's length and sha256. The index has a checksum of all contents, which is seen to before any is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from pixi_container.environment.shared_work import SharedWork

_END = struct.Struct(">Q32s")
_LARGEST_INDEX = 1 << 28
_PART_BYTES = 256 << 10
"""So much is read at once, which a processor's cache holds."""

_INDEXES = 1000
"""Of so many files a process keeps in mind where the contents are."""


class Extent(NamedTuple):
    """The ``size`` bytes of a file from ``start`` on."""

    file: Path
    start: int
    size: int


class SharedContents:
    """The contents in a shared folder, by their package's sha256 and the form that they are in."""

    def __init__(self, work: SharedWork) -> None:
        self._work = work

    @contextmanager
    def of_package(self, sha256: str, form: str, check: Callable[[], None]) -> Iterator[PackageContents]:
        """Yield those of a package, to be read where another environment has left them, else to be added to.

        ``form`` tells all that the bytes depend on besides the package. ``check`` is called while others have the
        same contents to add. What is added is kept once the block ends without an error.
        """
        name = f"{sha256}.{form}"
        kept = self._work.file(name)
        with self._work.locked(name, check):
            reading = _opened(kept)
            if reading is None:
                with self._work.aside() as aside, aside.open("wb") as file:
                    adding = _Adding(file, self._work)
                    yield adding
                    if adding.end():
                        aside.rename(kept)
        if reading is not None:
            with reading.file:
                yield reading


class PackageContents(Protocol):
    """The contents of one package."""

    def read(self, path: str) -> Iterator[bytes] | None:
        """Return a content in parts, None where it is not there."""

    def extent(self, path: str) -> Extent:
        """Return where a content is that can be read; it stays there for as long as the folder is shared."""

    def add(self, path: str, part: bytes) -> None:
        """Add to a content, all parts of which come before those of another one."""


class _Reading:
    def __init__(self, path: Path, file: BinaryIO, index: dict[str, tuple[int, int]]) -> None:
        self.file = file
        self._path = path
        self._index = index

    def read(self, path: str) -> Iterator[bytes] | None:
        return read_extent(self.file, *self._index[path]) if path in self._index else None

    def extent(self, path: str) -> Extent:
        return Extent(self._path, *self._index[path])

    def add(self, path: str, part: bytes) -> None:
        """Everything is there."""


class _Adding:
    def __init__(self, file: BinaryIO, work: SharedWork) -> None:
        self._file = file
        self._work = work
        self._size = 0
        self._crc = 0
        self._index: dict[str, tuple[int, int]] = {}
        self._is_given_up = False

    def read(self, path: str) -> Iterator[bytes] | None:  # noqa: ARG002
        return None

    def extent(self, path: str) -> Extent:
        raise KeyError(path)

    def add(self, path: str, part: bytes) -> None:
        if self._is_given_up or not self._work.has_room(len(part)):
            self._is_given_up = True
            return
        try:
            self._file.write(part)
        except OSError:
            # Of no harm: the layer is made all the same.
            self._is_given_up = True
            return
        start, size = self._index.get(path, (self._size, 0))
        self._index[path] = (start, size + len(part))
        self._crc = _crc(part, self._crc)
        self._size += len(part)

    def end(self) -> bool:
        """Write the index; return whether the file is whole, and worth keeping."""
        if self._is_given_up or not self._index:
            return False
        table = {"crc32": self._crc, "contents": self._index}
        index = json.dumps(table, separators=(",", ":")).encode()
        try:
            self._file.write(index + _END.pack(len(index), hashlib.sha256(index).digest()))
            self._file.flush()
        except OSError:
            return False
        return True


def _opened(path: Path) -> _Reading | None:
    """Return what is in a file, None where it is not there or damaged."""
    with suppress(FileNotFoundError):
        file = path.open("rb", buffering=_PART_BYTES)
        state = os.fstat(file.fileno())
        index = _index(path, (state.st_ino, state.st_size, state.st_mtime_ns))
        if index is not None:
            return _Reading(path, file, index)
        file.close()
    return None


@lru_cache(maxsize=_INDEXES)
def _index(path: Path, _: tuple[int, int, int]) -> dict[str, tuple[int, int]] | None:
    """Return where each content is in a file, None if damaged; each of its states is read to the end once."""
    with suppress(OSError, ValueError, struct.error), path.open("rb", buffering=_PART_BYTES) as file:
        end = file.seek(0, 2) - _END.size
        file.seek(max(end, 0))
        size, digest = _END.unpack(file.read())
        if size > min(end, _LARGEST_INDEX):
            return None
        file.seek(end - size)
        content = file.read(size)
        if hashlib.sha256(content).digest() != digest:
            return None
        table = json.loads(content)
        crc = 0
        for part in read_extent(file, 0, end - size):
            crc = _crc(part, crc)
        contents: dict[str, tuple[int, int]] = table["contents"]
        return contents if crc == table["crc32"] else None
    return None


def read_extent(file: BinaryIO, start: int, size: int) -> Iterator[bytes]:
    """Yield up to ``size`` bytes of a file from ``start`` on, in parts."""
    file.seek(start)
    while size and (part := file.read(min(size, _PART_BYTES))):
        size -= len(part)
        yield part


def _crc(part: bytes, crc: int) -> int:
    # Twenty times as fast as the standard library's.
    from deflate import crc32

    return int(crc32(part, crc))
