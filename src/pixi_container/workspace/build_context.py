"""The files of the build context: which ones a build sees, and digests of their content."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from pixi_container.errors import UserError
from pixi_container.paths import LFS_POINTER, NEVER_COPIED, leads_out, read_text
from pixi_container.shortening import shortened
from pixi_container.workspace.dockerignore import DockerIgnore
from pixi_container.workspace.ignore_patterns import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pixi_container.workspace.dockerignore import Verdict

_CHUNK = 1 << 20
_LARGEST_POINTER = 1024
_COUNTED_BITS = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX | stat.S_IXUSR


def read_docker_ignore(context: Path, dockerfile: str = "") -> tuple[DockerIgnore, str]:
    """Return the patterns that exclude files from the build, and their text.

    A Dockerfile's own ``.dockerignore`` takes precedence, even if it is empty. Raises ``UserError`` for a file
    that cannot be read or leads out of its folder, as the builder only gets that folder, and for patterns that the
    builder refuses.
    Source: ``ReadEntrypoint`` in https://github.com/moby/buildkit/blob/master/frontend/dockerui/config.go
    """
    own = PurePosixPath(dockerfile)
    places = [(own.parent, f"{own.name}.dockerignore")] if dockerfile else []
    for parent, name in [*places, (PurePosixPath(), ".dockerignore")]:
        folder = context / parent
        if leads_out(context, str(parent)):
            raise UserError(f"'{parent}' leads out of the context, so it is not read", file=str(folder))
        try:
            text = read_text(folder, name, what=f"'{parent / name}'", errors="surrogateescape")
        except FileNotFoundError:
            continue
        return DockerIgnore.parse(text, str(folder / name)), printable(text)
    return DockerIgnore(), ""


def digest_of(
    context: Path, paths: Iterable[str], ignore: DockerIgnore, *, with_never_copied: bool = False
) -> str:
    """Return one SHA-256 of all files that the build sees at or below ``paths``: path, kind, content and mode.

    It is the same on every machine: order, dates, owners, umask and extended attributes do not count. Of the mode,
    only the owner's executable bit and the bits that no umask changes count. Folders count, as COPY also creates
    empty ones. A symbolic link counts by its target's name; if one of ``paths`` is itself a link, its target
    counts, as COPY follows it. ``with_never_copied`` includes ``.git`` and ``.pixi`` of the context. A path that
    does not exist is ignored. Raises ``UserError`` for one that leads out of the context or cannot be read.
    """
    total = hashlib.sha256()
    sent = [sent_paths(context, path, ignore, with_never_copied=with_never_copied) for path in paths]
    for name, place in sorted({name: place for places in sent for name, place in places.items()}.items()):
        # Paths and links may contain line breaks, but never a NUL.
        total.update(os.fsencode(f"{name}\0{_record(place)}\0"))
    return total.hexdigest()


def lfs_pointers(context: Path, paths: Iterable[str], ignore: DockerIgnore) -> Iterator[str]:
    """Yield the files at or below ``paths`` that are only Git LFS pointers.

    Raises ``UserError`` like ``digest_of``.
    """
    for path in paths:
        sent = sorted(sent_paths(context, path, ignore).items())
        yield from (name for name, place in sent if _is_lfs_pointer(place))


def sent_paths(
    context: Path, path: str, ignore: DockerIgnore, *, with_never_copied: bool = False
) -> dict[str, str]:
    """Return what the build sees at or below ``path``: paths in the context, with their places on this machine.

    An excluded folder is left out even if something in it is included. Raises ``UserError`` like ``digest_of``.
    """
    if PurePosixPath(path).is_absolute() or leads_out(context, path):
        raise UserError(
            f"'{printable(shortened(path))}' leads out of the context, so it is not read",
            hint=f"Paths are relative to '{context}'; a build cannot use files outside it.",
        )
    root = context.resolve()
    top = (context / path).resolve()
    verdict = ignore.top()
    for part in top.relative_to(root).parts:
        if ignore.is_skipped(verdict):
            return {}
        verdict = ignore.below(verdict, part)
    name = str(PurePosixPath(path))
    mode = _mode(str(top))
    if stat.S_ISDIR(mode):
        left_out = NEVER_COPIED if top == root and not with_never_copied else frozenset()
        return dict(_below(str(top), name, verdict, ignore, left_out))
    return {name: str(top)} if mode and not verdict.is_hidden else {}


def _below(
    top: str, name: str, verdict: Verdict, ignore: DockerIgnore, left_out: frozenset[str]
) -> Iterator[tuple[str, str]]:
    """Yield a folder and everything below it, unordered, without ``left_out`` at its top or following links."""
    folders = [(top, name, verdict)]
    while folders:
        folder, name, verdict = folders.pop()
        if ignore.is_skipped(verdict):
            continue
        if not verdict.is_hidden:
            yield name, folder
        for entry, is_folder in _entries(folder, is_hidden=verdict.is_hidden):
            if folder == top and entry in left_out:
                continue
            place = os.path.join(folder, entry)  # noqa: PTH118 - a path object for each file costs more than the rest
            below = entry if name == "." else f"{name}/{entry}"
            inner = ignore.below(verdict, entry)
            if is_folder:
                folders.append((place, below, inner))
            elif not inner.is_hidden:
                yield below, place


def _entries(folder: str, *, is_hidden: bool) -> list[tuple[str, bool]]:
    """Return the names in a folder, and which are folders; nothing for an excluded folder without permission.

    Source: ``Walk`` in https://github.com/tonistiigi/fsutil/blob/master/filter.go
    """
    try:
        with os.scandir(folder) as entries:
            return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    except OSError as error:
        if is_hidden and isinstance(error, PermissionError):
            return []
        raise unreadable(folder, error) from error


def _mode(place: str) -> int:
    try:
        return os.lstat(place).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        raise unreadable(place, error) from error


def _record(place: str) -> str:
    """Return what the digest covers for a file, link, folder or special file, without its path.

    The folders above are already checked or not links, so it is enough not to follow a link at ``place`` itself.
    """
    try:
        status = os.lstat(place)
        if stat.S_ISLNK(status.st_mode):
            return f"link {os.readlink(place)}"  # noqa: PTH115 - a path object has another text
        if stat.S_ISDIR(status.st_mode):
            return "folder"
        if not stat.S_ISREG(status.st_mode):
            return f"special {stat.S_IFMT(status.st_mode):o} {status.st_rdev}"
        with open_sent(place) as stream:
            content = hashlib.sha256()
            while chunk := stream.read(_CHUNK):
                content.update(chunk)
    except OSError as error:
        raise unreadable(place, error) from error
    return f"file {status.st_mode & _COUNTED_BITS:o} {content.hexdigest()}"


def _is_lfs_pointer(place: str) -> bool:
    try:
        status = os.lstat(place)
        if not stat.S_ISREG(status.st_mode) or not len(LFS_POINTER) < status.st_size <= _LARGEST_POINTER:
            return False
        with open_sent(place) as stream:
            return stream.read(len(LFS_POINTER)) == LFS_POINTER.encode()
    except OSError as error:
        raise unreadable(place, error) from error


def open_sent(place: str) -> BinaryIO:
    """Return a file of ``sent_paths`` opened to read it. Raises ``OSError``, also for a link in its place."""
    return os.fdopen(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def unreadable(place: str, error: OSError) -> UserError:
    """Return the error for a file or folder of the context that cannot be read."""
    return UserError(f"the build context cannot be read: {error.strerror or error}", file=printable(place))
