"""What the manifest requires of an environment: packages of conda and of PyPI, with the place that says so.

Sources, all of Pixi 0.77: crates/pixi_manifest/src/target.rs (``combined_dependencies``), feature.rs, features_ext.rs
and pyproject.rs (``into_workspace_manifest``); crates/pixi_spec/src/toml.rs and pixi_pypi_spec/src/toml.rs (entries).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pixi_container.features import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pixi_container.features import Feature
    from pixi_container.manifest import Environment, Manifest
    from pixi_container.toml_table import TomlTable

_LONGEST_VERSION = 300
_CONDA_FILE = (".conda", ".tar.bz2")
_KINDS = ("dependencies", "host-dependencies", "build-dependencies")
"""The later one wins within one target."""

# The constraints that every parser of conda's versions reads alike; a regular expression or parentheses cost theirs
# any time and memory.
_NUMBER = r"[0-9][A-Za-z0-9_.+!]{0,60}"
_CONSTRAINT = rf"(?:\*|(?:>=|<=|==|!=|~=|>|<)? ?{_NUMBER}|(?:!=|=)?{_NUMBER}\.\*)"
_VERSION = re.compile(rf" ?{_CONSTRAINT}(?: ?[,|] ?{_CONSTRAINT})* ?")
_BUILD = re.compile(r"[A-Za-z0-9_.*+]{1,100}")
_REQUIREMENT_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]{0,200}[A-Za-z0-9])?)\s*(?=[\[\](<>=!~;,@ ]|$)")


@dataclass(frozen=True)
class CondaRequirement:
    """A requirement on a conda package, by its ``name`` in lower case, at ``key`` of ``table``.

    ``match`` is its specification of version and build, empty where it has none or none that is sure to be read as
    Pixi does. ``from_source`` tells whether the package is built from source, None where that is not known.
    ``applies`` is false where only Pixi knows whether it does.
    """

    name: str
    table: TomlTable
    key: str
    match: str = ""
    from_source: bool | None = False
    applies: bool = True


@dataclass(frozen=True)
class PypiRequirement:
    """A requirement on a package of PyPI, by its normal ``name``, at ``key`` of ``table``.

    ``source`` is ``index``, ``git``, ``url`` or ``path``, with its ``location``, which for an index is the version;
    ``reference`` is Git's, such as ``tag=v1``. ``applies`` is false where only Pixi knows whether it does.
    """

    name: str
    table: TomlTable
    key: str
    source: str = "index"
    location: str = ""
    reference: str = ""
    applies: bool = True


def normal_name(name: str) -> str:
    """https://packaging.python.org/en/latest/specifications/name-normalization/."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement_name(requirement: str) -> str:
    """Give the normal name that a PEP 508 requirement starts with, empty when it has none."""
    found = _REQUIREMENT_NAME.match(requirement)
    return normal_name(found[1]) if found else ""


def conda_requirements(
    manifest: Manifest, environment: Environment, names: tuple[str, ...]
) -> Iterator[CondaRequirement]:
    """Give those of every feature on a platform of these names, conda's one last."""
    for feature in environment.features:
        merged: dict[str, CondaRequirement] = {}
        ambiguous: set[str] = set()
        *targets, own = feature.targets(names)
        for table in (own, *reversed(targets)):
            of_target = _of_target(table)
            if table is own and feature.name == DEFAULT and manifest.file == "pyproject.toml":
                of_target = {**_python(manifest, table), **of_target}
            if table is not own:
                # Which of two targets that both match wins depends on the order in which Pixi reads them.
                ambiguous |= {
                    name for name in of_target if name in merged and merged[name].table.keys[:-1] != own.keys
                }
            merged.update(of_target)
        for name, requirement in merged.items():
            yield (
                CondaRequirement(name, requirement.table, requirement.key, from_source=None)
                if name in ambiguous
                else requirement
            )


def has_dev_dependencies(environment: Environment, names: tuple[str, ...]) -> bool:
    """Tell whether the environment has what packages are developed with, which only their backends know."""
    return any("dev" in target for feature in environment.features for target in feature.targets(names))


