"""The platforms that a manifest gives to an environment, with what they promise of the machine.

Sources, all of Pixi 0.77: crates/pixi_manifest/src/toml/platform.rs (entries and names), toml/manifest.rs
(system requirements), features_ext.rs and platform_composition.rs (which platforms an environment has).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pixi_container.shortening import listed, shortened
from pixi_container.versions import VersionOrder, version_order
from pixi_container.workspace.toml_table import type_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pixi_container.errors import UserError
    from pixi_container.workspace.feature import Feature
    from pixi_container.workspace.manifest import Environment, Manifest

_CPUS = {
    "linux": "32 64 aarch64 armv6l armv7l loongarch64 ppc ppc64 ppc64le riscv32 riscv64 s390x",
    "osx": "64 arm64",
    "win": "32 64 arm64",
    "freebsd": "32 64 arm64",
    "ios": "arm64",
    "iossimulator": "64 arm64",
    "android": "32 64 aarch64 armv7a",
    "emscripten": "wasm32 wasm64",
    "wasi": "wasm32",
    "zos": "z",
}

SUBDIRS = frozenset(f"{system}-{cpu}" for system, cpus in _CPUS.items() for cpu in cpus.split())
"""Conda's names of platforms (rattler_conda_types/src/platform.rs)."""

_FRIENDLY = {
    "cuda": "__cuda",
    "archspec": "__archspec",
    "glibc": "__glibc",
    "linux": "__linux",
    "macos": "__osx",
    "windows": "__win",
}
_DEFAULTS = {
    "linux": {"__linux": "4.18", "__glibc": "2.28"},
    "osx": {"__osx": "13.0"},
    "win": {"__win": "10.0"},
}
_MOST_PLATFORMS = 200
_ARCHSPEC = {"64": "x86_64", "32": "x86", "arm64": "m1"}


Promise = tuple[str, VersionOrder, str]
"""A virtual package in a form that can be compared: name, ordered version, build."""


class VirtualPackage(NamedTuple):
    """What conda counts as a package of the machine itself, such as ``__cuda=12.4``."""

    name: str
    version: str
    build: str = ""

    def __str__(self) -> str:
        return "=".join(part for part in self if part)


@dataclass(frozen=True)
class Platform:
    """A platform of the workspace: the ``name`` that the manifest gives it, conda's ``subdir``, and why.

    ``virtual_packages`` are those that differ from what Pixi assumes of any machine of that subdir, ordered by
    name.
    """

    name: str
    subdir: str
    virtual_packages: tuple[VirtualPackage, ...] = ()
    reason: str = ""

    @property
    def promises(self) -> frozenset[Promise]:
        """What makes it, with its subdir, the same platform under another name, as in a lock."""
        return frozenset(
            (package.name, version_order(package.version), package.build) for package in self.virtual_packages
        )

    def version(self, package: str) -> str:
        """Return the version of one of its virtual packages, empty when it has none."""
        return next((virtual.version for virtual in self.virtual_packages if virtual.name == package), "")


def parse_virtual_packages(specs: Iterable[str], subdir: str) -> tuple[VirtualPackage, ...]:
    """Read ``name=version[=build]`` as a lock writes it, without what is assumed of any machine of ``subdir``."""
    fields = ((*spec.split("=", 2), "") for spec in specs)
    return _customised((VirtualPackage(*parts[:3]) for parts in fields), subdir)


def environment_platforms(manifest: Manifest, environment: Environment) -> tuple[Platform, ...]:
    """Return the platforms that an environment can be installed for, the one that Pixi prefers first.

    Raises ``UserError`` for entries that Pixi does not accept either.
    """
    declared = _declared(manifest)
    if all(platform.name == platform.subdir for platform in declared.values()):
        return _composed(manifest, environment, declared)
    return _by_name(manifest, environment, declared)


