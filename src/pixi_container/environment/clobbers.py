"""Which package keeps a path that several bring, and what only pixi can sort out."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pixi_container.environment.refusals import NotDirectError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pixi_container.environment.package_metadata import PackageMetadata


@dataclass(frozen=True)
class PathTable:
    """The paths of a package, which is ``conda:name`` or ``pypi:name``, below the prefix.

    ``commands`` are entry points, which rattler writes without a look at what is there. ``folders`` are those that
    the package lists itself. ``contents`` tells of a wheel's file, by its path, the digest of what is in it, empty
    where the wheel does not tell.
    """

    package: str
    files: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    contents: Mapping[str, str] = field(default_factory=dict)


def conda_paths(name: str, metadata: PackageMetadata) -> PathTable:
    """Return the paths that linking a conda package will make."""
    return PathTable(
        f"conda:{name}",
        files=tuple(sorted(row.path for row in metadata.rows if row.path_type != "directory")),
        commands=tuple(sorted(entry_point.path for entry_point in metadata.entry_points)),
        folders=tuple(sorted(row.path for row in metadata.rows if row.path_type == "directory")),
    )


def lost_paths(tables: Iterable[PathTable]) -> dict[str, frozenset[str]]:
    """Return for each package, by its name in ``PathTable``, the paths that another one has in its place.

    ``tables`` is in rattler's topological order, dependencies first, with those of wheels at the end: of conda
    packages the later one keeps a path. Raises ``NotDirectError`` where that is not the rule: a path that is a
    file here and a folder there, a command that two bring, a path of a wheel and of another package.
    """
    owners: dict[str, PathTable] = {}
    commands: dict[str, PathTable] = {}
    folders: dict[str, PathTable] = {}
    lost: defaultdict[str, set[str]] = defaultdict(set)
    for table in tables:
        for path in table.files:
            before = owners.get(path)
            if before is not None and not _is_same_file(path, before, table):
                if table.contents or before.contents:
                    raise _refused(table, before, path)
                lost[before.package].add(path)
            owners[path] = table
            _add_folders(path.rpartition("/")[0], table, folders)
        for path in table.commands:
            if path in commands:
                raise _refused(table, commands[path], path)
            commands[path] = table
            _add_folders(path.rpartition("/")[0], table, folders)
        for path in table.folders:
            _add_folders(path, table, folders)
    for path in folders.keys() & (owners.keys() | commands.keys()):
        owner = owners.get(path) or commands[path]
        raise NotDirectError(
            _name(owner), f"has {path} as a file, which is a folder of package '{_name(folders[path])}'"
        )
    for path in owners.keys() & commands.keys():
        raise _refused(commands[path], owners[path], path)
    return {package: frozenset(paths) for package, paths in lost.items()}


def tables_as_json(tables: Iterable[PathTable]) -> str:
    """Return the tables as a text to be kept beside an image."""
    listed = {
        table.package: {
            "files": list(table.files),
            "commands": list(table.commands),
            "folders": list(table.folders),
            "contents": dict(table.contents),
        }
        for table in tables
    }
    return json.dumps(listed, sort_keys=True, separators=(",", ":"))


def tables_from_json(text: str) -> dict[str, PathTable]:
    """Return the tables of ``tables_as_json`` by package. Raises ``ValueError`` for any other text."""
    try:
        return {package: _table(package, table) for package, table in json.loads(text).items()}
    except (AttributeError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"no table of paths: {error!r}") from error


def _table(package: str, table: Mapping[str, Any]) -> PathTable:
    files, commands, folders = (tuple(map(str, table[kind])) for kind in ("files", "commands", "folders"))
    contents = {str(path): str(digest) for path, digest in table["contents"].items()}
    return PathTable(package, files, commands, folders, contents)


def _is_same_file(path: str, one: PathTable, other: PathTable) -> bool:
    """Tell whether two wheels bring the same file, as parts of one namespace do."""
    digest = one.contents.get(path)
    return bool(digest) and digest == other.contents.get(path)


def _add_folders(folder: str, table: PathTable, folders: dict[str, PathTable]) -> None:
    while folder and folder not in folders:
        folders[folder] = table
        folder = folder.rpartition("/")[0]


def _refused(one: PathTable, other: PathTable, path: str) -> NotDirectError:
    return NotDirectError(_name(one), f"has {path}, as has package '{_name(other)}'")


def _name(table: PathTable) -> str:
    return table.package.partition(":")[2]
