"""Conda packages that the environments of one step share: each archive is decompressed and taken apart once."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pixi_container.environment.archive import open_archive
from pixi_container.environment.entries import PathEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pixi_container.environment.archive import CondaPackage
    from pixi_container.environment.shared_contents import PackageContents, SharedContents

_FORM = "payload"
_ABOUT = ""
"""The content that tells of all others; no file has this path."""


class SharedPayloads:
    """The payloads in a shared folder, by their archive's sha256."""

    def __init__(self, shared: SharedContents) -> None:
        self._shared = shared

    @contextmanager
    def opened(self, path: Path, sha256: str, check: Callable[[], None]) -> Iterator[CondaPackage]:
        """Open an archive, or what another environment has left of it. Raises ``BrokenPackageError``."""
        with self._shared.of_package(sha256, _FORM, check) as contents:
            about = contents.read(_ABOUT)
            if about is not None:
                yield _Left(path.name, json.loads(b"".join(about)), contents)
                return
            with open_archive(path) as archive:
                yield _Leaving(archive, contents)


class _Left:
    def __init__(self, name: str, about: dict[str, Any], contents: PackageContents) -> None:
        self.name = name
        self.metadata: dict[str, bytes] = {
            file: text.encode("latin-1") for file, text in about["metadata"].items()
        }
        self.about_time: int | None = about["about_time"]
        self._entries: list[Any] = about["entries"]
        self._contents = contents

    def entries(self) -> Iterator[PathEntry]:
        for path, kind, mode, mtime, size, target in self._entries:
            yield PathEntry(path, kind, mode, mtime, size, target, self._contents.read(path) or ())


class _Leaving:
    def __init__(self, archive: CondaPackage, contents: PackageContents) -> None:
        self.name = archive.name
        self.metadata = archive.metadata
        self.about_time = archive.about_time
        self._archive = archive
        self._contents = contents

    def entries(self) -> Iterator[PathEntry]:
        """Yield the entries, and leave those whose content is read: others are in no environment."""
        left = []
        for entry in self._archive.entries():
            if entry.kind != "file":
                yield entry
            else:
                content = _Copied(entry, self._contents)
                yield replace(entry, content=content)
                if not content.is_whole:
                    continue
            left.append((entry.path, entry.kind, entry.mode, entry.mtime, entry.size, entry.target))
        about = {
            "metadata": {file: content.decode("latin-1") for file, content in self.metadata.items()},
            "about_time": self.about_time,
            "entries": left,
        }
        self._contents.add(_ABOUT, json.dumps(about, separators=(",", ":")).encode())


class _Copied:
    def __init__(self, entry: PathEntry, contents: PackageContents) -> None:
        self._entry = entry
        self._contents = contents
        self.is_whole = False

    def __iter__(self) -> Iterator[bytes]:
        for part in self._entry.content:
            self._contents.add(self._entry.path, part)
            yield part
        self.is_whole = True