def _by_name(manifest: Manifest, environment: Environment, declared: dict[str, Platform]) -> tuple[Platform, ...]:
    """Rich platforms: those that every feature supports, by name or by subdir; a pinned name narrows."""
    for feature in manifest.all_features:
        if feature.system_requirements:
            raise feature.table.error(
                f"{feature} has system requirements, and the workspace has platforms given as tables",
                "system-requirements",
                hint="Pixi accepts one or the other: move the requirements into the platforms' tables.",
            )
        for name in feature.platforms or ():
            if name not in declared:
                raise _undeclared(feature, name, declared)
    pinned = [set(feature.platforms) for feature in environment.features if feature.platforms is not None]
    exact = set().union(*pinned)
    narrowed = {platform.subdir for platform in declared.values() if platform.name in exact}
    return tuple(
        platform
        for platform in declared.values()
        if all(platform.name in names or platform.subdir in names for names in pinned)
        and (platform.name in exact or platform.subdir not in narrowed)
    )


def _composed(manifest: Manifest, environment: Environment, declared: dict[str, Platform]) -> tuple[Platform, ...]:
    """Bare subdirs: those that every feature supports, each with the union of what the features require."""
    originals = dict(declared)
    for feature in manifest.all_features:
        for name in feature.platforms or ():
            if name not in SUBDIRS:
                raise _undeclared(feature, name, declared)
            originals.setdefault(name, Platform(name, name, reason=f"of {feature} in {manifest.file}"))
    pins: list[dict[str, Platform]] = []
    for feature in environment.features:
        names, requirements = feature.platforms, feature.system_requirements
        supported = originals if names is None else {name: originals[name] for name in names}
        if requirements:
            supported = {name: _required(feature, requirements, platform) for name, platform in supported.items()}
        if names is not None or requirements:
            pins.append(supported)
    _check_libc(environment)
    return tuple(
        _union(subdir, [pin[subdir] for pin in pins], originals)
        for subdir in originals
        if all(subdir in pin for pin in pins)
    )


def _required(feature: Feature, requirements: dict[str, str], platform: Platform) -> Platform:
    """Return a platform as a feature's system requirements make it."""
    packages = (VirtualPackage(name, version) for name, version in requirements.items())
    customised = _customised(
        (package for package in packages if _applies(package.name, platform.subdir)), platform.subdir
    )
    if not customised:
        return platform
    return Platform(
        _synthesised_name(platform.subdir, customised),
        platform.subdir,
        customised,
        f"system requirements of {feature} in {feature.table.file.rpartition('/')[2]}",
    )


def _applies(package: str, subdir: str) -> bool:
    system = subdir.partition("-")[0]
    if package == "__osx":
        return system == "osx"
    return system != "osx" if package == "__cuda" else system == "linux"


def _union(subdir: str, pinned: Sequence[Platform], originals: dict[str, Platform]) -> Platform:
    """Make one platform of those that the features pin: of each virtual package the highest version."""
    if not pinned:
        return originals[subdir]
    highest: dict[str, tuple[VirtualPackage, str]] = {}
    for platform in pinned:
        for package in platform.virtual_packages:
            known = highest.get(package.name)
            if known is None or version_order(package.version) > version_order(known[0].version):
                highest[package.name] = (package, platform.reason)
    packages = tuple(package for _, (package, _) in sorted(highest.items()))
    reasons = dict.fromkeys([reason for _, (_, reason) in sorted(highest.items())] or [pinned[0].reason])
    return Platform(_synthesised_name(subdir, packages), subdir, packages, ", ".join(reasons))


def _check_libc(environment: Environment) -> None:
    """Refuse system requirements on two families of libc, as Pixi does."""
    families: dict[str, Feature] = {}
    for feature in environment.features:
        for package in feature.system_requirements:
            if package not in {"__linux", "__cuda", "__osx"}:
                families.setdefault(package, feature)
    if len(families) > 1:
        raise next(iter(families.values())).table.error(
            f"environment '{environment.name}' requires two kinds of libc: "
            + ", ".join(f"{package[2:]} by {feature}" for package, feature in families.items()),
            "system-requirements",
        )


def _declared(manifest: Manifest) -> dict[str, Platform]:
    """Read the workspace's list of platforms, in its order, which is that of preference."""
    entries = manifest.workspace.items("platforms")
    if len(entries) > _MOST_PLATFORMS:
        raise manifest.workspace.error(
            f"the workspace has {len(entries)} platforms; {_MOST_PLATFORMS} are accepted", "platforms"
        )
    platforms: dict[str, Platform] = {}
    for entry in entries:
        platform = _parse(manifest, entry)
        if platform.name in platforms:
            raise manifest.workspace.error(f"platform '{shortened(platform.name)}' is listed twice", "platforms")
        platforms[platform.name] = platform
    return platforms


