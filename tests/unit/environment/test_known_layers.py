"""What is read of the image before: nothing of it is believed that this program would not have written."""

from __future__ import annotations

import json

import pytest

from pixi_container.environment.known_layers import KnownLayers, read_image_before
from pixi_container.environment.package_set import package_set
from pixi_container.registry.reference import ImageReference
from pixi_container.registry.repository import ImageRepository
from tests.unit.environment.archives import Made
from tests.unit.environment.publishing import PREFIX, Place, image_of, locked
from tests.unit.registry.loopback import digest_of


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "layers"),
    [
        ({}, 0),
        ([], 0),
        ("text", 0),
        (None, 0),
        ({"rootfs": 1}, 0),
        ({"rootfs": {"diff_ids": None}}, 0),
        ({"rootfs": {"diff_ids": 1}}, 0),
        ({"rootfs": {"diff_ids": [1, {}, "x", digest_of(b"")]}}, 1),
    ],
)
def test_an_odd_configuration_is_somebody_elses(
    place: Place, packages: list[Made], config: object, layers: int
) -> None:
    place.publish(image_of(*packages))
    content = json.dumps(config).encode()
    place.server.blobs["lab/study"][digest_of(content)] = content
    manifest = place.manifest()
    manifest["config"] = {"mediaType": "config", "digest": digest_of(content), "size": len(content)}
    place.server.put_manifest("lab/study", "env-default", json.dumps(manifest).encode())
    assert len(read(place, packages).layers) == layers


def test_a_configuration_that_is_too_large_is_not_read(place: Place, packages: list[Made]) -> None:
    place.publish(image_of(*packages))
    manifest = place.manifest()
    manifest["config"]["size"] = 1 << 39
    place.server.put_manifest("lab/study", "env-default", json.dumps(manifest).encode())
    asked = place.server.count("GET .*blobs")
    assert read(place, packages) == KnownLayers()
    assert place.server.count("GET .*blobs") == asked


def read(place: Place, packages: list[Made]) -> KnownLayers:
    repository = ImageRepository(place.registries, ImageReference(place.server.address, "lab/study"))
    identities = package_set(locked(packages), PREFIX).identities
    return read_image_before(repository, "env-default", "gzip", identities)
