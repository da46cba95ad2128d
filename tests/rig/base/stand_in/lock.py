"""pixi.lock: reading it, the rows of an environment, and whether it still answers to the manifest."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import tomli
from rattler import LockFile, MatchSpec
from rattler.exceptions import ParseCondaLockError
from rattler.lock import CondaLockedBinaryPackage, PypiLockedPackage

from . import manifest as manifests
from .errors import NotProvidedError, PixiError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rattler import LockPlatform, RepoDataRecord
    from rattler.lock import Environment as LockedEnvironment
    from rattler.lock import LockedPackage

    from .manifest import Environment, Manifest, Platform

NEWEST_VERSION = 7


def load(path: Path) -> LockFile | None:
    """None without a lock file. Raises PixiError for one that cannot be read or is of a newer format."""
    if not path.exists():
        return None
    text = path.read_text(encoding="utf-8")
    found = re.search(r"^version: *(\d+)", text, re.MULTILINE)
    if found and int(found.group(1)) > NEWEST_VERSION:
        raise PixiError(
            f"Lock-file version {found.group(1)} is newer than supported",
            f"this version of pixi supports lock-file versions up to {NEWEST_VERSION}",
            help_text="update pixi to the latest version and try again",
        )
    try:
        return LockFile.from_path(path)
    except ParseCondaLockError as error:
        raise PixiError(f"Failed to load lock file from `{path}`", str(error)) from None


def row(locked: LockedEnvironment | None, platform: Platform) -> LockPlatform | None:
    """The lock's platform for one of the manifest's: the same by its subdir and by what it asks beyond it.

    Else the row that is named as the subdir, if it has no virtual packages or all that are declared.
    """
    rows = [] if locked is None else [each for each in locked.platforms() if str(each.subdir) == platform.subdir]
    usual = set(manifests.Platform(platform.subdir).virtual_packages)
    declared = set(platform.virtual_packages)
    for found in rows:
        if set(found.virtual_packages) - usual == declared - usual:
            return found
    by_name = (found for found in rows if found.name == platform.subdir)
    return next((each for each in by_name if declared <= set(each.virtual_packages or declared)), None)


def packages(locked: LockedEnvironment | None, platform: Platform) -> Sequence[LockedPackage]:
    """Every package of the environment for `platform`; none when the lock has no such row."""
    found = row(locked, platform)
    return (locked.packages(found) or []) if locked and found else []


def conda_records(found: Sequence[LockedPackage]) -> list[RepoDataRecord]:
    """Raises NotProvidedError for conda packages that would have to be built from source."""
    records = []
    for package in found:
        if isinstance(package, CondaLockedBinaryPackage):
            records.append(package.repo_data_record())
        elif not isinstance(package, PypiLockedPackage):
            raise NotProvidedError(f"building the conda package {package.name} from source")
    return records


def pypi_packages(found: Sequence[LockedPackage]) -> list[PypiLockedPackage]:
    return [package for package in found if isinstance(package, PypiLockedPackage)]


def sha256_of(package: LockedPackage) -> str | None:
    """In hexadecimal; None for a package without one, as from a folder."""
    try:
        found = package.hashes.sha256 if package.hashes else None
    except AttributeError:  # the bindings wrap an absent value
        return None
    return found.hex() if found else None


def content_hash(found: Sequence[LockedPackage], platform: Platform) -> str:
    """Changes with any package's location or hash, or the platform; pixi uses xxh3 for the same."""
    digest = hashlib.sha256(platform.name.encode())
    for package in found:
        digest.update(f"{package.location}\0{sha256_of(package)}\0".encode())
    return digest.hexdigest()[:16]


def why_not_up_to_date(manifest: Manifest, lock: LockFile) -> str | None:
    """The first reason why the lock does not answer to the manifest, for any environment and platform."""
    locked = dict(lock.environments())
    for name in locked:
        if name not in manifest.environments:
            return f"the environment '{name}' is in the lock file but not in the manifest"
    for environment in manifest.environments.values():
        if environment.name not in locked:
            return f"the environment '{environment.name}' is not in the lock file"
        found = locked[environment.name]
        if tuple(str(channel) for channel in found.channels()) != environment.channels:
            return f"the channels of environment '{environment.name}' have changed"
        for platform in environment.platforms:
            reason = _why_row(manifest, environment, platform, found)
            if reason:
                return f"environment '{environment.name}' on platform '{platform.name}': {reason}"
    return None


def _why_row(
    manifest: Manifest, environment: Environment, platform: Platform, locked: LockedEnvironment
) -> str | None:
    found = row(locked, platform)
    if found is None:
        return "the platform is not in the lock file"
    if found.virtual_packages and set(found.virtual_packages) != set(platform.virtual_packages):
        return "the declared virtual packages have changed"
    everything = packages(locked, platform)
    pypi = {manifests.normalised(package.name): package for package in pypi_packages(everything)}
    for name, spec in environment.pypi_specs(platform.subdir).items():
        if name not in pypi:
            return f"the requirement '{name}' could not be satisfied"
        if isinstance(spec, dict) and "path" in spec:
            reason = _why_own(manifest.root / spec["path"], pypi[name])
            if reason:
                return reason
    return _why_conda(environment, platform, conda_records(everything))


def _why_own(source: Path, package: PypiLockedPackage) -> str | None:
    """A source folder must exist; what its pyproject.toml says statically must be what was locked."""
    if not source.exists():
        return f"the path of '{package.name}', {source}, does not exist"
    project = source / "pyproject.toml"
    try:
        table = tomli.loads(project.read_text(encoding="utf-8"))["project"]
    except (OSError, KeyError, tomli.TOMLDecodeError):
        return None
    if "dependencies" in table.get("dynamic", ()):
        return None
    locked = {re.sub(r"\s", "", text) for text in package.requires_dist if "extra==" not in text.replace(" ", "")}
    written = {re.sub(r"\s", "", text) for text in table.get("dependencies", ())}
    if locked != written or (table.get("requires-python") or None) != package.requires_python:
        return f"the metadata of '{package.name}' has changed"
    return None


def _why_conda(environment: Environment, platform: Platform, records: Sequence[RepoDataRecord]) -> str | None:
    by_name = {record.name.normalized: record for record in records}
    virtual = {text.partition("=")[0] for text in platform.virtual_packages}
    seen: set[str] = set()
    texts = [
        (manifests.match_spec(name, spec), "the manifest") for name, spec in environment.specs(platform.subdir)
    ]
    todo = [(text, source) for text, source in texts if text]
    if environment.pypi_specs(platform.subdir):
        todo.append(("python", "PyPI dependencies"))
    while todo:
        text, source = todo.pop()
        spec = MatchSpec(text)
        name = re.split(r"[\s\[=<>!~]", text.strip(), maxsplit=1)[0]
        if name.startswith("__"):
            if name not in virtual:
                return f"the virtual package '{text}' of {source} is not declared"
            continue
        record = by_name.get(name)
        if record is None or not spec.matches(record):
            return f"the requirement '{text}' of {source} could not be satisfied"
        if name not in seen:
            seen.add(name)
            todo += [(depends, f"'{name}'") for depends in record.depends]
    unneeded = sorted(set(by_name) - seen)
    return f"the lock file has packages that nothing needs: {', '.join(unneeded)}" if unneeded else None