def _parse(manifest: Manifest, entry: Any) -> Platform:  # noqa: ANN401
    def refuse(message: str) -> UserError:
        return manifest.workspace.error(message, "platforms", hint='Such as "linux-64".')

    reason = f"platforms of {manifest.file}"
    if isinstance(entry, str):
        if entry not in SUBDIRS:
            raise refuse(f"'{shortened(entry)}' is no platform that conda knows")
        return Platform(entry, entry, reason=reason)
    if not isinstance(entry, dict):
        raise refuse(f"a platform must be a string or a table, it is {type_name(entry)}")
    name, subdir = entry.get("name", ""), entry.get("platform") or entry.get("name", "")
    if not isinstance(name, str) or not isinstance(subdir, str) or subdir not in SUBDIRS:
        shown = shortened(repr(subdir))
        raise refuse(f"a platform's table must name a platform that conda knows: platform = {shown}")
    packages: dict[str, VirtualPackage] = {}
    for key, value in entry.items():
        for package in () if key in {"name", "platform"} else _virtual_packages(key, value):
            if not re.fullmatch(r"__[a-z0-9_]+", package.name) or not package.version:
                shown = f"{shortened(key)} = {shortened(repr(value))}"
                raise refuse(f"a platform has {shown}, which is no virtual package with its version")
            packages[package.name] = package
    customised = _customised(packages.values(), subdir)
    if customised and name == subdir:
        asked = shortened(str(customised[0]))
        raise refuse(f"the platform '{name}' requires {asked}; such a platform needs a name of its own")
    return Platform(name or _synthesised_name(subdir, customised), subdir, customised, reason)


def _virtual_packages(key: str, value: Any) -> list[VirtualPackage]:  # noqa: ANN401
    """Read one entry of a platform's table; what is not valid has no version."""
    if key == "cuda" and isinstance(value, dict):
        driver, arch = value.get("driver"), value.get("arch")
        cuda = _virtual_packages(key, driver)
        return cuda if arch is None else [*cuda, *_virtual_packages("__cuda_arch", arch)]
    name = _FRIENDLY.get("macos" if key == "osx" else key, key)
    if not isinstance(value, str):
        return [VirtualPackage(name, "")]
    if name == "__archspec" and key == "archspec":
        return [VirtualPackage(name, "0" if value else "", value)]
    version, _, build = value.partition("=")
    return [VirtualPackage(name, version, build)]


def _customised(packages: Iterable[VirtualPackage], subdir: str) -> tuple[VirtualPackage, ...]:
    """Leave out what Pixi assumes of any such machine (platform.rs, ``subdir_default_virtual_packages``)."""
    system, _, cpu = subdir.partition("-")
    defaults = {name: (version_order(version), "") for name, version in _DEFAULTS.get(system, {}).items()}
    defaults["__unix"] = (version_order("0"), "0")
    defaults["__archspec"] = (
        version_order("0"),
        "m1" if cpu == "arm64" and system == "osx" else _ARCHSPEC.get(cpu, cpu),
    )
    return tuple(
        sorted(
            package
            for package in packages
            if (version_order(package.version), package.build) != defaults.get(package.name)
        )
    )


def _synthesised_name(subdir: str, packages: Iterable[VirtualPackage]) -> str:
    """Name a platform after its virtual packages (toml/platform.rs, ``synthesize_name_string``)."""
    order = {package: (position, key) for position, (key, package) in enumerate(_FRIENDLY.items())}
    parts = []
    for package in packages:
        position, key = order.get(package.name, (len(order), package.name.lstrip("_")))
        value = package.build if package.name == "__archspec" else "=".join(filter(None, package[1:]))
        parts.append((position, key, value))
    words = [subdir] + [f"{key}-{value}" for _, key, value in sorted(parts)]
    return "-".join(re.sub(r"[^A-Za-z0-9]+", "-", word).strip("-") for word in words)


def _undeclared(feature: Feature, name: str, declared: dict[str, Platform]) -> UserError:
    return feature.table.error(
        f"{feature} is for the platform '{shortened(name)}', which the workspace does not have",
        "platforms",
        hint=f"Platforms of the workspace: {listed(declared)}.",
    )
