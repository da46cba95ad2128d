"""An index of images, one for each platform. Its bytes depend on the images and annotations alone.

Source: https://github.com/opencontainers/image-spec/blob/main/image-index.md
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pixi_container.errors import RegistryError
from pixi_container.registry.client import OCI_INDEX, Descriptor
from pixi_container.registry.reference import digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pixi_container.registry.client import Registry
    from pixi_container.registry.reference import ImageReference


@dataclass(frozen=True)
class ImageIndex:
    """The bytes of an index."""

    content: bytes

    @property
    def digest(self) -> str:
        """The digest of the index."""
        return digest_of(self.content)


def image_index(children: Sequence[Descriptor], annotations: Mapping[str, str]) -> ImageIndex:
    """Return the index of images with their platforms, and of attestations, in this order."""
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [_as_json(child) for child in children],
    }
    if annotations:
        document["annotations"] = dict(sorted(annotations.items()))
    return ImageIndex(json.dumps(document, separators=(",", ":")).encode())


def read_children(registry: Registry, images: Mapping[str, ImageReference]) -> tuple[Descriptor, ...]:
    """Return what an index of images lists, which are given by platform: the images, then their attestations.

    An image that is an index itself counts with what that has for the platform. Raises ``RegistryError`` for an
    image that does not exist.
    """
    listed: list[Descriptor] = []
    attestations: list[Descriptor] = []
    for platform, image in images.items():
        manifest = registry.get_manifest(image)
        child = manifest.child(platform) if manifest and manifest.is_index else None
        if manifest is None or (manifest.is_index and child is None):
            raise RegistryError(
                f"there is no image {image} for {platform}",
                hint="Did something remove it while this run used it? Run the job again.",
            )
        if child is None:
            child = Descriptor(digest=manifest.digest, size=len(manifest.content), media_type=manifest.media_type)
        listed.append(replace(child, platform=platform))
        attestations += [
            each
            for each in manifest.children
            if each.is_attestation and each.annotations.get("vnd.docker.reference.digest") == child.digest
        ]
    return (*listed, *attestations)


def publish_index(registry: Registry, index: ImageIndex, tags: Sequence[ImageReference]) -> None:
    """Put an index into the repository of each tag, whose images are there, and then have the tags point to it."""
    for name in dict.fromkeys(tag.tagged("") for tag in tags):
        registry.put_manifest(name, index.digest, index.content, OCI_INDEX)
        registry.tag(name.pinned(index.digest), [tag for tag in tags if tag.name == name.name])


def _as_json(child: Descriptor) -> dict[str, Any]:
    system, architecture, *variant = child.platform.split("/")
    platform = {"architecture": architecture, "os": system, **({"variant": variant[0]} if variant else {})}
    described: dict[str, Any] = {"mediaType": child.media_type, "digest": child.digest, "size": child.size}
    if child.annotations:
        described["annotations"] = dict(sorted(child.annotations.items()))
    return {**described, "platform": platform}
