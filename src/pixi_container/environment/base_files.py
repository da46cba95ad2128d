"""Files of a base image, read from its layers from the last to the first, without an engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from pixi_container.environment.entries import EARLIEST, PathEntry
from pixi_container.environment.image_config import UnfitBaseError
from pixi_container.environment.layer_reading import opened_layer
from pixi_container.errors import UserError

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

_BASHRC = "etc/bash.bashrc"
_BASH = frozenset({"bin/bash", "usr/bin/bash"})
"""Where bash is; where ``/bin`` is a link to ``/usr/bin``, layers may have the one or the other."""

_LARGEST_BASHRC = 1 << 20
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"


@dataclass(frozen=True)
class _TarMember:
    """What a layer has at a path; ``content`` is None for what is no small file."""

    content: bytes | None
    mode: int


Members: TypeAlias = "Sequence[tuple[str, _TarMember | None]]"
Scan: TypeAlias = "Callable[[Iterator[bytes]], Members]"


def own_bashrc(
    layers: Sequence[Mapping[str, Any]], scan: Callable[[Mapping[str, Any], Scan], Members]
) -> PathEntry | None:
    """Return the base's ``/etc/bash.bashrc``, None where it has none.

    ``scan`` has the blob of a layer read from its start, as often as it takes, and returns what was read of it.

    Raises ``UserError`` where the base has no bash, and ``UnfitBaseError`` for a file that is a link.
    """
    members = _members(layers, scan, {_BASHRC, *_BASH})
    if not _BASH & members.keys():
        raise UserError(
            "the runtime image has no /bin/bash, which the entrypoint needs",
            hint="Name an image with bash in the input 'runtime-image'.",
        )
    member = members.get(_BASHRC)
    if member is None:
        return None
    if member.content is None:
        raise UnfitBaseError(f"has /{_BASHRC} as something else than a small file")
    return PathEntry(_BASHRC, "file", member.mode, EARLIEST, len(member.content), content=(member.content,))


def _members(
    layers: Sequence[Mapping[str, Any]],
    scan: Callable[[Mapping[str, Any], Scan], Members],
    wanted: Collection[str],
) -> dict[str, _TarMember]:
    members: dict[str, _TarMember] = {}
    missing = set(wanted)
    for layer in reversed(layers):
        media_type, looked_for = str(layer.get("mediaType", "")), frozenset(missing)
        hidden: set[str] = set()
        for path, member in scan(layer, lambda parts: _of_layer(parts, media_type, looked_for)):  # noqa: B023
            if member:
                members[path] = member
            else:
                hidden.add(path)
        missing = _still_missing({path for path in missing if not _is_hidden(path, hidden)}, members)
        if not missing:
            break
    return members


def _still_missing(wanted: Collection[str], known: Collection[str]) -> set[str]:
    """Return which paths are to be looked for once some are known; of bash's, one is enough."""
    missing = set(wanted).difference(known)
    return missing - _BASH if _BASH.intersection(known) else missing


def _of_layer(parts: Iterator[bytes], media_type: str, wanted: Collection[str]) -> Members:
    """Return the wanted members of a layer, and with None the paths that it hides of those under it."""
    read: list[tuple[str, _TarMember | None]] = []
    with opened_layer(parts, media_type, what="a layer of the base image") as tar:
        for info in tar:
            path = info.name.removeprefix("./").strip("/")
            folder, _, name = path.rpartition("/")
            if name == _OPAQUE:
                read.append((f"{folder}/", None))
            elif name.startswith(_WHITEOUT):
                read.append((f"{folder}/{name.removeprefix(_WHITEOUT)}".lstrip("/"), None))
            elif path in wanted:
                read.append((path, _member(tar, info)))
                # The rest of the layer could only hide what is below it.
                if not _still_missing(wanted, [path for path, member in read if member]):
                    break
    # To its end, as only then its digest is known.
    for _ in parts:
        pass
    return read


def _member(tar: tarfile.TarFile, info: tarfile.TarInfo) -> _TarMember:
    file = tar.extractfile(info) if info.isreg() and info.size <= _LARGEST_BASHRC else None
    return _TarMember(file.read() if file else None, info.mode & 0o755)


def _is_hidden(path: str, hidden: Collection[str]) -> bool:
    return any(path == place or path.startswith(f"{place.rstrip('/')}/") for place in hidden)
