"""Why ``pixi install --locked`` would refuse the lock, as far as manifest and lock alone tell.

Pixi compares all environments on all of their platforms (crates/pixi_core/src/lock_file of Pixi 0.77: outdated.rs,
and satisfiability/environment.rs, platform.rs and pypi.rs). What it learns from build backends, the metadata of
local packages, and conditions of requirements is left to it: every reason given here is one that it has as well.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from pixi_container.errors import UserError
from pixi_container.lock import LOCK_NAME
from pixi_container.own_source import is_local
from pixi_container.platforms import environment_platforms
from pixi_container.requirements import (
    CondaRequirement,
    PypiRequirement,
    conda_requirements,
    has_dev_dependencies,
    normal_name,
    pypi_requirements,
    requirement_name,
)
from pixi_container.shortening import listed, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rattler.lock import CondaLockedPackage, PypiLockedPackage
    from rattler.lock import Environment as RattlerEnvironment
    from rattler.lock import LockedPackage as RattlerPackage

    from pixi_container.lock import Lock, LockRow
    from pixi_container.manifest import Environment, Manifest
    from pixi_container.platforms import Platform
    from pixi_container.toml_table import TomlTable

_RICH_PLATFORMS = (0, 71)
"""The version of Pixi from which on the rules for environments and platforms are those that are read here."""

_HINT = f"Run `pixi lock` and commit {LOCK_NAME}."
_CONDA_ALIAS = "https://conda.anaconda.org/"
_DEFAULT_INDEX = "https://pypi.org/simple"
_MOST_STEPS = 3_000_000
_LONGEST_DEPENDENCY = 300

_HEAD = re.compile(r"^  (\S.*):\n((?:    (?!packages:).*\n)*)    packages:", re.MULTILINE)
_INDEXES = re.compile(r"^    indexes:\n((?:    - .*\n)*)", re.MULTILINE)
_OPTION = re.compile(r"^      ([a-z-]+): (\S+)$", re.MULTILINE)
_CHANNEL_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[\w.-]+)*")
_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d+)?(?:/[\w.~+-]+)*/?")
_DEPENDENCY_NAME = re.compile(r"\s*([A-Za-z0-9_][A-Za-z0-9_.-]*)\s*(?=[\s<>=!~\[]|$)")

_NO_CONTENT = {"features", "solve-group", "no-default-feature"}
"""The keys of an environment that are not those of a feature (toml/environment.rs)."""

_OPTIONS = {
    "strategy": (
        "solve-strategy",
        {"highest": "highest", "lowest": "lowest-version", "lowest-direct": "lowest-version-direct"},
        "highest",
    ),
    "channel-priority": ("channel-priority", dict.fromkeys(("strict", "flexible", "disabled")), "strict"),
}
"""Of each option of the lock: its key in the manifest, its values there and in the lock, and what is not written."""


def stale_reasons(
    manifest: Manifest, lock: Lock, text: str = "", pixi: tuple[int, ...] = ()
) -> Iterator[UserError]:
    """Give why Pixi would refuse the lock, each reason once, with the manifest's line where there is one.

    ``text`` is that of the lock, without which its solve options and indexes are not compared. ``pixi`` is the
    version that installs, empty for the newest. Raises ``UserError`` for a manifest that Pixi does not accept.
    """
    seen: set[str] = set()
    for reason in _Comparison(manifest, lock, text, not pixi or pixi >= _RICH_PLATFORMS).reasons():
        if str(reason) not in seen:
            seen.add(str(reason))
            yield reason


@dataclass(frozen=True)
class _Record:
    """A locked conda package: what it depends on by name, and the specifications by which it does.

    ``is_readable`` is false where it has a dependency whose name or condition cannot be told.
    """

    names: tuple[str, ...]
    specs: tuple[tuple[str, str], ...]
    is_readable: bool


@dataclass(frozen=True)
class _Target:
    """An environment on a platform, with the packages that are locked for it by name."""

    environment: Environment
    platform: Platform
    conda: Mapping[str, CondaLockedPackage]
    pypi: Mapping[str, PypiLockedPackage]

    def __str__(self) -> str:
        return f"environment '{shortened(self.environment.name)}' on {self.platform.name}"


@dataclass
class _Comparison:
    """One comparison, with what it has learnt of the lock's packages by their place, and the steps it may make."""

    manifest: Manifest
    lock: Lock
    text: str
    is_newest: bool
    steps: int = _MOST_STEPS
    records: dict[str, _Record] = field(default_factory=dict)
    matches: dict[tuple[str, str], bool] = field(default_factory=dict)
    purls: dict[str, frozenset[str] | None] = field(default_factory=dict)
    groups: dict[tuple[str, str, bool, str], str] = field(default_factory=dict)

    def reasons(self) -> Iterator[UserError]:
        locked = set(self.lock.environment_names)
        names = self.manifest.environment_names
        environments = {}
        for name in names:
            self.steps -= 1 + len(self.manifest.pixi.table("feature").values)
            if self.steps < 0:
                return
            environments[name] = self.manifest.environment(name)
        for name, environment in environments.items():
            if name not in locked:
                yield self._at(
                    self.manifest.pixi.table("environments"), name, f"environment '{shortened(name)}' is not in it"
                )
                continue
            yield from self._environment(environment, environments)
        if self.is_newest:
            for name in self.lock.environment_names:
                if name not in environments:
                    yield self._at(
                        self.manifest.pixi,
                        "environments",
                        f"it has the environment '{shortened(name)}', which is not in the manifest any more",
                    )

    def _environment(
        self, environment: Environment, all_environments: Mapping[str, Environment]
    ) -> Iterator[UserError]:
        rattler = self.lock.rattler.environment(environment.name)
        if rattler is None:
            return
        group = [
            other
            for other in all_environments.values()
            if other is environment or (environment.solve_group and other.solve_group == environment.solve_group)
        ]
        yield from self._channels(environment, group, rattler)
        rows = self.lock.rows(environment.name)
        platforms = environment_platforms(self.manifest, environment)
        self.steps -= 10 * len(platforms) + len(rows) + len(group)
        if self.is_newest:
            yield from self._options(environment, group)
            yield from self._platforms(environment, platforms, rows)
        packages = {row.name: found for row, found in rattler.packages_by_platform().items()}
        for platform in platforms:
            name = _row_name(platform, rows, packages)
            if name is None:
                continue
            yield from self._target(environment, platform, packages.get(name, []))
            if self.is_newest and name == platform.name and environment.solve_group:
                yield from self._solve_group(environment, platform, packages.get(name, []))

    def _channels(
        self, environment: Environment, group: Sequence[Environment], rattler: RattlerEnvironment
    ) -> Iterator[UserError]:
        wanted = self._wanted_channels(environment)
        if wanted is None or any(self._wanted_channels(other) != wanted for other in group):
            return
        locked = [_channel_url(str(channel)) for channel in rattler.channels()]
        if None in locked or len(set(wanted)) != len(wanted) or locked == wanted:
            return
        yield self._at(
            *self._channels_place(environment),
            f"environment '{shortened(environment.name)}' was solved with the channels "
            f"{listed(filter(None, locked))}; the manifest has {listed(wanted)}",
        )

    def _wanted_channels(self, environment: Environment) -> list[str] | None:
        """Give the URLs of an environment's channels, the preferred one first; None when they are not all plain."""
        entries: list[tuple[int, str]] = []
        for feature in environment.features:
            if not feature.name and not feature.table.values.keys() - _NO_CONTENT:
                continue
            has_own = feature.name != "default" and "channels" in feature.table
            for entry in (feature.table if has_own else self.manifest.workspace).items("channels"):
                channel, priority = (entry, 0) if isinstance(entry, str) else (None, 0)
                if isinstance(entry, dict):
                    channel, priority = entry.get("channel"), entry.get("priority") or 0
                if not isinstance(channel, str) or not isinstance(priority, int):
                    return None
                self.steps -= 1
                entries.append((-priority, channel))
        ordered = dict.fromkeys(channel for _, channel in sorted(entries, key=lambda entry: entry[0]))
        urls = [url for channel in ordered if (url := _channel_url(channel))]
        return urls if len(urls) == len(ordered) else None

    def _channels_place(self, environment: Environment) -> tuple[TomlTable, str]:
        own = (feature.table for feature in environment.features if feature.name != "default")
        return next((table for table in own if "channels" in table), self.manifest.workspace), "channels"

    def _options(self, environment: Environment, group: Sequence[Environment]) -> Iterator[UserError]:
        head = self._heads.get(environment.name)
        if head is None:
            return
        options = dict(_OPTION.findall(head))
        for name, (key, values, default) in _OPTIONS.items():
            tables = [
                self.manifest.workspace if feature.name == "default" else feature.table
                for feature in environment.features
            ]
            table = next((table for table in tables if key in table), self.manifest.workspace)
            value = table.string(key) or default
            if value not in values:
                continue
            wanted, locked = values[value] or value, options.get(name, default)
            if wanted != locked:
                yield self._at(
                    table,
                    key,
                    f"environment '{shortened(environment.name)}' was solved with {key} "
                    f"{shortened(locked)}; the manifest has {wanted}",
                )
        if any(pypi_requirements(self.manifest, environment, None)):
            yield from self._indexes(environment, group, head)

    def _indexes(self, environment: Environment, group: Sequence[Environment], head: str) -> Iterator[UserError]:
        found = _INDEXES.search(head)
        if found is None:
            return
        locked = [line.removeprefix("    - ").strip("'\"").rstrip("/") for line in found[1].splitlines()]
        tables = {self.manifest.workspace.keys: self.manifest.workspace}
        for other in group:
            tables.update({feature.table.keys: feature.table for feature in other.features})
        self.steps -= len(tables)
        own = [table.table("pypi-options") for table in tables.values()]
        indexes = [url for table in own if (url := table.string("index-url"))] or [_DEFAULT_INDEX]
        place = next((table for table in own if "index-url" in table or "extra-index-urls" in table), own[0])
        wanted = [
            url.rstrip("/")
            for url in (*indexes, *(url for table in own for url in table.strings("extra-index-urls")))
        ]
        if not all(_PLAIN_URL.fullmatch(url) for url in (*wanted, *locked)) or len(set(indexes)) > 1:
            return
        if {url.lower() for url in wanted} != {url.lower() for url in locked}:
            yield self._at(
                place,
                "index-url" if "index-url" in place else "extra-index-urls",
                f"environment '{shortened(environment.name)}' was solved with the PyPI indexes {listed(locked)}; "
                f"the manifest has {listed(dict.fromkeys(wanted))}",
            )

    @cached_property
    def _heads(self) -> dict[str, str]:
        """What the lock says of each environment before its packages."""
        start = self.text.find("\nenvironments:\n")
        end = self.text.find("\npackages:\n", start)
        if start < 0 or self.lock.version < 4:
            return {}
        return {found[1].strip("'\""): found[2] for found in _HEAD.finditer(self.text, start, max(end, start))}

    def _platforms(
        self, environment: Environment, platforms: Sequence[Platform], rows: Sequence[LockRow]
    ) -> Iterator[UserError]:
        subdirs = {platform.subdir for platform in platforms}
        by_name = {platform.name: platform for platform in platforms}
        for row in rows:
            same = by_name.get(row.name)
            if row.subdir not in subdirs:
                yield self._at(
                    self.manifest.workspace,
                    "platforms",
                    f"environment '{shortened(environment.name)}' is locked for {shortened(row.name)}, "
                    "which is not a platform of it any more",
                )
            elif same and self.lock.version >= 7 and (same.subdir, same.promises) != (row.subdir, row.promises):
                yield self._at(
                    self.manifest.workspace,
                    "platforms",
                    f"platform '{shortened(row.name)}' of environment '{shortened(environment.name)}' was solved for "
                    f"{row.subdir} with {listed(row.virtual_packages)}; the manifest has {same.subdir} with "
                    f"{listed(map(str, same.virtual_packages))}",
                )

    def _target(
        self, environment: Environment, platform: Platform, packages: Sequence[RattlerPackage]
    ) -> Iterator[UserError]:
        from rattler.lock import CondaLockedPackage, PypiLockedPackage

        conda = {package.name.lower(): package for package in packages if isinstance(package, CondaLockedPackage)}
        pypi = {
            normal_name(package.name): package for package in packages if isinstance(package, PypiLockedPackage)
        }
        target = _Target(environment, platform, conda, pypi)
        names = (platform.name, platform.subdir)
        wanted = list(conda_requirements(self.manifest, environment, names))
        wanted_of_pypi = list(pypi_requirements(self.manifest, environment, names))
        self.steps -= 2 * len(packages) + len(wanted) + len(wanted_of_pypi) + len(environment.features)
        if self.steps < 0:
            return
        if not packages:
            if wanted and any(one.applies and not one.name.startswith("__") for one in wanted):
                yield self._at(self.manifest.workspace, "platforms", f"{target} is not in it")
            return
        if len(conda) + len(pypi) < len(packages):
            # Pixi wants every name once.
            yield self._of_lock(f"{target} has a package twice")
            return
        for requirement in wanted:
            if problem := self._of_conda(requirement, target):
                yield self._at(requirement.table, requirement.key, f"{target}: {problem}")
        yield from self._dependencies(target)
        yield from self._unneeded_conda(target, wanted, bool(wanted_of_pypi))
        overridden = self._has_overrides(environment)
        for requirement_of_pypi in () if overridden else wanted_of_pypi:
            if problem := self._of_pypi(requirement_of_pypi, target):
                yield self._at(requirement_of_pypi.table, requirement_of_pypi.key, f"{target}: {problem}")
        yield from self._unneeded_pypi(target, wanted_of_pypi)
        if pypi and wanted_of_pypi and not any(name.startswith(("python", "pypy", "graalpy")) for name in conda):
            yield self._of_lock(f"{target} has PyPI packages and no Python")

    def _of_conda(self, requirement: CondaRequirement, target: _Target) -> str:
        """Say what is wrong with the package that a requirement asks for, nothing when it may be right."""
        if not requirement.applies or requirement.name.startswith("__"):
            return ""
        name = shortened(requirement.name)
        package = target.conda.get(requirement.name)
        if package is None:
            return f"it has no conda package {name}, which the manifest requires"
        if requirement.from_source and not _is_source(package):
            return f"it has a conda package {name} that is not built from the source that the manifest names"
        if not requirement.match or self._matches(requirement.match, package):
            return ""
        wanted = requirement.match.partition('version="')[2].replace('", build="', " ").partition('"')[0]
        return f"it has {name} {package.version}; the manifest requires {shortened(wanted)}"

    def _matches(self, match: str, package: CondaLockedPackage) -> bool:
        """Tell whether a package may satisfy a match specification; one that cannot be read is taken to."""
        from rattler import MatchSpec
        from rattler.exceptions import InvalidMatchSpecError

        if _is_source(package):
            # What is locked of it may be what its backend said for another platform.
            return True
        key = (match, package.location)
        if key not in self.matches:
            self.steps -= 5
            record = package.package_record
            try:
                self.matches[key] = record is None or MatchSpec(match).matches(record)
            except InvalidMatchSpecError:
                self.matches[key] = True
        return self.matches[key]

    def _record(self, package: CondaLockedPackage) -> _Record:
        location = package.location
        if location not in self.records:
            record = None if _is_source(package) else package.package_record
            depends = record.depends if record else []
            extra = [one for group in record.extra_depends.values() for one in group] if record else []
            named = [(_DEPENDENCY_NAME.match(one), one) for one in depends]
            more = [_DEPENDENCY_NAME.match(one) for one in extra]
            self.steps -= 5 * (len(depends) + len(extra))
            specs = [(found[1].lower(), one) for found, one in named if found and not found[1].startswith("__")]
            self.records[location] = _Record(
                tuple(
                    dict.fromkeys([*(name for name, _ in specs), *(found[1].lower() for found in more if found)])
                ),
                tuple(
                    (name, one)
                    for name, one in specs
                    if len(one) <= _LONGEST_DEPENDENCY and not re.search(r"[\[\]();^:\"'\\]|\bif\b", one)
                ),
                record is not None and all(found for found, _ in named) and all(more),
            )
        return self.records[location]

    def _dependencies(self, target: _Target) -> Iterator[UserError]:
        """Find packages of the lock whose own dependencies are not met by it, as after a merge by hand."""
        for name, package in target.conda.items():
            specs = self._record(package).specs
            self.steps -= len(specs)
            if self.steps < 0:
                return
            for needed, spec in specs:
                other = target.conda.get(needed)
                if other is None or not self._matches(spec, other):
                    has = f"{other.version}" if other else "none"
                    yield self._of_lock(f"{target}: {shortened(name)} needs {shortened(spec)}, and it has {has}")
                    return

    def _unneeded_conda(
        self, target: _Target, wanted: Iterable[CondaRequirement], has_pypi: bool
    ) -> Iterator[UserError]:
        names = (target.platform.name, target.platform.subdir)
        if has_dev_dependencies(target.environment, names) or self.steps < 0:
            return
        if not all(self._record(package).is_readable for package in target.conda.values()):
            return
        left = dict(target.conda)
        self._take_needed(left, (requirement.name for requirement in wanted))
        if left and has_pypi:
            # Requirements of PyPI may be met by conda packages, which are the ones that have names there.
            self._take_needed(
                left, [name for name, package in left.items() if self._purls(package) != frozenset()]
            )
        if left:
            yield self._of_lock(
                f"{target} has conda packages that neither the manifest nor another package requires: {listed(left)}"
            )

    def _take_needed(self, left: dict[str, CondaLockedPackage], names: Iterable[str]) -> None:
        """Take the named packages and all that they need out of what is left."""
        todo = list(names)
        while todo:
            if package := left.pop(todo.pop(), None):
                todo += self._record(package).names
                self.steps -= len(self._record(package).names)

    def _purls(self, package: CondaLockedPackage) -> frozenset[str] | None:
        """Give the normal names that a conda package has on PyPI; None when the lock does not say."""
        import json

        location = package.location
        if location not in self.purls:
            self.steps -= 50
            record = None if _is_source(package) else package.package_record
            purls = json.loads(record.to_json()).get("purls") if record else None
            self.purls[location] = (
                None
                if purls is None
                else frozenset(
                    normal_name(re.split(r"[@?#]", purl.rpartition("/")[2], maxsplit=1)[0]) for purl in purls
                )
            )
        return self.purls[location]

    def _has_overrides(self, environment: Environment) -> bool:
        tables = [self.manifest.workspace, *(feature.table for feature in environment.features)]
        return any("dependency-overrides" in table.table("pypi-options") for table in tables)

    def _of_pypi(self, requirement: PypiRequirement, target: _Target) -> str:
        """Say what is wrong with the package that a requirement asks for, nothing when it may be right."""
        if not requirement.applies:
            return ""
        name = shortened(requirement.name)
        package = target.pypi.get(requirement.name)
        if package is None:
            problem = f"it has no PyPI package {name}, which the manifest requires"
        elif requirement.source == "index":
            problem = _version_problem(requirement, package)
        else:
            problem = _place_problem(requirement, package)
        return problem if problem and not self._may_be_conda(requirement.name, target) else ""

    def _may_be_conda(self, name: str, target: _Target) -> bool:
        """Tell whether a conda package of the target may be what PyPI calls ``name``."""
        for conda_name, package in target.conda.items():
            if self.steps < 0:
                return True
            self.steps -= 1
            purls = self._purls(package)
            if name in (purls or ()) or (purls is None and normal_name(conda_name) == name):
                return True
        return False

    def _unneeded_pypi(self, target: _Target, wanted: Iterable[PypiRequirement]) -> Iterator[UserError]:
        left = dict(target.pypi)
        todo = [requirement.name for requirement in wanted]
        while todo:
            if package := left.pop(todo.pop(), None):
                requirements = package.requires_dist
                self.steps -= 5 * len(requirements)
                todo += map(requirement_name, requirements)
        if left and self.steps >= 0:
            yield self._of_lock(
                f"{target} has PyPI packages that neither the manifest nor another package requires: {listed(left)}"
            )

    def _solve_group(
        self, environment: Environment, platform: Platform, packages: Iterable[RattlerPackage]
    ) -> Iterator[UserError]:
        from rattler.lock import PypiLockedPackage

        group = environment.solve_group
        for package in packages:
            name, is_pypi = package.name.lower(), isinstance(package, PypiLockedPackage)
            first = self.groups.setdefault((group, platform.name, is_pypi, name), package.location)
            if first != package.location:
                yield self._of_lock(
                    f"the environments of solve group '{shortened(group)}' have different packages "
                    f"{shortened(name)} on {platform.name}"
                )
                return

    def _at(self, table: TomlTable, key: str, message: str) -> UserError:
        return table.error(f"the lock is not up to date: {message}", key, hint=_HINT)

    def _of_lock(self, message: str) -> UserError:
        return UserError(f"the lock is not up to date: {message}", file=self.lock.file, hint=_HINT)


