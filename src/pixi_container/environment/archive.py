"""Files of a conda package archive, as a stream: nothing is unpacked to disk.

A ``.conda`` is a zip of two zstd tars, the metadata apart from the payload; a ``.tar.bz2`` is one tar with both.
Source: https://docs.conda.io/projects/conda/en/stable/user-guide/concepts/packages.html
"""

from __future__ import annotations

import tarfile
import zipfile
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, TYPE_CHECKING, BinaryIO, Protocol, cast

from pixi_container.environment.entries import EARLIEST, PART_BYTES, PathEntry
from pixi_container.environment.refusals import BrokenPackageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_METADATA = frozenset({"info/index.json", "info/paths.json", "info/link.json", "info/about.json"})
_METADATA_BYTES = 64 << 20
_BETWEEN_FILES = 8 << 20
"""The most bytes of a tar that may lie between the content of two files: headers, and what is read ahead."""
_LARGEST_FILE = 1 << 36
_PACKED_BYTES = 128 << 10
_PART_BYTES = 256 << 10
"""So much is decompressed at once, which a processor's cache holds."""


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class CondaPackage(Protocol):
    """What linking needs of a package. ``metadata`` has its small files by name."""

    name: str
    metadata: dict[str, bytes]
    about_time: int | None
    """The time of ``info/about.json``."""

    def entries(self) -> Iterator[PathEntry]:
        """Yield what the package has, each with a content that is to be read before the next one."""


class Archive:
    """An open archive. ``metadata`` has its small files by name; ``about_time`` is that of ``info/about.json``."""

    def __init__(self, path: Path, resources: ExitStack) -> None:
        self.name = path.name
        self.metadata: dict[str, bytes] = {}
        self.about_time: int | None = None
        self._path = path
        self._resources = resources
        self._plain: BinaryIO | None = None
        self._zip: zipfile.ZipFile | None = None
        with self._broken():
            if path.name.endswith(".conda"):
                self._zip = resources.enter_context(zipfile.ZipFile(path))
            elif path.name.endswith(".tar.bz2"):
                self._plain = self._decompressed()
            else:
                raise BrokenPackageError(self.name, "it is neither a .conda nor a .tar.bz2 file")
        for entry in self._entries("info"):
            if entry.path in _METADATA and entry.kind == "file":
                self._keep(entry)

    def entries(self) -> Iterator[PathEntry]:
        """Yield what the package has, as it lies in the archive, with times as rattler unpacks them.

        Raises ``BrokenPackageError`` for what is damaged or would leave the environment.
        """
        yield from self._entries("pkg")

    def _entries(self, component: str) -> Iterator[PathEntry]:
        # Closed with the archive as well, for those that stop in the middle.
        with self._broken(), self._resources.enter_context(ExitStack()) as resources:
            stream = _Forward(self._stream(component, resources), self.name)
            # With no other form of compression, and with positions, as those of a stream cost copies.
            with tarfile.open(fileobj=cast("BinaryIO", stream), mode="r:", encoding="utf-8") as tar:
                for member in tar:
                    self._check(member)
                    stream.allow(_padded(member.size) + _BETWEEN_FILES)
                    if not member.isdir() or member.name.strip("./"):
                        yield self._entry(stream, member)

    def _stream(self, component: str, resources: ExitStack) -> Iterator[bytes]:
        if self._zip is None:
            plain = cast("BinaryIO", self._plain)
            plain.seek(0)
            return iter(lambda: plain.read(_PART_BYTES), b"")
        stem = self.name.removesuffix(".conda")
        parts = [info for info in self._zip.infolist() if info.filename == f"{component}-{stem}.tar.zst"]
        if len(parts) != 1:
            raise BrokenPackageError(self.name, f"it has {len(parts)} members {component}-{stem}.tar.zst, not one")
        return _decompressed(resources.enter_context(self._zip.open(parts[0])))

    def _decompressed(self) -> BinaryIO:
        """Return the tar of a ``.tar.bz2`` as a file: its metadata may lie anywhere, and bzip2 is slow."""
        import bz2
        import shutil
        import tempfile

        plain = self._resources.enter_context(tempfile.TemporaryFile(dir=self._path.parent))  # noqa: SIM115
        with bz2.open(self._path) as packed:
            shutil.copyfileobj(_Limited(packed, self.name, _LARGEST_FILE), plain, PART_BYTES)
        return cast("BinaryIO", plain)

    def _keep(self, entry: PathEntry) -> None:
        if entry.path in self.metadata:
            raise BrokenPackageError(self.name, f"it has {entry.path} twice")
        if entry.size > _METADATA_BYTES:
            raise BrokenPackageError(self.name, f"{entry.path} has {entry.size} bytes")
        self.metadata[entry.path] = b"".join(entry.content)
        if entry.path == "info/about.json":
            self.about_time = entry.mtime

    def _check(self, member: tarfile.TarInfo) -> None:
        for name in (member.name, member.linkname if member.islnk() else ""):
            if name.startswith("/") or ".." in name.split("/") or "\0" in name:
                raise BrokenPackageError(self.name, f"its path {name!r} leads out of the environment")
        if member.issparse() or not (member.isreg() or member.issym() or member.islnk() or member.isdir()):
            raise BrokenPackageError(self.name, f"{member.name} is neither a file nor a folder nor a link")
        if not 0 <= member.size <= _LARGEST_FILE:
            raise BrokenPackageError(self.name, f"{member.name} has {member.size} bytes")

    def _entry(self, stream: _Forward, member: tarfile.TarInfo) -> PathEntry:
        path = _relative(member.name)
        mtime = max(int(member.mtime), EARLIEST)
        mode = _mode(member.mode)
        if member.issym():
            return PathEntry(path, "symlink", 0o777, mtime, target=member.linkname)
        if member.islnk():
            return PathEntry(path, "hardlink", mode, mtime, target=_relative(member.linkname))
        if member.isdir():
            return PathEntry(path, "directory", 0o755, mtime)
        return PathEntry(path, "file", mode, mtime, member.size, content=self._parts(stream, member))

    def _parts(self, stream: _Forward, member: tarfile.TarInfo) -> Iterator[bytes]:
        with self._broken():
            stream.seek(member.offset_data)
            left = member.size
            while left:
                part = stream.next_part(left)
                left -= len(part)
                yield part

    @contextmanager
    def _broken(self) -> Iterator[None]:
        """Have what the libraries say of a damaged archive raised as an error that names the package."""
        from conda_package_streaming.package_streaming import zstd

        damage = (tarfile.TarError, zipfile.BadZipFile, zstd.ZstdError, EOFError, NotImplementedError, ValueError)
        try:
            yield
        except damage as error:
            raise BrokenPackageError(self.name, f"it cannot be unpacked: {error}") from error
        except (OSError, RuntimeError) as error:
            # Of the disk, when it has a number; else of what is in the archive.
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise BrokenPackageError(self.name, f"it cannot be unpacked: {error}") from error


