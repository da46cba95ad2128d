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
    rows = [_indented({"_path": path, **_ordered(files[path])}, 6) for path in paths]
    start = json.dumps({**record.fields, "requested_specs": []}, indent=2, ensure_ascii=False)
    listed = "[\n      " + ",\n      ".join(rows) + "\n    ]" if rows else "[]"
    # The source is without the cache's path, and the type is that of a copy, which a file in an image is.
    end = f""",
  "files": {_indented(paths, 2)},
  "paths_data": {{
    "paths_version": 1,
    "paths": {listed}
  }},
  "link": {{
    "source": "",
    "type": 3
  }}
}}"""
    return text_entry(record.path, start.removesuffix("\n}") + end)


def _ordered(noted: Mapping[str, Any]) -> dict[str, Any]:
    return {name: noted[name] for name in _FIELDS if name in noted}


def _indented(values: dict[str, Any] | list[str], depth: int) -> str:
    """Return what ``json.dumps`` gives of values that have no others in them, which takes it ten times as long."""
    if not values:
        return json.dumps(values)
    start = "\n" + " " * (depth + 2)
    text = _ENCODERS[depth].encode(values)
    return f"{text[0]}{start}{text[1:-1]}\n{' ' * depth}{text[-1]}"


_ENCODERS = {
    depth: json.JSONEncoder(ensure_ascii=False, separators=(",\n" + " " * (depth + 2), ": ")) for depth in (2, 6)
}