def pypi_requirements(
    manifest: Manifest, environment: Environment, names: tuple[str, ...] | None
) -> Iterator[PypiRequirement]:
    """Give those of every feature on a platform of these names, conda's one last; None for those of any platform."""
    for feature in environment.features:
        *targets, own = feature.targets(names) if names else [feature.table]
        merged = _of_pypi_table(own)
        if manifest.file == "pyproject.toml":
            for requirement in _of_project(manifest, feature):
                merged.setdefault(requirement.name, []).append(requirement)
        seen: set[str] = set()
        for table in reversed(targets):
            of_target = _of_pypi_table(table)
            for name, requirements in of_target.items():
                merged[name] = [
                    PypiRequirement(one.name, one.table, one.key, applies=False) if name in seen else one
                    for one in requirements
                ]
            seen |= of_target.keys()
        for requirements in merged.values():
            yield from requirements


def _of_target(table: TomlTable) -> dict[str, CondaRequirement]:
    found: dict[str, CondaRequirement] = {}
    for kind in _KINDS:
        entries = table.table(kind)
        found.update((key.lower(), _conda_requirement(entries, key)) for key in entries.values)
    return found


def _conda_requirement(table: TomlTable, key: str) -> CondaRequirement:
    value: Any = table.values[key]
    name = key.lower()
    if isinstance(value, str):
        return CondaRequirement(name, table, key, _match(name, value, ""))
    if not isinstance(value, dict):
        return CondaRequirement(name, table, key, from_source=None, applies=False)
    if {"when", "workspace"} & value.keys():
        return CondaRequirement(name, table, key, from_source=None, applies=False)
    if places := [value[kind] for kind in ("git", "path", "url") if isinstance(value.get(kind), str)]:
        return CondaRequirement(name, table, key, from_source=not places[0].endswith(_CONDA_FILE))
    version, build = value.get("version", "*"), value.get("build", "")
    if not isinstance(version, str) or not isinstance(build, str):
        return CondaRequirement(name, table, key)
    return CondaRequirement(name, table, key, _match(name, version, build))


def _match(name: str, version: str, build: str) -> str:
    """Write a match specification, empty for what is not sure to be read as Pixi does."""
    if len(version) > _LONGEST_VERSION or not _VERSION.fullmatch(version) or not re.fullmatch(r"[\w.-]+", name):
        return ""
    if build and not _BUILD.fullmatch(build):
        return ""
    return f'{name}[version="{version.strip()}"' + (f', build="{build}"]' if build else "]")


def _python(manifest: Manifest, table: TomlTable) -> dict[str, CondaRequirement]:
    """Give what Pixi makes of ``requires-python`` for a table that does not require Python itself."""
    if "python" in {name.lower() for name in table.table("dependencies").values}:
        return {}
    version = manifest.project.string("requires-python").replace(", ", ",").strip()
    match = _match("python", version.removeprefix("=="), "") if version else ""
    return {
        "python": CondaRequirement("python", manifest.project, "requires-python", match, applies=bool(version))
    }


def _of_pypi_table(table: TomlTable) -> dict[str, list[PypiRequirement]]:
    entries = table.table("pypi-dependencies")
    return {normal_name(key): [_pypi_requirement(entries, key)] for key in entries.values}


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


def _of_project(manifest: Manifest, feature: Feature) -> Iterator[PypiRequirement]:
    """Give the dependencies of PEP 621 and PEP 735 that Pixi counts to a feature."""
    lists = [(manifest.project, "dependencies")] if feature.name == DEFAULT else []
    optional, groups = (
        manifest.project.table("optional-dependencies"),
        manifest.document.table("dependency-groups"),
    )
    of_name = [(table, feature.name) for table in (groups, optional) if feature.name in table]
    own_name = normal_name(manifest.project.string("name"))
    for position, (table, key) in enumerate((*lists, *of_name)):
        entries = table.items(key)
        overridden = position > len(lists)
        yield from _of_list(table, key, entries, applies=not overridden)
        if any(not isinstance(entry, str) or requirement_name(entry) == own_name for entry in entries):
            # Pixi puts the entries of the other groups in place of such a one.
            for other in (groups, optional):
                for group in other.values:
                    yield from _of_list(other, group, other.items(group), applies=False)


def _of_list(table: TomlTable, key: str, entries: Iterable[Any], *, applies: bool) -> Iterator[PypiRequirement]:
    from packaging.requirements import InvalidRequirement, Requirement

    for entry in entries:
        if not isinstance(entry, str) or not (name := requirement_name(entry)):
            continue
        try:
            parsed = Requirement(entry) if applies and len(entry) <= _LONGEST_VERSION else None
        except InvalidRequirement:
            parsed = None
        if parsed is None or parsed.marker or parsed.url:
            yield PypiRequirement(name, table, key, applies=False)
        else:
            yield PypiRequirement(name, table, key, location=str(parsed.specifier) or "*")
