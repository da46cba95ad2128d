"""Locks a workspace against the rig's channel, as `pixi lock` would lock it against conda-forge.

`python -m tests.rig.solve MANIFEST [--channel URL]` writes pixi.lock beside the manifest.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import posixpath
import re
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import tomli
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
    from collections.abc import Iterable

    from rattler import RepoDataRecord

_OWN_PACKAGE = re.compile(r"^- pypi: (?P<path>\.\S*)\n  name: (?P<name>\S+)\n  version: .*\n", re.MULTILINE)


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
            for record in sorted(_reachable(groups[key], wanted), key=lambda record: record.url):
                if record.url.startswith(channel):
                    record.url = name_in_lock + record.url.removeprefix(channel)
                    record.channel = name_in_lock
                found.add_conda_package(environment.name, platforms[platform], record)
            for name, spec in environment.pypi_specs(platform.subdir).items():
                found.add_pypi_package(environment.name, platforms[platform], name, *_pypi_place(name, spec))
    found.to_path(manifest.lock)
    text = manifest.lock.read_text(encoding="utf-8")
    manifest.lock.write_text(_OWN_PACKAGE.sub(partial(_describe, manifest.root), text), encoding="utf-8")


def _pypi_place(name: str, spec: manifests.Value) -> tuple[str, str]:
    """Version and place of a wheel by its URL, or of a folder, whose version is not looked at."""
    if isinstance(spec, dict) and spec.get("url", "").endswith(".whl"):
        return posixpath.basename(spec["url"]).split("-")[1], spec["url"]
    if not isinstance(spec, dict) or "path" not in spec:
        raise RigError(
            f"{name} comes from PyPI, which the rig cannot resolve: use a wheel's URL or a conda package"
        )
    path = posixpath.normpath(spec["path"])
    return "0", path if path.startswith("..") else "./" if path == "." else f"./{path}"


def _describe(root: Path, entry: re.Match[str]) -> str:
    """A package from a folder as lock version 7 has it: no version, but its declared requirements."""
    project = root / entry["path"] / "pyproject.toml"
    table = tomli.loads(project.read_text(encoding="utf-8"))["project"] if project.exists() else {}
    text = f"- pypi: {entry['path']}\n  name: {entry['name']}\n"
    if table.get("dependencies"):
        text += "  requires_dist:\n" + "".join(f"  - {requirement}\n" for requirement in table["dependencies"])
    if table.get("requires-python"):
        text += f"  requires_python: '{table['requires-python']}'\n"
    return text


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
