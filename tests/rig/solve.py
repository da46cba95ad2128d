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
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
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
from tests.rig.base.stand_in.metadata import Metadata, read, requirement_parts
from tests.rig.errors import RigError
from tests.rig.folders import Folders

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from rattler import RepoDataRecord

_PYPI = "https://pypi.org/simple"
_PYPI_PACKAGE = re.compile(r"^- pypi: (?P<place>\S+)\n  name: \S+\n  version: .*\n", re.MULTILINE)
_CHANNELS = re.compile(r"^  (?P<environment>[a-z0-9-]+):\n    channels:\n(?:    - .*\n)+", re.MULTILINE)


@dataclass(frozen=True)
class _PypiPackage:
    """A package that pixi takes for one from PyPI: a folder of the workspace, an archive's URL, or a commit."""

    name: str
    place: str
    """As a lock has it: relative to the workspace, or `direct+https://…`."""
    metadata: Metadata
    version: str = ""
    """Empty for a folder, whose version a lock does not have."""


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
    text = _PYPI_PACKAGE.sub(lambda entry: _entry(pypi[entry["place"]]), text)
    text = _CHANNELS.sub(
        lambda entry: entry[0] + f"    indexes:\n    - {_PYPI}\n" * (entry["environment"] in with_pypi), text
    )
    manifest.lock.write_text(text, encoding="utf-8")
    # Once more through the library, which writes requirements as it does for pixi.
    LockFile.from_path(manifest.lock).to_path(manifest.lock)


def _entry(package: _PypiPackage) -> str:
    return package.metadata.entry(package.name, package.place, package.version)


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
        elif isinstance(spec, dict) and "git" in spec and "rev" in spec:
            packages[name] = _PypiPackage(name, f"git+{spec['git']}?rev={spec['rev']}#{spec['rev']}", Metadata())
        elif isinstance(spec, dict) and spec.get("url", "").endswith(".tar.gz"):
            version = spec["url"].removesuffix(".tar.gz").rpartition("-")[2]
            packages[name] = _PypiPackage(name, f"direct+{spec['url']}", Metadata(), version)
        elif isinstance(spec, dict) and "path" in spec:
            packages[name] = _folder(root, name, posixpath.normpath(spec["path"]))
            todo |= {each: {"path": path} for each, path in packages[name].metadata.folders.items()}
        else:
            raise RigError(
                f"{name} comes from PyPI, which the rig cannot resolve: use a URL, a commit or a conda package"
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
        headers = message_from_bytes(archive.read(file))
    requires = tuple(headers.get_all("Requires-Dist", ()))
    read = Metadata(requires, headers.get("Requires-Python", ""))
    return _PypiPackage(name, f"direct+{url}", read, headers["Version"])


def _folder(root: Path, name: str, path: str) -> _PypiPackage:
    return _PypiPackage(name, path if path.startswith(".") else f"./{path}", read(root, path) or Metadata())


def _check_requirements(packages: Iterable[_PypiPackage], conda: Collection[str]) -> None:
    """Raises RigError for what would come from PyPI: no conda package has it, nor does the workspace."""
    packages = list(packages)
    there = {*conda, *(package.name for package in packages)}
    for package in packages:
        for text in package.metadata.requires:
            name, _, marker = requirement_parts(text)
            if "extra" not in marker and manifests.normalised(name) not in there:
                raise RigError(f"{package.name} needs {name}, which comes from PyPI: add it as a conda package")


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
