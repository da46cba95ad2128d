"""Whether Pixi can check the lock against the manifest while it installs, and what it has to see for that.

`pixi install --locked` checks the lock for every environment and platform, whichever is installed. Of a
package from a folder of Python source the folder has to exist; without a readable pyproject.toml in it the lock is
trusted, from pixi 0.68 on. A wheel or an archive of source has to exist. The build backend of a conda package from
source is run, which takes all of its files (crates/pixi_core/src/lock_file/satisfiability/: platform.rs, pypi.rs).
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.paths import can_be_mounted, is_below, is_file, is_in_context, leads_out
from pixi_container.versions import version_order
from pixi_container.workspace.local_packages import is_inside

if TYPE_CHECKING:
    from collections.abc import Collection

    from pixi_container.workspace.workspace import Workspace

_EMPTY_FOLDER_SUFFICES = "0.68.0"
_METADATA_FILES = ("pyproject.toml", "setup.py", "setup.cfg")


@dataclass(frozen=True, kw_only=True)
class LockCheck:
    """What the check has to see beside what is there: ``files`` of the context, and ``folders``, empty ones."""

    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


def lock_check_without_source(workspace: Workspace, pixi_version: str) -> LockCheck | None:
    """Decide for a build that has manifest and lock alone; None where the check needs more than empty folders.

    With files of other environments' packages, a change of theirs would build this environment anew.
    """
    places = [place for place in workspace.source_places if place.kind != "conda-file"]
    if workspace.manifest.has_development_packages or any(place.kind != "pypi-folder" for place in places):
        return None
    if places and version_order(pixi_version) < version_order(_EMPTY_FOLDER_SUFFICES):
        return None
    if places and not _has_links(workspace, workspace.local_channels):
        return None
    # The root's metadata is read, and that of the members of its workspace with it.
    if places and "pyproject.toml" in workspace.install_files and workspace.has_uv_workspace:
        return None
    copied = (*workspace.install_files, *workspace.activation_scripts, *workspace.local_channels)
    folders = tuple(place.path for place in places if not _has_files(place.path, copied))
    return LockCheck(folders=folders) if all(map(_can_be_seen, folders)) else None


def lock_check_beside(present: Collection[str], workspace: Workspace) -> LockCheck | None:
    """Decide for a build that has the files at or below the paths ``present`` as well; None if it is impossible.

    Of other environments' packages it takes the metadata where there is any: a workspace of uv asks for it.
    """
    manifest = workspace.manifest
    if manifest.has_development_packages or not _has_links(workspace, present):
        return None
    copied = (*workspace.install_files, *workspace.activation_scripts)
    files: list[str] = ["pyproject.toml"] if workspace.has_uv_workspace else []
    folders: list[str] = []
    for place in workspace.source_places:
        path = place.path
        if place.kind == "conda-file" or (is_in_context(workspace.context, path) and is_below(path, present)):
            continue
        if place.kind == "pypi-folder":
            metadata = [f"{path}/{name}" for name in _METADATA_FILES]
            metadata = [file for file in metadata if _is_own_file(workspace, file)]
            needed = metadata or ([] if _has_files(path, copied) else [path])
            (files if metadata else folders).extend(needed)
        elif place.kind == "pypi-file" and _is_own_file(workspace, path):
            needed = [path]
            files.append(path)
        else:
            return None
        if not all(map(_can_be_seen, needed)):
            return None
    return LockCheck(files=tuple(files), folders=tuple(folders))


def _can_be_seen(path: str) -> bool:
    return is_inside(path) and can_be_mounted(path)


def _has_links(workspace: Workspace, present: Collection[str]) -> bool:
    """Tell whether all folders of wheels are there, which a look at any folder of Python source opens."""
    return all(is_below(posixpath.normpath(path), present) for path in workspace.manifest.all_find_links)


def _has_files(folder: str, copied: Collection[str]) -> bool:
    """Tell whether a folder exists in the build by files that are copied: a mount would hide them."""
    return any(is_below(path, {folder}) for path in copied)


def _is_own_file(workspace: Workspace, path: str) -> bool:
    return is_inside(path) and is_file(workspace.context, path) and not leads_out(workspace.context, path)
