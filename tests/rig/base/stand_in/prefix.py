"""Environments on disk: installing what the lock says, and the files that pixi keeps beside it."""

from __future__ import annotations

import asyncio
import calendar
import errno
import hashlib
import json
import os
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rattler import Subdir, install
from rattler.exceptions import InstallerError
from rattler.lock import CondaLockedBinaryPackage, PypiLockedPackage

from . import VERSION, machine, pypi
from . import lock as locks
from . import manifest as manifests
from .errors import NotProvidedError, PixiError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from rattler import LockFile, RepoDataRecord
    from rattler.lock import LockedPackage

    from .manifest import Environment, Manifest, Platform

_FINGERPRINT = ".pixi-environment-fingerprint"
_INSTALLING = "pixi:installing!"
_HISTORY = "// not relevant for pixi but for `conda run -p`"
_EARLIEST = calendar.timegm((1980, 1, 1, 0, 0, 0))


class UnsupportedError(PixiError):
    """No platform of an environment is for this machine."""

    def __init__(self, environment: Environment) -> None:
        subdir = machine.subdir()
        name = environment.name
        lead = "The workspace does not" if name == "default" else f"the environment '{name}' does not"
        lines = [f"{lead} support '{subdir}' on this machine.", "", "Declared platforms and why none runs here:"]
        missing: dict[str, None] = {}
        for platform in environment.platforms:
            why = f"it does not run on {subdir}"
            if platform.subdir == subdir:
                absent = [f"{each[0]} >= {each[1]}" for each in platform.customised if not machine.has([each])]
                why = f"missing virtual packages: {', '.join(absent)}"
                missing |= dict.fromkeys(absent)
            lines.append(f"  - {platform.name} (subdir {platform.subdir}): {why}")
        lines += ["", f"Unsatisfied requirements: {', '.join(missing)}"] if missing else []
        mocked = [f"CONDA_OVERRIDE_{each[2:].split()[0].upper()}={each.split()[-1]}" for each in missing]
        super().__init__(
            f"Cannot install environment '{name}'",
            "\n".join(lines),
            help_text="\n  ".join(["Mock the missing virtual packages via the environment, e.g.:", *mocked]),
            code="unsupported-platform",
        )


def path_of(manifest: Manifest, environment: str) -> Path:
    return manifest.root / ".pixi" / "envs" / environment


def prepare_workspace(manifest: Manifest) -> None:
    """Writes .pixi/.gitignore and .condapackageignore where missing; a read-only file system is tolerated."""
    texts = {".gitignore": "*\n!config.toml\n", ".condapackageignore": ".pixi\n!.pixi/config.toml\n"}
    for name, text in texts.items():
        path = manifest.root / ".pixi" / name
        try:
            if not path.exists():
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="ascii")
        except OSError as error:
            if error.errno != errno.EROFS:
                raise PixiError(f"Failed to create {name} file at {path}", str(error.strerror)) from None


def load_lock(manifest: Manifest, *, frozen: bool, locked: bool, verbose: bool) -> LockFile:
    """The lock, checked against the whole manifest unless `frozen`.

    Raises PixiError with `locked` when they do not agree, NotProvidedError when pixi would solve now.
    """
    lock = locks.load(manifest.lock)
    if lock is None:
        if frozen and not locked:
            raise PixiError("the lock file is not up-to-date with requested environment: 'default'")
        reasons = ["there is no lock file"]
    elif frozen and not locked:
        return lock
    else:
        reasons = locks.why_not_up_to_date(manifest, lock)
    if lock is not None and not reasons:
        return lock
    for reason in reasons if verbose else ():
        print(f" INFO pixi_core::lock_file::outdated: {reason}", file=sys.stderr)
    if locked:
        raise PixiError("lock file not up-to-date with the workspace")
    raise NotProvidedError(f"solving, which is needed because {reasons[0]}")


@dataclass(frozen=True, kw_only=True)
class Request:
    """One environment to bring in line with the lock."""

    manifest: Manifest
    lock: LockFile
    environment: Environment
    skip: Collection[str] = ()
    platform: str | None = None

    @property
    def prefix(self) -> Path:
        return path_of(self.manifest, self.environment.name)

    def choose_platform(self) -> Platform:
        """The environment's first platform that this machine meets, or the one named by the request.

        Where it meets none, what the locked packages ask of it decides.
        """
        if self.platform:
            for platform in self.environment.platforms:
                if platform.name == self.platform:
                    return platform
            raise PixiError(f"platform '{self.platform}' is not part of environment '{self.environment.name}'")
        here = [each for each in self.environment.platforms if each.subdir == machine.subdir()]
        if here and "PIXI_OVERRIDE_PLATFORM" in os.environ:
            return here[0]
        for platform in here:
            if machine.has(platform.customised):
                return platform
        for platform in here:
            with suppress(PixiError):
                machine.check_requirements(self.environment.name, locks.conda_records(self.packages(platform)))
                return platform
        raise UnsupportedError(self.environment)

    def skipped(self) -> list[str]:
        """The packages that are left out, by name."""
        return sorted({each.name for each in self.packages(self.choose_platform())} & set(self.skip))

    def packages(self, platform: Platform) -> Sequence[LockedPackage]:
        locked = self.lock.environment(self.environment.name)
        if locked is None:
            message = f"the lock file is not up-to-date with requested environment: '{self.environment.name}'"
            raise PixiError(message)
        return locks.packages(locked, platform)


