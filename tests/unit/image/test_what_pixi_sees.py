"""What each install of a rendered Dockerfile has in the workspace folder, and whether that is enough for Pixi.

The Dockerfile is replayed here, and manifest and lock are read anew: nothing of how the product decides is used.
The rules are Pixi's (crates/pixi_core/src/lock_file/satisfiability of 0.77: platform.rs, pypi.rs).
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import shlex
import shutil
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tomli
import yaml

from pixi_container.errors import UserError
from pixi_container.image.dockerfile import ImageSettings, render_dockerfile
from pixi_container.inputs import Inputs
from pixi_container.plan.problems import problems_of
from pixi_container.registry.reference import parse_reference
from pixi_container.workspace.workspace import read_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE = parse_reference("ghcr.io/prefix-dev/pixi:0.77.0-noble", source="test")
DOCKER = {"linux-64": "linux/amd64", "linux-aarch64": "linux/arm64"}
MANIFESTS = ("pixi.toml", "pyproject.toml", "mojoproject.toml")
SDISTS = (".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz", ".tar")


# What the Dockerfile does.


@dataclass
class Stage:
    """A stage: what is at which path of it, as the context has it, and what its finish copies elsewhere."""

    files: dict[str, Path] = field(default_factory=dict)
    workdir: str = "/"

    def below(self, folder: str) -> Iterator[tuple[str, Path]]:
        """Return what is in a folder, by the path from there."""
        for path, source in self.files.items():
            if path.startswith(f"{folder.rstrip('/')}/"):
                yield path[len(folder.rstrip("/")) + 1 :], source


@dataclass(frozen=True)
class Install:
    """An install: its arguments, the workspace folder as it is then, and what of it an empty folder hides."""

    arguments: tuple[str, ...]
    folder: Path
    hidden: tuple[str, ...]

    @property
    def is_locked(self) -> bool:
        return "--locked" in self.arguments

    @property
    def skipped(self) -> set[str]:
        return {self.arguments[at + 1] for at, word in enumerate(self.arguments) if word == "--skip"}


def instructions(dockerfile: str) -> Iterator[tuple[str, str, list[str]]]:
    """Return the keyword, the words and the here-documents of each instruction."""
    lines = iter(dockerfile.split("\n"))
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        words = line
        while words.endswith("\\"):
            words = words[:-1] + next(lines)
        ends = re.findall(r'<<-?"?(\w+)"?(?=\s|$)', words)
        documents = ["\n".join(iter(lines.__next__, end)) for end in ends]
        keyword, _, rest = words.partition(" ")
        yield keyword, rest, documents


def options(words: list[str], name: str) -> list[dict[str, str]]:
    """Return what stands behind each ``--name=``, split at its commas."""
    start = f"--{name}="
    values = [word[len(start) :].split(",") for word in words if word.startswith(start)]
    return [{key: text for key, _, text in (part.partition("=") for part in parts)} for parts in values]


def replay(dockerfile: str, context: Path, to: Path) -> list[Install]:
    """Return the installs, first one first; their folders are made below ``to``."""
    stages: dict[str, Stage] = {}
    stage = Stage()
    installs: list[Install] = []
    for keyword, rest, documents in instructions(dockerfile):
        if keyword == "FROM":
            base, _, name = rest.partition(" AS ")
            known = stages.get(base, Stage())
            stage = stages[name] = Stage(dict(known.files), known.workdir)
        elif keyword == "WORKDIR":
            stage.workdir = rest
        elif keyword == "COPY":
            copy(rest, documents, context, stages, stage)
        elif keyword == "RUN":
            words = rest.split()
            for arguments in install_arguments(rest):
                folder = to / str(len(installs))
                installs.append(Install(arguments, folder, lay_out(words, context, stages, stage, folder)))
            # It puts files of the workspace elsewhere.
            for listed in re.findall(r"bash \S+/finish\.sh (.*)", rest):
                for script in shlex.split(listed):
                    path = f"{stage.workdir}/{script}"
                    stage.files[f"/image/entrypoint{path}"] = stage.files[path]
    return installs


def install_arguments(command: str) -> list[tuple[str, ...]]:
    """Return the arguments of each install of a RUN; workspace.sh makes them of its variables."""
    if "/workspace.sh " in command:
        variables = dict(re.findall(r"(\w+)=(\S+)", command))
        return [(f"--{variables['LOCK']}", "--environment", variables["ENVIRONMENT"])]
    return [tuple(shlex.split(words)) for words in re.findall(r"bash \S+/install\.sh ([^\\&\n]*)", command)]


def copy(rest: str, documents: list[str], context: Path, stages: dict[str, Stage], stage: Stage) -> None:
    """Carry a COPY out."""
    flags = re.match(r"(--\S+ )*", rest)
    assert flags
    words = rest[flags.end() :]
    sources: list[str] = json.loads(words) if words.startswith("[") else words.split()
    target = sources.pop()
    if documents:
        return
    for given in options(flags[0].split(), "from"):
        for source in sources:
            for path, place in stages[next(iter(given))].below(source):
                stage.files[posixpath.join(target, path)] = place
        return
    for source in (name.replace("\\'", "'") for name in sources):
        assert (context / source).exists(), f"COPY of '{source}', which does not exist"
        inside = len(sources) > 1 or (target.endswith("/") and not (context / source).is_dir())
        stage.files[posixpath.join(target, posixpath.basename(source)) if inside else target.rstrip("/")] = (
            context / source
        )


def lay_out(
    words: list[str], context: Path, stages: dict[str, Stage], stage: Stage, folder: Path
) -> tuple[str, ...]:
    """Make the workspace folder that a RUN has; a mount is above all that lies there before."""
    folder.mkdir()
    mounts = [mount for mount in options(words, "mount") if "from" not in mount]
    top = posixpath.join(stage.workdir, "")
    hidden: list[str] = []
    for path, source in stage.below(stage.workdir):
        put(source, folder / path)
    for mount in sorted(mounts, key=lambda mount: mount["target"].count("/")):
        target = mount["target"]
        if not target.startswith(top):
            continue
        place = folder / target.removeprefix(top)
        if mount["type"] == "tmpfs":
            hidden += [str(file.relative_to(folder)) for file in place.rglob("*")] if place.exists() else []
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
        elif mount["type"] == "bind":
            if place.is_dir():
                shutil.rmtree(place)
            assert (context / mount["source"]).exists(), f"a mount of '{mount['source']}', which does not exist"
            put(context / mount["source"], place)
    return tuple(hidden)


def put(source: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, place, symlinks=True, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, place)


# What manifest and lock say.


@dataclass(frozen=True)
class Local:
    """A package of a row that comes from a path, or from Git where ``path`` is empty."""

    name: str
    kind: str
    path: str
    inputs: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def parsed(lock: str) -> dict[str, Any]:
    """Read a lock, which every install of a workspace has the same of, in seconds."""
    document = yaml.load(lock, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    if not isinstance(document, dict):
        raise yaml.YAMLError("no lock")
    return document


@dataclass(frozen=True)
class Facts:
    """Manifest and lock of a folder."""

    folder: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        for name in MANIFESTS:
            if (self.folder / name).is_file():
                document = tomli.loads((self.folder / name).read_text("utf-8"))
                table: dict[str, Any] = (
                    document.get("tool", {}).get("pixi", {}) if name == "pyproject.toml" else document
                )
                if "workspace" in table or "project" in table:
                    return table
        raise AssertionError("no manifest")

    @cached_property
    def workspace(self) -> dict[str, Any]:
        table: dict[str, Any] = self.manifest.get("workspace") or self.manifest["project"]
        return table

    @cached_property
    def lock(self) -> dict[str, Any]:
        return parsed((self.folder / "pixi.lock").read_text("utf-8"))

    @property
    def insisted(self) -> list[str]:
        """Return the files without which Pixi refuses the manifest."""
        tables = (self.workspace, self.manifest.get("package", {}))
        named = [table.get(key) for table in tables for key in ("readme", "license-file")]
        return [
            *(file for file in named if isinstance(file, str)),
            *self.workspace.get("build-variants-files", []),
        ]

    @property
    def environments(self) -> list[str]:
        return ["default", *(name for name in self.manifest.get("environments", {}) if name != "default")]

    def features(self, environment: str) -> list[dict[str, Any]]:
        """Return the tables of an environment's features."""
        entry = self.manifest.get("environments", {}).get(environment, [])
        table = entry if isinstance(entry, dict) else {"features": entry}
        declared = self.manifest.get("feature", {})
        tables = [table, *(declared.get(name, {}) for name in table.get("features", []))]
        return tables if table.get("no-default-feature") else [*tables, self.manifest]

    def find_links(self, environment: str) -> list[str]:
        tables = [self.workspace, *self.features(environment)]
        entries = [entry for table in tables for entry in table.get("pypi-options", {}).get("find-links", [])]
        return [entry["path"] for entry in entries if "path" in entry]

    def scripts(self, environment: str) -> list[str]:
        """Return the scripts of the activation, for any platform."""
        tables = [table.get("activation", {}) for table in self.features(environment)]
        return [script for table in tables for script in table.get("scripts", [])]

    def development(self, environment: str) -> list[dict[str, str]]:
        """Return where the packages of ``[dev]`` come from."""
        tables = self.features(environment)
        tables = [*tables, *(target for table in tables for target in table.get("target", {}).values())]
        return [place for table in tables for place in table.get("dev", {}).values()]

    def subdirs(self) -> dict[str, str]:
        """Return conda's name of each platform of the lock."""
        rows = self.lock.get("platforms", [])
        return {row["name"]: row.get("subdir") or row["name"] for row in rows}

    def rows(self, environment: str) -> dict[str, list[Local]]:
        """Return the local packages of an environment by the lock's name of the platform."""
        entries = self.lock.get("environments", {}).get(environment, {}).get("packages", {})
        return {
            platform: [local for package in packages for local in self._local(package)]
            for platform, packages in entries.items()
        }

    def pypi_packages(self, environment: str, platform: str, skipped: set[str]) -> bool:
        """Tell whether any package of PyPI's is installed."""
        packages = self.lock["environments"][environment]["packages"][platform]
        places = {str(package["pypi"]) for package in packages if "pypi" in package}
        return any(self._name(("pypi", place)) not in skipped for place in places)

    @cached_property
    def _records(self) -> dict[tuple[str, str], dict[str, Any]]:
        records: dict[tuple[str, str], dict[str, Any]] = {}
        for record in self.lock.get("packages", []):
            kind = record.get("kind") or next(key for key in ("conda", "pypi", "conda_source") if key in record)
            place = record.get("path") or record.get("url") if "kind" in record else record[kind]
            records.setdefault((kind, str(place)), record)
        return records

    def _name(self, key: tuple[str, str]) -> str:
        return str(self._records.get(key, {}).get("name", ""))

    def _local(self, package: dict[str, str]) -> Iterator[Local]:
        kind = next(key for key in ("conda_source", "conda", "pypi") if key in package)
        place = package[kind]
        name = self._name((kind, place))
        record = self._records.get((kind, place), {})
        if kind == "conda_source":
            label, _, place = place.partition(" @ ")
            name = label.partition("[")[0]
        if re.match(r"[a-z+]+://", place) and not place.startswith("file://"):
            if kind == "conda_source" or (kind == "conda" and place.startswith("git+")):
                yield Local(name, "conda-git", "")
            return
        path = posixpath.normpath(place.removeprefix("file://"))
        if kind == "pypi":
            is_archive = path.endswith((".whl", *SDISTS))
            yield Local(name, "pypi-archive" if is_archive else "pypi-folder", path)
        elif path.endswith((".conda", ".tar.bz2")):
            yield Local(name, "conda-archive", path)
        else:
            own = [record.get("source", {}), record.get("package_build_source", {})]
            others = [*record.get("source_depends", {}).values(), *record.get("sources", {}).values()]
            from_package = [posixpath.join(path, table["path"]) for table in (*own, *others) if "path" in table]
            tools = [*record.get("build_packages", []), *record.get("host_packages", [])]
            from_workspace = [tool["conda_source"].partition(" @ ")[2] for tool in tools if "conda_source" in tool]
            yield Local(
                name, "conda-source", path, tuple(map(posixpath.normpath, (*from_package, *from_workspace)))
            )


