"""What a conda package puts into an environment, as rattler links it, without an environment on disk.

Follows rattler's crates/rattler/src/install (mod.rs, link.rs, entry_point.rs, python.rs) for Linux.
"""

from __future__ import annotations

import hashlib
import posixpath
import tempfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pixi_container.environment.entries import PART_BYTES, PathEntry
from pixi_container.environment.package_metadata import PackageMetadata, PathRow, Python, read_metadata
from pixi_container.environment.prefix_replacement import replaced_strings, replaced_text
from pixi_container.environment.records import record_entry
from pixi_container.environment.refusals import BrokenPackageError, NotDirectError
from pixi_container.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from pixi_container.environment.archive import CondaPackage
    from pixi_container.environment.package_metadata import EntryPoint
    from pixi_container.environment.records import CondaRecord

_LONGEST_PROGRAM = 125
"""Bytes of a path that fit into a first line after ``#!``, as rattler counts."""

_IN_MEMORY_BYTES = 8 << 20


@dataclass(frozen=True)
class _Linked:
    """What is known of a file once it is in its place; ``sha256`` and ``size`` are those of its final content."""

    row: PathRow
    entry: PathEntry
    sha256: str
    size: int


def link(
    archive: CondaPackage,
    record: CondaRecord,
    prefix: str,
    python: Python | None,
    lost: AbstractSet[str] = frozenset(),
    metadata: PackageMetadata | None = None,
) -> Iterator[PathEntry]:
    """Yield every path of a package, and its record at the end.

    ``lost`` are the paths below the prefix that another package has in its place; this one's go to a folder of
    their own. ``metadata`` is what ``read_metadata`` returns of the archive, where that is known. Each entry's
    content is to be read before the next entry is asked for. Raises ``BrokenPackageError``, ``NotDirectError``,
    and ``UserError`` for a prefix that is too long for the package.
    """
    if metadata is None:
        metadata = read_metadata(archive.name, archive.metadata, archive.about_time, python)
    yield from _Linking(archive, record, prefix, metadata, lost).entries(python)


