"""The one place that opens a user's file: the path is checked, then the kind, then the size, and only then it is read.

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

if TYPE_CHECKING:
    from collections.abc import Iterator

NEVER_COPIED = frozenset({".git", ".pixi"})
"""Names at the top of the context that never become part of an image."""

SMALL_FILE_BYTES = 4 * 1024 * 1024
"""The most that a file may hold which a person writes: a manifest, a Dockerfile, a template, ``.dockerignore``."""

LOCK_BYTES = 64 * 1024 * 1024
"""The most that a lock may hold; the largest of public workspaces have 5 MB."""

_LONGEST_PATH = 4096
_LONGEST_NAME = 255
_NOT_COPIED_BY_NAME = re.compile(r"[\x00-\x1f\x7f$*?\[\]\\\"]")


def is_in_context(context: Path, path: str) -> bool:
    """Return whether ``path``, relative to ``context`` or absolute, exists and stays inside after every link."""
    if is_too_long(path) or "\0" in path:
        return False
    place = context / path
    try:
        return place.exists() and place.resolve().is_relative_to(context.resolve())
    except (OSError, RuntimeError):
        # A loop of links, or a folder that may not be entered.
        return False


def is_too_long(path: str) -> bool:
    """Return whether no file system can have the path: 255 bytes a name and 4,096 in all on Linux."""
    encoded = os.fsencode(path)
    return len(encoded) > _LONGEST_PATH or any(len(name) > _LONGEST_NAME for name in encoded.split(b"/"))


def checked_path(context: Path, path: str, *, source: str) -> str:
    """Return ``path`` in its normal form when the image can have it from the context.

    Raises ``UserError`` for one that is absent, leaves the context (by ``..``, absolute or through a symbolic
    link), or has characters that a Dockerfile's COPY gives a meaning to.
    """
    normal = PurePosixPath(path)
    problem = ""
    if is_too_long(path):
        raise UserError(f"{source}: the path '{path[:60]}…' is longer than a path can be")
    if normal.is_absolute() or ".." in normal.parts:
        problem = "leads out of the context"
    elif not normal.parts:
        problem = "is the whole context; name the folders and files to copy"
    elif NEVER_COPIED & set(normal.parts):
        problem = "is not copied into images"
    elif _NOT_COPIED_BY_NAME.search(path):
        problem = 'has a character that cannot be copied by name: one of $ * ? [ ] \\ " or a control character'
    elif not is_in_context(context, str(normal)):
        leads_out = (context / normal).is_symlink() or any((context / at).is_symlink() for at in normal.parents)
        problem = (
            "is a symbolic link that leads out of the context, or to nothing"
            if leads_out
            else f"does not exist in '{context}'"
        )
    if problem:
        raise UserError(f"{source}: '{path}' {problem}", hint="Paths are relative to 'context'.")
    return str(normal)


def read_text(context: Path, path: str, *, what: str, limit: int = SMALL_FILE_BYTES) -> str:
    """Return the text of the file ``path`` in ``context``; ``what`` names it in errors, ``limit`` is in bytes.

    Raises ``FileNotFoundError`` when it does not exist, and ``UserError`` when it lies outside of the context after
    all links, is no regular file, is larger than ``limit``, is not UTF-8, or cannot be read.
    """
    content = read_bytes(context, path, what=what, limit=limit)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{what} cannot be read: it is not UTF-8 ({error.reason})", file=str(context / path)
        ) from error


def read_bytes(context: Path, path: str, *, what: str, limit: int = SMALL_FILE_BYTES) -> bytes:
    """Return the content of a file; see ``read_text``."""
    with open_file(context, path, what=what) as stream:
        size = os.fstat(stream.fileno()).st_size
        content = stream.read(limit + 1)
    if max(size, len(content)) > limit:
        raise UserError(
            f"{what} is {max(size, len(content))} bytes long; {limit} are accepted", file=str(context / path)
        )
    return content


@contextmanager
def open_file(context: Path, path: str, *, what: str) -> Iterator[IO[bytes]]:
    """Yield the file ``path`` in ``context``, opened to read its bytes; raises as ``read_text`` does, but for size."""
    place = context / path
    try:
        inside = not is_too_long(path) and place.resolve().is_relative_to(context.resolve())
        if inside and not place.exists():
            raise FileNotFoundError(str(place))
        # Without blocking, as a pipe waits for a writer that never comes; what it is, is told by the open file.
        descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC) if inside else -1
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{what} cannot be read: {reason or error}", file=str(place)) from error
    if not inside:
        raise UserError(
            f"{what} is not read, as it is a link that leads out of the context",
            file=str(place),
            hint=f"Put the file itself into '{context}'.",
        )
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UserError(f"{what} cannot be read: it is not a regular file", file=str(place))
        yield stream