def _row_name(
    platform: Platform, rows: Sequence[LockRow], packages: Mapping[str, Sequence[RattlerPackage]]
) -> str | None:
    """Name the row that is locked for a platform, the empty name when none is, None where that cannot be told.

    By the rules of ``Lock.row``, on packages that have been read.
    """
    of_subdir = [row for row in rows if row.subdir == platform.subdir]
    named = [row for row in of_subdir if row.name == platform.name]
    same = [row for row in of_subdir if row.virtual_packages and row.promises == platform.promises]
    bare = [row for row in of_subdir if row.name == platform.subdir]
    covered = [row for row in bare if not row.virtual_packages or row.promises >= platform.promises]
    names = (row.name for row in (*named, *same, *covered) if packages.get(row.name))
    return next(names, None if any(packages.get(row.name) for row in of_subdir) else "")


def _channel_url(channel: str) -> str | None:
    """Give the URL of a channel; None for one that is a path, or has more to it than host and path."""
    if _PLAIN_URL.fullmatch(channel):
        return channel.rstrip("/")
    return _CONDA_ALIAS + channel if _CHANNEL_NAME.fullmatch(channel) else None


def _version_problem(requirement: PypiRequirement, package: PypiLockedPackage) -> str:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    if requirement.location.strip() in {"", "*"} or len(requirement.location) > _LONGEST_DEPENDENCY:
        return ""
    if is_local(package.location):
        return ""
    try:
        wanted, version = SpecifierSet(requirement.location), Version(package.version)
    except (InvalidSpecifier, InvalidVersion):
        return ""
    # How a local version such as ``1.0+cpu`` compares is read differently.
    if any(wanted.contains(one, prereleases=True) for one in (version, Version(version.public))):
        return ""
    name = shortened(requirement.name)
    return f"it has {name} {version}; the manifest requires {shortened(requirement.location)}"


