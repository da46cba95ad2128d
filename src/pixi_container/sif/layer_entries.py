"""The entries of a layer's tar, without content, and the content of those that are wanted."""

from __future__ import annotations

import tarfile
from typing import IO, TYPE_CHECKING, NamedTuple, cast

from pixi_container.environment.layer_reading import opened_layer
from pixi_container.errors import RegistryError
from pixi_container.shortening import shortened

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

FOLDER, FILE, SYMLINK, HARD_LINK = tarfile.DIRTYPE, tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE

_WHAT = "a layer of the image"
_KINDS = frozenset({FOLDER, FILE, SYMLINK, HARD_LINK, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE})
_LATEST = 2**32 - 1
"""The latest time, and the highest user and group, that squashfs can store."""


class LayerEntry(NamedTuple):
    """What a layer has at a path, which is relative, in normal form and without ``..``; ``""`` is the root.

    ``number`` is its place in the tar, from zero on. ``kind`` is one of tar's types, ``target`` that of a link:
    a path for a hard link. ``mtime`` is in seconds, ``size`` in bytes.
    """

    path: str
    kind: bytes
    mode: int
    number: int = 0
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    size: int = 0
    target: str = ""
    device: tuple[int, int] = (0, 0)


def read_entries(parts: Iterator[bytes], media_type: str) -> list[LayerEntry]:
    """Return the entries of a layer in their order.

    Raises ``RegistryError`` for a layer that cannot be read, or has a path that leads out of it.
    """
    with opened_layer(parts, media_type, what=_WHAT) as tar:
        return [_entry(info, number) for number, info in enumerate(_members(tar))]


def read_contents(
    parts: Iterator[bytes], media_type: str, wanted: Collection[int]
) -> Iterator[tuple[int, IO[bytes]]]:
    """Yield number and content of each wanted file of a layer; each can be read until the next is asked for."""
    left = len(wanted)
    with opened_layer(parts, media_type, what=_WHAT) as tar:
        for number, info in enumerate(_members(tar)):
            if number in wanted:
                yield number, cast("IO[bytes]", tar.extractfile(info))
                left -= 1
            if not left:
                return


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (info := tar.next()) is not None:
        # Otherwise it keeps everything that it has read.
        tar.members = []  # type: ignore[attr-defined]
        yield info


def _entry(info: tarfile.TarInfo, number: int) -> LayerEntry:
    kind = FILE if info.isreg() else info.type
    if kind not in _KINDS:
        raise RegistryError(f"{_WHAT} has an entry of an unknown type: {shortened(info.name)!r}")
    return LayerEntry(
        path=normal_path(info.name),
        kind=kind,
        mode=info.mode & 0o7777,
        number=number,
        uid=_stored(info.uid),
        gid=_stored(info.gid),
        mtime=_stored(int(info.mtime)),
        size=info.size if kind == FILE else 0,
        target=normal_path(info.linkname) if kind == HARD_LINK else info.linkname if kind == SYMLINK else "",
        device=(info.devmajor, info.devminor),
    )


def normal_path(name: str) -> str:
    """Return a path of a tar without leading slashes and dots. Raises ``RegistryError`` if it has ``..``."""
    steps = [step for step in name.split("/") if step not in {"", "."}]
    if ".." in steps:
        raise RegistryError(f"{_WHAT} has a path that leads out of it: {shortened(name)!r}")
    return "/".join(steps)


def _stored(number: int) -> int:
    return min(max(number, 0), _LATEST)
