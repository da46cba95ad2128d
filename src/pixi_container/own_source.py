"""Which locked packages are made from the workspace's own files, and which need Git."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pixi_container.lock import LOCK_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pixi_container.features import Feature
    from pixi_container.lock import Lock, LockedPackage, LockedPlatform
    from pixi_container.manifest import Environment
    from pixi_container.source_records import SourceRecord

_URL_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")
_SDIST = (".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz", ".tar")
_CONDA_FILE = (".conda", ".tar.bz2")


@dataclass(frozen=True, kw_only=True)
class OwnSource:
    """A package that is made from files of the workspace.

    ``kind`` is ``pypi-path``, ``pypi-editable``, ``wheel``, ``sdist``, ``conda-source`` or ``conda-file``.
    ``path`` is relative to the workspace folder and in its normal form; it starts with ``..``, or is absolute,
    when it lies outside. ``inputs`` are further folders that building the package reads. ``name`` is spelled as
    the lock does.
    """

    name: str
    kind: str
    path: str
    reason: str
    inputs: tuple[str, ...] = ()

    @property
    def is_inside(self) -> bool:
        """Whether the image build can have all of it from the workspace folder."""
        return all(is_inside(path) for path in (self.path, *self.inputs))


@dataclass(frozen=True)
class GitSource:
    """A package whose source the builder fetches with Git, with the place that the lock has for it."""

    name: str
    location: str


def own_source(
    platform: LockedPlatform, lock: Lock, environment: Environment, names: tuple[str, ...], root: Path
) -> tuple[OwnSource, ...]:
    """Give the packages of a platform, called ``names``, that are made from the workspace's own files."""
    found = []
    for package in platform.packages:
        if not is_local(package.location):
            continue
        path = local_path(package.location, root)
        kind, reason = _kind(package, lock, environment, names)
        found.append(
            OwnSource(
                name=package.name,
                kind=kind,
                path=path,
                reason=reason,
                inputs=tuple(sorted(_inputs(path, lock, platform.subdir, root) - {path})),
            )
        )
    return tuple(found)


def git_source(platform: LockedPlatform, lock: Lock) -> tuple[GitSource, ...]:
    """Give the packages whose own place, or the place of their source, is a Git repository."""
    found = []
    for package in platform.packages:
        places = [package.location] if package.location.startswith("git+") else []
        if package.from_source:
            places += [
                record.git for record in _records(lock.source_records, package, platform.subdir) if record.git
            ]
        if places:
            found.append(GitSource(package.name, places[0]))
    return tuple(found)


def local_paths(lock: Lock, root: Path) -> tuple[str, ...]:
    """Give every local place in the lock, of any environment: ``pixi install --locked`` looks at all of them."""
    places = (record.location for record in lock.source_records)
    return tuple(sorted({local_path(place, root) for place in places if is_local(place)}))


def is_local(location: str) -> bool:
    """Tell a path, or a ``file`` URL, from what is fetched."""
    return not _URL_SCHEME.match(location) or location.startswith("file://")


def is_inside(path: str) -> bool:
    """Tell whether a path in its normal form stays in the workspace folder."""
    return (
        not PurePosixPath(path).is_absolute()
        and not PureWindowsPath(path).drive
        and path.partition("/")[0] != ".."
    )


def local_path(location: str, root: Path) -> str:
    """Give the normal form of a path of the lock, relative to the workspace folder where it lies inside."""
    path = unquote(urlsplit(location).path) if location.startswith("file://") else location
    if not PureWindowsPath(path).drive:
        path = path.replace("\\", "/")
    folder = PurePosixPath(root.resolve().as_posix())
    if PurePosixPath(path).is_absolute() and PurePosixPath(path).is_relative_to(folder):
        path = str(PurePosixPath(path).relative_to(folder))
    return posixpath.normpath(path)


def _inputs(path: str, lock: Lock, subdir: str, root: Path) -> set[str]:
    """Give the folders that building the package in ``path`` reads, and those that building these reads."""
    records = [
        record for record in lock.source_records if record.subdir in {"", subdir} and is_local(record.location)
    ]
    found: set[str] = set()
    todo = [path]
    while todo:
        folder = todo.pop()
        for record in records:
            if local_path(record.location, root) == folder:
                places = [place for place in record.from_workspace if is_local(place)]
                places += [posixpath.join(folder, place) for place in record.from_location]
                new = {local_path(place, root) for place in places} - found
                found |= new
                todo += new
    return found


def _records(records: Iterable[SourceRecord], package: LockedPackage, subdir: str) -> list[SourceRecord]:
    return [
        record
        for record in records
        if (record.name, record.location) == (package.name, package.location) and record.subdir in {"", subdir}
    ]


def _kind(package: LockedPackage, lock: Lock, environment: Environment, names: tuple[str, ...]) -> tuple[str, str]:
    place = f"'{package.location}' in {LOCK_NAME}"
    if package.kind == "conda":
        if package.location.endswith(_CONDA_FILE):
            return "conda-file", f"the file {place}"
        return "conda-source", f"built from {place}"
    if package.location.endswith(".whl"):
        return "wheel", f"the file {place}"
    if package.location.endswith(_SDIST):
        return "sdist", f"the file {place}"
    editable, why = _editable(package.name, lock, environment.features, names)
    return ("pypi-editable" if editable else "pypi-path"), f"{place}, {why}"


def _editable(name: str, lock: Lock, features: Iterable[Feature], names: tuple[str, ...]) -> tuple[bool, str]:
    """Decide as pixi 0.63 and newer does: the first entry of the manifest that says so, a path without it is not.

    The lock's own mark counts for what the manifest does not name (crates/pixi_core/src/lock_file/update.rs).
    """
    named = False
    for feature in features:
        for target in feature.targets(names):
            dependencies = target.table("pypi-dependencies")
            for key, value in dependencies.values.items():
                if _normalised(key) != _normalised(name):
                    continue
                named = True
                if isinstance(value, dict) and "editable" in value:
                    return dependencies.table(key).flag("editable"), f"editable set by {feature}"
    if named:
        return False, "not editable in the manifest"
    return name in lock.editable, f"editable in {LOCK_NAME}" if name in lock.editable else "not in the manifest"


def _normalised(name: str) -> str:
    """https://packaging.python.org/en/latest/specifications/name-normalization/."""
    return re.sub(r"[-_.]+", "-", name).lower()
