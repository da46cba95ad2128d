"""Layers as registries have them: compressed tars, read from start to end."""

from __future__ import annotations

import tarfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from pixi_container.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PART_BYTES = 1 << 20


@contextmanager
def opened_layer(parts: Iterator[bytes], media_type: str, *, what: str) -> Iterator[tarfile.TarFile]:
    """Yield the tar in a layer, to be read from start to end.

    Raises ``RegistryError``, which calls the layer ``what``, where it cannot be read.
    """
    from conda_package_streaming.package_streaming import zstd

    try:
        with tarfile.open(
            fileobj=cast("Any", PartsStream(decompressed(parts, media_type))), mode="r|", bufsize=_PART_BYTES
        ) as tar:
            yield tar
    except (tarfile.TarError, EOFError, ValueError, zlib.error, zstd.ZstdError) as error:
        raise RegistryError(f"{what} cannot be read: {error}") from error


def decompressed(parts: Iterator[bytes], media_type: str) -> Iterator[bytes]:
    """Yield a layer's tar. A media type without a known compression is that of a plain tar."""
    if media_type.endswith(("+gzip", ".gzip")):
        unpacker = zlib.decompressobj(31)
        for part in parts:
            left = part
            while left:
                yield unpacker.decompress(left, _PART_BYTES)
                left = unpacker.unconsumed_tail
                # A file of gzip may have several members.
                if unpacker.eof and (left := unpacker.unused_data):
                    unpacker = zlib.decompressobj(31)
    elif media_type.endswith(("+zstd", ".zstd")):
        from conda_package_streaming.package_streaming import zstd

        with zstd.open(cast("Any", PartsStream(parts))) as reader:
            yield from iter(lambda: reader.read(_PART_BYTES), b"")
    else:
        yield from parts


class PartsStream:
    """Parts as a file that is read from start to end."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = filter(None, parts)
        self._kept = memoryview(b"")

    def read(self, size: int = -1) -> bytes:
        """Return that many bytes, fewer only at the end."""
        pieces: list[memoryview] = []
        while size > 0:
            if not self._kept:
                self._kept = memoryview(next(self._parts, b""))
                if not self._kept:
                    break
            pieces.append(self._kept[:size])
            self._kept = self._kept[size:]
            size -= len(pieces[-1])
        return b"".join(pieces)
