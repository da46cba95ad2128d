"""Why ``pixi install --locked`` would refuse the lock, determined from manifest and lock alone.

Pixi compares all environments on all of their platforms (crates/pixi_core/src/lock_file of Pixi 0.77: outdated.rs
and satisfiability/environment.rs). Checks that need build backends, the metadata of local packages, or the
conditions of requirements are left to Pixi: it refuses a lock for every reason given here, and possibly for
others.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.shortening import listed, shortened
from pixi_container.versions import version_order
from pixi_container.workspace.feature import DEFAULT
from pixi_container.workspace.lock import LOCK_NAME
from pixi_container.workspace.lock_commands import lock_command
from pixi_container.workspace.platforms import environment_platforms
from pixi_container.workspace.requirements import Requirements, has_dev_dependencies
from pixi_container.workspace.stale_packages import Asked, PackageComparison

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rattler.lock import Environment as RattlerEnvironment
    from rattler.lock import LockedPackage as RattlerPackage

    from pixi_container.workspace.lock import Lock, LockRow
    from pixi_container.workspace.manifest import Environment, Manifest
    from pixi_container.workspace.platforms import Platform
    from pixi_container.workspace.toml_table import TomlTable

_RICH_PLATFORMS = "0.71"
"""The first version of Pixi that compares environments and platforms as this module does."""

_CONDA_ALIAS = "https://conda.anaconda.org/"
_DEFAULT_INDEX = "https://pypi.org/simple"
_MOST_STEPS = 2_000_000
"""Several times the 200,000 that the largest public workspaces need."""

_MOST_REQUIREMENTS = 100_000

_HEAD = re.compile(r"^  (\S.*):\n((?:    (?!packages:).*\n)*)    packages:", re.MULTILINE)
_INDEXES = re.compile(r"^    indexes:\n((?:    - .*\n)*)", re.MULTILINE)
_OPTION = re.compile(r"^      ([a-z-]+): (\S+)$", re.MULTILINE)
_CHANNEL_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[\w.-]+)*")
_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d+)?(?:/[\w.~+-]+)*/?")
_NO_CONTENT = {"features", "solve-group", "no-default-feature"}
"""The keys of an environment that are not those of a feature (toml/environment.rs)."""

_STRATEGIES = {"highest": "highest", "lowest": "lowest-version", "lowest-direct": "lowest-version-direct"}
_PRIORITIES = {priority: priority for priority in ("strict", "flexible", "disabled")}
_OPTIONS = (
    ("solve-strategy", "strategy", _STRATEGIES, "highest"),
    ("channel-priority", "channel-priority", _PRIORITIES, "strict"),
)
"""An option's key in the manifest and in the lock, the lock's values by the manifest's, and the default."""


def stale_reasons(manifest: Manifest, lock: Lock, pixi: str = "") -> Iterator[UserError]:
    """Yield the reasons why Pixi would refuse the lock, each once and, if possible, with a line of the manifest.

    ``pixi`` is the version that installs, empty for the newest. The comparison ends without an error at the first
    environment whose part of the manifest is invalid.
    """
    seen: set[str] = set()
    is_newest = not pixi or version_order(pixi) >= version_order(_RICH_PLATFORMS)
    comparison = _Comparison(manifest, lock, is_newest, Requirements(manifest, _MOST_REQUIREMENTS))
    with suppress(UserError):
        for reason in comparison.reasons():
            if str(reason) not in seen:
                seen.add(str(reason))
                yield reason