class _Forward:
    """A stream as a file that is only read forwards, without copies of large parts.

    No more is read than is allowed, so that no header makes a library collect gigabytes.
    """

    def __init__(self, parts: Iterator[bytes], name: str) -> None:
        self._parts = parts
        self._name = name
        self._part = b""
        self._start = 0
        self._position = 0
        self._most = _BETWEEN_FILES

    def allow(self, size: int) -> None:
        """Let ``size`` more bytes be read from here on."""
        self._most = self._position + size

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> None:
        """Go on to a position. Raises ``EOFError`` where the stream ends before it, ``ValueError`` to go back."""
        if position < self._position:
            raise ValueError("it is read too late")
        while self._position < position:
            self.next_part(position - self._position)

    def read(self, size: int) -> bytes:
        """Return so many bytes, fewer at the end of the stream."""
        start, end = self._start, self._start + size
        if end <= len(self._part):
            self._start = end
            self._go_on(size)
            return self._part[start:end]
        taken = []
        with suppress(EOFError):
            while size:
                taken.append(self.next_part(size))
                size -= len(taken[-1])
        return b"".join(taken)

    def next_part(self, most: int) -> bytes:
        """Return some bytes, one at least. Raises ``EOFError`` at the end."""
        if self._start == len(self._part):
            self._part, self._start = next(self._parts, b""), 0
            if not self._part:
                raise EOFError("it ends in the middle of a file")
        start = self._start
        self._start = min(len(self._part), start + most)
        self._go_on(self._start - start)
        return self._part[start : self._start]

    def _go_on(self, size: int) -> None:
        self._position += size
        if self._position > self._most:
            raise BrokenPackageError(self._name, "its headers are larger than any file name needs")


class _Limited:
    """A stream of which no more is read than is allowed, so that no header makes a library collect gigabytes."""

    def __init__(self, stream: _Readable, name: str, allowed: int = _BETWEEN_FILES) -> None:
        self._stream = stream
        self._name = name
        self._left = allowed

    def allow(self, size: int) -> None:
        """Let ``size`` more bytes be read from here on."""
        self._left = size

    def read(self, size: int = -1) -> bytes:
        part = self._stream.read(size)
        self._left -= len(part)
        if self._left < 0:
            raise BrokenPackageError(self._name, "its headers are larger than any file name needs")
        return part


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open the archive of a conda package; for a ``.tar.bz2`` one temporary file lies beside it meanwhile.

    Raises ``BrokenPackageError``.
    """
    with ExitStack() as resources:
        yield Archive(path, resources)


def _decompressed(packed: IO[bytes]) -> Iterator[bytes]:
    """Yield what is in frames of zstd. Raises ``EOFError`` where the last one is not whole."""
    from conda_package_streaming.package_streaming import zstd

    data = packed.read(_PACKED_BYTES)
    while data:
        decompressor = zstd.ZstdDecompressor()
        while not decompressor.eof:
            part = decompressor.decompress(data, _PART_BYTES)
            if part:
                yield part
            data = packed.read(_PACKED_BYTES) if decompressor.needs_input and not decompressor.eof else b""
            if decompressor.needs_input and not decompressor.eof and not data:
                raise EOFError("it ends in the middle of a frame")
        data = decompressor.unused_data or packed.read(_PACKED_BYTES)


def _mode(mode: int) -> int:
    """Return the mode of a file in an image: as packaged, but all may read it, and only its owner write to it."""
    return (mode & 0o755) | 0o444 | (0o111 if mode & 0o111 else 0)


def _relative(name: str) -> str:
    return "/".join(part for part in name.split("/") if part not in {"", "."})


def _padded(size: int) -> int:
    return size + -size % tarfile.BLOCKSIZE
