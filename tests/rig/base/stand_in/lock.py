"""pixi.lock: reading it, the rows of an environment, and whether it still answers to the manifest."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from rattler import LockFile, MatchSpec
from rattler.exceptions import ParseCondaLockError
from rattler.lock import CondaLockedBinaryPackage, CondaLockedSourcePackage, PypiLockedPackage

from . import manifest as manifests
from . import metadata
from .errors import NotProvidedError, PixiError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
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


def why_not_up_to_date(manifest: Manifest, lock: LockFile) -> list[str]:
    """Every reason why the lock does not answer to the manifest, for all environments and platforms.

    The sentences are those that pixi logs (crates/pixi_core/src/lock_file/outdated.rs and satisfiability).
    """
    locked = dict(lock.environments())
    reasons = []
    for environment in manifest.environments.values():
        subject = f"environment '{environment.name}' is out of date because"
        if environment.name not in locked:
            reasons.append(f"{subject} it does not exist in the lock file.")
            continue
        reason = _why_environment(environment, locked[environment.name])
        if reason:
            reasons.append(f"{subject} {reason}")
            continue
        for platform in environment.platforms:
            kind, why = _why_row(manifest, environment, platform, locked[environment.name])
            where = f"of environment '{environment.name}' for platform {platform.name}"
            reasons += [f"the {kind} {where} are out of date because {why}"] * bool(why)
    reasons += [
        f"environment '{name}' is out of date because it no longer exists in the manifest but is still present in "
        "the lock-file."
        for name in locked
        if name not in manifest.environments
    ]
    return reasons


def _why_environment(environment: Environment, locked: LockedEnvironment) -> str:
    channels = tuple(str(channel) for channel in locked.channels())
    if channels != environment.channels:
        if environment.channels[: len(channels)] == channels:
            return "channels were extended with additional lower-priority channels"
        return "the channels in the lock file do not match the environments channels"
    subdirs = {platform.subdir for platform in environment.platforms}
    more = [each.name for each in locked.platforms() if str(each.subdir) not in subdirs]
    if more:
        return f"platform(s) '{', '.join(more)}' present in the lock file but not in the environment"
    return ""


def _why_row(
    manifest: Manifest, environment: Environment, platform: Platform, locked: LockedEnvironment
) -> tuple[str, str]:
    """Which dependencies are out of date, and why; an empty reason where none are."""
    everything = packages(locked, platform)
    sources = [package for package in everything if isinstance(package, CondaLockedSourcePackage)]
    for package in sources:
        if not _has_manifest(manifest.root, package.location):
            return "dependencies", f"no package named '{package.name}' exists (required by '<environment>')"
    records = conda_records(everything)
    why = _why_conda(environment, platform, records)
    if why:
        return "dependencies", why
    specs = environment.pypi_specs(platform.subdir)
    for name, spec in specs.items():
        path = spec.get("path") if isinstance(spec, dict) else None
        if path is not None and not (manifest.root / path).exists():
            return "pypi dependencies", f"when converting {name} into a pep508 requirement"
    pypi = pypi_packages(everything)
    folders = [each for each in pypi if "://" not in each.location and (manifest.root / each.location).is_dir()]
    if folders and not any(record.name.normalized == "python" for record in records):
        why = "there are PyPi dependencies but a python interpreter is missing from the lock file"
        return "dependencies", why
    return "pypi dependencies", _why_pypi(manifest.root, specs, pypi, folders)


def _why_pypi(
    root: Path, specs: Iterable[str], locked: Sequence[PypiLockedPackage], folders: Sequence[PypiLockedPackage]
) -> str:
    names = {manifests.normalised(package.name) for package in locked}
    for name in specs:
        if name not in names:
            return f"the requirement '{name}' could not be satisfied (required by '<environment>')"
    for package in folders:
        why = _why_own(root, package)
        if why:
            return f"metadata for local package '{package.name}' has changed: {why}"
    return ""


def _has_manifest(root: Path, location: str) -> bool:
    """Whether a folder that a conda package is built from has what its build begins with; others are trusted."""
    names = ("pixi.toml", "pyproject.toml", "recipe.yaml", "recipe.yml", "package.xml")
    return "://" in location or any((root / location / name).exists() for name in names)


def _why_own(root: Path, package: PypiLockedPackage) -> str:
    """What a folder's pyproject.toml says statically must be what was locked."""
    current = metadata.read(root, package.location)
    if current is None:
        return ""
    (locked, locked_python), (written, python) = metadata.described(package, root), metadata.comparable(current)
    if locked != written:
        added, removed = (
            ", ".join(sorted(metadata.requirement_parts(text)[0] for text in texts))
            for texts in (written - locked, locked - written)
        )
        return f"dependencies changed - added: [{added}], removed: [{removed}]"
    if locked_python != python:
        shown = [f"'{each}'" if each else "unrestricted" for each in (locked_python, python)]
        return f"requires-python changed from {' to '.join(shown)}"
    return ""


def _why_conda(environment: Environment, platform: Platform, records: Sequence[RepoDataRecord]) -> str:
    by_name = {record.name.normalized: record for record in records}
    virtual = {text.partition("=")[0] for text in platform.virtual_packages}
    seen: set[str] = set()
    texts = [
        (manifests.match_spec(name, spec), "<environment>") for name, spec in environment.specs(platform.subdir)
    ]
    todo = [(text, source) for text, source in texts if text]
    while todo:
        text, source = todo.pop()
        spec = MatchSpec(text)
        name = re.split(r"[\s\[=<>!~]", text.strip(), maxsplit=1)[0]
        record = by_name.get(name)
        there = name in virtual if name.startswith("__") else record is not None and spec.matches(record)
        if not there:
            return f"the requirement '{text}' could not be satisfied (required by '{source}')"
        if record and name not in seen:
            seen.add(name)
            todo += [(depends, name) for depends in record.depends]
    unneeded = sorted(set(by_name) - seen)
    if unneeded:
        more = "there are more conda packages in the lock file than are used by the environment"
        return f"{more}: {', '.join(unneeded)}"
    return ""
