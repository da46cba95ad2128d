"""Open user-supplied files by name, and write files; path, kind and size are checked before a file is read.

Only ``workspace.build_context``, which follows no links, opens files elsewhere: those of the build context.

Anyone who can open a pull request can write a checkout: a link may lead anywhere on the machine, reading a named
pipe may never end, and a file may be larger than memory.
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
"""Names at the top of the context that are never copied into an image."""

PIXI_CONFIG = ".pixi/config.toml"
"""The one file of Pixi's that a build may use, beside the manifest.

Source: https://pixi.prefix.dev/latest/reference/pixi_configuration/
"""

HOW_TO_BE_INSIDE = (
    "A build can only use files in 'context': set it to a folder that contains everything, and 'manifest-path' to "
    "the manifest below it."
)
"""The hint for an input that names files outside of the context."""

LFS_POINTER = "version https://git-lfs.github.com/spec/v1"
"""The start of a Git LFS pointer file: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md."""

HOW_TO_FETCH_LFS = "Check out with `lfs: true`, or run `git lfs pull`."

SMALL_FILE_BYTES = 4 * 1024 * 1024
"""The size limit of a hand-written file, such as a manifest, a Dockerfile, a template or ``.dockerignore``."""

LOCK_BYTES = 16 * 1024 * 1024
"""The size limit of a lock; those of the largest public workspaces have 5 MB."""

_MOUNTABLE = re.compile(r"[A-Za-z0-9_.@+-]+(/[A-Za-z0-9_.@+-]+)*")
_LONGEST_PATH = 4096
_LONGEST_NAME = 255
_NOT_COPIED_BY_NAME = re.compile(r"[\x00-\x1f\x7f$*?\[\]\\\"]")


def is_in_context(context: Path, path: str) -> bool:
    """Return whether ``path``, relative to ``context`` or absolute, exists and is inside after following links."""
    return exists(context, path) and not leads_out(context, path)


def exists(context: Path, path: str) -> bool:
    """Return whether ``path`` exists, wherever it leads; never raises, not even for an invalid path."""
    return _is(Path.exists, context, path)


def is_file(context: Path, path: str) -> bool:
    """Return whether ``path`` is a regular file, wherever it leads; never raises."""
    return _is(Path.is_file, context, path)


def is_folder(context: Path, path: str) -> bool:
    """Return whether ``path`` is a folder, wherever it leads; never raises."""
    return _is(Path.is_dir, context, path)


def is_empty_folder(context: Path, path: str) -> bool:
    """Return whether ``path`` is an empty folder, as a submodule is that was not checked out."""
    try:
        return is_folder(context, path) and not any((context / path).iterdir())
    except OSError:
        return False


def is_lfs_pointer(context: Path, path: str) -> bool:
    """Return whether the file at ``path`` is a Git LFS pointer instead of the file itself."""
    if not is_file(context, path) or leads_out(context, path):
        return False
    with open_file(context, path, what=f"'{path}'") as stream:
        return stream.read(len(LFS_POINTER)) == LFS_POINTER.encode()


def leads_out(context: Path, path: str) -> bool:
    """Return whether ``path`` leaves ``context`` after following links and ``..``, or is a loop of links.

    Files that are never copied count as outside as well: ``.git/config`` may contain the job's token.
    """
    top = context.resolve()
    try:
        target = (context / path).resolve()
        if not target.is_relative_to(top):
            return True
        inside = target.relative_to(top)
        above = PurePosixPath(f"/{inside.as_posix()}".removesuffix(f"/{PIXI_CONFIG}"))
        return bool(NEVER_COPIED & set(above.parts))
    except (OSError, RuntimeError, ValueError):
        # Such as a loop of links.
        return True


def is_possible(path: str) -> bool:
    """Return whether a file system can have the path."""
    return "\0" not in path and not is_too_long(path)


def can_be_mounted(path: str) -> bool:
    """Return whether a path is usable in the mount options of a Dockerfile, which have no quoting."""
    return path == "." or bool(_MOUNTABLE.fullmatch(path) and is_possible(path))


def is_below(path: str, folders: Collection[str]) -> bool:
    """Return whether a normalised path is one of ``folders`` or inside one of them."""
    return "." in folders or any(str(parent) in folders for parent in (path, *PurePosixPath(path).parents))


def is_too_long(path: str) -> bool:
    """Return whether the path is too long for Linux: more than 255 bytes in a name or 4,096 in total."""
    encoded = path.encode("utf-8", "surrogatepass")
    return len(encoded) > _LONGEST_PATH or any(len(name) > _LONGEST_NAME for name in encoded.split(b"/"))


def check_possible(path: str, *, source: str, file: str = "") -> None:
    """Raise ``UserError`` for an impossible path; ``source`` names it in messages, ``file`` contains it."""
    if not is_possible(path):
        problem = "contains a NUL character" if "\0" in path else "is too long for a file system"
        raise UserError(f"{source}: the path {shortened(path)!r} {problem}", file=file)


def checked_path(context: Path, path: str, *, source: str, how: str = HOW_TO_BE_INSIDE) -> str:
    """Return ``path`` in normal form if a Dockerfile can copy it from the context.

    ``how`` is the hint for a path that leaves it with ``..``.
    Raises ``UserError`` for a path that does not exist, leaves the context (with ``..``, as an absolute path or
    through a symbolic link), or contains characters that are special in COPY.
    """
    check_possible(path, source=source)
    normal = PurePosixPath(path)
    problem = ""
    if normal.is_absolute() or ".." in normal.parts:
        problem = "leads out of the context"
    elif not normal.parts:
        problem = "is the whole context; name the folders and files to copy"
    elif NEVER_COPIED & set(normal.parts):
        problem = "is never copied into an image"
    elif _NOT_COPIED_BY_NAME.search(path):
        problem = 'contains a character that COPY cannot handle: one of $ * ? [ ] \\ " or a control character'
    elif not is_in_context(context, str(normal)):
        problem = (
            "is a symbolic link that is broken or leads out of the context"
            if any(_is_link(context / at) for at in (normal, *normal.parents))
            else f"does not exist in '{context}'"
        )
    if problem:
        hints = ("Paths are relative to 'context'.", *([how] if ".." in normal.parts else []))
        raise UserError(f"{source}: '{shortened(path)}' {problem}", hint=" ".join(hints))
    return str(normal)


def read_text(
    context: Path, path: str, *, what: str, limit: int = SMALL_FILE_BYTES, errors: str = "strict"
) -> str:
    """Return the text of the file ``path`` in ``context``; ``what`` names it in errors, ``limit`` is in bytes.

    ``errors`` says how to treat bytes that are not UTF-8, as in ``bytes.decode``. Raises ``FileNotFoundError`` if
    the file does not exist, and ``UserError`` if it is outside of the context after following links, is not a
    regular file, is larger than ``limit``, is not UTF-8, or cannot be read.
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
        # Kernel files report a size of zero, and other files may grow while they are read.
        content = stream.read(limit + 1) if size <= limit else b""
    if max(size, len(content)) > limit:
        raise UserError(f"{what} is larger than the limit of {limit} bytes", file=str(context / path))
    return content


