"""The workspace manifest, as far as environments, platforms, dependencies, tasks and activation go.

Merge rules: https://pixi.prefix.dev/latest/reference/pixi_manifest/ and the multi-environment design page.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import tomli

from .errors import NotProvidedError, PixiError

Table: TypeAlias = dict[str, Any]
Value: TypeAlias = "str | Table"

CONDA_FORGE = "https://conda.anaconda.org/conda-forge/"
NAMES = ("pixi.toml", "pyproject.toml", "mojoproject.toml")

_SUBDIR = re.compile(r"noarch|(linux|osx|win|emscripten|wasi|freebsd|zos)-[a-z0-9]+")
_LIBC_AND_MORE = {"linux": "__linux", "macos": "__osx", "cuda": "__cuda"}
_RICH = {"cuda": "__cuda", "glibc": "__glibc", "linux": "__linux", "archspec": "__archspec"}


@dataclass(frozen=True)
class Platform:
    """A platform of an environment: its conda subdir and what was asked of it beyond the subdir's defaults."""

    subdir: str
    customised: tuple[tuple[str, str], ...] = ()
    given_name: str = ""

    @property
    def name(self) -> str:
        """As pixi names it: `linux-64`, or `linux-64-cuda-12` with declared virtual packages."""
        parts = [f"{name.removeprefix('__')}-{version}" for name, version in self.customised]
        return self.given_name or "-".join([self.subdir, *parts]).replace(".", "-")

    @property
    def virtual_packages(self) -> tuple[str, ...]:
        """`name=version` (or `name=version=build`) with pixi's defaults for the subdir."""
        default: dict[str, str] = {}
        if self.subdir.startswith("linux-"):
            default = {"__unix": "0=0", "__linux": "4.18", "__glibc": "2.28"}
        elif self.subdir.startswith("osx-"):
            default = {"__unix": "0=0", "__osx": "13.0"}
        elif self.subdir.startswith("win-"):
            default = {"__win": "10.0"}
        machine = self.subdir.partition("-")[2]
        arch = {"64": "x86_64", "arm64": "m1" if self.subdir == "osx-arm64" else "aarch64"}.get(machine, machine)
        default["__archspec"] = f"0={arch}"
        merged = {name: version for name, version in self.customised if name not in default} | default
        merged |= dict(self.customised)
        return tuple(f"{name}={version}" for name, version in merged.items())


@dataclass(frozen=True)
class Feature:
    """One feature's tables; the default feature's are those at the top of the manifest."""

    name: str
    table: Table

    def tables(self, subdir: str, key: str) -> list[Table]:
        """The tables of `key` that apply to `subdir`, the generic one first, the most specific last."""
        family = {"linux": ("unix", "linux"), "osx": ("unix", "osx"), "win": ("win",)}
        targets = self.table.get("target", {})
        names = (*family.get(subdir.partition("-")[0], ()), subdir)
        found = [self.table.get(key), *(targets.get(name, {}).get(key) for name in names)]
        return [table for table in found if table]

    def dependencies(self, subdir: str, *, key: str = "dependencies") -> Table:
        return {name: spec for table in self.tables(subdir, key) for name, spec in table.items()}

    @property
    def system_requirements(self) -> dict[str, str]:
        found = {}
        for key, value in self.table.get("system-requirements", {}).items():
            if key in _LIBC_AND_MORE:
                found[_LIBC_AND_MORE[key]] = str(value["version"] if isinstance(value, dict) else value)
            elif key == "libc":
                table = value if isinstance(value, dict) else {"version": value}
                found[f"__{table.get('family', 'glibc')}"] = str(table["version"])
        return found

    @property
    def subdirs(self) -> list[str] | None:
        platforms = self.table.get("platforms")
        return None if platforms is None else [str(platform) for platform in platforms]


