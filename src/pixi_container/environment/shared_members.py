"""Compressed files of packages that the environments of one step share.

There is a file for each package: the compressed bytes one after the other, an index of them in JSON, and at the
end the index's length and sha256. Only what linking leaves as it is packaged is kept.
"""

from __future__ import annotations

import hashlib
import json
import struct
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from pixi_container.environment.entries import PART_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from pixi_container.environment.shared_work import SharedWork

_END = struct.Struct(">Q32s")
_LARGEST_INDEX = 1 << 28


class SharedMembers:
    """The compressed files in a shared folder, by their package's sha256 and the form that they are in."""

    def __init__(self, work: SharedWork) -> None:
        self._work = work

    @contextmanager
    def of_package(self, sha256: str, form: str, check: Callable[[], None]) -> Iterator[PackageMembers]:
        """Yield those of a package, to be read where another environment has left them, else to be added to.

        ``form`` tells all that the bytes depend on besides the package. ``check`` is called while others compress
        the same package. What is added is kept once the block ends without an error.
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


class PackageMembers(Protocol):
    """The compressed files of one package."""

    def read(self, path: str) -> Iterator[bytes] | None:
        """Return the compressed bytes of a file in parts, None where there are none."""

    def add(self, path: str, compressed: bytes) -> None:
        """Add to the compressed bytes of a file, all of which come before those of another one."""


class _Reading:
    def __init__(self, file: BinaryIO, index: dict[str, tuple[int, int, int]]) -> None:
        self.file = file
        self._index = index

    def read(self, path: str) -> Iterator[bytes] | None:
        start, size, crc = self._index.get(path, (0, 0, 0))
        if not size or _crc(self._parts(start, size)) != crc:
            return None
        return self._parts(start, size)

    def add(self, path: str, compressed: bytes) -> None:
        """What is missing here is damaged, and not mended."""

    def _parts(self, start: int, size: int) -> Iterator[bytes]:
        self.file.seek(start)
        while size and (part := self.file.read(min(size, PART_BYTES))):
            size -= len(part)
            yield part


class _Adding:
    def __init__(self, file: BinaryIO, work: SharedWork) -> None:
        self._file = file
        self._work = work
        self._size = 0
        self._index: dict[str, tuple[int, int, int]] = {}
        self._is_given_up = False

    def read(self, path: str) -> Iterator[bytes] | None:  # noqa: ARG002
        return None

    def add(self, path: str, compressed: bytes) -> None:
        if self._is_given_up or not self._work.has_room(len(compressed)):
            self._is_given_up = True
            return
        try:
            self._file.write(compressed)
        except OSError:
            # Of no harm: the layer is made all the same.
            self._is_given_up = True
            return
        start, size, crc = self._index.get(path, (self._size, 0, 0))
        self._index[path] = (start, size + len(compressed), _crc([compressed], crc))
        self._size += len(compressed)

    def end(self) -> bool:
        """Write the index; return whether the file is whole, and worth keeping."""
        if self._is_given_up or not self._index:
            return False
        index = json.dumps(self._index, separators=(",", ":")).encode()
        try:
            self._file.write(index + _END.pack(len(index), hashlib.sha256(index).digest()))
            self._file.flush()
        except OSError:
            return False
        return True


def _opened(path: Path) -> _Reading | None:
    """Return what is in a file, None where it is not there or damaged."""
    with suppress(FileNotFoundError):
        file = path.open("rb")
        try:
            index = _index(file)
        except (OSError, ValueError, TypeError, struct.error):
            index = None
        if index is not None:
            return _Reading(file, index)
        file.close()
    return None


def _index(file: BinaryIO) -> dict[str, tuple[int, int, int]] | None:
    end = file.seek(0, 2) - _END.size
    file.seek(max(end, 0))
    size, digest = _END.unpack(file.read())
    if size > min(end, _LARGEST_INDEX):
        return None
    file.seek(end - size)
    content = file.read(size)
    if hashlib.sha256(content).digest() != digest:
        return None
    return {path: (start, length, crc) for path, (start, length, crc) in json.loads(content).items()}


def _crc(parts: Iterator[bytes] | list[bytes], crc: int = 0) -> int:
    # Twenty times as fast as the standard library's.
    from deflate import crc32

    for part in parts:
        crc = crc32(part, crc)
    return int(crc)
