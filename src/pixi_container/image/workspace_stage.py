"""The stage that adds packages built from source to the environment image."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.image.fetched_source import added_later
from pixi_container.image.lock_check import LockCheck, lock_check_with_source
from pixi_container.paths import can_be_mounted
from pixi_container.versions import version_order
from pixi_container.workspace.folder import covers
from pixi_container.workspace.local_packages import is_inside

if TYPE_CHECKING:
    from pixi_container.workspace.workspace import Workspace

EDITABLE_FROM_MANIFEST = "0.62.0"
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_PYTHON_KINDS = {"wheel", "sdist", "pypi-path", "pypi-editable", "pypi"}


@dataclass(frozen=True, kw_only=True)
class WorkspaceStage:
    """What the stage does; paths are relative to the context.

    ``skip`` are the packages that the first stage leaves out; ``skipped_records`` of them are conda packages.
    ``mounts`` and empty ``folders`` exist only while the packages are built; ``copies`` stay in the image for
    editable packages. ``swept`` are folders above the workspace in which builds leave files. ``locked`` tells
    whether Pixi can check the lock against the manifest with these files. With ``release_manifest``, editable
    packages are installed like regular ones. ``distributions`` are the Python packages that must be installed
    afterwards. ``git`` tells whether Pixi fetches source with Git.
    """

    skip: tuple[str, ...]
    skipped_records: int
    mounts: tuple[str, ...]
    folders: tuple[str, ...]
    copies: tuple[str, ...]
    swept: tuple[str, ...]
    locked: bool
    release_manifest: bool
    distributions: tuple[str, ...]
    git: bool = False


def workspace_stage(workspace: Workspace, pixi_version: str) -> WorkspaceStage | None:
    """Return what the stage does; None if no package has to be built from source.

    The split follows the needs of `pixi install --frozen --skip` and `--locked`: only packages from source may be
    skipped, and the lock check reads the metadata of every local package of every environment. Packages that
    cannot be built are left out here, and reported by ``problems_of``.
    """
    own = [
        package
        for package in workspace.own_source
        if package.kind != "conda-file" and is_name(package.name) and package.is_inside
    ]
    fetched = [package for package in added_later(workspace) if is_name(package.name)]
    if not own and not fetched:
        return None
    release = version_order(pixi_version) >= version_order(EDITABLE_FROM_MANIFEST)
    stay = [package for package in own if package.kind == "pypi-editable" and not release]
    needed = {path for package in own for path in (package.path, *package.inputs)}
    needed |= {path for path in workspace.find_links if is_inside(path)}
    check = lock_check_with_source(needed, workspace)
    checked = check or LockCheck()
    paths = (".",) if "." in needed else {*needed, *checked.files}
    mounts = sorted({part for path in paths for part in workspace.parts_of(path)})
    mounts += workspace.config_files
    taken = set(workspace.install_files)
    kinds = [*((package.name, package.kind) for package in own), *((each.name, each.kind) for each in fetched)]
    skip = tuple(name for name, _ in kinds)
    return WorkspaceStage(
        skip=skip,
        skipped_records=sum(kind in {"conda", "conda-source"} for _, kind in kinds),
        mounts=tuple(path for path in mounts if path not in taken and can_be_mounted(path)),
        folders=checked.folders,
        copies=tuple(sorted({path for package in stay for path in workspace.parts_of(package.path)})),
        swept=tuple(
            sorted(path for path in needed if covers(path, workspace.folder) and path != workspace.folder)
        ),
        locked=check is not None,
        release_manifest=release and any(package.kind == "pypi-editable" for package in own),
        distributions=tuple(name for name, kind in kinds if kind in _PYTHON_KINDS),
        git=any(source.name in skip for source in workspace.git_source),
    )


def is_name(name: str) -> bool:
    """Tell whether a package's name is valid; only valid names appear on a command line."""
    return bool(_NAME.fullmatch(name))
