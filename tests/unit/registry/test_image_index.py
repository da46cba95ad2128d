"""An index of images: what it lists, and that its bytes depend on nothing else."""

from __future__ import annotations

import json

import pytest

from pixi_container.errors import RegistryError
from pixi_container.registry.client import Descriptor
from pixi_container.registry.image_index import image_index, publish_index, read_children
from tests.unit.registry_server import OCI_INDEX, OCI_MANIFEST, RegistryServer

AMD, ARM = "linux/amd64", "linux/arm64"


def descriptor(platform: str, number: int) -> Descriptor:
    return Descriptor(digest=f"sha256:{number:064}", size=7, media_type=OCI_MANIFEST, platform=platform)


def test_an_index_has_each_image_with_its_platform_in_order() -> None:
    index = image_index([descriptor(AMD, 1), descriptor("linux/arm/v7", 2)], {"b": "2", "a": "1"})
    document = json.loads(index.content)
    assert document["mediaType"] == OCI_INDEX
    assert [child["platform"] for child in document["manifests"]] == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm", "os": "linux", "variant": "v7"},
    ]
    assert list(document["annotations"]) == ["a", "b"]
    assert index == image_index([descriptor(AMD, 1), descriptor("linux/arm/v7", 2)], {"a": "1", "b": "2"})


def test_an_index_is_published_under_every_tag_of_every_name(server: RegistryServer) -> None:
    names = [server.name("lab/one"), server.name("lab/two")]
    for name in names:
        server.put_image(name.repository, "img-a", labels={"p": "amd"})
        server.put_image(name.repository, "img-b", labels={"p": "arm"})
    with server.client() as registry:
        images = {AMD: names[0].tagged("img-a"), ARM: names[0].tagged("img-b")}
        index = image_index(read_children(registry, images), {})
        publish_index(registry, index, [name.tagged(tag) for name in names for tag in ("v1", "latest")])
        server.server.requests.clear()
        publish_index(registry, index, [name.tagged(tag) for name in names for tag in ("v1", "latest")])
    assert {server.digest(name.repository, tag) for name in names for tag in ("v1", "latest")} == {index.digest}
    assert not [line for line in server.written if "sha256" not in line], "tags that are right stay as they are"


def test_what_an_index_has_for_a_platform_counts_with_its_attestations(server: RegistryServer) -> None:
    image = server.put_image("lab/study", labels={"p": "arm"})
    other = server.put_image("lab/study", labels={"p": "amd"})
    proof = server.put_image("lab/study", labels={"is": "proof"})
    of_proof = {
        "platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {
            "vnd.docker.reference.digest": image["digest"],
            "vnd.docker.reference.type": "attestation-manifest",
        },
    }
    children = [
        {**image, "platform": {"os": "linux", "architecture": "arm64"}},
        {**other, "platform": {"os": "linux", "architecture": "amd64"}},
        {**proof, **of_proof},
    ]
    server.put_manifest("lab/study", {"mediaType": OCI_INDEX, "manifests": children}, "both")
    with server.client() as registry:
        listed = read_children(registry, {ARM: server.name().tagged("both")})
    assert [child.digest for child in listed] == [image["digest"], proof["digest"]]
    assert json.loads(image_index(listed, {}).content)["manifests"][1] == {
        key: {**proof, **of_proof}[key] for key in ("mediaType", "digest", "size", "annotations", "platform")
    }


@pytest.mark.parametrize("kind", ["missing", "other platform"])
def test_an_image_that_is_not_there_is_an_error(server: RegistryServer, kind: str) -> None:
    if kind == "other platform":
        children = [
            {
                **server.put_image("lab/study", labels={"p": name}),
                "platform": {"os": "linux", "architecture": name},
            }
            for name in ("amd64", "ppc64le")
        ]
        server.put_manifest("lab/study", {"mediaType": OCI_INDEX, "manifests": children}, "a")
    with server.client() as registry, pytest.raises(RegistryError, match=r"there is no image .* for linux/arm64"):
        read_children(registry, {ARM: server.name().tagged("a")})