class _Linking:
    def __init__(
        self,
        archive: CondaPackage,
        record: CondaRecord,
        prefix: str,
        metadata: PackageMetadata,
        lost: AbstractSet[str],
    ) -> None:
        self._archive = archive
        self._record = record
        self._prefix = prefix
        self._metadata = metadata
        self._lost = lost
        self._linked: dict[str, _Linked] = {}
        self._noted: dict[str, dict[str, Any]] = {}

    def entries(self, python: Python | None) -> Iterator[PathEntry]:
        rows = {row.source: row for row in self._metadata.rows}
        for source in self._archive.entries():
            row = rows.get(source.path)
            if row is None:
                continue
            if row.source in self._linked:
                raise self._broken(f"it has {row.source} twice")
            yield from self._file(row, source)
        for row in self._metadata.rows:
            if row.source in self._linked:
                continue
            if row.path_type != "directory":
                raise self._broken(f"it lists {row.source}, which it does not have")
            yield from self._file(row, PathEntry(row.source, "directory", 0o755))
        if python:
            for entry_point in self._metadata.entry_points:
                yield self._command(entry_point, python)
        yield record_entry(self._record, self._noted)

    def _file(self, row: PathRow, source: PathEntry) -> Iterator[PathEntry]:
        self._check(row, source)
        path = self._place(row.path)
        if source.kind == "file" and not row.placeholder:
            content = _Hashed(source.content, known=row.sha256)
            placed = replace(source, path=path, content=content, packaged=row.source)
            yield placed
            self._note(row, placed, content.sha256(), source.size)
            return
        placed = replace(source, path=path)
        if source.kind == "symlink":
            target = source.target.encode(errors="surrogateescape")
            yield placed
            self._note(row, placed, _hex(target), len(target))
        elif source.kind == "directory":
            yield PathEntry(placed.path, "directory", 0o755)
            self._note(row, placed, row.sha256, 0)
        elif source.kind == "hardlink":
            first = self._first_of(row, source)
            yield replace(placed, mtime=first.entry.mtime, target=first.entry.path)
            self._note(row, placed, first.sha256, first.size)
        else:
            yield from self._changed(row, replace(placed, mtime=self._metadata.changed_time))

    def _changed(self, row: PathRow, placed: PathEntry) -> Iterator[PathEntry]:
        if row.is_binary:
            if len(self._prefix.encode()) > len(row.placeholder.encode()):
                raise UserError(
                    f"package '{self._archive.name}' cannot be installed below {self._prefix}: "
                    f"its file {row.path} has room for a path of {len(row.placeholder.encode())} bytes",
                    hint="Choose a shorter workdir, or a shorter name for the environment.",
                )
            content = _Hashed(replaced_strings(placed.content, row.placeholder, self._prefix))
            yield replace(placed, content=content)
            self._note(row, placed, content.sha256(), placed.size)
            return
        with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as text:
            content = _Hashed(replaced_text(placed.content, row.placeholder, self._prefix))
            size = sum(text.write(part) for part in content)
            text.seek(0)
            placed = replace(placed, size=size)
            yield replace(placed, content=iter(lambda: text.read(PART_BYTES), b""))
        self._note(row, placed, content.sha256(), size)

    def _check(self, row: PathRow, source: PathEntry) -> None:
        """Refuse what rattler does not link, or links differently from one file system to another."""
        types = {"symlink": "softlink", "directory": "directory"}
        if row.path_type != types.get(source.kind, "hardlink"):
            if source.kind == "symlink" and row.path_type == "hardlink":
                raise NotDirectError(self._archive.name, f"lists {row.source} as a file, and it is a link")
            raise self._broken(f"it lists {row.source} as a {row.path_type}, and it is a {source.kind}")
        if source.kind != "symlink":
            return
        if row.placeholder or row.no_link:
            raise NotDirectError(self._archive.name, f"wants the link {row.source} replaced by a file")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(row.path), source.target))
        if target.startswith(("/", "../")) or target == ".." or "\0" in target:
            raise NotDirectError(
                self._archive.name, f"has {row.path}, a link to {source.target!r}, out of the environment"
            )

    def _first_of(self, row: PathRow, source: PathEntry) -> _Linked:
        """Return the file that a hard link in the archive is another name of."""
        first = self._linked.get(source.target)
        if first is None or first.entry.kind not in {"file", "hardlink"}:
            raise self._broken(f"{row.source} is a hard link to {source.target}, which is no file before it")
        if (first.row.placeholder, first.row.is_binary) != (row.placeholder, row.is_binary):
            raise NotDirectError(
                self._archive.name, f"has {row.source} and {source.target} as one file with two contents"
            )
        if first.entry.mode != source.mode:
            raise self._broken(f"{row.source} and {source.target} are one file with two modes")
        return first

    def _place(self, path: str) -> str:
        return f"__clobbers__/{self._record.name}/{path}" if path in self._lost else path

    def _note(self, row: PathRow, placed: PathEntry, sha256: str, size: int) -> None:
        """Note what the record tells of a file."""
        self._linked[row.source] = _Linked(row, placed, sha256, size)
        noted: dict[str, Any] = {"path_type": row.path_type}
        if placed.path != row.path:
            noted["original_path"] = row.path
        if row.no_link:
            noted["no_link"] = True
        if row.sha256:
            noted["sha256"] = row.sha256
        if placed.kind != "directory":
            # What was replaced has the size that it has now, all else the one that the package tells.
            noted["size_in_bytes"] = size if row.placeholder or row.size is None else row.size
            if sha256 != row.sha256:
                noted["sha256_in_prefix"] = sha256
        if row.placeholder:
            noted["file_mode"] = "binary" if row.is_binary else "text"
            noted["prefix_placeholder"] = row.placeholder
        self._noted[placed.path] = noted

    def _command(self, entry_point: EntryPoint, python: Python) -> PathEntry:
        content = _entry_point_text(entry_point, f"{self._prefix}/{python.program}").encode()
        self._noted[entry_point.path] = {
            "path_type": "unix_python_entry_point",
            "sha256": _hex(content),
            "size_in_bytes": len(content),
        }
        return PathEntry(entry_point.path, mode=0o755, size=len(content), content=(content,))

    def _broken(self, problem: str) -> BrokenPackageError:
        return BrokenPackageError(self._archive.name, problem)


class _Hashed:
    """Parts of a content, and its digest once they have been read; nothing is computed where it is ``known``."""

    def __init__(self, parts: Iterable[bytes], known: str = "") -> None:
        self._parts = iter(parts)
        self._known = known
        self._hash = hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            if not self._known:
                self._hash.update(part)
            yield part

    def sha256(self) -> str:
        """Return the digest in hexadecimal, of all parts even when nobody has read them."""
        for _ in () if self._known else self:
            pass
        return self._known or self._hash.hexdigest()


def _entry_point_text(entry_point: EntryPoint, program: str) -> str:
    shebang = f"#!{program}"
    if len(program.encode()) > _LONGEST_PROGRAM or " " in program:
        shebang = f"#!/bin/sh\n'''exec' \"{program}\" \"$0\" \"$@\" #'''"
    return (
        f"{shebang}\n# -*- coding: utf-8 -*-\nimport re\nimport sys\n\n"
        f"from {entry_point.module} import {entry_point.function.partition('.')[0]}\n\n"
        "if __name__ == '__main__':\n"
        "\tsys.argv[0] = re.sub(r'(-script\\.pyw?|\\.exe)?$', '', sys.argv[0])\n"
        f"\tsys.exit({entry_point.function}())\n"
    )


def _hex(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
