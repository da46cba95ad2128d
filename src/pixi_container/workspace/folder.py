"""The workspace's folder, which is the build context or below it, and the paths that are relative to it.

In manifest and lock, paths are relative to the manifest's folder. ``in_context`` translates them when they are
read; everywhere else paths are relative to the context.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path, PurePosixPath, PureWindowsPath

from pixi_container.errors import UserError
from pixi_container.paths import NEVER_COPIED
from pixi_container.shortening import shortened

HERE = "."
"""The workspace's folder if the manifest is directly in the context."""

_NAME = re.compile(r"\.?[A-Za-z0-9_][A-Za-z0-9._-]*")


def workspace_folder(context: Path, manifest_path: str) -> str:
    """Return the folder of a manifest that exists, relative to the context, after following links.

    Raises ``UserError`` if it is outside of the context, or its name cannot be part of a path in an image.
    """
    root, place = context.resolve(), (context / manifest_path).parent.resolve()
    if not place.is_relative_to(root):
        file = f"{os.path.relpath(place, root)}/{PurePosixPath(manifest_path).name}"
        raise UserError(
            f"the manifest '{shortened(manifest_path)}' is outside of the context '{shortened(str(context))}'",
            hint=how_to_be_inside(context, file),
        )
    folder = place.relative_to(root)
    if NEVER_COPIED & set(folder.parts) or not all(map(_NAME.fullmatch, folder.parts)):
        raise UserError(
            f"the manifest's folder '{shortened(str(folder))}' cannot be a path in an image",
            file=str(context / manifest_path),
            hint="Accepted: letters, digits and . _ - between slashes, except the folders "
            f"{' and '.join(sorted(NEVER_COPIED))}. Rename the folder, or set 'context' to it.",
        )
    return folder.as_posix()


def in_context(path: str, folder: str) -> str:
    """Return a path of manifest or lock relative to the context: as written, or normalised in a folder below it.

    An absolute path is returned as it is.
    """
    if folder == HERE or PurePosixPath(path).is_absolute() or PureWindowsPath(path).drive:
        return path
    return posixpath.normpath(posixpath.join(folder, path))


def from_folder(path: str, folder: str) -> str:
    """Return a path of the context relative to the workspace's folder, as manifest and lock write it."""
    return path if folder == HERE else posixpath.relpath(path, folder)


def below(place: str, folder: str) -> str:
    """Return where the workspace's folder is if the context is at ``place``."""
    return place if folder == HERE else f"{place}/{folder}"


def covers(path: str, folder: str) -> bool:
    """Return whether a path of the context is the workspace's folder or one above it."""
    return path in {HERE, folder} or folder.startswith(f"{path}/")


def default_includes(folder: str) -> tuple[str, ...]:
    """Return the folders of which the first that exists is included by default: beside the manifest, or above."""
    return tuple(dict.fromkeys((in_context("src", folder), "src")))


def context_entries(context: Path, folder: str) -> tuple[str, ...]:
    """Return the names in the context, with those in a folder in place of one that has the workspace in it.

    What is never copied into an image is left out. Raises ``UserError`` for a folder that cannot be listed.
    """
    entries: list[str] = []
    try:
        for above in (PurePosixPath(folder), *PurePosixPath(folder).parents):
            names = (entry.name for entry in (context / above).iterdir() if entry.name not in NEVER_COPIED)
            entries += (path for name in names if not covers(path := str(above / name), folder))
    except OSError as error:
        raise UserError(f"the context '{context}' cannot be listed: {error.strerror or error}") from error
    return tuple(sorted(entries))


def how_to_be_inside(context: Path, outside: str, manifest: str = "") -> str:
    """Return a hint for a path outside of the context: the inputs with which it is inside.

    Both paths are relative to the context; without a ``manifest``, the one that is outside is the manifest. The
    context in the hint is relative to the working folder, or absolute, as the given one is.
    """
    root = context.resolve()
    common = os.path.commonpath([root, posixpath.normpath(root / outside)])
    if PurePosixPath(outside).is_absolute() or PureWindowsPath(outside).drive or common == os.sep:
        return "A build can only use files in 'context': put them there, not a link or an absolute path to them."
    place = common if context.is_absolute() else os.path.relpath(common)
    file = os.path.relpath(root / (manifest or outside), common)
    return f"Set 'context' to '{place}' and 'manifest-path' to '{file}': a build can only use files in 'context'."
