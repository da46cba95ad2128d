"""The conda and PyPI packages that the manifest requires in an environment, with the place of each requirement.

Sources, all of Pixi 0.77: crates/pixi_manifest/src/target.rs (``combined_dependencies``), feature.rs,
features_ext.rs and pyproject.rs (``into_workspace_manifest``); crates/pixi_spec/src/toml.rs and
crates/pixi_pypi_spec/src/toml.rs (entries).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

from pixi_container.workspace.feature import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixi_container.workspace.feature import Feature
    from pixi_container.workspace.manifest import Environment, Manifest
    from pixi_container.workspace.toml_table import TomlTable

T = TypeVar("T")

_LONGEST_VERSION = 300
_CONDA_FILE = (".conda", ".tar.bz2")
_CONSTRAINTS = ("constraints",)
_DEPENDENCIES = ("dependencies", "host-dependencies", "build-dependencies")
"""The tables of requirements; within one target, the later one takes precedence."""

# The constraints that all parsers of conda versions read alike. Regular expressions and parentheses are left out,
# as they can cost a parser unlimited time and memory.
_NUMBER = r"[0-9][A-Za-z0-9_.+!]{0,60}"
_CONSTRAINT = rf"(?:\*|(?:>=|<=|==|!=|~=|>|<)? ?{_NUMBER}|(?:!=|=)?{_NUMBER}\.\*)"
_VERSION = re.compile(rf" ?{_CONSTRAINT}(?: ?[,|] ?{_CONSTRAINT})* ?")
_BUILD = re.compile(r"[A-Za-z0-9_.*+]{1,100}")
_REQUIREMENT_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]{0,200}[A-Za-z0-9])?)\s*(?=[\[\](<>=!~;,@ ]|$)")


@dataclass(frozen=True)
class CondaRequirement:
    """A requirement on a conda package, by its ``name`` in lower case, at ``key`` of ``table``.

    ``match`` specifies version and build; it is empty if there is no specification, or Pixi might read it
    differently. ``written`` is its form in messages. ``from_source`` is true if the package is built from source,
    and None if that is unknown. ``applies`` is false if only Pixi can tell whether the requirement applies.
    """

    name: str
    table: TomlTable
    key: str
    match: str = ""
    written: str = ""
    from_source: bool | None = False
    applies: bool = True


@dataclass(frozen=True)
class PypiRequirement:
    """A requirement on a PyPI package, by its normalised ``name``, at ``key`` of ``table``.

    ``source`` is ``index``, ``git``, ``url`` or ``path``. ``location`` is that of the source or, for an index, the
    version. ``reference`` is Git's, such as ``tag=v1``. ``applies`` is false if only Pixi can tell whether the
    requirement applies.
    """

    name: str
    table: TomlTable
    key: str
    source: str = "index"
    location: str = ""
    reference: str = ""
    applies: bool = True


def normal_name(name: str) -> str:
    """Return the normalised name of a PyPI package, extra or group."""
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)


def requirement_name(requirement: str) -> str:
    """Return the normalised name that a PEP 508 requirement starts with, empty if it has none."""
    match = _REQUIREMENT_NAME.match(requirement)
    return normal_name(match[1]) if match else ""


@dataclass
class Requirements:
    """Reads the requirements of a manifest's features, each feature once.

    ``entries`` is the remaining budget; once it is negative, the results are incomplete.
    """

    manifest: Manifest
    entries: int
    conda_by_feature: dict[tuple[object, ...], list[CondaRequirement]] = field(default_factory=dict)
    pypi_by_feature: dict[tuple[object, ...], list[PypiRequirement]] = field(default_factory=dict)

    def conda(self, environment: Environment, names: tuple[str, ...]) -> list[CondaRequirement]:
        """Return the requirements on conda packages, for a platform with these names, conda's last."""
        return self._conda(environment, names, _DEPENDENCIES)

    def constraints(self, environment: Environment, names: tuple[str, ...]) -> list[CondaRequirement]:
        """Return the constraints on conda packages, which apply only if something else requires the package."""
        return self._conda(environment, names, _CONSTRAINTS)

    def pypi(self, environment: Environment, names: tuple[str, ...] = ()) -> list[PypiRequirement]:
        """Return the requirements on PyPI packages, for a platform with these names or, without names, for any."""
        return self._of_features(
            environment, names, partial(self._pypi_of_feature, names=names), self.pypi_by_feature
        )

    def _conda(
        self, environment: Environment, names: tuple[str, ...], kinds: tuple[str, ...]
    ) -> list[CondaRequirement]:
        read = partial(self._conda_of_feature, names=names, kinds=kinds)
        return self._of_features(environment, (names, kinds), read, self.conda_by_feature)

    def _of_features(
        self,
        environment: Environment,
        which: object,
        read: Callable[[Feature], list[T]],
        known: dict[tuple[object, ...], list[T]],
    ) -> list[T]:
        """Return the requirements of all features, read unless they are ``known`` already."""
        requirements: list[T] = []
        for feature in environment.features:
            key = (feature.name, feature.table.keys, which)
            if key not in known:
                known[key] = read(feature) if self.entries >= 0 else []
                self.entries -= len(known[key])
            requirements += known[key]
        return requirements

    def _conda_of_feature(
        self, feature: Feature, names: tuple[str, ...], kinds: tuple[str, ...]
    ) -> list[CondaRequirement]:
        merged: dict[str, CondaRequirement] = {}
        of_targets: set[str] = set()
        *targets, own = feature.targets(names)
        for table in (own, *reversed(targets)):
            of_target = _of_target(table, kinds)
            if table is own and kinds is _DEPENDENCIES and feature.name == DEFAULT:
                of_target = {**_python(self.manifest, table), **of_target}
            for name, requirement in of_target.items():
                # Which of two targets wins depends on the order in which Pixi reads them.
                merged[name] = (
                    replace(requirement, match="", from_source=None) if name in of_targets else requirement
                )
            if table is not own:
                of_targets |= of_target.keys()
        return list(merged.values())

    def _pypi_of_feature(self, feature: Feature, names: tuple[str, ...]) -> list[PypiRequirement]:
        *targets, own = feature.targets(names) if names else [feature.table]
        merged = {name: [requirement] for name, requirement in _of_pypi_table(own).items()}
        for requirement in self._of_project(feature):
            merged.setdefault(requirement.name, []).append(requirement)
        of_targets: set[str] = set()
        for table in reversed(targets):
            for name, requirement in _of_pypi_table(table).items():
                merged[name] = [replace(requirement, applies=False) if name in of_targets else requirement]
                of_targets.add(name)
        return [requirement for requirements in merged.values() for requirement in requirements]

    def _of_project(self, feature: Feature) -> Iterator[PypiRequirement]:
        """Yield the dependencies from PEP 621 and PEP 735 that Pixi adds to a feature."""
        if not self.manifest.is_pyproject:
            return
        project = self.manifest.project
        groups, extras = self.manifest.document.table("dependency-groups"), project.table("optional-dependencies")
        todo = [(groups if feature.name in groups else extras, feature.name)]
        if feature.name == DEFAULT:
            todo.append((project, "dependencies"))
        seen: set[tuple[str, ...]] = set()
        while todo and self.entries >= 0:
            table, key = todo.pop()
            if (place := (*table.keys, key)) in seen:
                continue
            seen.add(place)
            for entry in table.items(key):
                self.entries -= 1
                if isinstance(entry, dict):
                    todo += self._lists.get(
                        ("dependency-groups", normal_name(str(entry.get("include-group")))), []
                    )
                elif isinstance(entry, str) and (requirement := _pep508(table, key, entry)):
                    own_extras = self._own_extras(requirement, entry)
                    todo += own_extras or []
                    if own_extras is None:
                        yield requirement

    def _own_extras(self, requirement: PypiRequirement, entry: str) -> list[tuple[TomlTable, str]] | None:
        """Return the lists of the extras in an entry that names the project itself, or None for other entries."""
        is_own = requirement.name == self.manifest.project.string("name")
        if not is_own or requirement.table.keys == self.manifest.project.keys:
            return None
        extras = re.search(r"\[([^\]]*)\]", entry)
        named = (normal_name(extra.strip()) for extra in extras[1].split(",")) if extras else ()
        return [place for extra in named for place in self._lists.get(("optional-dependencies", extra), [])]

    @cached_property
    def _lists(self) -> dict[tuple[str, str], list[tuple[TomlTable, str]]]:
        """The groups and extras by normalised name."""
        lists: dict[tuple[str, str], list[tuple[TomlTable, str]]] = {}
        groups = self.manifest.document.table("dependency-groups")
        for table in (groups, self.manifest.project.table("optional-dependencies")):
            for key in table.values:
                lists.setdefault((table.keys[-1], normal_name(key)), []).append((table, key))
        return lists


