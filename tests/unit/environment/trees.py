"""Trees of files in one form: what is in a folder, and what entries would make."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pixi_container.environment.entries import EARLIEST

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pixi_container.environment.entries import PathEntry

_OF_NO_PACKAGE = {"CACHEDIR.TAG", "conda-meta/history"}
_ENTRY_POINT = b"sys.argv[0] = re.sub(r'(-script"


@dataclass(frozen=True)
class Node:
    """A file, a link or an empty folder. ``content`` is the target of a link."""

    kind: str
    mode: int
    mtime: int
    content: bytes


def of_folder(folder: Path) -> dict[str, Node]:
    nodes = {}
    for path in folder.rglob("*"):
        info = path.lstat()
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            nodes[name] = Node("symlink", 0o777, int(info.st_mtime), os.fsencode(path.readlink()))
        elif path.is_file():
            nodes[name] = Node("file", in_image(info.st_mode), int(info.st_mtime), path.read_bytes())
    return nodes


def in_image(mode: int) -> int:
    """Change a mode as the product does today, with `chmod a+rX,go-w`."""
    executable = 0o111 if mode & 0o111 else 0
    return (mode & 0o7777 | 0o444 | executable) & ~0o022


def of_entries(entries: Iterable[PathEntry]) -> dict[str, Node]:
    nodes: dict[str, Node] = {}
    for entry in entries:
        assert entry.path not in nodes
        if entry.kind == "hardlink":
            first = nodes[entry.target]
            assert (first.mode, first.mtime) == (entry.mode, entry.mtime)
            nodes[entry.path] = first
        elif entry.kind == "symlink":
            nodes[entry.path] = Node("symlink", entry.mode, entry.mtime, os.fsencode(entry.target))
        elif entry.kind == "file":
            content = b"".join(entry.content)
            assert len(content) == entry.size
            nodes[entry.path] = Node("file", entry.mode, entry.mtime, content)
    return nodes


def without_cache(record: bytes) -> bytes:
    """Change a record as the product does today, with sed: no path of a cache, and the type of a copy."""
    text = re.sub(rb'^  "extracted_package_dir": .*\n', b"", record, flags=re.MULTILINE)
    text = re.sub(rb'^( *"source": ")/[^"]*', rb"\1", text, flags=re.MULTILINE)
    return re.sub(rb'^(    "type": )[0-9]*$', rb"\g<1>3", text, flags=re.MULTILINE)


def assert_same(ours: dict[str, Node], theirs: dict[str, Node], *, in_order: bool = True) -> None:
    """Compare what was linked with what rattler installed: kind, mode, time, content, and records to the byte.

    Records of packages that share a path have the paths in another order with rattler: not ``in_order``.
    """
    theirs = {path: node for path, node in theirs.items() if path not in _OF_NO_PACKAGE}
    assert sorted(ours) == sorted(theirs)
    for path, node in theirs.items():
        if path.startswith("conda-meta/") and not in_order:
            assert _in_order(ours[path].content) == _in_order(without_cache(node.content))
        elif path.startswith("conda-meta/"):
            assert ours[path].content.decode() == without_cache(node.content).decode()
            assert ours[path].mode == 0o644
        elif _ENTRY_POINT in node.content:
            # What rattler makes itself has the time of now.
            assert ours[path] == replace(node, mtime=EARLIEST)
        else:
            assert ours[path] == node, path


def _in_order(record: bytes) -> object:
    table = json.loads(record)
    table["files"].sort()
    table["paths_data"]["paths"].sort(key=lambda entry: entry["_path"])
    return table
