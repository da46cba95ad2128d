"""Locks a workspace against the rig's channel, as `pixi lock` would lock it against conda-forge.

`python -m tests.rig.solve MANIFEST [--channel URL]` writes pixi.lock beside the manifest.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import posixpath
import re
import tempfile
import zipfile
from dataclasses import dataclass, field
from email import message_from_bytes
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import tomli
from packaging import version as versions
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from rattler import (
    Gateway,
    GenericVirtualPackage,
    LockChannel,
    LockFile,
    LockPlatform,
    MatchSpec,
    PackageName,
    Subdir,
    Version,
    solve,
)
from rattler.package import BuildString

from tests.rig.base.stand_in import manifest as manifests
from tests.rig.base.stand_in.errors import NotProvidedError, PixiError
from tests.rig.errors import RigError
from tests.rig.folders import Folders

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from rattler import RepoDataRecord

_PYPI = "https://pypi.org/simple"
_PYPI_PACKAGE = re.compile(r"^- pypi: (?P<place>\S+)\n  name: \S+\n(?P<version>  version: .*\n)", re.MULTILINE)
_CHANNELS = re.compile(r"^  (?P<environment>[a-z0-9-]+):\n    channels:\n(?:    - .*\n)+", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class _PypiPackage:
    """A package that pixi takes for one from PyPI: a folder of the workspace, or a wheel by its URL."""

    name: str
    place: str
    """As a lock has it: relative to the workspace, or `direct+https://…`."""
    version: str = ""
    """Empty for a folder, whose version a lock does not have."""
    requires: tuple[Requirement, ...] = ()
    requires_python: str = ""
    folders: Mapping[str, str] = field(default_factory=dict)
    """Where requirements are in the workspace that `[tool.uv.sources]` gives a path, by normalised name."""


def lock(manifest: Path, *, channel: str, channel_name_in_lock: str = manifests.CONDA_FORGE) -> None:
    """Solves every environment and platform of `manifest` and writes `pixi.lock` beside it.

    `channel` is the URL (http or file) that stands in for `channel_name_in_lock`, which is what the lock says.
    Raises RigError when the manifest cannot be read or has no solution.
    """
    try:
        asyncio.run(_lock(manifests.parse(manifest.resolve()), channel.rstrip("/") + "/", channel_name_in_lock))
    except (PixiError, NotProvidedError) as error:
        raise RigError(str(error)) from error


async def _lock(manifest: manifests.Manifest, channel: str, name_in_lock: str) -> None:
    rows = [(env, platform) for env in manifest.environments.values() for platform in env.platforms]

    def served(url: str) -> str:
        return channel + url.removeprefix(name_in_lock) if url.startswith(name_in_lock) else url

    # A lock has a row name for each distinct platform: the subdir itself, or p1, p2 … with declared packages.
    names: dict[manifests.Platform, str] = {}
    for _, platform in rows:
        custom = sum(bool(known.customised) for known in names)
        names.setdefault(platform, f"p{custom + 1}" if platform.customised else platform.subdir)
    platforms = {
        platform: LockPlatform(name, Subdir(platform.subdir), list(platform.virtual_packages))
        for platform, name in sorted(names.items(), key=lambda item: item[1])
    }
    found = LockFile(list(platforms.values()))
    for environment in sorted(manifest.environments.values(), key=lambda env: env.name):
        found.set_channels(environment.name, [LockChannel(url) for url in environment.channels])
    with tempfile.TemporaryDirectory() as cache:
        gateway = Gateway(cache_dir=Path(cache))
        pypi: dict[str, _PypiPackage] = {}
        with_pypi: set[str] = set()
        groups: dict[tuple[str, manifests.Platform], list[RepoDataRecord]] = {}
        for environment, platform in rows:
            members = [
                env
                for env in manifest.environments.values()
                if env is environment or (environment.solve_group and env.solve_group == environment.solve_group)
            ]
            key = (environment.solve_group or f"={environment.name}", platform)
            if key not in groups:
                specs = [spec for env in members for spec in env.specs(platform.subdir)]
                groups[key] = await _solve(specs, platform, channel, gateway)
            wanted = [name for name, _ in environment.specs(platform.subdir)]
            records = sorted(_reachable(groups[key], wanted), key=lambda record: record.url)
            for record in records:
                if record.url.startswith(channel):
                    record.url = name_in_lock + record.url.removeprefix(channel)
                    record.channel = name_in_lock
                found.add_conda_package(environment.name, platforms[platform], record)
            packages = _pypi_packages(manifest.root, environment.pypi_specs(platform.subdir), served)
            _check_requirements(packages.values(), {record.name.normalized for record in records})
            for package in packages.values():
                place = (package.name, package.version or "0", package.place)
                found.add_pypi_package(environment.name, platforms[platform], *place)
                pypi[package.place] = package
                with_pypi.add(environment.name)
    found.to_path(manifest.lock)
    text = manifest.lock.read_text(encoding="utf-8")
    text = _PYPI_PACKAGE.sub(lambda entry: _describe(pypi[entry["place"]], entry), text)
    text = _CHANNELS.sub(
        lambda entry: entry[0] + f"    indexes:\n    - {_PYPI}\n" * (entry["environment"] in with_pypi), text
    )
    manifest.lock.write_text(text, encoding="utf-8")


def _pypi_packages(
    root: Path, specs: Mapping[str, manifests.Value], served: Callable[[str], str]
) -> dict[str, _PypiPackage]:
    """The packages that an environment asks for, by normalised name, and the folders that those name in turn."""
    packages: dict[str, _PypiPackage] = {}
    todo = dict(specs)
    while todo:
        name, spec = todo.popitem()
        if name in packages:
            continue
        if isinstance(spec, dict) and spec.get("url", "").endswith(".whl"):
            packages[name] = _wheel(name, spec["url"], served)
        elif isinstance(spec, dict) and "path" in spec:
            packages[name] = _folder(root, name, posixpath.normpath(spec["path"]))
            todo |= {each: {"path": path} for each, path in packages[name].folders.items()}
        else:
            raise RigError(
                f"{name} comes from PyPI, which the rig cannot resolve: use a wheel's URL or a conda package"
            )
    return packages


def _wheel(name: str, url: str, served: Callable[[str], str]) -> _PypiPackage:
    """Read a wheel's own metadata, from the channel where it stands in for the URL."""
    try:
        answer = httpx.get(served(url), trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        raise RigError(f"the wheel of {name} cannot be read: {error}") from error
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        file = next(each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        metadata = message_from_bytes(archive.read(file))
    return _PypiPackage(
        name=name,
        place=f"direct+{url}",
        version=metadata["Version"],
        requires=tuple(Requirement(text) for text in metadata.get_all("Requires-Dist", ())),
        requires_python=metadata.get("Requires-Python", ""),
    )


def _folder(root: Path, name: str, path: str) -> _PypiPackage:
    """Read what a folder's pyproject.toml says; a lock keeps of it what does not depend on a build."""
    project = root / path / "pyproject.toml"
    document = tomli.loads(project.read_text(encoding="utf-8")) if project.exists() else {}
    table = document.get("project", {})
    texts = [*table.get("dependencies", ())]
    for extra, requirements in table.get("optional-dependencies", {}).items():
        for text in requirements:
            requirement, _, marker = text.partition(";")
            texts.append(f"{requirement};{f'({marker}) and' if marker else ''} extra == '{extra}'")
    sources = document.get("tool", {}).get("uv", {}).get("sources", {})
    if any("path" not in source for source in sources.values()):
        raise RigError(f"{project} has sources without a path, which the rig cannot resolve")
    return _PypiPackage(
        name=name,
        place=path if path.startswith(".") else f"./{path}",
        requires=tuple(map(Requirement, texts)),
        requires_python=table.get("requires-python", ""),
        folders={
            manifests.normalised(each): posixpath.normpath(posixpath.join(path, source["path"]))
            for each, source in sources.items()
        },
    )


def _check_requirements(packages: Iterable[_PypiPackage], conda: Collection[str]) -> None:
    """Raises RigError for what would come from PyPI: no conda package has it, nor does the workspace."""
    packages = list(packages)
    there = {*conda, *(package.name for package in packages)}
    for package in packages:
        for requirement in package.requires:
            needed = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if needed and manifests.normalised(requirement.name) not in there:
                raise RigError(
                    f"{package.name} needs {requirement.name}, which comes from PyPI: add it as a conda package"
                )


def _describe(package: _PypiPackage, entry: re.Match[str]) -> str:
    """A package in a lock of version 7, as the rattler_lock crate writes it (models/v7/pypi_package_data.rs)."""
    text = entry[0] if package.version else entry[0].removesuffix(entry["version"])
    if package.requires:
        lines = (f"  - {_written(requirement, package.folders)}\n" for requirement in package.requires)
        text += "  requires_dist:\n" + "".join(lines)
    if package.requires_python:
        text += f"  requires_python: '{_in_order(SpecifierSet(package.requires_python))}'\n"
    return text


def _written(requirement: Requirement, folders: Mapping[str, str]) -> str:
    """A requirement as the pep508_rs crate writes it; one with a source is relative to the workspace."""
    folder = folders.get(manifests.normalised(requirement.name))
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    what = f" @ ./{folder}" if folder else _in_order(requirement.specifier)
    marker = f" ; {requirement.marker}".replace('"', "'") if requirement.marker else ""
    return f"{manifests.normalised(requirement.name)}{extras}{what}{marker}"


def _in_order(specifiers: SpecifierSet) -> str:
    """By version, as the pep440_rs crate writes them."""
    ordered = sorted(specifiers, key=lambda each: versions.Version(each.version.removesuffix(".*")))
    return ",".join(map(str, ordered))


async def _solve(
    specs: Iterable[tuple[str, manifests.Value]], platform: manifests.Platform, channel: str, gateway: Gateway
) -> list[RepoDataRecord]:
    texts = [text for name, spec in specs if (text := manifests.match_spec(name, spec))]
    try:
        return await solve(
            [channel],
            [MatchSpec(text) for text in texts],
            gateway=gateway,
            platforms=[Subdir(platform.subdir), Subdir("noarch")],
            virtual_packages=[_virtual_package(text) for text in platform.virtual_packages],
        )
    except Exception as error:
        raise RigError(f"no solution for {platform.name} from {channel}: {error}") from error


def _virtual_package(text: str) -> GenericVirtualPackage:
    name, version, *build = text.split("=")
    return GenericVirtualPackage(PackageName(name), Version(version), BuildString(build[0] if build else "0"))


def _reachable(records: Iterable[RepoDataRecord], wanted: Iterable[str]) -> list[RepoDataRecord]:
    """The records of one environment out of its solve group's solution."""
    by_name = {record.name.normalized: record for record in records}
    todo, seen = list(wanted), set()
    while todo:
        name = todo.pop()
        if name in seen or name not in by_name:
            continue
        seen.add(name)
        todo += [depends.split()[0] for depends in by_name[name].depends]
    return [by_name[name] for name in sorted(seen)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.rig.solve", description=__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--channel", help="URL of the channel; by default that of the running rig")
    arguments = parser.parse_args()
    channel = arguments.channel
    if not channel:
        from tests.rig.rig import Rig

        recorded = Folders.from_environment(os.environ).state / "rig.json"
        channel = Rig.from_json(recorded.read_text(encoding="utf-8")).channel
    lock(arguments.manifest, channel=channel)


if __name__ == "__main__":
    main()