def is_inside(path: str) -> bool:
    return not path.startswith(("..", "/"))


# What Pixi asks for.


def lacks(context: Path, install: Install, environment: str, row: str, *, is_first: bool) -> Iterator[str]:
    """Say what Pixi would miss in an install of a row of the lock."""
    seen = install.folder
    yield from (f"an empty folder hides '{path}'" for path in install.hidden)
    known = Facts(context)
    used = (*known.scripts(environment), ".pixi/config.toml")
    for name in ("pixi.lock", *known.insisted, *(name for name in used if (context / name).is_file())):
        if not (seen / name).exists():
            yield f"'{name}' is missing"
    facts = Facts(seen)
    if (seen / "pixi.lock").exists():
        yield from lacks_to_install(context, facts, install, environment, row, is_first=is_first)
    if install.is_locked:
        for name in facts.environments:
            yield from (f"--locked, environment '{name}': {text}" for text in lacks_to_check(context, facts, name))


def lacks_to_install(
    context: Path, facts: Facts, install: Install, environment: str, row: str, *, is_first: bool
) -> Iterator[str]:
    seen = facts.folder
    for package in facts.rows(environment)[row]:
        if package.name in install.skipped or package.kind == "conda-git":
            continue
        if package.kind == "conda-archive" and not is_first:
            continue
        for path in (package.path, *package.inputs):
            yield from (f"'{package.name}' lacks {file}" for file in absent(context, seen, path))
    if facts.pypi_packages(environment, row, install.skipped):
        for path in facts.find_links(environment):
            yield from (f"find-links lack {file}" for file in absent(context, seen, path))


