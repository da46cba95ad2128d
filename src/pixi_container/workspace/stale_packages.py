"""Whether what is locked for an environment on a platform is what the manifest requires, no more and no less.

Sources, all of Pixi 0.77: crates/pixi_core/src/lock_file/satisfiability/platform.rs and pypi.rs.
"""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from pixi_container.shortening import listed, shortened
from pixi_container.workspace.local_packages import is_local
from pixi_container.workspace.requirements import normal_name, requirement_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from rattler import MatchSpec, PackageRecord
    from rattler.lock import LockedPackage as RattlerPackage

    from pixi_container.workspace.requirements import CondaRequirement, PypiRequirement

_LONGEST_DEPENDENCY = 300
_DEPENDENCY_NAME = re.compile(r"\s*([A-Za-z0-9_][A-Za-z0-9_.-]*)\s*(?=[\s<>=!~\[]|$)")
_CONDITION = re.compile(r"[\[\]();^:\"'\\]|\bif\b")
_PYTHONS = ("python", "pypy", "graalpy")


class Package(NamedTuple):
    """A locked package. ``kind`` is ``conda``, ``source``, which is conda's as well, or ``pypi``.

    ``needs`` are the names of its dependencies, with those of its extras and under any condition. ``specs`` are
    names and specifications of the dependencies that always hold. ``is_readable`` is false where it may need more.
    """

    name: str
    version: str
    location: str
    kind: str
    record: PackageRecord | None
    needs: tuple[str, ...]
    specs: tuple[tuple[str, str], ...]
    is_readable: bool


