"""Which locked packages are built from the workspace's own files, and which need Git."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pixi_container.errors import UserError
from pixi_container.paths import check_possible, exists, leads_out
from pixi_container.shortening import shortened
from pixi_container.workspace.folder import HERE, in_context
from pixi_container.workspace.lock import LOCK_NAME
from pixi_container.workspace.requirements import normal_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixi_container.workspace.feature import Feature
    from pixi_container.workspace.lock import Lock, LockedPackage, LockedPlatform
    from pixi_container.workspace.manifest import Environment
    from pixi_container.workspace.toml_table import TomlTable

_URL_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")
_FILE_URL = re.compile(r"file://[^/?#]*([^?#]*)")
_SDIST = (".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz", ".tar")
_CONDA_FILE = (".conda", ".tar.bz2")
_MOST_PACKAGES = 5000
_MOST_STEPS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class OwnSource:
    """A package that is built from files of the workspace.

    ``kind`` is ``pypi-path``, ``pypi-editable``, ``wheel``, ``sdist``, ``conda-source`` or ``conda-file``.
    ``path`` is normalised and relative to the context; it starts with ``..``, or is absolute, if it is
    outside, also through a link. ``inputs`` are further folders that the package's build reads. ``name`` is
    spelled as in the lock.
    """

    name: str
    kind: str
    path: str
    reason: str
    inputs: tuple[str, ...] = ()

    @property
    def is_inside(self) -> bool:
        """Whether everything that its build needs is in the context."""
        return all(is_inside(path) for path in (self.path, *self.inputs))


@dataclass(frozen=True, order=True)
class SourcePlace:
    """A package location in the lock other than an index or channel: ``path`` as in ``OwnSource``.

    ``kind`` is ``pypi-folder``, ``pypi-file``, ``conda-source`` or ``conda-file``, or ``conda-git``, whose
    ``path`` is a URL.
    """

    path: str
    kind: str


@dataclass(frozen=True)
class GitSource:
    """A package whose source the builder fetches with Git, with its ``location`` in the lock."""

    name: str
    location: str


def own_source(
    platform: LockedPlatform,
    lock: Lock,
    environment: Environment,
    names: tuple[str, ...],
    root: Path,
    folder: str = HERE,
) -> tuple[OwnSource, ...]:
    """Return the packages of a platform, known as ``names``, that are built from the workspace's own files.

    ``root`` is the context, and ``folder`` the workspace's in it. Raises ``UserError`` for an impossible path, and
    if the packages read too many folders.
    """
    local = [package for package in platform.packages if is_local(package.location)]
    _check_count(len(local), lock)
    if not local:
        return ()
    top = _resolved(root)
    inputs = _inputs_by_folder(lock, platform.subdir, root, folder)
    entries = _pypi_entries(environment, names)
    left = _MOST_STEPS
    packages = []
    for package in local:
        path = place_of(_relative_to(top, package.location, folder), root)
        check_possible(path, source=f"package '{shortened(package.name)}'", file=lock.file)
        kind, reason = _kind(package, lock, entries)
        needed, left = _all_inputs(path, inputs, left)
        if left < 0:
            raise UserError("the lock's local packages depend on too many other local folders", file=lock.file)
        packages.append(
            OwnSource(
                name=package.name, kind=kind, path=path, reason=reason, inputs=tuple(sorted(needed - {path}))
            )
        )
    return tuple(packages)


def git_source(platform: LockedPlatform, lock: Lock) -> tuple[GitSource, ...]:
    """Return the packages whose location, or whose source's location, is a Git repository."""
    repositories: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for record in lock.source_records:
        if record.git and record.subdir in {"", platform.subdir}:
            repositories[record.name, record.location].append(record.git)
    sources = []
    for package in platform.packages:
        places = [package.location] if package.location.startswith("git+") else []
        if package.from_source:
            places += repositories.get((package.name, package.location), [])
        if places:
            sources.append(GitSource(package.name, places[0]))
    return tuple(sources)


def source_places(lock: Lock, root: Path, folder: str = HERE) -> tuple[SourcePlace, ...]:
    """Return the places at which ``pixi install --locked`` looks: those of every environment and platform.

    Raises ``UserError`` for more than can be looked at.
    """
    top = _resolved(root)
    places = set()
    for record in lock.source_records:
        kind = _kind_of_place(record.kind, record.location)
        if is_local(record.location):
            places.add(SourcePlace(_relative_to(top, record.location, folder), kind))
        elif kind == "conda-source":
            places.add(SourcePlace(record.location, "conda-git"))
    _check_count(len(places), lock)
    return tuple(sorted(places))


def is_local(location: str) -> bool:
    """Return whether a location is a path or a ``file`` URL."""
    return not _URL_SCHEME.match(location) or location.startswith("file://")


def is_inside(path: str) -> bool:
    """Return whether a normalised path stays in the context."""
    return (
        not PurePosixPath(path).is_absolute()
        and not PureWindowsPath(path).drive
        and path.partition("/")[0] != ".."
    )


