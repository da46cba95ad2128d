"""A layer: the tar of entries at their place in the image, compressed, with both digests, written in one pass.

The tar depends on the entries alone. The compressed bytes depend on the library, its version and its level as
well, and on the size of the parts that it is given, which is therefore always the same. A large file that linking
leaves as it is packaged is compressed apart from what surrounds it, so that its compressed bytes are the same in
the layers of other environments.
"""

from __future__ import annotations

import hashlib
import sys
import tarfile
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, Protocol

from pixi_container.environment.entries import EARLIEST, PART_BYTES, PathEntry
from pixi_container.environment.shared_contents import read_extent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from pixi_container.environment.shared_contents import Extent, PackageContents
    from pixi_container.registry.blobs import Parts

    _Keep = Callable[[bytes], None] | None

Compression = Literal["gzip", "zstd"]

MEDIA_TYPES: dict[Compression, str] = {
    "gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    "zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
}
_GZIP_LEVEL = 5
_MEMBER_BYTES = 4 * PART_BYTES
"""So much of a tar is in one member of gzip; a smaller one costs bytes, a larger one memory."""

_ZSTD_LEVEL = 3
_APART_BYTES = 32 << 10
"""So large a file is compressed apart; smaller ones would cost bytes, as each starts without what is before it."""

FORMS: dict[Compression, str] = {"gzip": f"gzip-{_GZIP_LEVEL}-{_MEMBER_BYTES}"}
"""What the compressed bytes of a file depend on besides its content, for a compression that has files apart.

With zstd, whose window is of megabytes, files apart would make layers 5 % larger.
"""

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


@dataclass(frozen=True)
class Borrowed:
    """Bytes of a layer that are in another file than the rest, before the byte ``at`` of that."""

    at: int
    extent: Extent


def file_parts(file: Path, borrowed: Sequence[Borrowed] = ()) -> Parts:
    """Yield the bytes of a layer in a file, with those in other files, to be uploaded."""
    with file.open("rb") as stream:
        at = 0
        for each in borrowed:
            yield from read_extent(stream, at, each.at - at)
            at = each.at
            with each.extent.file.open("rb") as other:
                yield from read_extent(other, each.extent.start, each.extent.size)
        yield from read_extent(stream, at, sys.maxsize)


class _Compressor(Protocol):
    part_bytes: int
    """The size of all parts but the last."""

    def compress(self, part: memoryview, /) -> bytes: ...

    def flush(self) -> bytes: ...


