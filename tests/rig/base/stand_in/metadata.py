"""What a folder's pyproject.toml says of its package, in the form of a lock of version 7."""

from __future__ import annotations

import posixpath
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import tomli
from rattler import LockFile
from rattler.lock import PypiLockedPackage

from .manifest import normalised

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LOCK = """\
version: 7
platforms:
- name: linux-64
environments:
  default:
    channels: []
    indexes: []
    packages:
      linux-64:
      - pypi: {place}
packages:
{entry}"""


@dataclass(frozen=True)
class Metadata:
    """Requirements as PEP 508 has them, with markers for extras; those with a source name a folder."""

    requires: Sequence[str] = ()
    requires_python: str = ""
    folders: Mapping[str, str] = field(default_factory=dict)
    """Where `[tool.uv.sources]` says that requirements are, relative to the workspace, by normalised name."""

    def entry(self, name: str, place: str, version: str = "") -> str:
        """The package's entry in a lock. The bindings read and write it in the form that pixi gives it."""
        lines = [f"- pypi: {place}", f"  name: {name}", f"  version: '{version}'" * bool(version)]
        lines += ["  requires_dist:"] * bool(self.requires)
        lines += ["  - " + self._located(text).replace('"', "'") for text in self.requires]
        lines += [f"  requires_python: '{self.requires_python}'"] * bool(self.requires_python)
        return "\n".join(filter(None, lines)) + "\n"

    def _located(self, text: str) -> str:
        name, extras, marker = requirement_parts(text)
        folder = self.folders.get(normalised(name))
        return f"{name}{extras} @ ./{folder}{marker and f' ; {marker}'}" if folder else text


def requirement_parts(text: str) -> tuple[str, str, str]:
    """Name, extras with their brackets, and marker of a requirement."""
    found = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?", text)
    if not found:
        return text, "", ""
    return found[1], found[2] or "", text.partition(";")[2].strip()


def read(root: Path, path: str) -> Metadata | None:
    """Of the folder `path` of the workspace; None where nothing static is said, so that a lock is trusted."""
    try:
        document = tomli.loads((root / path / "pyproject.toml").read_text(encoding="utf-8"))
        table = document["project"]
    except (OSError, KeyError, tomli.TOMLDecodeError):
        return None
    if {"dependencies", "optional-dependencies"} & set(table.get("dynamic", ())):
        return None
    requires = list(table.get("dependencies", ()))
    for extra, texts in table.get("optional-dependencies", {}).items():
        for text in texts:
            requirement, _, marker = text.partition(";")
            requires.append(
                f"{requirement.strip()} ; {f'({marker.strip()}) and ' * bool(marker)}extra == '{extra}'"
            )
    sources = document.get("tool", {}).get("uv", {}).get("sources", {})
    folders = {
        normalised(name): posixpath.normpath(posixpath.join(path, source["path"]))
        for name, source in sources.items()
        if "path" in source
    }
    return Metadata(requires, table.get("requires-python", ""), folders)


def comparable(metadata: Metadata) -> tuple[set[str], str | None]:
    """The requirements and the Python, written as a lock's are that was read."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "pixi.lock")
        path.write_text(_LOCK.format(place=".", entry=metadata.entry("it", ".")), encoding="utf-8")
        lock = LockFile.from_path(path)
        environment = lock.default_environment()
        packages = environment.packages(lock.platforms()[0]) if environment else None
        return described(next(each for each in packages or () if isinstance(each, PypiLockedPackage)), Path(name))


def described(package: PypiLockedPackage, root: Path) -> tuple[set[str], str | None]:
    """What a locked package requires; `root` is the folder of its lock."""
    return {text.replace(root.resolve().as_uri(), ".") for text in package.requires_dist}, package.requires_python
