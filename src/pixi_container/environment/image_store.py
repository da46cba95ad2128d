"""Where an image goes: a repository, or a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from pixi_container.environment.image_config import MANIFEST, Document, document
from pixi_container.registry.reference import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pixi_container.registry.blobs import Parts
    from pixi_container.registry.client import Descriptor, ImageManifest
    from pixi_container.registry.repository import ImageSource

_EMPTY = Document("application/vnd.oci.empty.v1+json", b"{}")
"""The configuration of what is no image:
https://github.com/opencontainers/image-spec/blob/main/manifest.md#guidance-for-an-empty-descriptor
"""


class ImageStore(Protocol):
    """Where an image goes: a repository, or a folder. Any thread may call it."""

    def has(self, digest: str) -> bool:
        """Tell whether it has a blob."""

    def put(self, digest: str, size: int, content: Callable[[], Parts]) -> bool:
        """Take a blob in, unless it is there; whether it had to."""

    def take(self, blob: Descriptor, source: ImageSource, through: Callable[[Parts], Parts]) -> None:
        """Take a blob over from elsewhere."""

    def get(self, blob: Descriptor) -> bytes:
        """Return a small blob."""

    def get_manifest(self, name: str) -> ImageManifest | None:
        """Return what a tag or a digest names."""

    def put_manifest(self, name: str, content: bytes, media_type: str) -> str:
        """Put a manifest under a tag, and return its digest."""

    def put_untagged(self, content: bytes, media_type: str) -> str:
        """Put a manifest that is named by its digest alone, and return that."""


def put_artifact(
    store: ImageStore, tag: str, layers: Sequence[Mapping[str, Any]], artifact_type: str = ""
) -> None:
    """Put what is no image under a tag, given the descriptors of layers that are there."""
    table = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        **({"artifactType": artifact_type} if artifact_type else {}),
        "config": _EMPTY.descriptor,
        "layers": list(layers),
    }
    put_bytes(store, _EMPTY.content)
    manifest = document(MANIFEST, table)
    store.put_manifest(tag, manifest.content, manifest.media_type)


def put_bytes(store: ImageStore, content: bytes) -> str:
    """Put a small blob, unless it is there, and return its digest."""
    digest = digest_of(content)
    store.put(digest, len(content), lambda: (part for part in (content,)))
    return digest
