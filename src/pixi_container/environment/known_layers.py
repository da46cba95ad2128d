"""What is there before an image is made: layers by key, and the paths of their packages."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixi_container.environment.catalogue import MEDIA_TYPE, catalogue_bytes, read_catalogue
from pixi_container.environment.environment_image import catalogue_tag
from pixi_container.environment.image_config import KEY_ANNOTATION, Document
from pixi_container.environment.image_store import put_artifact, put_bytes
from pixi_container.environment.layer_tar import LayerBlob
from pixi_container.environment.start_check import recorded_checks
from pixi_container.input_table import MOST_ENVIRONMENTS
from pixi_container.json_object import object_under
from pixi_container.registry.reference import DIGEST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixi_container.environment.catalogue import PackageFiles
    from pixi_container.environment.image_store import ImageStore
    from pixi_container.environment.layer_tar import Compression

_MOST_CONFIG_BYTES = 4 << 20
MOST_CATALOGUE_BYTES = 64 << 20
"""The most bytes of a compressed catalogue of paths."""


@dataclass(frozen=True)
class KnownLayers:
    """Layers by key, the files of packages by name, and images that were tried by the key of the check."""

    layers: Mapping[str, LayerBlob] = field(default_factory=dict)
    files: Mapping[str, PackageFiles] = field(default_factory=dict)
    checks: Mapping[str, str] = field(default_factory=dict)


def read_image_before(
    store: ImageStore, tag: str, compression: Compression, identities: Mapping[str, str]
) -> KnownLayers:
    """Return what the image with a tag has that can be used again; nothing where it is somebody else's.

    Of the packages, those are known that are the same still.
    """
    before = store.get_manifest(tag) if tag else None
    if before is None or before.config is None or before.config.size > _MOST_CONFIG_BYTES:
        return KnownLayers()
    try:
        config = json.loads(store.get(before.config))
        diff_ids = [str(diff_id) for diff_id in object_under(config, "rootfs").get("diff_ids") or ()]
        files = _catalogue_beside(store, tag, identities)
        checks = recorded_checks(before.content)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return KnownLayers()
    layers = {}
    for layer, diff_id in zip(before.layers, diff_ids, strict=False):
        key = layer.annotations.get(KEY_ANNOTATION)
        if key and layer.media_type.endswith(f"+{compression}") and DIGEST.fullmatch(diff_id):
            layers[key] = LayerBlob(layer.media_type, layer.digest, layer.size, diff_id)
    return KnownLayers(layers, files, checks)


def put_catalogue(store: ImageStore, tag: str, *environments: Mapping[str, PackageFiles]) -> None:
    """Put the files of an image's packages beside the image with a tag, those of each environment apart."""
    catalogues = [Document(MEDIA_TYPE, catalogue_bytes(files)) for files in environments]
    for catalogue in catalogues:
        put_bytes(store, catalogue.content)
    put_artifact(store, catalogue_tag(tag), [catalogue.descriptor for catalogue in catalogues], MEDIA_TYPE)


def _catalogue_beside(store: ImageStore, tag: str, identities: Mapping[str, str]) -> dict[str, PackageFiles]:
    catalogue = store.get_manifest(catalogue_tag(tag))
    known: dict[str, PackageFiles] = {}
    for layer in catalogue.layers[:MOST_ENVIRONMENTS] if catalogue else ():
        if layer.size <= MOST_CATALOGUE_BYTES:
            files = read_catalogue(store.get(layer))
            # An identity has the prefix in it, so that packages of another environment are others.
            known |= {name: each for name, each in files.items() if each.identity == identities.get(name)}
    return known
