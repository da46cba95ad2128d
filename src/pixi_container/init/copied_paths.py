"""What COPY puts into the image, as entries of the input 'include'."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pixi_container.image_choice import MANIFEST_NAMES
from pixi_container.init.image_commands import ACTIVATES
from pixi_container.workspace.lock import LOCK_NAME

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_ANYWAY = {*MANIFEST_NAMES, LOCK_NAME, ".gitattributes", ".gitignore"}


@dataclass(frozen=True)
class Copied:
    """The entries of 'include', or why there are none."""

    entries: tuple[str, ...] = ()
    problem: str = ""


def copied_paths(
    words: Sequence[str], current: str, folder: str, files: Collection[str], *, from_stage: bool
) -> Copied:
    """Return what a COPY of ``words`` includes, if it runs in ``current`` and the workspace is in ``folder``.

    ``files`` are those of the context. What comes ``from_stage``, the one that installs the environment, is a file
    of the context if it is in the workspace's folder.
    """
    if len(words) < 2:
        return Copied(problem="it has no destination")
    *sources, last = words
    target = posixpath.normpath(posixpath.join(current, last))
    into_folder = last.endswith(("/", "/.")) or last in {".", ".."} or len(sources) > 1
    entries: list[str] = []
    for source in sources:
        path = posixpath.normpath(source.lstrip("/") if not from_stage else source)
        if from_stage:
            if _is_of_the_environment(path) or not path.startswith(f"{folder}/"):
                if path == folder and any(name not in _ANYWAY for name in files):
                    entries.append(".")
                elif not _is_of_the_environment(path) and path != folder:
                    return Copied(problem=f"'{source}' is made in the stage that installs the environment")
                continue
            path = posixpath.relpath(path, folder)
        if path in _ANYWAY:
            continue
        if path.startswith("..") or not _matching(path, files):
            return Copied(problem=f"'{source}' is not in the context")
        entries.append(_entry(path, target, folder, files, into_folder=into_folder))
    return Copied(tuple(entries))


def _is_of_the_environment(path: str) -> bool:
    """Tell whether a path of the stage is the environment, Pixi itself, or the script that activates."""
    name = posixpath.basename(path)
    return ".pixi" in path.split("/") or name in {"pixi", *_ANYWAY} or bool(ACTIVATES.search(name))


def _matching(path: str, files: Collection[str]) -> bool:
    return path == "." or any(
        file == path or file.startswith(f"{path}/") or fnmatchcase(file, path) for file in files
    )


def _entry(path: str, target: str, folder: str, files: Collection[str], *, into_folder: bool) -> str:
    """Return the entry: the path alone if it keeps its place in the workspace, else with its destination."""
    is_folder = path == "." or any(file.startswith(f"{path}/") for file in files)
    if into_folder and not is_folder:
        target = posixpath.join(target, posixpath.basename(path))
    if target == posixpath.normpath(posixpath.join(folder, path)):
        return path
    inside = target.startswith(f"{folder}/")
    return f"{path} => {posixpath.relpath(target, folder) if inside else target}"