@dataclass(frozen=True)
class Environment:
    """An environment with its features in the order in which they win; the default feature is the last one."""

    name: str
    features: tuple[Feature, ...]
    solve_group: str
    platforms: tuple[Platform, ...]
    channels: tuple[str, ...]

    def specs(self, subdir: str) -> list[tuple[str, Value]]:
        """Every conda dependency (name, spec as written) for `subdir`; a name may come from several features."""
        return [
            (name.lower(), spec)
            for feature in self.features
            for key in ("dependencies", "host-dependencies", "build-dependencies")
            for name, spec in feature.dependencies(subdir, key=key).items()
        ]

    def pypi_specs(self, subdir: str) -> dict[str, Any]:
        """Every PyPI dependency by normalised name; the first feature that has it wins."""
        found: dict[str, Any] = {}
        for feature in self.features:
            for name, spec in feature.dependencies(subdir, key="pypi-dependencies").items():
                found.setdefault(normalised(name), spec)
        return found

    def is_editable(self, name: str, subdir: str) -> bool:
        """The first feature that says so decides; a path without the key is not editable."""
        for feature in self.features:
            for written, spec in feature.dependencies(subdir, key="pypi-dependencies").items():
                if (
                    re.sub(r"[-_.]+", "-", written).lower() == name
                    and isinstance(spec, dict)
                    and "editable" in spec
                ):
                    return bool(spec["editable"])
        return False

    def activation_scripts(self, subdir: str) -> list[str]:
        """Scripts in the order in which they are sourced, so that the first feature has the last word."""
        return [
            script
            for feature in reversed(self.features)
            for table in feature.tables(subdir, "activation")[-1:]
            for script in table.get("scripts", ())
        ]

    def activation_variables(self, subdir: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for feature in reversed(self.features):
            for table in feature.tables(subdir, "activation"):
                found |= {key: str(value) for key, value in table.get("env", {}).items()}
        return found

    def tasks(self, subdir: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for feature in reversed(self.features):
            for table in feature.tables(subdir, "tasks"):
                found |= table
        return found


@dataclass(frozen=True)
class Manifest:
    """A parsed workspace manifest. `path` is absolute."""

    path: Path
    name: str
    version: str | None
    table: Table

    @property
    def root(self) -> Path:
        return self.path.parent

    @property
    def lock(self) -> Path:
        return self.root / "pixi.lock"

    @property
    def workspace(self) -> Table:
        found: Table = self.table.get("workspace") or self.table["project"]
        return found

    @cached_property
    def environments(self) -> dict[str, Environment]:
        declared: dict[str, Any] = {"default": [], **self.table.get("environments", {})}
        return {name: self._environment(name, value) for name, value in declared.items()}

    def environment(self, name: str) -> Environment:
        """Raises PixiError, with the names that exist, for an unknown environment."""
        if name not in self.environments:
            known = ", ".join(self.environments)
            raise PixiError(
                f"unknown environment '{name}' in {self.path}", help_text=f"known environments: {known}"
            )
        return self.environments[name]

    def _environment(self, name: str, value: list[str] | Table) -> Environment:
        listed = value if isinstance(value, list) else value.get("features", [])
        if isinstance(value, dict) and set(value) - {"features", "solve-group", "no-default-feature"}:
            raise NotProvidedError("contents written inside [environments] (inline features)")
        features = [Feature(feature, self._feature_table(feature, name)) for feature in listed]
        if isinstance(value, list) or not value.get("no-default-feature"):
            features.append(Feature("default", self.table))
        group = "" if isinstance(value, list) else str(value.get("solve-group", ""))
        return Environment(name, tuple(features), group, self._platforms(features), self._channels(features))

    def _feature_table(self, feature: str, environment: str) -> Table:
        features: dict[str, Table] = self.table.get("feature", {})
        if feature not in features:
            message = (
                f"The feature '{feature}' is not defined in the manifest, used by environment '{environment}'"
            )
            raise PixiError(message)
        return features[feature]

    def _platforms(self, features: list[Feature]) -> tuple[Platform, ...]:
        declared = [_platform(entry) for entry in self.workspace.get("platforms", [])]
        requirements: dict[str, str] = {}
        for feature in features:
            for name, version in feature.system_requirements.items():
                requirements[name] = max(requirements.get(name, version), version, key=_version_key)
        rich = any(platform.customised for platform in declared)
        if rich and requirements:
            raise PixiError(
                "[system-requirements] cannot be combined with platforms that declare virtual packages"
            )
        kept = []
        for platform in declared:
            if all(
                feature.name == "default"
                or feature.subdirs is None
                or {platform.name, platform.subdir} & set(feature.subdirs)
                for feature in features
            ):
                apt = {
                    name: version
                    for name, version in requirements.items()
                    if (name == "__osx") == platform.subdir.startswith("osx-")
                    and (name in {"__cuda", "__osx"} or platform.subdir.startswith("linux-"))
                }
                custom = tuple(sorted({**dict(platform.customised), **apt}.items()))
                kept.append(Platform(platform.subdir, custom, platform.given_name))
        return tuple(kept)

    def _channels(self, features: list[Feature]) -> tuple[str, ...]:
        found: dict[str, int] = {}
        for feature in features:
            own = None if feature.name == "default" else feature.table.get("channels")
            for entry in self.workspace.get("channels", []) if own is None else own:
                name = entry["channel"] if isinstance(entry, dict) else entry
                priority = int(entry.get("priority", 0)) if isinstance(entry, dict) else 0
                found.setdefault(channel_url(name), priority)
        return tuple(sorted(found, key=lambda url: -found[url]))


def normalised(name: str) -> str:
    """The name of a PyPI package as PEP 503 compares them."""
    return re.sub(r"[-_.]+", "-", name).lower()


def channel_url(name: str) -> str:
    """The URL of a channel given by name or URL, with a slash at its end."""
    url = name if "://" in name else f"https://conda.anaconda.org/{name}"
    return url.rstrip("/") + "/"


def match_spec(name: str, spec: Value) -> str | None:
    """The dependency as conda's match specification; None for one from source (path, git, url of sources).

    Raises NotProvidedError for keys that this stand-in cannot weigh.
    """
    if isinstance(spec, str):
        return name if spec.strip() in {"", "*"} else f"{name} {spec.strip()}"
    if {"path", "git"} & set(spec) or (isinstance(spec.get("url"), str) and not spec["url"].endswith(".conda")):
        return None
    if set(spec) - {"version", "build", "build-number", "channel", "subdir"}:
        raise NotProvidedError(f"the dependency {name} with {', '.join(sorted(set(spec)))}")
    keys = [
        f'{key.replace("-", "_")}="{spec[key]}"' for key in ("version", "build", "build-number") if key in spec
    ]
    return f"{name}[{', '.join(keys)}]" if keys else name


def find(given: str | None, start: Path, environment: dict[str, str]) -> Manifest:
    """The workspace's manifest: `given` (file or folder), else the nearest one at or above `start`.

    Raises PixiError when there is none or it cannot be read.
    """
    if given:
        path = (start / given).resolve()
        if path.is_dir():
            return _first(path) or _missing(path)
        if not path.exists():
            raise PixiError(f"The file {path} does not exist")
        return parse(path)
    for folder in (start, *start.parents):
        found = _first(folder)
        if found:
            return found
    if environment.get("PIXI_IN_SHELL") and environment.get("PIXI_PROJECT_MANIFEST"):
        return parse(Path(environment["PIXI_PROJECT_MANIFEST"]))
    return _missing(start)


def parse(path: Path) -> Manifest:
    """Reads a manifest. Raises PixiError for bad TOML, absent tables and named files that do not exist."""
    try:
        table = tomli.loads(path.read_text(encoding="utf-8"))
    except tomli.TOMLDecodeError as error:
        raise PixiError(f"failed to parse toml in {path}: {error}") from None
    project: Table = {}
    if path.name == "pyproject.toml":
        project = table.get("project", {})
        table = _from_pyproject(table)
    workspace = table.get("workspace") or table.get("project")
    if workspace is None:
        raise PixiError(f"Missing table 'workspace' in {path}. Try adding [workspace] to the manifest.")
    for key in ("channels", "platforms"):
        if key not in workspace:
            raise PixiError(f"missing field '{key}' in table [workspace] of {path}")
    _check_named_files(path, workspace, table.get("package", {}))
    name = workspace.get("name") or project.get("name") or table.get("package", {}).get("name") or path.parent.name
    version = workspace.get("version") or project.get("version")
    manifest = Manifest(path, str(name), None if version is None else str(version), table)
    _ = manifest.environments  # evaluated here, so that every error in them is one of parsing
    return manifest


def _check_named_files(path: Path, workspace: Table, package: Table) -> None:
    named = [workspace.get("readme"), workspace.get("license-file"), *workspace.get("build-variants-files", [])]
    for name in (*named, package.get("readme"), package.get("license-file")):
        if isinstance(name, str) and not (path.parent / name).exists():
            raise PixiError(f"'{path.parent / name}' does not exist")


def _from_pyproject(document: Table) -> Table:
    """The [tool.pixi] table with what pixi adds from [project]."""
    pixi: Table = document.get("tool", {}).get("pixi")
    project: Table = document.get("project", {})
    if pixi is None:
        raise PixiError("Missing table [tool.pixi] in pyproject.toml")
    if "requires-python" in project:
        pixi = {**pixi, "dependencies": {"python": project["requires-python"], **pixi.get("dependencies", {})}}
    extras = {**project.get("optional-dependencies", {}), **document.get("dependency-groups", {})}
    features = {**{name: {} for name in extras}, **pixi.get("feature", {})}
    if project.get("dependencies"):
        pypi = {_requirement_name(text): {"requirement": text} for text in project["dependencies"]}
        pixi = {**pixi, "pypi-dependencies": {**pypi, **pixi.get("pypi-dependencies", {})}}
    for name, requirements in extras.items():
        texts = [text for text in requirements if isinstance(text, str)]
        pypi = {_requirement_name(text): {"requirement": text} for text in texts}
        features[name] = {
            **features[name],
            "pypi-dependencies": {**pypi, **features[name].get("pypi-dependencies", {})},
        }
    return {**pixi, "feature": features} if features else pixi


def _requirement_name(text: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", text.strip())
    return found.group() if found else text


def _first(folder: Path) -> Manifest | None:
    for name in NAMES:
        path = folder / name
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8")
        if name == "pyproject.toml" and "[tool.pixi" not in text:
            continue
        if name == "pixi.toml" and not re.search(r"^\s*\[(workspace|project)\b", text, re.MULTILINE):
            continue
        return parse(path)
    return None


def _missing(start: Path) -> Manifest:
    raise PixiError(
        f"could not find pixi.toml or pyproject.toml with tool.pixi at directory {start}",
        help_text="Run `pixi init` to create a new project",
    )


def _platform(entry: Value) -> Platform:
    if isinstance(entry, str):
        if not _SUBDIR.fullmatch(entry):
            raise PixiError(f"'{entry}' is not a known platform")
        return Platform(entry)
    custom = []
    for key, value in entry.items():
        if key in {"platform", "name"}:
            continue
        version = value["driver"] if isinstance(value, dict) else value
        custom.append((_RICH.get(key, key), str(version)))
    return Platform(str(entry["platform"]), tuple(sorted(custom)), str(entry.get("name", "")))


def _version_key(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]