class Problem(NamedTuple):
    """What is wrong, and with which requirement of the manifest if with one."""

    message: str
    requirement: CondaRequirement | PypiRequirement | None = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the manifest asks for: conda packages, constraints on them, packages of PyPI.

    ``has_more`` holds for conda packages, and ``has_overrides`` for versions of PyPI, that cannot be told from it.
    ``is_alone`` holds for an environment that is not solved together with others.
    """

    conda: Sequence[CondaRequirement] = ()
    constraints: Sequence[CondaRequirement] = ()
    pypi: Sequence[PypiRequirement] = ()
    has_more: bool = False
    has_overrides: bool = False
    is_alone: bool = False


@dataclass
class PackageComparison:
    """Compares packages with requirements, and keeps what it learns of a package for other environments.

    ``steps`` is how much it may still look at; when that is used up it finds nothing more.
    """

    steps: int
    packages: dict[tuple[type, str], Package] = field(default_factory=dict)
    dependencies: dict[str, tuple[str, bool]] = field(default_factory=dict)
    met: set[tuple[str, str]] = field(default_factory=set)
    specs: dict[str, MatchSpec | None] = field(default_factory=dict)
    purls: dict[str, frozenset[str] | None] = field(default_factory=dict)

    def problems(self, asked: Asked, locked: Iterable[RattlerPackage]) -> Iterator[Problem]:
        """Return what is wrong with the packages that are locked for an environment on a platform."""
        packages = [self._package(package) for package in locked]
        conda = {package.name: package for package in packages if package.kind != "pypi"}
        pypi = {package.name: package for package in packages if package.kind == "pypi"}
        self.steps -= len(packages) + len(asked.conda) + len(asked.pypi)
        if self.steps < 0:
            return
        if len(conda) + len(pypi) < len(packages):
            yield Problem("it has a package twice")
            return
        yield from self._conda_problems(asked, conda)
        yield from self._pypi_problems(asked, pypi, conda)

    def _conda_problems(self, asked: Asked, conda: Mapping[str, Package]) -> Iterator[Problem]:
        for requirement in asked.conda:
            if message := self._of_conda(requirement, conda):
                yield Problem(message, requirement)
        for requirement in asked.constraints:
            if message := self._of_constraint(requirement, conda):
                yield Problem(message, requirement)
        yield from self._unmet(conda)

    def _pypi_problems(
        self, asked: Asked, pypi: Mapping[str, Package], conda: Mapping[str, Package]
    ) -> Iterator[Problem]:
        for requirement in () if asked.has_overrides else asked.pypi:
            if not requirement.applies:
                continue
            message = _of_pypi(requirement, pypi.get(requirement.name))
            if not message or self._may_be_conda(requirement.name, conda):
                message = self._of_conda_for_pypi(requirement, conda)
            if message:
                yield Problem(message, requirement)
        if not asked.has_more:
            yield from self._unneeded_conda(asked, conda, pypi)
        left = dict(pypi)
        self._take(left, [requirement.name for requirement in asked.pypi])
        if left and self.steps >= 0:
            yield Problem(f"it has PyPI packages that nothing requires: {listed(left)}")
        binary = [package for package in conda.values() if package.kind == "conda"]
        if asked.pypi and not pypi and self.steps > len(binary) and not any(map(self._has_purls, binary)):
            yield Problem(
                "it does not have PyPI's names of its conda packages, as the manifest required none of PyPI"
            )
        if pypi and asked.pypi and not any(name.startswith(_PYTHONS) for name in conda):
            yield Problem("it has PyPI packages and no Python")

    def _package(self, package: RattlerPackage) -> Package:
        key = (type(package), package.location)
        known = self.packages.get(key)
        if known is None:
            known = self._read(package)
            self.steps -= 5 * len(known.needs)
            # Several packages may be built from one folder, each for several platforms.
            if known.kind != "source":
                self.packages[key] = known
        return known

    def _read(self, package: RattlerPackage) -> Package:
        from rattler.lock import CondaLockedSourcePackage, PypiLockedPackage

        location = package.location
        if isinstance(package, PypiLockedPackage):
            needs = tuple(filter(None, map(requirement_name, package.requires_dist)))
            name = normal_name(package.name)
            return Package(name, package.version, location, "pypi", None, needs, (), is_readable=True)
        name = package.name.lower()
        record = package.package_record  # type: ignore[attr-defined]
        if isinstance(package, CondaLockedSourcePackage) or record is None:
            # What the lock has of it, its backend may say otherwise.
            return Package(name, "", location, "source", None, (), (), is_readable=False)
        depends = [(spec, *self._dependency(spec)) for spec in record.depends]
        extras = [self._dependency(spec)[0] for group in record.extra_depends.values() for spec in group]
        names = (*(needed for _, needed, _ in depends), *extras)
        specs = tuple((needed, spec) for spec, needed, is_sure in depends if is_sure)
        version = str(record.version)
        return Package(name, version, location, "conda", record, names, specs, is_readable="" not in names)

    def _dependency(self, spec: str) -> tuple[str, bool]:
        known = self.dependencies.get(spec)
        if known is None:
            known = self.dependencies[spec] = _dependency(spec)
        return known

    def _of_conda(self, requirement: CondaRequirement, conda: Mapping[str, Package]) -> str:
        if not requirement.applies or requirement.name.startswith("__"):
            return ""
        name = shortened(requirement.name)
        package = conda.get(requirement.name)
        if package is None:
            return f"it has no conda package {name}, which the manifest requires"
        if requirement.from_source and package.kind == "conda":
            return f"it has a conda package {name} that is not built from the source that the manifest names"
        return self._of_constraint(requirement, conda)

    def _of_constraint(self, requirement: CondaRequirement, conda: Mapping[str, Package]) -> str:
        package = conda.get(requirement.name)
        if package is None or not requirement.match or self._is_met(requirement.match, package):
            return ""
        return (
            f"it has {shortened(package.name)} {package.version}; "
            f"the manifest requires {shortened(requirement.written)}"
        )

    def _is_met(self, spec: str, package: Package) -> bool:
        """Tell whether a package may meet a specification; one that cannot be read is taken to be met."""
        key = (spec, package.location)
        if key in self.met or package.record is None:
            return True
        self.steps -= 5
        if spec not in self.specs:
            self.specs[spec] = _parsed(spec)
        parsed = self.specs[spec]
        if parsed is None or parsed.matches(package.record):
            self.met.add(key)
            return True
        return False

    def _unmet(self, conda: Mapping[str, Package]) -> Iterator[Problem]:
        """Find a package whose own dependencies are not met, as after a merge by hand."""
        met = self.met
        for package in conda.values():
            self.steps -= len(package.specs)
            if self.steps < 0:
                return
            for name, spec in package.specs:
                other = conda.get(name)
                if other and (spec, other.location) in met:
                    continue
                if other is None or not self._is_met(spec, other):
                    has = f"{shortened(name)} {other.version}" if other else "no such package"
                    yield Problem(f"its {shortened(package.name)} needs {shortened(spec)}, and it has {has}")
                    return

    def _unneeded_conda(
        self, asked: Asked, conda: Mapping[str, Package], pypi: Mapping[str, Package]
    ) -> Iterator[Problem]:
        if not all(package.is_readable for package in conda.values()):
            return
        left = dict(conda)
        self._take(left, [requirement.name for requirement in asked.conda])
        needed = {name for package in left.values() for name in package.needs if name != package.name}
        unneeded = left.keys() - needed if asked.is_alone else set()
        if unneeded:
            # Also what meets a requirement of PyPI has to come from there, unless conda asks for it.
            left = {name: package for name, package in left.items() if name in unneeded}
        elif left and asked.pypi:
            # A conda package that has the name on PyPI meets a requirement of it.
            names = {requirement.name for requirement in asked.pypi}
            names.update(*(package.needs for package in pypi.values()))
            self._take(left, [name for name, package in left.items() if self._may_be(package, names)])
        if left and self.steps >= 0:
            yield Problem(f"it has conda packages that no requirement of conda asks for: {listed(left)}")

    def _take(self, left: dict[str, Package], todo: list[str]) -> None:
        """Take the named packages and all that they need out of what is left."""
        while todo:
            if package := left.pop(todo.pop(), None):
                todo += package.needs
                self.steps -= len(package.needs)

    def _of_conda_for_pypi(self, requirement: PypiRequirement, conda: Mapping[str, Package]) -> str:
        """Say what is wrong with the version of conda packages that meet a requirement of PyPI."""
        name = requirement.name
        package = conda.get(name)
        if requirement.source != "index" or package is None or not self._is_certainly(name, package):
            return ""
        same = [other for other in conda.values() if self._may_be(other, {name})]
        if any(not self._is_certainly(name, one) or _may_be_version(requirement.location, one) for one in same):
            return ""
        return f"it has {shortened(name)} {package.version} of conda; the manifest requires {requirement.location}"

    def _has_purls(self, package: Package) -> bool:
        return self._purls(package) is not None

    def _is_certainly(self, name: str, package: Package) -> bool:
        """Tell whether a conda package has the name on PyPI, and its own version there."""
        purls = self._purls(package) or ()
        return name in purls and "@" not in purls

    def _may_be_conda(self, name: str, conda: Mapping[str, Package]) -> bool:
        return any(self._may_be(package, {name}) for package in conda.values())

    def _may_be(self, package: Package, names: AbstractSet[str]) -> bool:
        """Tell whether a conda package may be one of those of PyPI that have these names."""
        if package.kind == "source":
            return True
        purls = self._purls(package)
        return self.steps < 0 or (normal_name(package.name) in names if purls is None else bool(names & purls))

    def _purls(self, package: Package) -> frozenset[str] | None:
        """Return the normal names that a conda package has on PyPI; None when the lock does not say.

        ``@`` is among them where it has another version there.
        """
        self.steps -= 1
        if package.record is None or self.steps < 0:
            return None
        if package.location not in self.purls:
            self.steps -= 50
            purls = json.loads(package.record.to_json()).get("purls")
            names = {re.split(r"[?#]", purl.partition("pypi/")[2], maxsplit=1)[0] for purl in purls or ()}
            names |= {mark for name in names for mark in (name.partition("@")[0], *("@" if "@" in name else ""))}
            self.purls[package.location] = None if purls is None else frozenset(map(normal_name, names))
        return self.purls[package.location]


def _parsed(spec: str) -> MatchSpec | None:
    from rattler import MatchSpec
    from rattler.exceptions import InvalidMatchSpecError

    try:
        return MatchSpec(spec)
    except InvalidMatchSpecError:
        return None


def _dependency(spec: str) -> tuple[str, bool]:
    """Return the name of a dependency, empty where it is unknown, and whether it is sure to hold as it reads."""
    match = _DEPENDENCY_NAME.match(spec)
    name = match[1].lower() if match else ""
    return name, len(spec) <= _LONGEST_DEPENDENCY and name[:2] not in {"", "__"} and not _CONDITION.search(spec)


def _of_pypi(requirement: PypiRequirement, package: Package | None) -> str:
    name = shortened(requirement.name)
    if package is None:
        return f"it has no PyPI package {name}, which the manifest requires"
    locked, wanted = package.version, requirement.location
    if requirement.source == "index":
        differs = not _may_be_version(wanted, package)
    elif requirement.source == "path":
        locked = f"from {package.location}"
        differs = not _may_be_path(package.location, wanted)
    elif requirement.source == "git":
        kind, _, reference = requirement.reference.partition("=")
        locked_reference = _query(package.location).get(kind, "")
        locked = f"from {package.location}"
        differs = not package.location.startswith("git+") or _repository(package.location) != _repository(wanted)
        if not differs and locked_reference and not _is_prefix(locked_reference, reference):
            locked, wanted, differs = f"of {kind} {locked_reference}", f"{kind} {reference}", True
    else:
        locked = f"from {package.location}"
        differs = package.location.startswith("git+") or _repository(package.location) != _repository(wanted)
    return f"it has {name} {shortened(locked)}; the manifest requires {shortened(wanted)}" if differs else ""


def _may_be_version(specifier: str, package: Package) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    if specifier.strip() in {"", "*"} or len(specifier) > _LONGEST_DEPENDENCY:
        return True
    try:
        wanted, version = SpecifierSet(specifier), Version(package.version)
    except (InvalidSpecifier, InvalidVersion):
        return True
    # How a local version such as ``1.0+cpu`` compares is read differently.
    return any(wanted.contains(one, prereleases=True) for one in (version, Version(version.public)))


def _may_be_path(location: str, wanted: str) -> bool:
    if not is_local(location):
        return False
    if any(path.startswith(("/", "~", "file:")) or "\\" in path for path in (location, wanted)):
        return True
    return posixpath.normpath(location) == posixpath.normpath(wanted)


def _is_prefix(one: str, other: str) -> bool:
    """Tell whether two references may be the same commit, of which one is written in short."""
    return one.startswith(other) or other.startswith(one)


def _query(url: str) -> dict[str, str]:
    return dict(parse_qsl(url.partition("?")[2].partition("#")[0]))


def _repository(url: str) -> tuple[str, str]:
    """Return host and path of a URL, or of a Git repository, in one spelling."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", url
    path = parts.path.partition("@")[0].rstrip("/").removesuffix(".git")
    return (parts.hostname or "").lower(), unquote(path).lower()
