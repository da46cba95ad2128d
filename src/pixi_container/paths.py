"""The one place that opens a user's file by its name: path, kind and size are checked before it is read.

Files of the build context that are met in a walk are hashed in ``workspace.build_context``, which follows no link.

A checkout comes from whoever opened the pull request. A link may lead anywhere on the machine, a named pipe never
answers, and a file may be larger than memory.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.shortening import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

NEVER_COPIED = frozenset({".git", ".pixi"})
"""Names at the top of the context that never become part of an image."""

PIXI_CONFIG = ".pixi/config.toml"
"""What of them a build may see all the same: https://pixi.prefix.dev/latest/reference/pixi_configuration/."""

HOW_TO_BE_INSIDE = (
    "A build has the manifest's folder, which 'context' names, and nothing beside it: move what is outside below "
    "that folder, or manifest and lock up to a folder that holds both."
)
"""What to do about a workspace's files outside of the context; no input makes another folder the context."""

LFS_POINTER = "version https://git-lfs.github.com/spec/v1"
"""How what Git LFS puts in a file's place begins: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md."""

HOW_TO_FETCH_LFS = "Check out with `lfs: true`, or run `git lfs pull`."

SMALL_FILE_BYTES = 4 * 1024 * 1024
"""The most that a file may hold which a person writes: a manifest, a Dockerfile, a template, ``.dockerignore``."""

LOCK_BYTES = 16 * 1024 * 1024
"""The most that a lock may hold; the largest of public workspaces have 5 MB."""

_MOUNTABLE = re.compile(r"[A-Za-z0-9_.@+-]+(/[A-Za-z0-9_.@+-]+)*")
_LONGEST_PATH = 4096
_LONGEST_NAME = 255
_NOT_COPIED_BY_NAME = re.compile(r"[\x00-\x1f\x7f$*?\[\]\\\"]")


def is_in_context(context: Path, path: str) -> bool:
    """Return whether ``path``, relative to ``context`` or absolute, exists and stays inside after every link."""
    return exists(context, path) and not leads_out(context, path)


def exists(context: Path, path: str) -> bool:
    """Return whether there is something at ``path``, wherever it leads; no path of any form makes this raise."""
    return _is(Path.exists, context, path)


def is_file(context: Path, path: str) -> bool:
    """Return whether there is a regular file at ``path``, wherever it leads; raises as little as ``exists``."""
    return _is(Path.is_file, context, path)


def is_folder(context: Path, path: str) -> bool:
    """Return whether there is a folder at ``path``, wherever it leads; raises as little as ``exists``."""
    return _is(Path.is_dir, context, path)


def is_empty_folder(context: Path, path: str) -> bool:
    """Return whether there is a folder at ``path`` with nothing in it, as Git leaves one for a submodule."""
    try:
        return is_folder(context, path) and not any((context / path).iterdir())
    except OSError:
        return False


def is_lfs_pointer(context: Path, path: str) -> bool:
    """Return whether the file at ``path`` is what Git LFS puts in the place of one that was not fetched."""
    if not is_file(context, path) or leads_out(context, path):
        return False
    with open_file(context, path, what=f"'{path}'") as stream:
        return stream.read(len(LFS_POINTER)) == LFS_POINTER.encode()


def leads_out(context: Path, path: str) -> bool:
    """Return whether ``path`` is outside of ``context`` once every link and ``..`` is followed, or never ends.

    What never becomes part of an image is outside as well: ``.git/config`` may hold the job's token.
    """
    top = context.resolve()
    try:
        target = (context / path).resolve()
        if not target.is_relative_to(top):
            return True
        inside = target.relative_to(top)
        return bool(NEVER_COPIED & set(inside.parts)) and inside.as_posix() != PIXI_CONFIG
    except (OSError, RuntimeError, ValueError):
        # Such as a loop of links.
        return True


def is_possible(path: str) -> bool:
    """Return whether a file system can have the path."""
    return "\0" not in path and not is_too_long(path)


def can_be_mounted(path: str) -> bool:
    """Return whether a path can stand in a mount's options of a Dockerfile, which know no quotes."""
    return path == "." or bool(_MOUNTABLE.fullmatch(path) and is_possible(path))


def is_below(path: str, folders: Collection[str]) -> bool:
    """Return whether a path in its normal form is one of ``folders``, or lies in one."""
    return "." in folders or any(str(parent) in folders for parent in (path, *PurePosixPath(path).parents))