def has_dev_dependencies(environment: Environment, names: tuple[str, ...]) -> bool:
    """Return whether the environment has a ``[dev]`` table, whose dependencies only build backends know."""
    return any("dev" in target for feature in environment.features for target in feature.targets(names))


def _of_target(table: TomlTable, kinds: tuple[str, ...]) -> dict[str, CondaRequirement]:
    requirements: dict[str, CondaRequirement] = {}
    for kind in kinds:
        entries = table.table(kind)
        requirements.update((key.lower(), _conda_requirement(entries, key)) for key in entries.values)
    return requirements


def _conda_requirement(table: TomlTable, key: str) -> CondaRequirement:
    value: Any = table.values[key]
    name = key.lower()
    if isinstance(value, str):
        return CondaRequirement(name, table, key, _match(name, value, ""), value)
    if not isinstance(value, dict):
        return CondaRequirement(name, table, key, from_source=None, applies=False)
    if {"when", "workspace"} & value.keys():
        return CondaRequirement(name, table, key, from_source=None, applies=False)
    if places := [value[kind] for kind in ("git", "path", "url") if isinstance(value.get(kind), str)]:
        file = re.split(r"[?#]", places[0], maxsplit=1)[0]
        return CondaRequirement(name, table, key, from_source=not file.endswith(_CONDA_FILE))
    version, build = value.get("version", "*"), value.get("build", "")
    if not isinstance(version, str) or not isinstance(build, str):
        return CondaRequirement(name, table, key)
    return CondaRequirement(name, table, key, _match(name, version, build), f"{version} {build}".strip())


