"""The lock: for one environment, its platforms with their packages and what those need of a machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.manifest import version_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rattler import PackageRecord
    from rattler.lock import LockedPackage, LockPlatform

LOCK_NAME = "pixi.lock"

DOCKER_PLATFORMS = {
    "linux-64": "linux/amd64",
    "linux-aarch64": "linux/arm64",
    "linux-ppc64le": "linux/ppc64le",
}
"""Conda's name of a platform to Docker's."""

_LFS_POINTER = b"version https://git-lfs.github.com/spec/v1"
_URL_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")


@dataclass(frozen=True, kw_only=True)
class LockedPlatform:
    """What the lock holds of one environment on one platform.

    ``name`` is the lock's own name of the platform (an alias such as ``p1`` from version 7 on), ``subdir``
    is conda's. ``cuda`` is the driver version that the environment expects, empty without CUDA.
    ``download_size`` counts the compressed bytes of conda packages; a lock has no sizes of PyPI packages.
    """

    name: str
    subdir: str
    conda_packages: int
    pypi_packages: int
    download_size: int
    cuda: str
    own_source: tuple[str, ...]
    git_source: tuple[str, ...]

    @property
    def docker(self) -> str:
        """Docker's name of the platform, empty when images cannot have it."""
        return DOCKER_PLATFORMS.get(self.subdir, "")


@dataclass(frozen=True, kw_only=True)
class LockedEnvironment:
    """One environment of the lock; ``platforms`` are those that Docker knows and that have packages.

    ``all_platforms`` are conda's names of every platform that it is locked for.
    """

    name: str
    lock_version: int
    all_platforms: tuple[str, ...]
    platforms: tuple[LockedPlatform, ...]

    def on(self, docker_platform: str) -> LockedPlatform:
        """Give it on ``linux/amd64`` or the like, empty for the first; ``UserError`` when not locked there."""
        for platform in self.platforms:
            if docker_platform in {platform.docker, ""}:
                return platform
        locked = ", ".join(platform.docker for platform in self.platforms) or "no platform of Docker's"
        subdir = next((conda for conda, docker in DOCKER_PLATFORMS.items() if docker == docker_platform), "?")
        raise UserError(
            f"environment '{self.name}' is not locked for {docker_platform}; it is for {locked}",
            file=LOCK_NAME,
            hint=f"Add '{subdir}' to the workspace's platforms, run `pixi lock`, and commit {LOCK_NAME}.",
        )


def read_lock(context: Path, environment: str) -> LockedEnvironment:
    """Read ``environment`` from the lock in ``context``, of any version from 1 to 7.

    Raises ``UserError`` when the lock is missing, is a Git LFS pointer, cannot be parsed, or does not have
    the environment.
    """
    path = context / LOCK_NAME
    text = _text(path)
    from rattler import LockFile
    from rattler.exceptions import ParseCondaLockError

    try:
        lock = LockFile.from_path(path)
    except ParseCondaLockError as error:
        raise UserError(
            f"the lock cannot be read: {error}",
            file=str(path),
            hint="Was it edited or merged by hand? Run `pixi lock` and commit the result.",
        ) from error
    found = lock.environment(environment)
    if found is None:
        names = ", ".join(sorted(name for name, _ in lock.environments()))
        raise UserError(
            f"the lock has no environment '{environment}'; it has {names}",
            file=str(path),
            hint=f"Run `pixi lock` and commit {LOCK_NAME}.",
        )
    platforms = [
        _platform(platform, packages) for platform, packages in found.packages_by_platform().items() if packages
    ]
    return LockedEnvironment(
        name=environment,
        lock_version=_version(text),
        all_platforms=tuple(sorted({platform.subdir for platform in platforms})),
        platforms=tuple(sorted((p for p in platforms if p.docker), key=lambda platform: platform.docker)),
    )


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(
            f"there is no {LOCK_NAME} in '{path.parent}'",
            hint=f"Run `pixi lock` and commit {LOCK_NAME}: an image is made from exactly what is locked.",
        ) from error
    except OSError as error:
        raise UserError(f"the lock cannot be read: {error}", file=str(path)) from error
    if content.startswith(_LFS_POINTER):
        raise UserError(
            "the lock is a Git LFS pointer, not the lock itself",
            file=str(path),
            hint="Check out with `lfs: true`, or run `git lfs pull`.",
        )
    return content.decode("utf-8", "replace")


def _version(text: str) -> int:
    """Read the version, the first line of a lock from version 4 on and the last one before."""
    found = re.search(r"^version: (\d+)\s*$", text, re.MULTILINE)
    return int(found[1]) if found else 0


def _platform(platform: LockPlatform, packages: list[LockedPackage]) -> LockedPlatform:
    from rattler.lock import CondaLockedBinaryPackage, CondaLockedPackage, PypiLockedPackage

    binaries = [package for package in packages if isinstance(package, CondaLockedBinaryPackage)]
    records = [record for package in binaries if (record := package.package_record)]
    pypi = [package for package in packages if isinstance(package, PypiLockedPackage)]
    elsewhere = [
        package
        for package in packages
        if isinstance(package, CondaLockedPackage) and not isinstance(package, CondaLockedBinaryPackage)
    ]
    places = [(package.name, package.location) for package in pypi]
    places += [(package.name, package.location) for package in elsewhere]
    return LockedPlatform(
        name=platform.name,
        subdir=str(platform.subdir),
        conda_packages=len(records) + len(elsewhere),
        pypi_packages=len(pypi),
        download_size=sum(record.size or 0 for record in records),
        cuda=_cuda(platform, {record.name.normalized: record for record in records}),
        own_source=tuple(sorted(name for name, place in places if not _is_remote(place))),
        git_source=tuple(sorted(name for name, place in places if place.startswith("git+"))),
    )


def _is_remote(location: str) -> bool:
    return bool(_URL_SCHEME.match(location)) and not location.startswith("file://")


def _cuda(platform: LockPlatform, records: Mapping[str, PackageRecord]) -> str:
    """Find the CUDA version: what the platform declares, else what its packages ask for.

    A bare ``__cuda`` says no version; the ``cuda-version`` package then does.
    """
    for package in platform.virtual_packages:
        name, _, version = package.partition("=")
        if name == "__cuda":
            return str(version.partition("=")[0])
    asked = [
        dependency
        for record in records.values()
        for dependency in record.depends
        if dependency.split(" ")[0] == "__cuda"
    ]
    if not asked:
        return ""
    bounds = [bound for dependency in asked for bound in re.findall(r">=(\d+(?:\.\d+)*)", dependency)]
    if bounds:
        return str(max(bounds, key=version_key))
    marker = records.get("cuda-version")
    return str(marker.version) if marker else "12"
