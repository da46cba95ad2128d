"""What an environment asks of the machine: the CUDA driver and the C library, each with the reason."""

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


class Derived(NamedTuple):
    """A value, and the one sentence that says where it comes from."""

    value: str
    reason: str


def cuda(platform: Platform, locked: LockedPlatform) -> Derived:
    """Return the CUDA version that the environment expects of the driver, empty without CUDA.

    The highest of what the platform declares and its packages ask for; a bare ``__cuda`` says no version, the
    ``cuda-version`` package then does.
    """
    asked = list(_asked("__cuda", locked.packages))
    declared = platform.version("__cuda")
    bounds = _lowest_versions(asked)
    if declared:
        return _highest([Derived(declared, platform.reason), *bounds])
    if bounds:
        return _highest(bounds)
    if not asked:
        return Derived("", NOT_ASKED_FOR)
    source = _source(*asked[0])
    marker = next((package.version for package in locked.packages if package.name == "cuda-version"), "")
    if marker:
        return Derived(marker, f"cuda-version in {LOCK_NAME}, as {source} says no version")
    return Derived(_ANY_CUDA, f"assumed, as {source} in {LOCK_NAME} says no version")


def glibc(platform: Platform, locked: LockedPlatform) -> Derived:
    """Return the lowest version of glibc that the environment runs with, empty when nothing asks for one.

    The highest of what the platform declares, conda packages depend on, and wheels are tagged with (PEP 600).
    """
    versions = _lowest_versions(_asked("__glibc", locked.packages))
    versions += [
        Derived(version, f"the wheel of {shortened(package.name)} in {LOCK_NAME}")
        for package in locked.packages
        if package.kind == "pypi" and (version := _wheel_glibc(package.location))
    ]
    if declared := platform.version("__glibc"):
        versions.insert(0, Derived(declared, platform.reason))
    return _highest(versions) if versions else Derived("", NOT_ASKED_FOR)


def _highest(versions: Iterable[Derived]) -> Derived:
    """Return the highest version; of equal ones the first."""
    return max(versions, key=lambda derived: version_order(derived.value))


def _lowest_versions(asked: Iterable[tuple[str, str]]) -> list[Derived]:
    """Give, of each package that says a version, the one that it asks for at least."""
    return [
        Derived(max(bounds, key=version_order), f"{_source(name, spec)} in {LOCK_NAME}")
        for name, spec in asked
        if (bounds := _bounds(spec))
    ]


def _source(name: str, spec: str) -> str:
    return f"`{shortened(spec)}` of {shortened(name)}"


def _asked(virtual: str, packages: Iterable[LockedPackage]) -> Iterator[tuple[str, str]]:
    """Return each specification once, with the first package that has it."""
    first: dict[str, str] = {}
    for package in packages:
        for spec in package.asks:
            first.setdefault(spec[:_LONGEST_SPECIFICATION], package.name)
    for spec, name in first.items():
        if re.split(r"[\s<>=!~]", spec, maxsplit=1)[0] == virtual:
            yield name, " ".join(spec.split())


def _bounds(spec: str) -> list[str]:
    """Return the versions that a match specification such as ``__cuda >=12.4,<13`` asks for at least."""
    versions = re.sub(r"^[\w-]+", "", spec)
    return re.findall(r"(?:^\s*|[|,\s])(?:>=|>|==?|~=)?\s*(\d+(?:\.\d+)*)", versions)


def _wheel_glibc(location: str) -> str:
    """Read the tags of a wheel's name; of several for glibc the lowest, as any one of them is enough."""
    versions = []
    for platform in {tag.platform for tag in wheel_tags(location)} if is_wheel(location) else ():
        numbered = re.match(r"manylinux_(\d+)_(\d+)_", platform)
        if numbered:
            versions.append(f"{numbered[1]}.{numbered[2]}")
        elif old := _MANYLINUX.get(platform.partition("_")[0]):
            versions.append(old)
    return min(versions, key=version_order, default="")