def lacks_to_check(context: Path, facts: Facts, environment: str) -> Iterator[str]:
    """Say what `--locked` misses of an environment, whichever is installed."""
    seen = facts.folder
    for place in facts.development(environment):
        yield from absent(context, seen, place["path"]) if "path" in place else (f"a package of [dev]: {place}",)
    packages = {package for row in facts.rows(environment).values() for package in row}
    for package in sorted(packages, key=str):
        if package.kind == "conda-git":
            yield f"'{package.name}' is built by conda from Git"
        elif package.kind == "conda-source":
            for path in (package.path, *package.inputs):
                yield from (f"'{package.name}' lacks {file}" for file in absent(context, seen, path))
        elif package.kind == "pypi-archive" and not (is_inside(package.path) and (seen / package.path).is_file()):
            yield f"'{package.path}' is no file"
        elif package.kind == "pypi-folder":
            yield from lacks_of_folder(context, facts, environment, package)


def lacks_of_folder(context: Path, facts: Facts, environment: str, package: Local) -> Iterator[str]:
    """Say what is missing to look at a folder of Python source, which may be empty."""
    seen = facts.folder
    if not is_inside(package.path) or not (seen / package.path).is_dir():
        yield f"'{package.path}' is no folder"
        return
    # They are opened before the folder is looked at.
    for path in facts.find_links(environment):
        if not (is_inside(posixpath.normpath(path)) and (seen / path).is_dir()):
            yield f"'{package.path}' is looked at, which opens '{path}' of find-links"
    description = seen / package.path / "pyproject.toml"
    if not description.exists():
        return
    if description.read_bytes() != (context / package.path / "pyproject.toml").read_bytes():
        yield f"'{package.path}/pyproject.toml' is not the workspace's"
    sources = tomli.loads(description.read_text("utf-8")).get("tool", {}).get("uv", {}).get("sources", {})
    for name, source in sources.items():
        if isinstance(source, dict) and source.get("workspace"):
            yield from lacks_of_member(context, seen, package.path, name)


