"""PyPI packages of an environment: index wheels, and the workspace's own packages built by their PEP 517 backend.

What stays behind on disk is what pixi's uv leaves (`INSTALLER` is `uv-pixi`). The bundled build backends take the
place of the isolated build environments that uv would fill from an index.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tomli
from rattler.exceptions import IoError
from rattler.package_streaming import download_bytes

from . import lock as locks
from . import machine, sources, wheels
from .errors import NotProvidedError, PixiError
from .manifest import normalised

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rattler.lock import PypiLockedPackage

    from .manifest import Environment, Manifest, Platform, Table

_BACKENDS = {"hatchling.build", "setuptools.build_meta", "flit_core.buildapi"}
_BUNDLED = {"hatchling", "hatch-vcs", "setuptools", "setuptools-scm", "wheel", "flit-core", "editables"}
_BUILD = """\
import importlib, sys
sys.path[:0] = sys.argv[1:2]
backend = importlib.import_module(sys.argv[2])
print(getattr(backend, sys.argv[3])(sys.argv[4]), file=sys.stderr)
"""


@dataclass(frozen=True)
class _Target:
    """The environment that packages go to."""

    manifest: Manifest
    environment: Environment
    platform: Platform
    site_packages: Path
    python: Path

    def failed(self, *causes: str) -> PixiError:
        return PixiError(f"Failed to update PyPI packages for environment '{self.environment.name}'", *causes)


def install(
    manifest: Manifest,
    environment: Environment,
    platform: Platform,
    prefix: Path,
    found: Sequence[PypiLockedPackage],
) -> None:
    """Brings the environment's PyPI packages in line with `found`; those that are not in it are removed.

    Raises PixiError as pixi does, and NotProvidedError for what needs more than the bundled backends.
    """
    site_packages = next(iter(sorted(prefix.glob("lib/python3.*/site-packages"))), None)
    if site_packages is None or not (found or wheels.installed(site_packages)):
        return
    python = prefix / "bin" / site_packages.parent.name
    if found and platform.subdir != machine.native_subdir():
        raise PixiError(f"Failed to query Python interpreter at `{python}`")
    target = _Target(manifest, environment, platform, site_packages, python)
    present = wheels.installed(site_packages)
    wanted = {normalised(package.name): package for package in found}
    for name, dist_info in present.items():
        if name not in wanted:
            wheels.remove(dist_info)
    for name, package in wanted.items():
        url = package.location.removeprefix("direct+").partition("#")[0]
        if "://" in url and not url.endswith(".whl"):
            _install_from_source(target, package, present.get(name))
        elif "://" in url:
            _install_from_index(target, package, present.get(name))
        else:
            _install_own(target, package, present.get(name))
    digest = hashlib.sha256(str(python).encode()).hexdigest()[:16]
    Path(tempfile.gettempdir(), f"uv-{digest}.lock").touch()


def _install_from_index(target: _Target, package: PypiLockedPackage, present: Path | None) -> None:
    if present:
        if present.name.split("-")[1] == f"{package.version}.dist-info":
            return
        wheels.remove(present)
    wheels.unpack(_fetched(target, package), target.site_packages, target.python)


def _install_from_source(target: _Target, package: PypiLockedPackage, present: Path | None) -> None:
    """Builds a package from Git, or from a source distribution, where it is not what was installed."""
    described = sources.description(package.location)
    if present:
        if _read_json(present / "direct_url.json") == described:
            return
        wheels.remove(present)
    with tempfile.TemporaryDirectory(prefix="pixi-source-") as name, tempfile.TemporaryDirectory() as built:
        if package.location.startswith("git+"):
            try:
                source = sources.from_git(package.location, Path(name))
            except PixiError as error:
                what = f"Failed to download and build `{package.name} @ {package.location.partition('?')[0]}`"
                raise target.failed(
                    "Failed to prepare distributions", what, error.args[0], *error.causes
                ) from None
        else:
            source = sources.from_archive(_fetched(target, package).read_bytes(), Path(name))
        wheel = _build(target, package.name, source, Path(built), editable=False)
        extra = {"direct_url.json": described, "uv_build.json": {"build_settings": {}}}
        texts = {key: json.dumps(value) for key, value in extra.items()}
        wheels.unpack(wheel, target.site_packages, target.python, texts)


def _fetched(target: _Target, package: PypiLockedPackage) -> Path:
    """The package's archive in the cache."""
    url = package.location.removeprefix("direct+").partition("#")[0]
    sha256 = locks.sha256_of(package)
    kept = machine.cache_root() / "uv-cache" / "wheels" / (sha256 or hashlib.sha256(url.encode()).hexdigest())
    if not kept.exists():
        try:
            content = asyncio.run(_download(target.manifest, url))
        except (IoError, RuntimeError) as error:
            raise target.failed(
                "Failed to prepare distributions",
                f"Failed to download `{package.name}=={package.version}`",
                f"Failed to fetch: `{url}`",
                str(error),
            ) from None
        if sha256 and hashlib.sha256(content).hexdigest() != sha256:
            raise PixiError(f"Hash mismatch for `{package.name}=={package.version}`")
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(f".{os.getpid()}")
        part.write_bytes(content)
        part.replace(kept)
    return kept


