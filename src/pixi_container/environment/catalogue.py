"""What is kept beside an image of each of its packages, so that the next image need not download them.

That are the paths, by which clobbers are seen, and the few files of packages that the activation is made of.
"""

from __future__ import annotations

import hashlib
import json
import lzma
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixi_container.environment.activation import SCRIPTS, VARIABLES
from pixi_container.environment.clobbers import PathTable, tables_as_json, tables_from_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixi_container.environment.package_metadata import Python
    from pixi_container.environment.records import CondaRecord
    from pixi_container.workspace.lock import LockedPackage

MEDIA_TYPE = "application/vnd.pixi-container.paths.v2+json+xz"

LARGEST = 256 << 20
"""The most bytes of the text, of a package with a million paths."""

_PRESET = 1
"""The smallest preset has half the bytes of gzip for paths, which are long and alike, in the same time."""

_MOST_MEMORY = 64 << 20
"""What decompressing may take; the preset takes 2 MB."""


@dataclass(frozen=True)
class PackageFiles:
    """What a package brings: its paths, and the content of those files that the activation is made of.

    ``identity`` tells whether it is still the same package.
    """

    identity: str
    table: PathTable
    activation: Mapping[str, bytes] = field(default_factory=dict)


def identity(package: LockedPackage, record: CondaRecord | None, prefix: str, python: Python | None) -> str:
    """Return what the files of a package depend on, as one text."""
    for_python = record is None or record.fields.get("noarch") == "python"
    place = [python.version, python.site_packages] if python and for_python else None
    return hashlib.sha256(json.dumps([package.location, package.sha256, prefix, place]).encode()).hexdigest()


def catalogue_bytes(files: Mapping[str, PackageFiles]) -> bytes:
    """Return all of them, compressed; the same files give the same bytes."""
    document = {
        "identities": {name: each.identity for name, each in files.items()},
        "activation": {
            name: {path: content.decode("latin-1") for path, content in each.activation.items()}
            for name, each in files.items()
            if each.activation
        },
        "tables": json.loads(tables_as_json(each.table for each in files.values())),
    }
    return lzma.compress(json.dumps(document, sort_keys=True, separators=(",", ":")).encode(), preset=_PRESET)


def read_catalogue(content: bytes) -> dict[str, PackageFiles]:
    """Return the packages by name. Raises ``ValueError`` for what is no catalogue."""
    try:
        unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, _MOST_MEMORY)
        text = unpacker.decompress(content, LARGEST)
        if not unpacker.eof or unpacker.unused_data:
            raise ValueError("it does not end")
        document = json.loads(text)
        tables = tables_from_json(json.dumps(document["tables"]))
        activation = document["activation"]
        return {
            str(name): PackageFiles(
                str(identity),
                tables[name],
                {_activating(path): text.encode("latin-1") for path, text in activation.get(name, {}).items()},
            )
            for name, identity in document["identities"].items()
        }
    except (lzma.LZMAError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"no catalogue of paths: {error!r}") from error


def _activating(path: str) -> str:
    """Return the path. Raises ``ValueError`` for one that no package can have there: files are made of them."""
    parts = path.split("/")
    if not path.startswith((SCRIPTS, VARIABLES)) or {"", ".", ".."}.intersection(parts) or "\0" in path:
        raise ValueError("a path leads elsewhere")
    return path
