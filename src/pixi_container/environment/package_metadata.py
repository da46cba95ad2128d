"""What a conda package says of its files in ``info``: where they go, and what is to be changed in them.

Source: https://conda.org/learn/ceps/cep-0034/ and rattler's crates/rattler_conda_types/src/package.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pixi_container.environment.entries import EARLIEST
from pixi_container.environment.refusals import BrokenPackageError, NotDirectError

if TYPE_CHECKING:
    from collections.abc import Mapping

_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_DOTTED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_PATH_TYPES = {"hardlink", "softlink", "directory"}
# What rattler and pixi write themselves.
_RESERVED = ("conda-meta/", "__clobbers__/", "CACHEDIR.TAG")


@dataclass(frozen=True)
class Python:
    """The environment's Python: its version as ``3.11``, and where it looks for packages, below the prefix."""

    version: str
    site_packages: str

    @property
    def program(self) -> str:
        """Where the interpreter is, below the prefix."""
        return f"bin/python{self.version}"


@dataclass(frozen=True)
class PathRow:
    """A file as ``paths.json`` lists it; ``source`` is its path in the archive, ``path`` that below the prefix.

    ``placeholder`` is what stands in it for the prefix, empty when nothing does.
    """

    source: str
    path: str
    path_type: str
    no_link: bool
    sha256: str
    size: int | None
    placeholder: str
    is_binary: bool


@dataclass(frozen=True)
class EntryPoint:
    """A command that calls a function of a module."""

    command: str
    module: str
    function: str

    @property
    def path(self) -> str:
        """Where the command goes, below the prefix."""
        return f"bin/{self.command}"


@dataclass(frozen=True)
class PackageMetadata:
    """The files of a package, its commands, and the time in seconds since 1970 of files that linking changes."""

    rows: tuple[PathRow, ...]
    entry_points: tuple[EntryPoint, ...]
    changed_time: int


def read_metadata(
    name: str, files: Mapping[str, bytes], about_time: int | None, python: Python | None
) -> PackageMetadata:
    """Read the ``files`` that ``Archive.metadata`` has.

    Raises ``BrokenPackageError`` for what rattler would not read either, and ``NotDirectError`` for a package
    without ``paths.json``, or one that is for Python in an environment that has none.
    """
    index = _table(name, "info/index.json", files)
    paths = _table(name, "info/paths.json", files)
    links = _table(name, "info/link.json", files)
    if not index:
        raise BrokenPackageError(name, "it has no info/index.json")
    if not paths:
        raise NotDirectError(name, "has no info/paths.json, as packages of old had none")
    for_python = index.get("noarch") == "python"
    if for_python and python is None:
        raise NotDirectError(name, "is for Python, and the environment has none")
    target = python if for_python else None
    try:
        rows = tuple(_row(entry, target) for entry in paths["paths"])
        noarch = links.get("noarch", {})
        listed = noarch.get("entry_points", ()) if target and noarch.get("type") == "python" else ()
        entry_points = tuple(_entry_point(text) for text in listed)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BrokenPackageError(name, f"its list of files is not understood: {error!r}") from error
    _check(name, rows, entry_points)
    return PackageMetadata(rows, entry_points, EARLIEST if about_time is None else about_time + 1)


def _table(name: str, file: str, files: Mapping[str, bytes]) -> dict[str, Any]:
    if file not in files:
        return {}
    try:
        table = json.loads(files[file])
    except (ValueError, RecursionError) as error:
        raise BrokenPackageError(name, f"{file} is no JSON: {error}") from error
    if not isinstance(table, dict):
        raise BrokenPackageError(name, f"{file} is no table")
    return table


def _row(entry: dict[str, Any], python: Python | None) -> PathRow:
    source = str(entry["_path"])
    source.encode()
    size = entry.get("size_in_bytes")
    sha256 = entry.get("sha256") or ""
    if entry["path_type"] not in _PATH_TYPES or (sha256 and not _DIGEST.fullmatch(sha256)):
        raise ValueError(source)
    # Like rattler, which takes either both fields or none.
    mode = entry.get("file_mode")
    placeholder = str(entry.get("prefix_placeholder") or "") if mode in {"text", "binary"} else ""
    if "\0" in placeholder:
        raise ValueError(source)
    return PathRow(
        source=source,
        path=_placed(source, python),
        path_type=entry["path_type"],
        no_link=entry.get("no_link") is True,
        sha256=sha256.lower(),
        size=None if size is None else int(size),
        placeholder=placeholder,
        is_binary=mode == "binary",
    )


def _placed(source: str, python: Python | None) -> str:
    """Return where a file goes: of packages for any Python, modules and scripts have places that are its own."""
    if python and source.startswith("site-packages/"):
        return f"{python.site_packages}/{source.removeprefix('site-packages/')}"
    if python and source.startswith("python-scripts/"):
        return f"bin/{source.removeprefix('python-scripts/')}"
    return source


def _entry_point(text: str) -> EntryPoint:
    """Parse ``command = module:function``, as strictly as rattler: the names become paths and code."""
    command, equals, place = (part.strip() for part in text.partition("="))
    module, colon, function = (part.strip() for part in place.partition(":"))
    if not (equals and colon and command) or command.startswith(".") or re.search(r"[/\\\0]", command):
        raise ValueError(text)
    if not _DOTTED.fullmatch(module) or not _DOTTED.fullmatch(function):
        raise ValueError(text)
    return EntryPoint(command, module, function)


def _check(name: str, rows: tuple[PathRow, ...], entry_points: tuple[EntryPoint, ...]) -> None:
    listed = {row.path: row for row in rows}
    if len(listed) < len(rows) or len({row.source for row in rows}) < len(rows):
        raise BrokenPackageError(name, "it lists a path twice")
    for row in rows:
        parts = row.path.split("/")
        if "" in parts or "." in parts or ".." in parts or "\0" in row.path:
            raise BrokenPackageError(name, f"it lists the path {row.path!r}, which leads out of the environment")
        if row.path.startswith(_RESERVED):
            raise NotDirectError(name, f"has {row.path}, which is pixi's own to write")
        if "\\" in row.path:
            raise NotDirectError(name, f"has {row.path}, which rattler takes for a path of Windows")
        folder = row.path.rpartition("/")[0]
        if folder in listed and listed[folder].path_type != "directory":
            raise BrokenPackageError(name, f"it has {folder} as a file and as a folder")
    commands = [entry_point.path for entry_point in entry_points]
    if len(set(commands)) < len(commands) or listed.keys() & set(commands):
        raise NotDirectError(name, "brings a command twice")