@dataclass
class _Comparison:
    manifest: Manifest
    lock: Lock
    is_newest: bool
    requirements: Requirements
    packages: PackageComparison = field(default_factory=lambda: PackageComparison(_MOST_STEPS))
    told: set[tuple[str, ...]] = field(default_factory=set)
    locked_by_group: dict[tuple[str, str, type, str], str] = field(default_factory=dict)

    def reasons(self) -> Iterator[UserError]:
        locked = set(self.lock.environment_names)
        for name, environment in self._environments.items():
            if name in locked:
                yield from self._of_environment(environment)
            else:
                table = self.manifest.pixi.table("environments")
                yield self._reason(f"environment '{shortened(name)}' is missing", table, name)
        unknown = [name for name in self.lock.environment_names if name not in self.manifest.environment_names]
        if unknown and self.is_newest:
            yield self._reason(
                f"it has environments that the manifest does not have: {listed(unknown)}",
                self.manifest.pixi,
                "environments",
            )

    @cached_property
    def _environments(self) -> dict[str, Environment]:
        names = self.manifest.environment_names
        self.packages.steps -= len(names) * (len(self.manifest.features) + len(names))
        return {name: self.manifest.environment(name) for name in names} if self.packages.steps > 0 else {}

    @cached_property
    def _groups(self) -> dict[str, list[Environment]]:
        """The environments by solve group."""
        groups: dict[str, list[Environment]] = {}
        for environment in self._environments.values():
            groups.setdefault(environment.solve_group, []).append(environment)
        return groups

    def _group(self, environment: Environment) -> list[Environment]:
        return self._groups[environment.solve_group] if environment.solve_group else [environment]

    def _of_environment(self, environment: Environment) -> Iterator[UserError]:
        rattler = self.lock.rattler.environment(environment.name)
        if rattler is None or self.packages.steps < 0:
            return
        yield from self._of_channels(environment, rattler)
        rows = self.lock.rows(environment.name)
        platforms = environment_platforms(self.manifest, environment)
        if self.is_newest:
            yield from self._of_options(environment)
            yield from self._of_platforms(environment, platforms, rows)
        packages = {row.name: of_row for row, of_row in rattler.packages_by_platform().items()}
        for platform in platforms:
            row = _row_name(platform, rows, packages)
            if row is None:
                continue
            yield from self._of_packages(environment, platform, packages.get(row, []))
            if self.is_newest and row == platform.name and environment.solve_group:
                yield from self._of_solve_group(environment, platform, packages[row])

    def _of_channels(self, environment: Environment, rattler: RattlerEnvironment) -> Iterator[UserError]:
        wanted = self._channels.get(environment.name)
        locked = [_channel_url(str(channel)) for channel in rattler.channels()]
        if wanted is None or None in locked or len(set(wanted)) < len(wanted) or locked == wanted:
            return
        own = (feature.table for feature in environment.features if feature.name != DEFAULT)
        table = next((table for table in own if "channels" in table), self.manifest.workspace)
        yield self._changed(environment, "channels", locked, wanted, table)

    @cached_property
    def _channels(self) -> dict[str, list[str]]:
        """The channel URLs of each environment, the preferred one first, without environments that are uncertain.

        Pixi merges the channels of all environments in a solve group, in its own order.
        """
        channels = {name: self._channels_of(environment) for name, environment in self._environments.items()}
        for group, members in self._groups.items():
            if group and any(channels[member.name] != channels[members[0].name] for member in members):
                channels.update((member.name, None) for member in members)
        return {name: of_environment for name, of_environment in channels.items() if of_environment is not None}

    def _channels_of(self, environment: Environment) -> list[str] | None:
        entries: list[tuple[int, str]] = []
        for feature in environment.features:
            if not feature.name and not feature.table.values.keys() - _NO_CONTENT:
                continue
            has_own = feature.name != DEFAULT and "channels" in feature.table
            for entry in (feature.table if has_own else self.manifest.workspace).items("channels"):
                channel, priority = (
                    (entry.get("channel"), entry.get("priority", 0)) if isinstance(entry, dict) else (entry, 0)
                )
                if not isinstance(channel, str) or not isinstance(priority, int):
                    return None
                entries.append((-priority, channel))
        self.packages.steps -= len(entries)
        ordered = dict.fromkeys(channel for _, channel in sorted(entries, key=lambda entry: entry[0]))
        urls = [url for channel in ordered if (url := _channel_url(channel))]
        return urls if len(urls) == len(ordered) and self.packages.steps > 0 else None

    def _of_options(self, environment: Environment) -> Iterator[UserError]:
        head = self._heads.get(environment.name)
        if head is None:
            return
        options = dict(_OPTION.findall(head))
        tables = [
            self.manifest.workspace if feature.name == DEFAULT else feature.table
            for feature in environment.features
        ]
        for key, key_in_lock, values, default in _OPTIONS:
            with_it = [table for table in tables if key in table]
            written = {table.string(key) for table in with_it} or {default}
            wanted, locked = values.get(written.pop()), options.get(key_in_lock, default)
            if not written and wanted and wanted != locked:
                yield self._changed(
                    environment, key, [locked], [wanted], next(iter(with_it), self.manifest.workspace)
                )
        if self.requirements.pypi(environment):
            yield from self._of_indexes(environment, head)

    def _of_indexes(self, environment: Environment, head: str) -> Iterator[UserError]:
        indexes = _INDEXES.search(head)
        if indexes is None:
            return
        locked = [line.removeprefix("    - ").strip("'\"") for line in indexes[1].splitlines()]
        features = [feature.table for member in self._group(environment) for feature in member.features]
        self.packages.steps -= len(features)
        tables = [table.table("pypi-options") for table in (self.manifest.workspace, *features)]
        primary = dict.fromkeys(url for table in tables if (url := table.string("index-url")))
        more = [url for table in tables for url in table.strings("extra-index-urls")]
        wanted = list(dict.fromkeys([*(primary or [_DEFAULT_INDEX]), *more]))
        if len(primary) > 1 or not all(_PLAIN_URL.fullmatch(url) for url in (*wanted, *locked)):
            return
        if set(map(_index, wanted)) != set(map(_index, locked)):
            table = next(filter(None, tables), self.manifest.workspace)
            yield self._changed(environment, "index-url", locked, wanted, table)

    @cached_property
    def _heads(self) -> dict[str, str]:
        """The lock's text about each environment up to its packages."""
        start = self.lock.text.find("\nenvironments:\n")
        if start < 0 or self.lock.version < 4:
            return {}
        end = self.lock.text.find("\npackages:", start)
        heads = _HEAD.finditer(self.lock.text, start, len(self.lock.text) if end < 0 else end)
        return {head[1].strip("'\""): head[2] for head in heads}

    def _of_platforms(
        self, environment: Environment, platforms: Sequence[Platform], rows: Sequence[LockRow]
    ) -> Iterator[UserError]:
        subdirs = {platform.subdir for platform in platforms}
        by_name = {platform.name: platform for platform in platforms}
        for row in rows:
            same = by_name.get(row.name)
            if row.subdir not in subdirs:
                locked, wanted = [row.name], [platform.name for platform in platforms]
            elif same and self.lock.version >= 7 and (same.subdir, same.promises) != (row.subdir, row.promises):
                locked = [row.name, *row.virtual_packages]
                wanted = [same.name, *map(str, same.virtual_packages)]
            else:
                continue
            yield self._changed(environment, "platforms", locked, wanted, self.manifest.workspace)

    def _of_packages(
        self, environment: Environment, platform: Platform, packages: Sequence[RattlerPackage]
    ) -> Iterator[UserError]:
        names = (platform.name, platform.subdir)
        tables = [self.manifest.workspace, *(feature.table for feature in environment.features)]
        asked = Asked(
            conda=self.requirements.conda(environment, names),
            constraints=self.requirements.constraints(environment, names) if self.is_newest else (),
            pypi=self.requirements.pypi(environment, names),
            is_alone=self.is_newest and len(self._group(environment)) == 1,
            has_more=has_dev_dependencies(environment, names),
            has_overrides=any("dependency-overrides" in table.table("pypi-options") for table in tables),
        )
        self.packages.steps -= 10 * len(tables) + len(asked.conda) + len(asked.pypi)
        if self.packages.steps < 0 or self.requirements.entries < 0:
            return
        target = f"environment '{shortened(environment.name)}' on {platform.name}"
        if not packages:
            if any(requirement.applies and requirement.name[:2] != "__" for requirement in asked.conda):
                yield self._reason(f"{target} is missing", self.manifest.workspace, "platforms")
            return
        for problem in self.packages.problems(asked, packages):
            message, requirement = f"{target}: {problem.message}", problem.requirement
            if requirement is None:
                yield self._reason(message)
            elif (place := (*requirement.table.keys, requirement.key, requirement.name)) not in self.told:
                # An unmet requirement is usually unmet in every environment.
                self.told.add(place)
                yield self._reason(message, requirement.table, requirement.key)

    def _of_solve_group(
        self, environment: Environment, platform: Platform, packages: Sequence[RattlerPackage]
    ) -> Iterator[UserError]:
        """Yield a reason for the first package that another environment of the group has from another location."""
        group = environment.solve_group
        self.packages.steps -= len(packages)
        for package in packages:
            kind = type(package)
            name, location = package.name.lower(), package.location
            if self.locked_by_group.setdefault((group, platform.name, kind, name), location) != location:
                yield self._reason(
                    f"the environments of solve group '{shortened(group)}' have different builds of "
                    f"{shortened(name)} on {platform.name}"
                )
                return

    def _changed(
        self,
        environment: Environment,
        key: str,
        locked: Sequence[str | None],
        wanted: Sequence[str],
        table: TomlTable,
    ) -> UserError:
        return self._reason(
            f"environment '{shortened(environment.name)}' was solved with the {key} "
            f"{listed(filter(None, locked))}; the manifest has {listed(wanted)}",
            table,
            key,
        )

    def _reason(self, message: str, table: TomlTable | None = None, key: str = "") -> UserError:
        message = f"the lock is not up to date: {message}"
        hint = f"Run `{lock_command(Path(self.lock.file).parent)}` and commit {LOCK_NAME}."
        if table is None:
            return UserError(shortened(message, 600), file=self.lock.file, hint=hint)
        return table.error(message, key, hint=hint)


