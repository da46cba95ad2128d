"""Which packages of a lock can be put into an image from their archives, and who installs the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pixi_container.workspace.lock import LockedPackage

Way = Literal["direct", "stage", "pixi"]
"""From its archive; by pixi in the stage on top of the environment; or only by pixi together with all others."""


@dataclass(frozen=True)
class PackageWay:
    """How a package gets into the image; ``reason`` says why not directly, and completes a sentence."""

    package: LockedPackage
    way: Way
    reason: str = ""


def package_ways(packages: Iterable[LockedPackage]) -> tuple[PackageWay, ...]:
    """Return the way of each package, from what the lock alone tells."""
    return tuple(_conda_way(package) if package.kind == "conda" else _wheel_way(package) for package in packages)


def direct_packages(packages: Iterable[LockedPackage]) -> tuple[LockedPackage, ...]:
    """Return the packages that are put into an image from their archives."""
    return tuple(each.package for each in package_ways(packages) if each.way == "direct")


def _conda_way(package: LockedPackage) -> PackageWay:
    if package.from_source:
        return PackageWay(package, "stage", "is built from its source")
    if not _path(package).endswith((".conda", ".tar.bz2")):
        return PackageWay(package, "pixi", "is neither a .conda nor a .tar.bz2 file")
    if not _parts(package.location).scheme:
        return PackageWay(package, "pixi", "comes from a file of the workspace")
    if not package.sha256:
        return PackageWay(package, "pixi", "has no sha256 in the lock")
    return PackageWay(package, "direct")


def _wheel_way(package: LockedPackage) -> PackageWay:
    location = package.location.removeprefix("direct+")
    scheme = _parts(location).scheme
    if location.startswith("git+"):
        return PackageWay(package, "stage", "comes from a Git repository")
    if scheme not in {"http", "https"}:
        return PackageWay(package, "stage", "comes from a file or folder of the workspace")
    if not _path(package).endswith(".whl"):
        return PackageWay(package, "stage", "is a source distribution, which has to be built")
    if not package.sha256:
        return PackageWay(package, "pixi", "is a wheel without a sha256 in the lock")
    return PackageWay(package, "direct")


def _path(package: LockedPackage) -> str:
    return _parts(package.location.removeprefix("direct+")).path


def _parts(location: str) -> SplitResult:
    """Return the parts of a URL; nothing but a path for one that is malformed."""
    try:
        return urlsplit(location)
    except ValueError:
        return SplitResult("", "", location, "", "")