def lacks_of_member(context: Path, seen: Path, folder: str, name: str) -> Iterator[str]:
    """Say what of a workspace of uv is missing: its own metadata, and that of the member ``name``.

    Source: https://docs.astral.sh/uv/concepts/projects/workspaces/
    """
    wanted = re.sub(r"[-_.]+", "-", name).lower()
    for parent in (Path(folder), *Path(folder).parents):
        file = parent / "pyproject.toml"
        if not (context / file).is_file():
            continue
        uv = tomli.loads((context / file).read_text("utf-8")).get("tool", {}).get("uv", {})
        if "workspace" not in uv:
            continue
        if not (seen / file).is_file():
            yield f"'{file}' has the workspace of uv that '{folder}' belongs to"
        for pattern in uv["workspace"].get("members", []):
            for member in (context / parent).glob(f"{pattern}/pyproject.toml"):
                project = tomli.loads(member.read_text("utf-8")).get("project", {})
                is_wanted = re.sub(r"[-_.]+", "-", project.get("name", "")).lower() == wanted
                if is_wanted and not (seen / member.relative_to(context)).is_file():
                    yield f"'{member.relative_to(context)}' is missing, which '{folder}' takes from uv's workspace"
        return


def absent(context: Path, seen: Path, path: str) -> Iterator[str]:
    """Return what the workspace has at or below a path and the build has not."""
    if not is_inside(posixpath.normpath(path)) or not (context / path).exists():
        yield f"'{path}', which no build can have"
        return
    for file in (context / path, *(context / path).rglob("*")):
        name = file.relative_to(context)
        if name.parts[:1] not in {(".git",), (".pixi",)} and not os.path.lexists(seen / name):
            yield f"'{name}'"


# Workspaces.


def installs_of(context: Path, environment: str, docker: str, to: Path) -> tuple[list[Install], list[str]]:
    """Render the Dockerfile; give its installs and what they lack. Raises ``UserError`` for what is refused."""
    workspace = read_workspace(Inputs(context=str(context), environment=environment), docker)
    for problem in problems_of(workspace):
        raise problem
    dockerfile = render_dockerfile(
        workspace, builder_image=BASE, runtime_image=BASE, settings=ImageSettings(), pixi_version="0.77.0"
    )
    installs = replay(dockerfile, context, to)
    missing = [
        f"install {number} of '{environment}' for {docker}: {text}"
        for number, install in enumerate(installs)
        for text in lacks(context, install, environment, workspace.platform.name, is_first=not number)
    ]
    return installs, missing