def _row_name(
    platform: Platform, rows: Sequence[LockRow], packages: Mapping[str, Sequence[RattlerPackage]]
) -> str | None:
    """Return the name of the row that is locked for a platform, empty if there is none, None if that is uncertain.

    It follows the rules of ``Lock.row``, with the packages already read.
    """
    of_subdir = [row for row in rows if row.subdir == platform.subdir]
    named = [row for row in of_subdir if row.name == platform.name]
    same = [row for row in of_subdir if row.virtual_packages and row.promises == platform.promises]
    bare = [row for row in of_subdir if row.name == platform.subdir]
    covered = [row for row in bare if not row.virtual_packages or row.promises >= platform.promises]
    names = (row.name for row in (*named, *same, *covered) if packages.get(row.name))
    return next(names, None if any(packages.get(row.name) for row in of_subdir) else "")


def _index(url: str) -> str:
    """Return an index URL in normalised form; a trailing slash makes a difference unless the path is empty."""
    return f"{url.lower()}/" if url.count("/") == 2 else url.lower()


def _channel_url(channel: str) -> str | None:
    """Return the URL of a channel, or None if it is a path or has more parts than host and path."""
    if _PLAIN_URL.fullmatch(channel):
        return channel.rstrip("/")
    return _CONDA_ALIAS + channel if _CHANNEL_NAME.fullmatch(channel) else None
