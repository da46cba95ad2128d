"""Locked packages that Pixi fetches as source and builds: from a Git repository, or from an archive with a URL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.workspace.local_packages import is_local
from pixi_container.workspace.package_ways import package_ways
from pixi_container.workspace.requirements import normal_name

if TYPE_CHECKING:
    from pixi_container.workspace.workspace import Workspace

_SKIPPED_SINCE_LOCK = 7


@dataclass(frozen=True)
class FetchedSource:
    """A package that is built from source of another place; ``kind`` is ``conda`` or ``pypi``.

    ``why_not_added`` says why Pixi cannot add it to an environment that has all other packages, and completes a
    sentence; it is empty if Pixi can.
    """

    name: str
    kind: str
    why_not_added: str = ""


def fetched_source(workspace: Workspace) -> tuple[FetchedSource, ...]:
    """Return the packages whose source is neither in the workspace nor a finished archive.

    The split follows `pixi install --skip`, which takes names: a name that a conda archive has as well would leave
    out both, and Pixi never installs an archive that it left out once. With a lock before version 7, Pixi looks at
    the source of every conda package, even of those that it leaves out.
    """
    ways = package_ways(workspace.platform.packages)
    fetched = [each for each in ways if each.way == "stage" and not is_local(each.package.location)]
    archives = {normal_name(each.package.name) for each in ways if each.way != "stage"} if fetched else set()
    sources = []
    for each in fetched:
        package, why = each.package, ""
        if package.kind == "conda" and workspace.lock_version < _SKIPPED_SINCE_LOCK:
            why = f"{each.reason}, and version {workspace.lock_version} of the lock is too old to add it later"
        elif normal_name(package.name) in archives:
            why = f"{each.reason}, and another package of the environment has the same name"
        sources.append(FetchedSource(package.name, package.kind, why))
    return tuple(sources)


def added_later(workspace: Workspace) -> tuple[FetchedSource, ...]:
    """Return those that Pixi adds to the environment in the stage ``workspace``."""
    return tuple(source for source in fetched_source(workspace) if not source.why_not_added)
