"""A layer: the tar of entries at their place in the image, compressed, with both digests, written in one pass.

The tar depends on the entries alone. The compressed bytes depend on the library, its version and its level as
well, and on the size of the parts that it is given, which is therefore always the same.
"""

from __future__ import annotations

import hashlib
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from pixi_container.environment.entries import EARLIEST, PART_BYTES, PathEntry

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import BinaryIO

    from pixi_container.registry.blobs import Parts

Compression = Literal["gzip", "zstd"]

MEDIA_TYPES: dict[Compression, str] = {
    "gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    "zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
}
_GZIP_LEVEL = 5
_MEMBER_BYTES = 4 * PART_BYTES
"""So much of a tar is in one member of gzip; a smaller one costs bytes, a larger one memory."""

_ZSTD_LEVEL = 3
_KINDS = {
    "file": tarfile.REGTYPE,
    "hardlink": tarfile.LNKTYPE,
    "symlink": tarfile.SYMTYPE,
    "directory": tarfile.DIRTYPE,
}
_PLAIN_BYTES = 100
"""So long may a name be in a header without an extension."""

_PLAIN_SIZE = 1 << 33
"""A size or a time has to be smaller for a header without an extension."""

_PLAIN_NUMBER = 1 << 21
"""The number of a user or a group has to be smaller for a header without an extension."""

_PARENT = PathEntry("", "directory", 0o755, EARLIEST)
"""What a folder is that only has to be there."""


@dataclass(frozen=True)
class LayerBlob:
    """A finished layer. ``digest`` and ``size`` are those of the compressed bytes, ``diff_id`` that of the tar."""

    media_type: str
    digest: str
    size: int
    diff_id: str


def file_parts(file: Path) -> Parts:
    """Yield the bytes of a layer in a file, to be uploaded."""
    with file.open("rb") as stream:
        while part := stream.read(PART_BYTES):
            yield part


class _Compressor(Protocol):
    def compress(self, data: bytearray, /) -> bytes: ...

    def flush(self) -> bytes: ...


class LayerWriter:
    """Writes a layer to an open file. Nothing is written to disk besides."""

    def __init__(self, out: BinaryIO, compression: Compression = "gzip") -> None:
        self._out = out
        self._media_type = MEDIA_TYPES[compression]
        self._compressor = _Gzip() if compression == "gzip" else _zstd()
        self._tar_hash = hashlib.sha256()
        self._blob_hash = hashlib.sha256()
        self._pending = bytearray()
        self._size = 0
        self._folders: set[str] = set()
        self._others: set[str] = set()

    def add(self, entries: Iterable[PathEntry], root: str = "") -> None:
        """Add entries, whose paths are relative to the folder ``root`` of the image, and the folders above them.

        A folder has the mode and time of its own entry if that comes before everything in it, else 755 and 1980.
        Raises ``ValueError`` for a path that is there already, or a content that is not of its size.
        """
        start = f"{root.strip('/')}/" if root.strip("/") else ""
        for entry in entries:
            path = f"{start}{entry.path}"
            self._add_folder(path.rpartition("/")[0])
            if entry.kind == "directory":
                self._add_folder(path, entry)
            else:
                self._add_other(entry, path, start)

    def finish(self) -> LayerBlob:
        """Write the end of the layer; the file stays open."""
        self._put(bytes(2 * tarfile.BLOCKSIZE))
        self._compress(self._pending)
        self._write(self._compressor.flush())
        return LayerBlob(
            self._media_type,
            f"sha256:{self._blob_hash.hexdigest()}",
            self._size,
            f"sha256:{self._tar_hash.hexdigest()}",
        )

    def _add_other(self, entry: PathEntry, path: str, start: str) -> None:
        if path in self._others or path in self._folders:
            raise ValueError(f"{path} is in the layer already")
        self._others.add(path)
        target = f"{start}{entry.target}" if entry.kind == "hardlink" else entry.target
        self._put(_header(path, entry, target))
        written = 0
        for part in entry.content:
            self._put(part)
            written += len(part)
        if written != entry.size:
            raise ValueError(f"{path} has {written} bytes, not {entry.size}")
        self._put(bytes(-written % tarfile.BLOCKSIZE))

    def _add_folder(self, path: str, entry: PathEntry = _PARENT) -> None:
        if not path or path in self._folders:
            return
        self._add_folder(path.rpartition("/")[0])
        if path in self._others:
            raise ValueError(f"{path} is in the layer already, and no folder")
        self._folders.add(path)
        self._put(_header(f"{path}/", entry, ""))

    def _put(self, data: bytes) -> None:
        self._pending += data
        while len(self._pending) >= PART_BYTES:
            part = self._pending[:PART_BYTES]
            del self._pending[:PART_BYTES]
            self._compress(part)

    def _compress(self, part: bytearray) -> None:
        self._tar_hash.update(part)
        self._write(self._compressor.compress(part))

    def _write(self, data: bytes) -> None:
        self._blob_hash.update(data)
        self._size += len(data)
        self._out.write(data)


class _Gzip:
    """Compresses to members of gzip, which together decompress to one stream; they have neither a time nor a name.

    libdeflate compresses what it has as a whole, in two thirds of the time of a library for streams, to less.
    Source: https://www.rfc-editor.org/rfc/rfc1952#page-5, section 2.2.
    """

    def __init__(self) -> None:
        self._pending = bytearray()
        self._is_empty = True

    def compress(self, data: bytearray) -> bytes:
        self._pending += data
        return self.flush() if len(self._pending) >= _MEMBER_BYTES else b""

    def flush(self) -> bytes:
        from deflate import gzip_compress

        if not self._pending and not self._is_empty:
            return b""
        member = bytes(gzip_compress(self._pending, _GZIP_LEVEL))
        self._pending.clear()
        self._is_empty = False
        return member


def _zstd() -> _Compressor:
    # The standard library's from Python 3.14 on, else its backport.
    from conda_package_streaming.package_streaming import zstd

    options = {
        zstd.CompressionParameter.compression_level: _ZSTD_LEVEL,
        zstd.CompressionParameter.checksum_flag: 1,
    }
    compressor: _Compressor = zstd.ZstdCompressor(options=options)
    return compressor


def _header(path: str, entry: PathEntry, target: str) -> bytes:
    """Return the header of a member: the plain form where that has room, else with an extension of POSIX's."""
    name, link = path.encode(), target.encode()
    kind, size = _KINDS[entry.kind], entry.size if entry.kind == "file" else 0
    is_plain = max(len(name), len(link)) <= _PLAIN_BYTES and (path + target).isascii()
    is_plain = is_plain and max(entry.user, entry.group) < _PLAIN_NUMBER
    if not is_plain or size >= _PLAIN_SIZE or not 0 <= entry.mtime < _PLAIN_SIZE:
        info = tarfile.TarInfo(path)
        info.mode, info.mtime, info.size, info.type, info.linkname = entry.mode, entry.mtime, size, kind, target
        info.uid, info.gid = entry.user, entry.group
        return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
    numbers = (entry.mode, entry.user, entry.group, size, entry.mtime)
    start = b"%b%07o\0%07o\0%07o\0%011o\0%011o\0" % (name.ljust(100, b"\0"), *numbers)
    end = kind + link.ljust(100, b"\0") + _REST
    return start + b"%06o\0 " % (sum(start) + sum(end) + 8 * ord(" ")) + end


# The standard library writes the same bytes, and takes five times as long for a header of this form.
_REST = b"ustar\x0000".ljust(255, b"\0")
