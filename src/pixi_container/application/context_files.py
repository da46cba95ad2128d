"""What a COPY of the last stage puts into the image: files of the build context as BuildKit copies them.

Kept are mode, time in seconds, links as they are written, and hard links within one copy; everything belongs to
root or to the copy's owner, and extended attributes are left out. The folder that is copied has the mode 755 and
its own time.
Source: https://github.com/tonistiigi/fsutil/blob/master/copy/copy.go
"""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pixi_container.environment.entries import PART_BYTES, PathEntry
from pixi_container.errors import UserError
from pixi_container.shortening import shortened
from pixi_container.workspace.build_context import open_sent, sent_paths, unreadable
from pixi_container.workspace.ignore_patterns import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from pixi_container.image.production_stage import ContextCopy
    from pixi_container.workspace.dockerignore import DockerIgnore

_WHITEOUT = ".wh."
"""Names that begin so remove files: https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts."""


def copied_entries(context: Path, copy: ContextCopy, ignore: DockerIgnore) -> Iterator[PathEntry]:
    """Yield what the copy puts into the image, folders before what is in them.

    The content of a file has to be read before the next entry is asked for. Raises ``UserError`` for what cannot
    be read or changes meanwhile, leads out of the context, is excluded from it, or fits into no layer.
    """
    places: dict[str, str] = {}
    for source in copy.sources:
        places |= _placed(context, source, copy.destination, ignore)
    top = copy.destination.strip("/")
    linked: dict[tuple[int, int], str] = {}
    for path in sorted(places, key=lambda path: path.split("/")):
        for entry in _entries(path, places[path], linked, is_top=path == top):
            yield _given(entry, copy)


def _given(entry: PathEntry, copy: ContextCopy) -> PathEntry:
    """Return an entry with the owner and the mode of the copy, where it has them; links have no own mode."""
    user, _, group = copy.owner.partition(":")
    mode = int(copy.mode, 8) if copy.mode and entry.kind != "symlink" else entry.mode
    return replace(entry, mode=mode, user=int(user or 0), group=int(group or user or 0))


def _placed(context: Path, source: str, destination: str, ignore: DockerIgnore) -> dict[str, str]:
    """Return the paths in the image of one source, with their places on this machine."""
    sent = sent_paths(context, source, ignore)
    if not sent:
        raise UserError(
            f"'{shortened(source)}' is in the checkout but not in the build context",
            file=str(context / ".dockerignore"),
            hint=f"A pattern in .dockerignore excludes it. Add the line '!{shortened(source)}' to the end of that "
            "file.",
        )
    name, into = str(PurePosixPath(source)), destination.strip("/")
    top = (context / source).resolve()
    if not top.is_dir():
        return {f"{into}/{PurePosixPath(name).name}" if destination.endswith("/") else into: sent[name]}
    placed = {into: str(top)}
    for path, place in sent.items():
        inner, at = path if name == "." else path[len(name) + 1 :], place
        # An excluded folder is there as well if something in it is not excluded.
        while inner and f"{into}/{inner}" not in placed:
            placed[f"{into}/{inner}"] = at
            inner, at = inner.rpartition("/")[0], at.rpartition("/")[0]
    return placed


def _entries(path: str, place: str, linked: dict[tuple[int, int], str], *, is_top: bool) -> Iterator[PathEntry]:
    """Yield the one entry of a file, link or folder, open while it is used; ``linked`` has the files before it."""
    _check_name(path, place)
    try:
        status = os.lstat(place)
        mode, mtime = stat.S_IMODE(status.st_mode), status.st_mtime_ns // 10**9
        if stat.S_ISLNK(status.st_mode):
            target = os.readlink(place)  # noqa: PTH115 - a path object has another text
            _check_encodable(target, place, "leads to")
            yield PathEntry(path, "symlink", 0o777, mtime, target=target)
        elif stat.S_ISDIR(status.st_mode):
            yield PathEntry(path, "directory", 0o755 if is_top else mode, mtime)
        elif not stat.S_ISREG(status.st_mode):
            raise _special(place)
        else:
            with open_sent(place) as stream:
                yield _file(path, place, stream, linked)
    except OSError as error:
        raise unreadable(place, error) from error


def _file(path: str, place: str, stream: BinaryIO, linked: dict[tuple[int, int], str]) -> PathEntry:
    status = os.fstat(stream.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise _special(place)
    mode, mtime = stat.S_IMODE(status.st_mode), status.st_mtime_ns // 10**9
    if status.st_nlink > 1:
        first = linked.setdefault((status.st_dev, status.st_ino), path)
        if first != path:
            return PathEntry(path, "hardlink", mode, mtime, target=first)
    return PathEntry(path, "file", mode, mtime, status.st_size, content=_parts(stream, status.st_size, place))


def _parts(stream: BinaryIO, size: int, place: str) -> Iterator[bytes]:
    """Yield exactly as many bytes as the file had when it was opened."""
    left = size
    try:
        while part := stream.read(PART_BYTES):
            left -= len(part)
            if left < 0:
                break
            yield part
    except OSError as error:
        raise unreadable(place, error) from error
    if left:
        raise UserError("the file changed while it was copied into the image", file=printable(place))


def _check_name(path: str, place: str) -> None:
    _check_encodable(path, place, "has")
    if path.rpartition("/")[2].startswith(_WHITEOUT):
        raise UserError(
            f"the name begins with '{_WHITEOUT}', which in an image means that a file is removed",
            file=printable(place),
            hint="Rename the file, or exclude it in .dockerignore.",
        )


def _check_encodable(text: str, place: str, verb: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"this {verb} a name that is not UTF-8, which no image can have",
            file=printable(place),
            hint="Rename the file, or exclude it in .dockerignore.",
        ) from error


def _special(place: str) -> UserError:
    return UserError(
        "this is neither a file, a folder nor a link, so it cannot be copied into an image",
        file=printable(place),
        hint="Remove it, or exclude it in .dockerignore.",
    )