def _match(name: str, version: str, build: str) -> str:
    """Return a match specification, empty if Pixi might read it differently."""
    if len(version) > _LONGEST_VERSION or not _VERSION.fullmatch(version) or not re.fullmatch(r"[\w.-]+", name):
        return ""
    if build and not _BUILD.fullmatch(build):
        return ""
    return f'{name}[version="{version.strip()}"' + (f', build="{build}"]' if build else "]")


def _python(manifest: Manifest, table: TomlTable) -> dict[str, CondaRequirement]:
    """Return the Python requirement that Pixi derives from ``requires-python`` if the default feature has none."""
    if manifest.file != "pyproject.toml" or "python" in map(str.lower, table.table("dependencies").values):
        return {}
    key = "requires-python"
    version = manifest.project.string(key).replace(", ", ",").strip()
    match = _match("python", version.removeprefix("=="), "") if version else ""
    return {"python": CondaRequirement("python", manifest.project, key, match, version, applies=bool(version))}


def _of_pypi_table(table: TomlTable) -> dict[str, PypiRequirement]:
    entries = table.table("pypi-dependencies")
    return {normal_name(key): _pypi_requirement(entries, key) for key in entries.values}


def _pypi_requirement(table: TomlTable, key: str) -> PypiRequirement:
    value: Any = table.values[key]
    name = normal_name(key)
    if isinstance(value, str):
        return PypiRequirement(name, table, key, location=value)
    if not isinstance(value, dict) or "env-markers" in value:
        return PypiRequirement(name, table, key, applies=False)
    for source in ("git", "url", "path"):
        if isinstance(value.get(source), str):
            references = (
                f"{kind}={value[kind]}" for kind in ("branch", "tag", "rev") if isinstance(value.get(kind), str)
            )
            return PypiRequirement(name, table, key, source, value[source], next(references, ""))
    version = value.get("version", "*")
    return PypiRequirement(name, table, key, location=version if isinstance(version, str) else "*")


def _pep508(table: TomlTable, key: str, entry: str) -> PypiRequirement | None:
    from packaging.requirements import InvalidRequirement, Requirement

    name = requirement_name(entry)
    try:
        parsed = Requirement(entry) if len(entry) <= _LONGEST_VERSION else None
    except InvalidRequirement:
        parsed = None
    if parsed is None or parsed.marker or parsed.url:
        return PypiRequirement(name, table, key, applies=False) if name else None
    return PypiRequirement(name, table, key, location=str(parsed.specifier) or "*")