def write_text(folder: Path, path: str, text: str) -> None:
    """Write the file ``path`` in ``folder``, whole or not at all; its folders are made, and its mode stays.

    Raises ``UserError`` for a path that leads out of ``folder`` or to something else than a file, and for a file
    that cannot be written.
    """
    check_possible(path, source="a file to write")
    place = folder / path
    if leads_out(folder, path) or place.is_symlink() or (place.exists() and not place.is_file()):
        raise UserError("a link, or something else than a file, is not overwritten", file=str(place))
    made = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        mode = stat.S_IMODE(place.stat().st_mode) if place.exists() else 0o644
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "wb") as stream:
            stream.write(text.encode())
        made.replace(place)
    except OSError as error:
        raise UserError(f"the file cannot be written: {error.strerror or error}", file=str(place)) from error
    finally:
        made.unlink(missing_ok=True)


def read_own_file(context: Path, path: str, name: str) -> str:
    """Return the text of the file in ``context`` that the input ``name`` gives.

    Raises ``UserError`` if it is missing or empty.
    """
    source = f"input '{name}'"
    file = checked_path(context, path, source=source)
    text = read_text(context, file, what=f"{source}: '{path}'")
    if not text.strip():
        raise UserError(f"{source}: '{path}' is empty", file=str(context / file))
    return text


@contextmanager
def open_file(context: Path, path: str, *, what: str) -> Iterator[IO[bytes]]:
    """Yield the file ``path`` in ``context``, opened to read its bytes.

    Raises ``FileNotFoundError`` if the file does not exist, and ``UserError`` if it is outside of the context
    after following links, is not a regular file, or cannot be opened.
    """
    check_possible(path, source=what)
    place = context / path
    if leads_out(context, path):
        raise UserError(
            f"{what} is a link that leads out of the context, so it is not read",
            file=str(place),
            hint=f"Put the file itself into '{context}'.",
        )
    try:
        # Opening a pipe would block until a writer comes; the kind of file is checked once it is open.
        descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UserError(f"{what} cannot be read: {error.strerror or error}", file=str(place)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UserError(f"{what} cannot be read: it is not a regular file", file=str(place))
    with os.fdopen(descriptor, "rb") as stream:
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
        # For example, a folder without search permission: nothing in it can be read.
        return False