async def _download(manifest: Manifest, url: str) -> bytes:
    return await download_bytes(machine.client(manifest.root), url)


def _install_own(target: _Target, package: PypiLockedPackage, present: Path | None) -> None:
    source = (target.manifest.root / package.location).resolve()
    if not source.is_dir():
        raise target.failed(
            "Failed to create required distributions",
            f"error extracting extension from {source}",
        )
    editable = target.environment.is_editable(normalised(package.name), target.platform.subdir)
    described = {"url": source.as_uri(), "dir_info": {"editable": editable}}
    cache_key = _cache_key(source)
    if present:
        recorded = [_read_json(present / name) for name in ("direct_url.json", "uv_cache.json")]
        if recorded == [described, cache_key]:
            return
        wheels.remove(present)
    with tempfile.TemporaryDirectory(prefix="pixi-build-") as name:
        wheel = _build(target, package.name, source, Path(name), editable=editable)
        extra = {"direct_url.json": described, "uv_cache.json": cache_key, "uv_build.json": {"build_settings": {}}}
        wheels.unpack(
            wheel, target.site_packages, target.python, {key: json.dumps(value) for key, value in extra.items()}
        )


def _build(target: _Target, name: str, source: Path, into: Path, *, editable: bool) -> Path:
    project = source / "pyproject.toml"
    table: Table = tomli.loads(project.read_text(encoding="utf-8")) if project.exists() else {}
    system: Table = table.get("build-system", {"requires": ["setuptools"]})
    backend = system.get("build-backend", "setuptools.build_meta")
    requires = [re.split(r"[^A-Za-z0-9._-]", text.strip())[0] for text in system.get("requires", [])]
    foreign = sorted({normalised(each) for each in requires} - _BUNDLED)
    if backend not in _BACKENDS or foreign:
        what = f"{backend} with {', '.join(foreign)}" if foreign else backend
        raise NotProvidedError(
            f"building {name} from source with {what}; it has hatchling, setuptools and flit_core"
        )
    hook = "build_editable" if editable else "build_wheel"
    done = subprocess.run(
        [target.python, "-I", "-c", _BUILD, _bundle(), backend, hook, into],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    found = next(into.glob("*.whl"), None)
    if done.returncode or found is None:
        raise target.failed(
            "Failed to prepare distributions",
            f"Failed to build `{name} @ {source.as_uri()}`",
            f"Call to `{backend}.{hook}` failed (exit status: {done.returncode})",
            done.stderr.strip(),
        )
    return found


def _bundle() -> Path:
    return Path(os.environ.get("PIXI_STAND_IN_BACKENDS") or Path(sys.prefix, "backends"))


def _cache_key(source: Path) -> dict[str, object]:
    """What uv compares to see whether a source folder has changed: change times, never reproducible."""
    files = [path for name in ("pyproject.toml", "setup.py", "setup.cfg") if (path := source / name).exists()]
    newest = max((path.stat().st_ctime_ns for path in files), default=0)
    timestamp = {"secs_since_epoch": newest // 10**9, "nanos_since_epoch": newest % 10**9}
    folder = source / "src"
    directories = {"src": {"Inode": folder.stat().st_ino}} if folder.is_dir() else {}
    return {"timestamp": timestamp, "commit": None, "tags": None, "env": {}, "directories": directories}


def _read_json(path: Path) -> object:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
