"""Decide whether Pixi can check the lock against the manifest during the install, and which files it needs.

`pixi install --locked` checks the lock for every environment and platform, whichever is installed. A folder of
Python source must exist; if it has no readable pyproject.toml, pixi 0.68 and newer trust the lock. A wheel or
source archive must exist. For a conda package from source, Pixi runs the build backend, which needs all of its
files (crates/pixi_core/src/lock_file/satisfiability/: platform.rs, pypi.rs).
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.paths import can_be_mounted, is_below, is_file, is_in_context, leads_out
from pixi_container.versions import version_order
from pixi_container.workspace.folder import in_context
from pixi_container.workspace.local_packages import is_inside

if TYPE_CHECKING:
    from collections.abc import Collection

    from pixi_container.workspace.workspace import Workspace

_EMPTY_FOLDER_SUFFICES = "0.68.0"
_METADATA_FILES = ("pyproject.toml", "setup.py", "setup.cfg")


@dataclass(frozen=True, kw_only=True)
class LockCheck:
    """What the check needs in addition: ``files`` of the context, and empty ``folders``."""

    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


def lock_check_without_source(workspace: Workspace, pixi_version: str) -> LockCheck | None:
    """Return what the check needs in a build with only manifest and lock; None if empty folders do not suffice.

    Files of other environments' packages are not used, because changing them would rebuild this environment.
    """
    places = [place for place in workspace.source_places if place.kind != "conda-file"]
    if workspace.manifest.has_development_packages or any(place.kind != "pypi-folder" for place in places):
        return None
    if places and version_order(pixi_version) < version_order(_EMPTY_FOLDER_SUFFICES):
        return None
    if places and not _has_links(workspace, workspace.local_channels):
        return None
    # Pixi reads the root's metadata, and with it that of the members of its workspace.
    if places and set(workspace.uv_workspaces) & set(workspace.install_files):
        return None
    copied = (*workspace.install_files, *workspace.all_activation_scripts, *workspace.local_channels)
    folders = tuple(place.path for place in places if not _has_files(place.path, copied))
    return LockCheck(folders=folders) if all(map(_can_be_seen, folders)) else None


def lock_check_with_source(present: Collection[str], workspace: Workspace) -> LockCheck | None:
    """Return what the check needs in a build that also has the paths ``present``; None if no check is possible.

    The metadata of other environments' packages is included if it exists, because a uv workspace requires it.
    """
    manifest = workspace.manifest
    if manifest.has_development_packages or not _has_links(workspace, present):
        return None
    copied = (*workspace.install_files, *workspace.all_activation_scripts)
    files = list(workspace.uv_workspaces)
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
    """Tell whether all wheel folders are present; Pixi opens them when it checks a folder of Python source."""
    paths = (in_context(path, workspace.folder) for path in workspace.manifest.all_find_links)
    return all(is_below(posixpath.normpath(path), present) for path in paths)


def _has_files(folder: str, copied: Collection[str]) -> bool:
    """Tell whether copied files already create the folder; a mount would hide them."""
    return any(is_below(path, {folder}) for path in copied)


def _is_own_file(workspace: Workspace, path: str) -> bool:
    return is_inside(path) and is_file(workspace.context, path) and not leads_out(workspace.context, path)
