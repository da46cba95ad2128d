"""The record of a package in ``conda-meta``, as rattler writes it, without what tells of a cache."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pixi_container.environment.entries import PathEntry, text_entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rattler import RepoDataRecord

# The order of the fields, rattler's own: crates/rattler_conda_types/src/prefix_record.rs.
_FIELDS = (
    "original_path",
    "path_type",
    "no_link",
    "sha256",
    "sha256_in_prefix",
    "size_in_bytes",
    "file_mode",
    "prefix_placeholder",
)


@dataclass(frozen=True)
class CondaRecord:
    """A package of the lock. ``fields`` is what rattler records of it before it knows of any file."""

    name: str
    version: str
    build: str
    fields: Mapping[str, Any]

    @property
    def path(self) -> str:
        """Where its record is, below the prefix."""
        return f"conda-meta/{self.name}-{self.version}-{self.build}.json"


def conda_record(record: RepoDataRecord) -> CondaRecord:
    """Take over a record that rattler has read from a lock."""
    return CondaRecord(
        record.name.normalized, str(record.version), str(record.build), json.loads(record.to_json())
    )


def record_entry(record: CondaRecord, files: Mapping[str, Mapping[str, Any]]) -> PathEntry:
    """Return the record as a file, with what linking noted of each path below the prefix."""
    paths = sorted(files, key=lambda path: path.split("/"))
    listed = [
        {"_path": path, **{name: files[path][name] for name in _FIELDS if name in files[path]}} for path in paths
    ]
    table = {
        **record.fields,
        "requested_specs": [],
        "files": paths,
        "paths_data": {"paths_version": 1, "paths": listed},
        # Without the cache's path, and as for a copy, which a file in an image is.
        "link": {"source": "", "type": 3},
    }
    return text_entry(record.path, json.dumps(table, indent=2, ensure_ascii=False))
