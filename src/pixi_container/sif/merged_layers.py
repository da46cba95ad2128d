"""The file system that an image's layers make together.

Source: https://github.com/opencontainers/image-spec/blob/main/layer.md
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixi_container.errors import RegistryError
from pixi_container.shortening import shortened
from pixi_container.sif.layer_entries import FILE, FOLDER, HARD_LINK, SYMLINK, LayerEntry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_MOST_LINKS = 40
"""How many symbolic links a path may go through, as in Linux."""

_DEEPEST = 1000
"""How many folders a path may have; Linux's longest path has twice as many at most."""

_MISSING_FOLDER = LayerEntry("", FOLDER, 0o755)


@dataclass(eq=False, slots=True)
class Inode:
    """What one or more paths name: its entry, and the number of the layer that has its content."""

    layer: int
    entry: LayerEntry
    paths: list[str] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class _Node:
    inode: Inode
    children: dict[str, _Node] | None = None

    @property
    def kind(self) -> bytes:
        return self.inode.entry.kind


class MergedLayers:
    """Layers on top of each other, from the lowest on."""

    def __init__(self) -> None:
        self._root = _folder(_MISSING_FOLDER, -1)
        self._layers = 0

    def add(self, entries: Sequence[LayerEntry]) -> None:
        """Put a layer on top. Raises ``RegistryError`` for a hard link to nothing, and for a loop of links."""
        for entry in entries:
            folder, _, name = entry.path.rpartition("/")
            if name == _OPAQUE:
                if (place := self._find(folder)) and place.children:
                    place.children.clear()
            elif name.startswith(_WHITEOUT) and (place := self._find(folder)) and place.children:
                place.children.pop(name.removeprefix(_WHITEOUT), None)
        for entry in entries:
            if not entry.path.rpartition("/")[2].startswith(_WHITEOUT):
                self._put(entry)
        self._layers += 1

    def kind_at(self, path: str) -> bytes | None:
        """Return what is at a path itself, None where nothing is."""
        folder, _, name = path.rpartition("/")
        place = self._find(folder)
        child = (place.children or {}).get(name) if place else None
        return child.kind if child else None

    def has_folder(self, path: str) -> bool:
        """Tell whether a path leads to a folder, by links if need be."""
        place = self._find(path)
        return place is not None and place.children is not None

    def inodes(self) -> list[Inode]:
        """Return everything with its paths: folders above what they contain, files in the order of the layers."""
        by_inode: dict[int, Inode] = {}
        for path, node in _walk(self._root):
            inode = by_inode.setdefault(id(node.inode), Inode(node.inode.layer, node.inode.entry))
            inode.paths.append(path)
        return sorted(by_inode.values(), key=_order)

    def _put(self, entry: LayerEntry) -> None:
        folder, _, name = entry.path.rpartition("/")
        if not name:
            if entry.kind == FOLDER:
                self._root.inode = Inode(self._layers, entry)
            return
        children = self._made_folder(folder).children
        assert children is not None  # noqa: S101 - it is a folder
        if entry.kind == HARD_LINK:
            target = self._find(entry.target, follow_last=False)
            if target is None or target.children is not None:
                raise RegistryError(
                    f"a layer of the image has a hard link to what is no file of it: {shortened(entry.target)!r}"
                )
            children[name] = _Node(target.inode)
        elif entry.kind == FOLDER:
            before = children.get(name)
            if before and before.children is not None:
                before.inode = Inode(self._layers, entry)
            else:
                children[name] = _folder(entry, self._layers)
        else:
            children[name] = _Node(Inode(self._layers, entry))

    def _made_folder(self, path: str) -> _Node:
        """Return the folder at a path; what is missing of it is made, and what is no folder replaced."""
        found = self._find(path)
        if found and found.children is not None:
            return found
        node, done = self._root, ""
        for step in path.split("/"):
            done = f"{done}/{step}".lstrip("/")
            below = self._find(done)
            if below is None or below.children is None:
                assert node.children is not None  # noqa: S101 - it is a folder
                below = node.children[step] = _folder(_MISSING_FOLDER, self._layers)
            node = below
        return node

    def _find(self, path: str, *, follow_last: bool = True) -> _Node | None:
        """Return what is at a path, by symbolic links within the image. Raises ``RegistryError`` for a loop."""
        steps, links = path.split("/")[::-1], 0
        if len(steps) > _DEEPEST:
            raise RegistryError(f"a layer of the image has a path that is too deep: {shortened(path)!r}")
        way = [self._root]
        while steps:
            step = steps.pop()
            if step in {"", "."}:
                continue
            if step == "..":
                way = way[: max(1, len(way) - 1)]
                continue
            below = (way[-1].children or {}).get(step)
            if below is None:
                return None
            if below.kind == SYMLINK and (steps or follow_last):
                links += 1
                if links > _MOST_LINKS:
                    raise RegistryError(f"the image has a loop of symbolic links at {shortened(path)!r}")
                target = below.inode.entry.target
                way = [self._root] if target.startswith("/") else way
                steps += target.split("/")[::-1]
                continue
            way.append(below)
        return way[-1]


def _folder(entry: LayerEntry, layer: int) -> _Node:
    return _Node(Inode(layer, entry), {})


def _walk(root: _Node) -> Iterator[tuple[str, _Node]]:
    """Yield each path with what is there, in the order of the paths' steps."""
    waiting = [("", root)]
    while waiting:
        path, node = waiting.pop()
        yield path, node
        children = node.children or {}
        waiting += [
            (f"{path}/{name}" if path else name, children[name]) for name in sorted(children, reverse=True)
        ]


def _order(inode: Inode) -> tuple[bool, int, int, list[str]]:
    """Folders first, as what is in them needs them; then files in the order in which their layers are read."""
    entry = inode.entry
    if entry.kind == FOLDER:
        return (False, 0, 0, inode.paths[0].split("/"))
    has_content = entry.kind == FILE
    return (True, inode.layer if has_content else -1, entry.number if has_content else 0, inode.paths)
