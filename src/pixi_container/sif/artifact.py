"""A SIF on a registry, as ``apptainer push`` puts it there and ``apptainer pull oras://…`` takes it.

Source: https://github.com/apptainer/apptainer/blob/main/internal/pkg/client/oras/image.go
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from pixi_container.environment.image_config import MANIFEST, Document, document
from pixi_container.environment.image_store import put_bytes
from pixi_container.image.fingerprint_labels import ENVIRONMENT, IMAGE
from pixi_container.json_object import object_in, text_under

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixi_container.environment.image_store import ImageStore
    from pixi_container.registry.client import ImageManifest
    from pixi_container.sif.make_sif import Sif

SOURCE = "pixi-container.sif-of"
"""The annotation with the digest of the image that a SIF was made from."""

_CONFIG_TYPE = "application/vnd.sylabs.sif.config.v1+json"
_LAYER_TYPE = "application/vnd.sylabs.sif.layer.v1.sif"
_STANDARD = "org.opencontainers.image."
_DIGITS = 16


def sif_tag(digest: str) -> str:
    """Return the tag by which the SIF of an image is found again."""
    return f"sif-{digest.removeprefix('sha256:')[:_DIGITS]}"


def is_sif_of(manifest: ImageManifest, digest: str) -> bool:
    """Tell whether a manifest is that of the SIF of an image."""
    types = [blob.media_type for blob in (manifest.config, *manifest.layers) if blob]
    return types == [_CONFIG_TYPE, _LAYER_TYPE] and _annotation(manifest) == digest


def put_sif(store: ImageStore, sif: Sif, digest: str, labels: Mapping[str, str], title: str) -> str:
    """Put a SIF under its tag, and return the digest of its manifest; ``digest`` and ``labels`` are the image's.

    ``title`` is the name of the file. The upload is read from the file, so it needs no memory.
    """
    store.put(sif.digest, sif.size, sif.parts)
    config = Document(_CONFIG_TYPE, b"{}")
    put_bytes(store, config.content)
    created = datetime.fromtimestamp(sif.created, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    taken = {
        name: value for name, value in labels.items() if name.startswith(_STANDARD) or name in {IMAGE, ENVIRONMENT}
    }
    manifest = document(
        MANIFEST,
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor,
            "layers": [
                {
                    "mediaType": _LAYER_TYPE,
                    "digest": sif.digest,
                    "size": sif.size,
                    "annotations": {f"{_STANDARD}title": title},
                }
            ],
            "annotations": {**taken, f"{_STANDARD}created": created, SOURCE: digest},
        },
    )
    return store.put_manifest(sif_tag(digest), manifest.content, manifest.media_type)


def _annotation(manifest: ImageManifest) -> str:
    return text_under(object_in(json.loads(manifest.content)), "annotations", SOURCE)