HEAD = """\
[workspace]
name = "study"
channels = ["conda-forge"]
platforms = ["linux-64"]
preview = ["pixi-build"]
{workspace}
[environments]
other = {{ features = ["other"], no-default-feature = true }}
{manifest}
"""
PYTHON = "https://conda.anaconda.org/conda-forge/linux-64/python-3.11.9-h1_0.conda"
GIT = "git+https://example.org/tool.git?rev=abc#0123456789abcdef0123456789abcdef01234567"
METADATA = '[project]\nname = "{name}"\nversion = "1"\ndependencies = [{depends}]\n'
MEMBERS = {
    "packages/core/pyproject.toml": METADATA.format(name="core", depends=""),
    "packages/app/pyproject.toml": METADATA.format(name="app", depends='"core"')
    + "[tool.uv.sources]\ncore = { workspace = true }\n",
    "packages/app/src/app.py": "",
    "packages/core/src/core.py": "",
}
UV = '[tool.uv.workspace]\nmembers = ["packages/*"]\n'
STUDY = f"""\
{METADATA.format(name="study", depends='"core"')}
{UV}
[tool.uv.sources]
core = {{ workspace = true }}
"""


@dataclass(frozen=True)
class Case:
    """A small workspace: packages of ``default`` and ``other`` as the lock has them, and how it is installed."""

    own: tuple[tuple[str, str], ...] = ()
    other: tuple[tuple[str, str], ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    workspace: str = ""
    manifest: str = ""
    is_pyproject: bool = False
    environment: str = "default"
    requires: dict[str, list[str]] = field(default_factory=dict)
    version: int = 7
    expected: tuple[str, ...] = ("--locked",)

    def write(self, to: Path) -> None:
        """Write manifest, lock and sources."""
        entries: dict[str, list[dict[str, str]]] = {}
        records: dict[str, dict[str, Any]] = {}
        for environment, packages in {"default": self.own, "other": self.other}.items():
            row = entries.setdefault(environment, [{"conda": PYTHON}])
            for name, place in packages:
                kind, _, where = place.partition(" ")
                entry = {kind: f"{name}[0a1b2c3d] @ {where}" if kind == "conda_source" else where}
                row.append(entry)
                records[name] = {**entry, **self._record(kind, name, where)}
        tables = [self._dependencies("", self.own), self._dependencies("feature.other.", self.other)]
        manifest = HEAD.format(workspace=self.workspace, manifest="\n".join([*tables, self.manifest]))
        files = {"pixi.toml": manifest, **self.files}
        if self.is_pyproject:
            tool = re.sub(r"^\[", "[tool.pixi.", files.pop("pixi.toml"), flags=re.MULTILINE)
            files["pyproject.toml"] = f"{files['pyproject.toml']}\n{tool}"
        for name, text in files.items():
            file = to / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
        links = {name: [{"path": path} for path in Facts(to).find_links(name)] for name in entries}
        lock = {
            "version": self.version,
            **({"platforms": [{"name": "linux-64"}]} if self.version > 6 else {}),
            "environments": {
                name: {
                    "channels": [{"url": "https://conda.anaconda.org/conda-forge/"}],
                    "indexes": ["https://pypi.org/simple"],
                    **({"find-links": links[name]} if links[name] else {}),
                    "packages": {"linux-64": row},
                }
                for name, row in entries.items()
            },
            "packages": [{"conda": PYTHON, "sha256": "0" * 64, "md5": "0" * 32}, *records.values()],
        }
        (to / "pixi.lock").write_text(yaml.safe_dump(lock, sort_keys=False), "utf-8")

    def _record(self, kind: str, name: str, where: str) -> dict[str, Any]:
        if kind == "conda_source":
            return {"variants": {"target_platform": "linux-64"}}
        if kind == "conda":
            return {"name": name, "version": "1.0", "build": "h0_0", "subdir": "noarch", "sha256": "0" * 64}
        is_archive = where.endswith(".whl") or self.version < 7
        requires = {"requires_dist": self.requires[name]} if name in self.requires else {}
        return {"name": name, **({"version": "1.0", "sha256": "0" * 64} if is_archive else {}), **requires}

    @staticmethod
    def _dependencies(feature: str, packages: tuple[tuple[str, str], ...]) -> str:
        lines: dict[str, list[str]] = {
            f"[{feature}pypi-dependencies]": [],
            f"[{feature}dependencies]": ['python = "*"'],
        }
        for name, place in packages:
            kind, _, where = place.partition(" ")
            table = f"[{feature}{'pypi-' if kind == 'pypi' else ''}dependencies]"
            if not where.startswith("git+"):
                lines[table].append(f'{name} = {{ path = "{where}" }}')
        return "\n".join("\n".join([table, *rows]) for table, rows in lines.items() if rows)


CASES = {
    "nothing local": Case(),
    "a package of its own": Case(
        own=(("tool", "pypi ./tool"),),
        files={"tool/pyproject.toml": METADATA.format(name="tool", depends=""), "tool/tool.py": ""},
        expected=("--frozen", "--locked"),
    ),
    "a package of its own, version 6": Case(
        own=(("tool", "pypi ./tool"),),
        files={"tool/pyproject.toml": METADATA.format(name="tool", depends=""), "tool/tool.py": ""},
        version=6,
        expected=("--frozen", "--locked"),
    ),
    "two that depend on each other": Case(
        requires={"app": ["core @ ./packages/core"], "core": ["app @ ./packages/app"]},
        own=(("app", "pypi ./packages/app"), ("core", "pypi ./packages/core")),
        files={
            "packages/app/pyproject.toml": METADATA.format(name="app", depends='"core"')
            + '[tool.uv.sources]\ncore = { path = "../core" }\n',
            "packages/core/pyproject.toml": METADATA.format(name="core", depends='"app"')
            + '[tool.uv.sources]\napp = { path = "../app" }\n',
        },
        expected=("--frozen", "--locked"),
    ),
    "a wheel and an archive of source of its own": Case(
        own=(("tool", "pypi ./wheels/tool-1.0-py3-none-any.whl"), ("data", "pypi ./wheels/data-1.0.tar.gz")),
        files={"wheels/tool-1.0-py3-none-any.whl": "", "wheels/data-1.0.tar.gz": ""},
        expected=("--frozen", "--locked"),
    ),
    "a conda source of its own": Case(
        own=(("tool", "conda_source recipes/tool"),),
        files={"recipes/tool/pixi.toml": "", "recipes/tool/src/main.c": ""},
        expected=("--frozen", "--locked"),
    ),
    "a conda archive": Case(
        own=(("tool", "conda ./archives/noarch/tool-1.0-h0_0.conda"),),
        files={"archives/noarch/tool-1.0-h0_0.conda": ""},
    ),
    "a conda archive beside a package of its own": Case(
        own=(("tool", "pypi ./tool"), ("data", "conda ./archives/noarch/data-1.0-h0_0.conda")),
        files={"archives/noarch/data-1.0-h0_0.conda": "", "tool/pyproject.toml": ""},
        expected=("--frozen", "--locked"),
    ),
    "another environment's folder": Case(
        other=(("tool", "pypi ./packages/tool"),),
        files={"packages/tool/pyproject.toml": METADATA.format(name="tool", depends="")},
    ),
    "another environment's folder beside a package of its own": Case(
        own=(("app", "pypi ./app"),),
        other=(("tool", "pypi ./packages/tool"), ("bare", "pypi ./packages/bare")),
        files={
            "app/pyproject.toml": METADATA.format(name="app", depends=""),
            "packages/tool/pyproject.toml": METADATA.format(name="tool", depends=""),
            "packages/tool/tool.py": "",
            "packages/bare/bare.py": "",
        },
        expected=("--frozen", "--locked"),
    ),
    "another environment's wheel": Case(
        other=(("tool", "pypi ./wheels/tool-1.0-py3-none-any.whl"),),
        files={"wheels/tool-1.0-py3-none-any.whl": ""},
        expected=("--frozen",),
    ),
    "another environment's wheel beside a package of its own": Case(
        own=(("app", "pypi ./app"),),
        other=(("tool", "pypi ./wheels/tool-1.0-py3-none-any.whl"),),
        files={"wheels/tool-1.0-py3-none-any.whl": "", "app/pyproject.toml": ""},
        expected=("--frozen", "--locked"),
    ),
    "another environment's conda source": Case(
        other=(("tool", "conda_source recipes/tool"),),
        files={"recipes/tool/pixi.toml": ""},
        expected=("--frozen",),
    ),
    "another environment's conda source beside a package of its own": Case(
        own=(("app", "pypi ./app"),),
        other=(("tool", "conda_source recipes/tool"),),
        files={"recipes/tool/pixi.toml": "", "app/pyproject.toml": ""},
        expected=("--frozen", "--frozen"),
    ),
    "another environment's conda source from Git": Case(
        other=(("tool", f"conda_source {GIT}"),), expected=("--frozen",)
    ),
    "the root is the package": Case(
        own=(("study", "pypi ./"),),
        files={"pyproject.toml": METADATA.format(name="study", depends=""), "src/study.py": ""},
        expected=("--frozen", "--locked"),
    ),
    "the root beside another environment's conda source": Case(
        own=(("study", "pypi ./"),),
        other=(("tool", "conda_source recipes/tool"),),
        files={"pyproject.toml": "", "recipes/tool/pixi.toml": ""},
        expected=("--frozen", "--locked"),
    ),
    "the root beside another environment's conda source from Git": Case(
        own=(("study", "pypi ./"),),
        other=(("tool", f"conda_source {GIT}"),),
        files={"pyproject.toml": ""},
        expected=("--frozen", "--frozen"),
    ),
    "the root beside another environment's folder outside": Case(
        own=(("study", "pypi ./"),),
        other=(("tool", "pypi ../tool"),),
        files={"pyproject.toml": ""},
        expected=("--frozen", "--frozen"),
    ),
    "the root beside another environment's wheel that is not there": Case(
        own=(("study", "pypi ./"),),
        other=(("tool", "pypi ./wheels/tool-1.0-py3-none-any.whl"),),
        files={"pyproject.toml": ""},
        expected=("--frozen", "--frozen"),
    ),
    "the root beside another environment's folder that is not there": Case(
        own=(("study", "pypi ./"),),
        other=(("tool", "pypi ./tool"),),
        files={"pyproject.toml": ""},
        expected=("--frozen", "--locked"),
    ),
    "the root of another environment": Case(
        other=(("study", "pypi ./"),), files={"pyproject.toml": METADATA.format(name="study", depends="")}
    ),
    "development packages": Case(
        manifest='[feature.other.dev]\ntool = { path = "recipes/tool" }',
        files={"recipes/tool/pixi.toml": ""},
        expected=("--frozen",),
    ),
    "development packages beside a package of its own": Case(
        own=(("app", "pypi ./app"),),
        manifest='[feature.other.target.linux-64.dev]\ntool = { path = "recipes/tool" }',
        files={"recipes/tool/pixi.toml": "", "app/pyproject.toml": ""},
        expected=("--frozen", "--frozen"),
    ),
    "find-links where a package is built": Case(
        own=(("tool", "pypi ./tool"),),
        workspace='pypi-options = { find-links = [{ path = "./wheels" }] }',
        files={"wheels/data-1.0-py3-none-any.whl": "", "tool/pyproject.toml": ""},
        expected=("--frozen", "--locked"),
    ),
    "find-links of another environment beside a package of its own": Case(
        own=(("app", "pypi ./app"),),
        other=(("tool", "pypi ./tool"),),
        manifest='[feature.other.pypi-options]\nfind-links = [{ path = "wheels" }]',
        files={"wheels/data-1.0-py3-none-any.whl": "", "app/pyproject.toml": "", "tool/pyproject.toml": ""},
        expected=("--frozen", "--frozen"),
    ),
    "find-links of another environment that has a folder": Case(
        other=(("tool", "pypi ./tool"),),
        manifest='[feature.other.pypi-options]\nfind-links = [{ path = "wheels" }]',
        files={"wheels/data-1.0-py3-none-any.whl": "", "tool/pyproject.toml": ""},
        expected=("--frozen",),
    ),
    "another environment's folder has an activation script": Case(
        other=(("tool", "pypi ./tool"),),
        manifest='[activation]\nscripts = ["tool/activate.sh"]',
        files={"tool/activate.sh": "", "tool/pyproject.toml": METADATA.format(name="tool", depends="")},
    ),
    "the same beside a package of its own": Case(
        own=(("app", "pypi ./app"),),
        other=(("tool", "pypi ./tool"), ("bare", "pypi ./bare")),
        manifest='[activation]\nscripts = ["tool/activate.sh", "bare/activate.sh"]',
        files={
            "app/pyproject.toml": "",
            "tool/activate.sh": "",
            "tool/pyproject.toml": METADATA.format(name="tool", depends=""),
            "bare/activate.sh": "",
        },
        expected=("--frozen", "--locked"),
    ),
    "another environment's folder has a conda archive": Case(
        own=(("app", "pypi ./app"), ("data", "conda ./tool/data-1.0-h0_0.conda")),
        other=(("tool", "pypi ./tool"),),
        files={"app/pyproject.toml": "", "tool/data-1.0-h0_0.conda": ""},
        expected=("--frozen", "--locked"),
    ),
    "a configuration": Case(
        own=(("tool", "pypi ./tool"),),
        files={".pixi/config.toml": 'pinning-strategy = "no-pin"\n', "tool/pyproject.toml": ""},
        expected=("--frozen", "--locked"),
    ),
    "files that the manifest insists on": Case(
        own=(("tool", "pypi ./tool"),),
        workspace='readme = "docs/README.md"\nlicense-file = "LICENSE"\nbuild-variants-files = ["a.yaml"]',
        files={"docs/README.md": "", "LICENSE": "", "a.yaml": "", "tool/pyproject.toml": ""},
        expected=("--frozen", "--locked"),
    ),
    "a folder of another environment above them": Case(
        other=(("docs", "pypi ./docs"),),
        workspace='readme = "docs/README.md"',
        files={"docs/README.md": "", "docs/pyproject.toml": ""},
    ),
    "members of uv's workspace": Case(
        own=(("app", "pypi ./packages/app"), ("core", "pypi ./packages/core")),
        requires={"app": ["core @ ./packages/core"]},
        files={**MEMBERS, "pyproject.toml": UV},
        expected=("--frozen", "--locked"),
    ),
    "the root and another environment's member of uv's workspace": Case(
        own=(("study", "pypi ./"), ("core", "pypi ./packages/core")),
        other=(("app", "pypi ./packages/app"), ("core", "pypi ./packages/core")),
        requires={"app": ["core @ ./packages/core"], "study": ["core @ ./packages/core"]},
        is_pyproject=True,
        files={**MEMBERS, "pyproject.toml": STUDY},
        expected=("--frozen", "--locked"),
    ),
    "the root takes a member of uv's workspace, and both are another environment's": Case(
        own=(("study", "pypi ./"), ("core", "pypi ./packages/core")),
        requires={"study": ["core @ ./packages/core"]},
        is_pyproject=True,
        environment="other",
        files={**MEMBERS, "pyproject.toml": STUDY},
        expected=("--frozen",),
    ),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_pixi_has_what_it_needs(tmp_path: Path, case: Case) -> None:
    context = tmp_path / "workspace"
    case.write(context)
    to = tmp_path / "seen"
    to.mkdir()
    installs, missing = installs_of(context, case.environment, "linux/amd64", to)
    assert missing == []
    assert tuple(install.arguments[0] for install in installs) == case.expected


# Real workspaces.

CORPUS = os.environ.get("PIXI_CONTAINER_CORPUS", "")


def with_stubs(source: Path, to: Path) -> Facts:
    """Copy a workspace that has manifest and lock alone, and put something where its local packages are."""
    to.mkdir()
    for file in source.iterdir():
        if file.is_file():
            shutil.copyfile(file, to / file.name)
    facts = Facts(to)
    files = list(facts.insisted)
    for environment in facts.environments:
        files += [f"{path}/stub-1.0-py3-none-any.whl" for path in facts.find_links(environment)]
        for package in (package for row in facts.rows(environment).values() for package in row):
            is_file = package.kind.endswith("-archive")
            files += [package.path] if is_file else [f"{path}/stub" for path in (package.path, *package.inputs)]
    for path in files:
        if is_inside(posixpath.normpath(path)):
            (to / path).parent.mkdir(parents=True, exist_ok=True)
            (to / path).touch()
    return facts


def cases_of(facts: Facts) -> Iterator[tuple[str, str]]:
    """Return each environment with each of Docker's platforms that it is locked for."""
    subdirs = facts.subdirs()
    for environment in facts.environments:
        rows = facts.rows(environment)
        known = {DOCKER.get(subdirs.get(row, row), "") for row in rows}
        yield from ((environment, docker) for docker in sorted(known - {""}))


@pytest.mark.slow
@pytest.mark.skipif(not CORPUS, reason="PIXI_CONTAINER_CORPUS names no folder of workspaces")
def test_every_environment_of_real_workspaces(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    totals: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    missing: list[str] = []
    for source in sorted(path for path in Path(CORPUS).iterdir() if (path / "pixi.lock").is_file()):
        try:
            facts = with_stubs(source, tmp_path / source.name)
        except (tomli.TOMLDecodeError, yaml.YAMLError):
            with pytest.raises(UserError):
                read_workspace(Inputs(context=str(source)))
            totals["workspaces whose manifest or lock is none"] += 1
            continue
        for environment, docker in cases_of(facts):
            totals["environments"] += 1
            to = tmp_path / "seen"
            to.mkdir()
            try:
                installs, lacking = installs_of(facts.folder, environment, docker, to)
            except UserError as error:
                totals["refused"] += 1
                refused[re.sub(r"'[^']*'|[\d.]+|: .*", "…", error.message)] += 1
                continue
            finally:
                shutil.rmtree(to)
            totals["rendered"] += 1
            totals[" then ".join(install.arguments[0] for install in installs)] += 1
            missing += [f"{source.name}: {text}" for text in lacking]
        shutil.rmtree(facts.folder)
    with capsys.disabled():
        print("", *(f"{count} {name}" for name, count in (*totals.items(), *refused.items())), sep="\n  ")
    assert missing == []
    assert totals["rendered"]
    assert all(reason and "\n" not in reason for reason in refused)
