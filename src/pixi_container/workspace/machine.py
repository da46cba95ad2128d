"""What an environment requires of the machine: the CUDA driver and the C library, each with the reason."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pixi_container.shortening import shortened
from pixi_container.versions import version_order
from pixi_container.workspace.lock import LOCK_NAME
from pixi_container.workspace.wheels import is_wheel, wheel_tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pixi_container.workspace.lock import LockedPackage, LockedPlatform
    from pixi_container.workspace.platforms import Platform

NOT_ASKED_FOR = "not asked for"

_ANY_CUDA = "12"
_LONGEST_SPECIFICATION = 300
_MANYLINUX = {"manylinux1": "2.5", "manylinux2010": "2.12", "manylinux2014": "2.17"}


class RequiredVersion(NamedTuple):
    """A version that a machine must have, empty for none, and a phrase that says where it comes from."""

    value: str
    reason: str


def cuda(platform: Platform, locked: LockedPlatform, given: str = "") -> RequiredVersion:
    """Return the CUDA version that the driver must support, empty without CUDA.

    It is the one that is ``given`` as an input, or the highest version that the platform declares or its packages
    require. If they only require ``__cuda`` without a version, the ``cuda-version`` package decides.
    """
    if given:
        return RequiredVersion(given, "input 'cuda-version'")
    asked = list(_asked("__cuda", locked.packages))
    declared = platform.version("__cuda")
    bounds = _lowest_versions(asked)
    if declared:
        return _highest([RequiredVersion(declared, platform.reason), *bounds])
    if bounds:
        return _highest(bounds)
    if not asked:
        return RequiredVersion("", NOT_ASKED_FOR)
    source = _source(*asked[0])
    marker = next((package.version for package in locked.packages if package.name == "cuda-version"), "")
    if marker:
        return RequiredVersion(marker, f"cuda-version in {LOCK_NAME}, as {source} names no version")
    return RequiredVersion(_ANY_CUDA, f"assumed, as {source} in {LOCK_NAME} names no version")


def glibc(platform: Platform, locked: LockedPlatform) -> RequiredVersion:
    """Return the lowest version of glibc that the environment runs with, empty if nothing requires one.

    It is the highest version that the platform declares, a conda package requires, or a wheel's tag names (PEP
    600).
    """
    versions = _lowest_versions(_asked("__glibc", locked.packages))
    versions += [
        RequiredVersion(version, f"the wheel of {shortened(package.name)} in {LOCK_NAME}")
        for package in locked.packages
        if package.kind == "pypi" and (version := _wheel_glibc(package.location))
    ]
    if declared := platform.version("__glibc"):
        versions.insert(0, RequiredVersion(declared, platform.reason))
    return _highest(versions) if versions else RequiredVersion("", NOT_ASKED_FOR)


def _highest(versions: Iterable[RequiredVersion]) -> RequiredVersion:
    """Return the highest version, the first of equal ones."""
    return max(versions, key=lambda derived: version_order(derived.value))


def _lowest_versions(asked: Iterable[tuple[str, str]]) -> list[RequiredVersion]:
    """Return the lower bound of each specification that has one."""
    return [
        RequiredVersion(max(bounds, key=version_order), f"{_source(name, spec)} in {LOCK_NAME}")
        for name, spec in asked
        if (bounds := _bounds(spec))
    ]


def _source(name: str, spec: str) -> str:
    return f"`{shortened(spec)}` of {shortened(name)}"


def _asked(virtual: str, packages: Iterable[LockedPackage]) -> Iterator[tuple[str, str]]:
    """Yield each specification of a virtual package once, after the name of the first package that has it."""
    first: dict[str, str] = {}
    for package in packages:
        for spec in package.asks:
            first.setdefault(spec[:_LONGEST_SPECIFICATION], package.name)
    for spec, name in first.items():
        if re.split(r"[\s<>=!~]", spec, maxsplit=1)[0] == virtual:
            yield name, " ".join(spec.split())


def _bounds(spec: str) -> list[str]:
    """Return the lower bounds in a match specification such as ``__cuda >=12.4,<13``."""
    versions = re.sub(r"^[\w-]+", "", spec)
    return re.findall(r"(?:^\s*|[|,\s])(?:>=|>|==?|~=)?\s*(\d+(?:\.\d+)*)", versions)


def _wheel_glibc(location: str) -> str:
    """Return the lowest glibc version in the tags of a wheel's name, as one matching tag suffices; else empty."""
    versions = []
    for platform in {tag.platform for tag in wheel_tags(location)} if is_wheel(location) else ():
        numbered = re.match(r"manylinux_(\d+)_(\d+)_", platform)
        if numbered:
            versions.append(f"{numbered[1]}.{numbered[2]}")
        elif old := _MANYLINUX.get(platform.partition("_")[0]):
            versions.append(old)
    return min(versions, key=version_order, default="")