def local_path(location: str, root: Path, folder: str = HERE) -> str:
    """Return a path of the lock, normalised and, unless it is absolute and outside, relative to the context.

    It is relative to ``folder`` in the lock.
    """
    return _relative_to(_resolved(root), location, folder)


def place_of(path: str, root: Path) -> str:
    """Return the normalised path, or the target of the link by which it leaves the context."""
    if is_inside(path) and exists(root, path) and leads_out(root, path):
        return (root / path).resolve().as_posix()
    return path


def _check_count(packages: int, lock: Lock) -> None:
    if packages > _MOST_PACKAGES:
        raise UserError(f"the lock has {packages} local packages; the limit is {_MOST_PACKAGES}", file=lock.file)


def _resolved(root: Path) -> PurePosixPath:
    return PurePosixPath(root.resolve().as_posix())


def _relative_to(root: PurePosixPath, location: str, folder: str = HERE) -> str:
    file_url = _FILE_URL.match(location)
    path = unquote(file_url[1]) if file_url else location
    if not PureWindowsPath(path).drive:
        path = path.replace("\\", "/")
    if not PurePosixPath(path).is_absolute():
        path = in_context(path, folder)
    elif PurePosixPath(path).is_relative_to(root):
        path = str(PurePosixPath(path).relative_to(root))
    return posixpath.normpath(path)


def _inputs_by_folder(lock: Lock, subdir: str, root: Path, folder: str) -> dict[str, set[str]]:
    """Return, for each folder with a locked package, the folders that this package's build reads."""
    inputs: defaultdict[str, set[str]] = defaultdict(set)
    top = _resolved(root)
    for record in lock.source_records:
        if record.subdir in {"", subdir} and is_local(record.location):
            path = _relative_to(top, record.location, folder)
            inputs[path] |= {
                *(_relative_to(top, place, folder) for place in record.from_workspace if is_local(place)),
                *(_relative_to(top, posixpath.join(path, place)) for place in record.from_location),
            }
    followed = {place: place_of(place, root) for place in set().union(*inputs.values())}
    return {path: {followed[place] for place in places} for path, places in inputs.items()}


def _all_inputs(path: str, inputs: Mapping[str, set[str]], steps: int) -> tuple[set[str], int]:
    """Return every folder that the build of the package in ``path`` reads, and the remaining steps.

    The result is incomplete if the remaining steps are negative.
    """
    reached: set[str] = set()
    todo = [path]
    while todo and steps >= 0:
        read = inputs.get(todo.pop(), set())
        steps -= 1 + len(read)
        new = read - reached
        reached |= new
        todo += new
    return reached, steps


def _kind_of_place(kind: str, location: str) -> str:
    if kind == "conda":
        return "conda-file" if location.endswith(_CONDA_FILE) else "conda-source"
    return "pypi-file" if location.endswith((".whl", *_SDIST)) else "pypi-folder"


def _kind(package: LockedPackage, lock: Lock, entries: Mapping[str, list[_Entry]]) -> tuple[str, str]:
    place = f"'{package.location}' in {LOCK_NAME}"
    if package.kind == "conda":
        if package.location.endswith(_CONDA_FILE):
            return "conda-file", f"the file {place}"
        return "conda-source", f"built from {place}"
    if package.location.endswith(".whl"):
        return "wheel", f"the file {place}"
    if package.location.endswith(_SDIST):
        return "sdist", f"the file {place}"
    editable, why = _editable(package.name, lock, entries.get(normal_name(package.name), []))
    return ("pypi-editable" if editable else "pypi-path"), f"{place}, {why}"


_Entry = tuple["TomlTable", str, "Feature"]
"""An entry of the manifest's ``pypi-dependencies``: their table, its key in it, and the feature."""


def _pypi_entries(environment: Environment, names: tuple[str, ...]) -> dict[str, list[_Entry]]:
    """Return the environment's entries by normalised name, the one with precedence first."""
    entries: defaultdict[str, list[_Entry]] = defaultdict(list)
    for feature in environment.features:
        for target in feature.targets(names):
            dependencies = target.table("pypi-dependencies")
            for key in dependencies.values:
                entries[normal_name(key)].append((dependencies, key, feature))
    return dict(entries)


def _editable(name: str, lock: Lock, entries: list[_Entry]) -> tuple[bool, str]:
    """Return whether a package is editable, and why, as Pixi 0.63 and newer decides.

    The manifest's first entry with ``editable`` decides; a path without it is not editable. Packages that the
    manifest does not name follow the lock (crates/pixi_core/src/lock_file/update.rs).
    """
    for dependencies, key, feature in entries:
        value = dependencies.values[key]
        if isinstance(value, dict) and "editable" in value:
            return dependencies.table(key).flag("editable"), f"editable set by {feature}"
    if entries:
        return False, "not editable in the manifest"
    return name in lock.editable, f"editable in {LOCK_NAME}" if name in lock.editable else "not in the manifest"