def is_current(request: Request) -> bool:
    """Whether conda-meta/pixi was written for exactly this lock (pixi's quick check).

    Never with a source folder that exists relative to the current directory, as pixi looks for it there.
    """
    try:
        recorded = json.loads((request.prefix / "conda-meta" / "pixi").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    platform = request.choose_platform()
    packages = request.packages(platform)
    if any(Path(package.location).is_dir() for package in locks.pypi_packages(packages)):
        return False
    expected = locks.content_hash(packages, platform)
    return bool(recorded.get("environment_lock_file_hash") == expected)


def installed_for(prefix: Path) -> str:
    """The subdir that an environment was installed for, as `pixi list` notes it; empty where there is none."""
    try:
        recorded = json.loads((prefix / "conda-meta" / "pixi").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    subdir = str(recorded["resolved_platform"]["subdir"])
    return subdir if subdir == machine.native_subdir() else f"{subdir} (emulated on {machine.native_subdir()})"


def update(request: Request) -> None:
    """Installs the environment, as `pixi install` does for each one that it was asked for."""
    platform = request.choose_platform()
    everything = request.packages(platform)
    kept = _without(everything, request.skip)
    records = locks.conda_records(everything)
    if request.platform is None:
        machine.check_requirements(request.environment.name, records)
    prefix = request.prefix
    meta = prefix / "conda-meta"
    try:
        meta.mkdir(parents=True, exist_ok=True)
        (meta / _FINGERPRINT).open("a", encoding="ascii").close()
    except OSError as error:
        raise PixiError(f"failed to acquire install lock on prefix '{prefix}'", str(error.strerror)) from None
    _install_conda(request, platform, records, locks.conda_records(kept))
    pypi.install(request.manifest, request.environment, platform, prefix, locks.pypi_packages(kept))
    (meta / "history").write_text(_HISTORY, encoding="ascii")
    (meta / "pixi_env_prefix").write_text(str(meta), encoding="utf-8")
    filtered = len(kept) != len(everything)
    content = {
        "manifest_path": str(request.manifest.path),
        "environment_name": request.environment.name,
        "pixi_version": VERSION,
        "environment_lock_file_hash": "invalid-hash" if filtered else locks.content_hash(everything, platform),
        "resolved_platform": {"subdir": platform.subdir, "virtual_packages": list(platform.virtual_packages)},
        "minimum_supported_platform": {"subdir": platform.subdir, "requirements": _requirements(records)},
    }
    (meta / "pixi").write_text(json.dumps(content, indent=2), encoding="utf-8")
    _stamp(request.manifest.root / ".pixi")


def _without(packages: Sequence[LockedPackage], skip: Collection[str]) -> list[LockedPackage]:
    """What is left with `--skip`: what pixi reaches from packages that nothing requires, not even themselves.

    Source: crates/pixi_core/src/lock_file/install_subset.rs
    """
    if not skip:
        return list(packages)
    names = {package.name for package in packages}
    requires = {package.name: _required_by(package) & names for package in packages}
    required = {name for each in requires.values() for name in each}
    todo, reached = sorted(names - required), set()
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo += requires[name]
    if any(isinstance(package, PypiLockedPackage) and package.name in reached for package in packages):
        reached.add("python")
    return [package for package in packages if package.name in reached - set(skip)]


def _required_by(package: LockedPackage) -> set[str]:
    if isinstance(package, PypiLockedPackage):
        return {
            manifests.normalised(re.split(r"[\s\[(<>=!~;@]", text.strip())[0]) for text in package.requires_dist
        }
    record = package.package_record if isinstance(package, CondaLockedBinaryPackage) else None
    return {text.split()[0] for text in record.depends} if record else set()


def _requirements(records: Sequence[RepoDataRecord]) -> list[str]:
    return sorted({text for record in records for text in record.depends if text.startswith("__")})


def _install_conda(
    request: Request, platform: Platform, everything: Sequence[RepoDataRecord], kept: Sequence[RepoDataRecord]
) -> None:
    """Like pixi, takes an equal fingerprint of *all* records for an installed environment and looks no further."""
    marker = request.prefix / "conda-meta" / _FINGERPRINT
    pairs = sorted(f"{record.name.normalized}{(record.sha256 or b'').hex()}" for record in everything)
    fingerprint = hashlib.sha256("\n".join(pairs).encode()).hexdigest()[:16]
    before = marker.read_text(encoding="ascii")
    if before == fingerprint:
        return
    marker.write_text(_INSTALLING, encoding="ascii")
    try:
        asyncio.run(
            install(
                list(kept),
                request.prefix,
                cache_dir=machine.cache_root() / "pkgs",
                reinstall_packages={r.name.normalized for r in kept} if before == _INSTALLING else None,
                platform=Subdir(platform.subdir),
                execute_link_scripts=machine.config(request.manifest.root).run_post_link_scripts == "insecure",
                show_progress=False,
                client=machine.client(request.manifest.root),
                config=machine.config(request.manifest.root),
            )
        )
    except InstallerError as error:
        raise PixiError(
            f"failed to install packages for environment '{request.environment.name}'", str(error)
        ) from None
    marker.write_text(fingerprint, encoding="ascii")


def _stamp(folder: Path) -> None:
    """Sets the times that pixi sets with SOURCE_DATE_EPOCH: folders and its own files, not those of packages."""
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if text is None:
        return
    if not text.isdigit():
        print(f" WARN SOURCE_DATE_EPOCH '{text}' is not a number of seconds", file=sys.stderr)
        return
    seconds = max(int(text), _EARLIEST)
    for name, _, files in os.walk(folder, topdown=False):
        base = Path(name)
        inside = base.relative_to(folder).parts
        own = not inside or inside[0] != "envs" or "conda-meta" in inside[2:3]
        for file in files:
            if own or (len(inside) == 2 and file == "CACHEDIR.TAG"):
                os.utime(base / file, (seconds, seconds), follow_symlinks=False)
        os.utime(base, (seconds, seconds))