def is_too_long(path: str) -> bool:
    """Return whether no file system can have the path: 255 bytes a name and 4,096 in all on Linux."""
    encoded = path.encode("utf-8", "surrogatepass")
    return len(encoded) > _LONGEST_PATH or any(len(name) > _LONGEST_NAME for name in encoded.split(b"/"))


def check_possible(path: str, *, source: str, file: str = "") -> None:
    """Raise ``UserError`` for a path that no file system can have; ``source`` names it, ``file`` has it."""
    if not is_possible(path):
        problem = "has a NUL character" if "\0" in path else "is longer than a path can be"
        raise UserError(f"{source}: the path {shortened(path)!r} {problem}", file=file)


def checked_path(context: Path, path: str, *, source: str) -> str:
    """Return ``path`` in its normal form when the image can have it from the context.

    Raises ``UserError`` for one that is absent, leaves the context (by ``..``, absolute or through a symbolic
    link), or has characters that a Dockerfile's COPY gives a meaning to.
    """
    check_possible(path, source=source)
    normal = PurePosixPath(path)
    problem = ""
    if normal.is_absolute() or ".." in normal.parts:
        problem = "leads out of the context"
    elif not normal.parts:
        problem = "is the whole context; name the folders and files to copy"
    elif NEVER_COPIED & set(normal.parts):
        problem = "is not copied into images"
    elif _NOT_COPIED_BY_NAME.search(path):
        problem = 'has a character that cannot be copied by name: one of $ * ? [ ] \\ " or a control character'
    elif not is_in_context(context, str(normal)):
        problem = (
            "is a symbolic link that leads out of the context, or to nothing"
            if any(_is_link(context / at) for at in (normal, *normal.parents))
            else f"does not exist in '{context}'"
        )
    if problem:
        hints = ("Paths are relative to 'context'.", *([HOW_TO_BE_INSIDE] if ".." in normal.parts else []))
        raise UserError(f"{source}: '{shortened(path)}' {problem}", hint=" ".join(hints))
    return str(normal)


def read_text(
    context: Path, path: str, *, what: str, limit: int = SMALL_FILE_BYTES, errors: str = "strict"
) -> str:
    """Return the text of the file ``path`` in ``context``; ``what`` names it in errors, ``limit`` is in bytes.

    ``errors`` says what becomes of bytes that are not UTF-8, as for ``bytes.decode``. Raises
    ``FileNotFoundError`` when the file does not exist, and ``UserError`` when it lies outside of the context
    after all links, is no regular file, is larger than ``limit``, is not UTF-8, or cannot be read.
    """
    content = read_bytes(context, path, what=what, limit=limit)
    try:
        return content.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{what} cannot be read: it is not UTF-8 ({error.reason})",
            file=str(context / path),
            line=content.count(b"\n", 0, error.start) + 1,
        ) from error


def read_bytes(context: Path, path: str, *, what: str, limit: int = SMALL_FILE_BYTES) -> bytes:
    """Return the content of a file; see ``read_text``."""
    with open_file(context, path, what=what) as stream:
        size = os.fstat(stream.fileno()).st_size
        # Files of the kernel say that they are empty, and others grow while they are read.
        content = stream.read(limit + 1) if size <= limit else b""
    if max(size, len(content)) > limit:
        raise UserError(f"{what} is larger than the {limit} bytes that are accepted", file=str(context / path))
    return content


@contextmanager
def open_file(context: Path, path: str, *, what: str) -> Iterator[IO[bytes]]:
    """Yield the file ``path`` in ``context``, opened to read its bytes.

    Raises ``FileNotFoundError`` when it does not exist, and ``UserError`` when it lies outside of the context
    after all links, is no regular file, or cannot be opened.
    """
    check_possible(path, source=what)
    place = context / path
    if leads_out(context, path):
        raise UserError(
            f"{what} is not read, as it is a link that leads out of the context",
            file=str(place),
            hint=f"Put the file itself into '{context}'.",
        )
    try:
        # Without blocking, as a pipe waits for a writer that never comes; what it is, is told by the open file.
        descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UserError(f"{what} cannot be read: {error.strerror or error}", file=str(place)) from error
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UserError(f"{what} cannot be read: it is not a regular file", file=str(place))
        yield stream


def _is_link(place: Path) -> bool:
    try:
        return place.is_symlink()
    except (OSError, ValueError):
        return False


def _is(test: Callable[[Path], bool], context: Path, path: str) -> bool:
    try:
        return is_possible(path) and test(context / path)
    except (OSError, ValueError):
        # Such as a folder that may not be entered: nothing there can be read.
        return False
