"""The stage that adds packages made from the workspace's own source to the environment's image."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.image.lock_check import LockCheck, lock_check_beside
from pixi_container.paths import can_be_mounted
from pixi_container.versions import version_order
from pixi_container.workspace.local_packages import is_inside

if TYPE_CHECKING:
    from pixi_container.workspace.local_packages import OwnSource
    from pixi_container.workspace.workspace import Workspace

EDITABLE_FROM_MANIFEST = "0.62.0"
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_FROM_FILES = {"wheel", "sdist", "pypi-path", "pypi-editable"}


@dataclass(frozen=True, kw_only=True)
class WorkspaceStage:
    """What the stage does; paths are relative to the context.

    ``skip`` are the packages that the first stage leaves out, ``skipped_records`` how many of them are conda's.
    ``mounts`` are there while the packages are built, as are empty ``folders``; ``copies`` stay in the image, for
    editable packages. ``locked`` tells whether Pixi can check the lock against the manifest with what is there.
    With ``release_manifest`` editable packages are installed as if they were not. ``distributions`` are the Python
    packages that must be there afterwards.
    """

    skip: tuple[str, ...]
    skipped_records: int
    mounts: tuple[str, ...]
    folders: tuple[str, ...]
    copies: tuple[str, ...]
    locked: bool
    release_manifest: bool
    distributions: tuple[str, ...]


def workspace_stage(workspace: Workspace, pixi_version: str) -> WorkspaceStage | None:
    """Decide what the stage has to do, None where no package comes from the workspace's own source.

    The split follows what `pixi install --frozen --skip` and `--locked` need to see: only packages from source
    may be skipped, and the check of the lock looks at the metadata of every local package of every environment.
    What cannot be built at all is in ``problems_of``, and left out here.
    """
    own = [
        package
        for package in workspace.own_source
        if package.kind != "conda-file" and is_name(package.name) and package.is_inside
    ]
    if not own:
        return None
    release = version_order(pixi_version) >= version_order(EDITABLE_FROM_MANIFEST)
    stay = [package for package in own if package.kind == "pypi-editable" and not release]
    needed = {path for package in own for path in (package.path, *package.inputs)}
    needed |= {path for path in workspace.find_links if is_inside(path)}
    check = lock_check_beside(needed, workspace)
    checked = check or LockCheck()
    whole = "." in needed
    mounts = workspace.context_entries if whole else sorted({*needed, *checked.files})
    mounts = (*mounts, *workspace.config_files)
    taken = set(workspace.install_files)
    return WorkspaceStage(
        skip=tuple(package.name for package in own),
        skipped_records=sum(package.kind == "conda-source" for package in own),
        mounts=tuple(path for path in mounts if path not in taken and can_be_mounted(path)),
        folders=checked.folders,
        copies=tuple(sorted({path for package in stay for path in _copied(package, workspace)})),
        locked=check is not None,
        release_manifest=release and any(package.kind == "pypi-editable" for package in own),
        distributions=tuple(package.name for package in own if package.kind in _FROM_FILES),
    )


def is_name(name: str) -> bool:
    """Tell whether a package's name is one; only such a name reaches a command line."""
    return bool(_NAME.fullmatch(name))


def _copied(package: OwnSource, workspace: Workspace) -> tuple[str, ...]:
    return workspace.context_entries if package.path == "." else (package.path,)