def _place_problem(requirement: PypiRequirement, package: PypiLockedPackage) -> str:
    """Compare where a package comes from; places are only taken to differ when nothing makes them the same."""
    location, wanted = package.location, requirement.location
    if requirement.source == "path":
        differs = not is_local(location) or (
            not any(path.startswith(("/", "~", "file:")) or "\\" in path for path in (location, wanted))
            and posixpath.normpath(location) != posixpath.normpath(wanted)
        )
    elif requirement.source == "git":
        differs = not location.startswith("git+") or _repository(location) != _repository(wanted)
        kind, _, value = requirement.reference.partition("=")
        locked = dict(parse_qsl(urlsplit(location).query)).get(kind, "")
        if not differs and locked and not value.startswith(locked) and not locked.startswith(value):
            location, wanted, differs = f"{kind} {locked}", f"{kind} {value}", True
    else:
        differs = is_local(location) or location.startswith("git+") or _repository(location) != _repository(wanted)
    name = shortened(requirement.name)
    return f"it has {name} from {shortened(location)}; the manifest has {shortened(wanted)}" if differs else ""


def _repository(url: str) -> tuple[str, str]:
    """Give host and path of a URL in one spelling."""
    parts = urlsplit(url)
    path = parts.path.partition("@")[0].rstrip("/").removesuffix(".git")
    return (parts.hostname or "").lower(), unquote(path).lower()


def _is_source(package: RattlerPackage) -> bool:
    from rattler.lock import CondaLockedSourcePackage

    return isinstance(package, CondaLockedSourcePackage)
