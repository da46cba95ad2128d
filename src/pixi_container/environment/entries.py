"""One path of an environment with its content, as packages bring it and a layer holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

EARLIEST = 315_532_800
"""1980-01-01 in seconds since 1970: the time of what no package brings, and the earliest that a file may have."""

PART_BYTES = 1 << 20
"""The most bytes of a file's content that are in memory at once."""

Kind = Literal["file", "symlink", "hardlink", "directory"]


@dataclass(frozen=True)
class PathEntry:
    """A path below the prefix, as is the ``target`` of a hard link; that of a symbolic link is as written.

    ``user`` and ``group`` are numbers; what an environment has belongs to root.

    ``content`` gives the ``size`` bytes of a file in parts. It can be read once, and where entries come from an
    archive, before the next entry is asked for. ``packaged`` is the path in its package of a file whose content is
    as packaged, whatever the environment; empty for all others.
    """

    path: str
    kind: Kind = "file"
    mode: int = 0o644
    mtime: int = EARLIEST
    size: int = 0
    target: str = ""
    content: Iterable[bytes] = ()
    user: int = 0
    group: int = 0
    packaged: str = ""


def text_entry(path: str, text: str, mode: int = 0o644) -> PathEntry:
    """Return a file that no package brings."""
    content = text.encode()
    return PathEntry(path, mode=mode, size=len(content), content=(content,))