class LayerWriter:
    """Writes a layer to an open file. Nothing is written to disk besides.

    ``borrowed`` are bytes that are left where they are, between those in the file.
    """

    def __init__(self, out: BinaryIO, compression: Compression = "gzip") -> None:
        self._out = out
        self._media_type = MEDIA_TYPES[compression]
        self._compressor: _Compressor = _Gzip() if compression == "gzip" else _Zstd()
        self._tar_hash = hashlib.sha256()
        self._blob_hash = hashlib.sha256()
        self._pending = bytearray()
        self._has_members = compression == "gzip"
        self._size = 0
        self.borrowed: list[Borrowed] = []
        self._folders: set[str] = set()
        self._others: set[str] = set()

    def add(self, entries: Iterable[PathEntry], root: str = "", members: PackageContents | None = None) -> None:
        """Add entries, whose paths are relative to the folder ``root`` of the image, and the folders above them.

        ``members`` has compressed files of the package that the entries are of, which are borrowed, or takes them.
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
                self._add_other(entry, path, start, members)

    def finish(self) -> LayerBlob:
        """Write the end of the layer; the file stays open."""
        self._put(bytes(2 * tarfile.BLOCKSIZE))
        self._cut()
        self._write(self._compressor.flush())
        return LayerBlob(
            self._media_type,
            f"sha256:{self._blob_hash.hexdigest()}",
            self._size,
            f"sha256:{self._tar_hash.hexdigest()}",
        )

    def _add_other(self, entry: PathEntry, path: str, start: str, members: PackageContents | None) -> None:
        if path in self._others or path in self._folders:
            raise ValueError(f"{path} is in the layer already")
        self._others.add(path)
        target = f"{start}{entry.target}" if entry.kind == "hardlink" else entry.target
        self._put(_header(path, entry, target))
        content = _padded(entry, path)
        if not (self._has_members and entry.packaged and entry.size >= _APART_BYTES):
            for part in content:
                self._put(part)
            return
        self._cut()
        ready = members.read(entry.packaged) if members else None
        if members is None or ready is None:
            keep = (lambda compressed: members.add(entry.packaged, compressed)) if members else None
            for part in content:
                self._put(part, keep)
            self._cut(keep)
            return
        for part in content:
            self._tar_hash.update(part)
        for compressed in ready:
            self._blob_hash.update(compressed)
        extent = members.extent(entry.packaged)
        self.borrowed.append(Borrowed(self._out.tell(), extent))
        self._size += extent.size

    def _add_folder(self, path: str, entry: PathEntry = _PARENT) -> None:
        if not path or path in self._folders:
            return
        self._add_folder(path.rpartition("/")[0])
        if path in self._others:
            raise ValueError(f"{path} is in the layer already, and no folder")
        self._folders.add(path)
        self._put(_header(f"{path}/", entry, ""))

    def _put(self, data: bytes, keep: _Keep = None) -> None:
        self._pending += data
        size = self._compressor.part_bytes
        while len(self._pending) >= size:
            self._compress(size, keep)

    def _compress(self, size: int, keep: _Keep) -> None:
        with memoryview(self._pending) as pending, pending[:size] as part:
            self._tar_hash.update(part)
            self._write(self._compressor.compress(part), keep)
        del self._pending[:size]

    def _cut(self, keep: _Keep = None) -> None:
        """Have what comes next in a member of its own, where the compression has members."""
        if self._pending:
            self._compress(len(self._pending), keep)

    def _write(self, data: bytes, keep: _Keep = None) -> None:
        self._blob_hash.update(data)
        self._size += len(data)
        self._out.write(data)
        if keep:
            keep(data)


class _Gzip:
    """Compresses to members of gzip, which together decompress to one stream; they have neither a time nor a name.

    libdeflate compresses what it has as a whole, in two thirds of the time of a library for streams, to less.
    Source: https://www.rfc-editor.org/rfc/rfc1952#page-5, section 2.2.
    """

    part_bytes = _MEMBER_BYTES

    def compress(self, part: memoryview) -> bytes:
        from deflate import gzip_compress

        return bytes(gzip_compress(part, _GZIP_LEVEL))

    def flush(self) -> bytes:
        return b""


class _Zstd:
    """Compresses to one frame."""

    part_bytes = PART_BYTES

    def __init__(self) -> None:
        # The standard library's from Python 3.14 on, else its backport.
        from conda_package_streaming.package_streaming import zstd

        options = {
            zstd.CompressionParameter.compression_level: _ZSTD_LEVEL,
            zstd.CompressionParameter.checksum_flag: 1,
        }
        self._compressor = zstd.ZstdCompressor(options=options)

    def compress(self, part: memoryview) -> bytes:
        return bytes(self._compressor.compress(part))

    def flush(self) -> bytes:
        return bytes(self._compressor.flush())


def _padded(entry: PathEntry, path: str) -> Iterator[bytes]:
    """Yield a content, filled up to whole blocks. Raises ``ValueError`` when it is not of its size."""
    written = 0
    for part in entry.content:
        yield part
        written += len(part)
    if written != entry.size:
        raise ValueError(f"{path} has {written} bytes, not {entry.size}")
    if padding := -written % tarfile.BLOCKSIZE:
        yield bytes(padding)


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
    end, end_sum = _header_end(kind, link)
    return start + b"%06o\0 " % (sum(start) + end_sum + 8 * ord(" ")) + end


@lru_cache(maxsize=64)
def _header_end(kind: bytes, link: bytes) -> tuple[bytes, int]:
    """Return what follows the checksum, and its share of the checksum."""
    end = kind + link.ljust(100, b"\0") + _REST
    return end, sum(end)


# The standard library writes the same bytes, and takes five times as long for a header of this form.
_REST = b"ustar\x0000".ljust(255, b"\0")
