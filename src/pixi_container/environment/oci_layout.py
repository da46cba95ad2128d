"""An OCI layout: a folder that takes an image where there is no registry to push to.

What is in its index is whole, at every moment. Source:
https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pixi_container.environment.image_store import put_bytes
from pixi_container.errors import RegistryError, UserError
from pixi_container.registry.client import parse_manifest
from pixi_container.registry.reference import DIGEST, ImageReference, digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from pixi_container.registry.blobs import Parts
    from pixi_container.registry.client import Descriptor, ImageManifest
    from pixi_container.registry.repository import ImageSource

UNTAGGED = "check"
"""The tag of what would have none in a repository."""

_INDEX = "application/vnd.oci.image.index.v1+json"
_NAME = "org.opencontainers.image.ref.name"
_LARGEST_INDEX = 4 << 20
_PART_BYTES = 1 << 20

T = TypeVar("T")


class OciLayout:
    """A folder with images by tag, for any number of threads of one process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._blobs = folder / "blobs/sha256"
        self._lock = threading.Lock()
        self.reference = ImageReference("layout", "layout")
        try:
            self._blobs.mkdir(parents=True, exist_ok=True)
            self._write(folder / "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        except OSError as error:
            raise UserError(f"'{folder}' cannot be an OCI layout: {error.strerror or error}") from error

    def has(self, digest: str) -> bool:
        """Tell whether it has a blob."""
        return self._path(digest).exists()

    def put(self, digest: str, size: int, content: Callable[[], Parts]) -> bool:
        """Take a blob in, unless it is there; whether it had to. Raises ``RegistryError`` for wrong bytes."""
        if self.has(digest):
            return False
        self._take(digest, size, content())
        return True

    def take(self, blob: Descriptor, source: ImageSource, through: Callable[[Parts], Parts]) -> None:
        """Have a blob from elsewhere here."""

        def passed(parts: Iterator[bytes]) -> Parts:
            yield from parts

        if not self.has(blob.digest):
            source.scan(blob, lambda parts: self._take(blob.digest, blob.size, through(passed(parts))))

    def read(self, blob: Descriptor) -> Parts:
        """Yield a blob in parts. Raises ``RegistryError``, at its end, when it is not what its digest says."""
        seen, size = hashlib.sha256(), 0
        with suppress(FileNotFoundError), self._path(blob.digest).open("rb") as file:
            while part := file.read(_PART_BYTES):
                seen.update(part)
                size += len(part)
                yield part
        if size != blob.size or f"sha256:{seen.hexdigest()}" != blob.digest:
            raise self._wrong(blob)

    def scan(self, blob: Descriptor, read: Callable[[Iterator[bytes]], T]) -> T:
        """Return what ``read`` makes of a blob's parts, all of which it has to take."""
        return read(self.read(blob))

    def get(self, blob: Descriptor) -> bytes:
        """Return a blob. Raises ``RegistryError`` when it is not what its digest says."""
        try:
            content = self._path(blob.digest).read_bytes()
        except FileNotFoundError:
            content = b""
        if digest_of(content) != blob.digest:
            raise self._wrong(blob)
        return content

    def get_manifest(self, name: str) -> ImageManifest | None:
        """Return what a tag or a digest names; None when there is nothing."""
        if ":" in name:
            digest = name
        else:
            entries = self._index()
            digest = next((entry["digest"] for entry in entries if _tag(entry) == name), "")
        if not DIGEST.fullmatch(str(digest)) or not self.has(digest):
            return None
        return parse_manifest(
            self._path(digest).read_bytes(), "", digest, ImageReference("layout", "layout", name)
        )

    def put_manifest(self, name: str, content: bytes, media_type: str) -> str:
        """Put a manifest under a tag, and return its digest. Its blobs have to be there."""
        digest = put_bytes(self, content)
        entry = {"mediaType": media_type, "digest": digest, "size": len(content), "annotations": {_NAME: name}}
        with self._lock:
            others = [other for other in self._index() if _tag(other) != name]
            index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [*others, entry]}
            self._write(self._folder / "index.json", json.dumps(index, separators=(",", ":")).encode())
        return digest

    def put_untagged(self, content: bytes, media_type: str) -> str:
        """Put a manifest under the tag ``UNTAGGED``: only what is in the index can be used from a layout."""
        return self.put_manifest(UNTAGGED, content, media_type)

    def _wrong(self, blob: Descriptor) -> RegistryError:
        return RegistryError(f"the OCI layout '{self._folder}' has wrong bytes for {blob.digest}")

    def _index(self) -> list[dict[str, Any]]:
        path = self._folder / "index.json"
        try:
            with path.open("rb") as file:
                entries = json.loads(file.read(_LARGEST_INDEX))["manifests"]
            return [entry for entry in entries if isinstance(entry, dict) and "digest" in entry]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError(
                f"the OCI layout's index cannot be read: {error!r}", file=str(path), hint="Remove the folder."
            ) from error

    def _take(self, digest: str, size: int, parts: Parts) -> None:
        seen, left = hashlib.sha256(), size
        with self._new(self._path(digest)) as file:
            for part in parts:
                seen.update(part)
                left -= len(part)
                file.write(part)
            if left or f"sha256:{seen.hexdigest()}" != digest:
                raise RegistryError(f"there are wrong bytes for {digest} on their way to '{self._folder}'")

    def _write(self, path: Path, content: bytes) -> None:
        with self._new(path) as file:
            file.write(content)

    @contextmanager
    def _new(self, path: Path) -> Iterator[BinaryIO]:
        """Yield a file that is at ``path`` once it is whole, and nowhere if it is not."""
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
            # A temporary file can be read by nobody else.
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise

    def _path(self, digest: str) -> Path:
        if not DIGEST.fullmatch(digest):
            raise RegistryError(f"'{digest[:80]}' is no digest of an OCI layout")
        return self._blobs / digest.removeprefix("sha256:")


def _tag(entry: dict[str, Any]) -> object:
    annotations = entry.get("annotations")
    return annotations.get(_NAME) if isinstance(annotations, dict) else None
