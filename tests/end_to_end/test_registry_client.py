"""The registry client against real registries, and behind a server that makes trouble as registries do."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import traceback
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from pixi_container.errors import RegistryRefusedError, RegistryUnavailableError, UserError
from pixi_container.registry.client import Registry
from pixi_container.registry.credentials import Credential
from pixi_container.registry.reference import ImageReference
from tests.end_to_end.conftest import ROOT, image_name
from tests.rig.registry_front import Front, in_front_of
from tests.rig.rig import Rig

MEDIA_TYPES = {
    "oci": {
        "index": "application/vnd.oci.image.index.v1+json",
        "manifest": "application/vnd.oci.image.manifest.v1+json",
        "config": "application/vnd.oci.image.config.v1+json",
        "layer": "application/vnd.oci.image.layer.v1.tar+gzip",
    },
    "docker": {
        "index": "application/vnd.docker.distribution.manifest.list.v2+json",
        "manifest": "application/vnd.docker.distribution.manifest.v2+json",
        "config": "application/vnd.docker.container.image.v1+json",
        "layer": "application/vnd.docker.image.rootfs.diff.tar.gzip",
    },
}
ACCEPT = {"accept": ", ".join(kind[name] for kind in MEDIA_TYPES.values() for name in ("index", "manifest"))}
OCI = MEDIA_TYPES["oci"]
HTTP = httpx.Client()
SECRET = 'token: with, "all" sorts'


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True)
class Place:
    """A repository of a real registry, written and read without the code under test."""

    registry: str
    name: str
    auth: tuple[str, str] | None = None

    @property
    def reference(self) -> ImageReference:
        return ImageReference(self.registry, self.name)

    def call(
        self, method: str, path: str, content: bytes = b"", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        url = httpx.URL(f"http://{self.registry}/v2/{self.name}/").join(path)
        return HTTP.request(method, url, content=content, headers=headers, auth=self.auth)

    def put_blob(self, content: bytes, media_type: str = OCI["layer"]) -> dict[str, Any]:
        """Return its descriptor."""
        location = self.call("POST", "blobs/uploads/").headers["location"]
        digest = digest_of(content)
        self.call("PUT", f"{location}&digest={digest}", content=content).raise_for_status()
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def put_manifest(self, media_type: str, body: dict[str, Any], *tags: str) -> dict[str, Any]:
        """Return its descriptor. The JSON has a form that nobody makes by chance."""
        content = json.dumps({"schemaVersion": 2, "mediaType": media_type, **body}, indent=5).encode()
        for name in tags or (digest_of(content),):
            headers = {"content-type": media_type}
            self.call("PUT", f"manifests/{name}", content=content, headers=headers).raise_for_status()
        return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}

    def put_image(self, *tags: str, text: str = "", kind: str = "oci", layers: int = 2) -> dict[str, Any]:
        """Return the descriptor of an image whose label ``text`` is that, and whose layers are its own."""
        types = MEDIA_TYPES[kind]
        config = json.dumps({"config": {"Labels": {"text": text}}}).encode()
        body = {
            "config": self.put_blob(config, types["config"]),
            "layers": [self.put_blob(f"{text} {n}".encode(), types["layer"]) for n in range(layers)],
        }
        return self.put_manifest(types["manifest"], body, *tags)

    def put_index(self, *tags: str, kind: str = "oci") -> dict[str, Any]:
        """Return the descriptor of an index with an image for each of two platforms and the attestation of one."""
        children = []
        for architecture in ("amd64", "arm64"):
            image = self.put_image(text=architecture, kind=kind)
            children.append({**image, "platform": {"os": "linux", "architecture": architecture}})
        attestation = {
            **self.put_image(text="attestation", kind=kind, layers=1),
            "platform": {"os": "unknown", "architecture": "unknown"},
            "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
        }
        return self.put_manifest(MEDIA_TYPES[kind]["index"], {"manifests": [*children, attestation]}, *tags)

    def content(self, name: str) -> dict[str, tuple[str, bytes]]:
        """Return everything that is under a tag or digest: media type and bytes by digest."""
        answer = self.call("GET", f"manifests/{name}", headers=ACCEPT).raise_for_status()
        contents = {answer.headers["docker-content-digest"]: (answer.headers["content-type"], answer.content)}
        body = answer.json()
        for child in body.get("manifests", []):
            contents.update(self.content(child["digest"]))
        for blob in [body["config"], *body["layers"]] if "config" in body else []:
            contents[blob["digest"]] = ("", self.call("GET", f"blobs/{blob['digest']}").raise_for_status().content)
        assert all(digest_of(content) == digest for digest, (_, content) in contents.items())
        return contents

    def has(self, name: str) -> bool:
        return self.call("HEAD", f"manifests/{name}", headers=ACCEPT).status_code == 200


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return image_name(request.node.name)


@pytest.fixture
def place(rig: Rig, name: str) -> Place:
    """A new repository in the open registry."""
    return Place(rig.registry, name)


@pytest.fixture
def other(rig: Rig, name: str) -> Place:
    """A new repository in the registry with a password."""
    return Place(rig.password_registry, f"{name}-there", (rig.username, rig.password))


@pytest.fixture
def front(rig: Rig) -> Iterator[Front]:
    with in_front_of(rig.registry) as made:
        yield made


@pytest.fixture
def elsewhere(rig: Rig) -> Iterator[Front]:
    """Another host with the same content."""
    with in_front_of(rig.registry) as made:
        yield made


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited between attempts."""
    waits: list[float] = []
    monkeypatch.setattr("pixi_container.retries.pause", lambda seconds, _: waits.append(seconds))
    return waits


@contextmanager
def clients(accounts: Mapping[str, tuple[str, str] | None]) -> Iterator[Registry]:
    """A client with an account for each registry that has one."""
    known = {
        registry: Credential(registry=registry, username=account[0], password=account[1])
        for registry, account in accounts.items()
        if account
    }
    with Registry(known.get) as made:
        yield made


def client(registry: str, account: tuple[str, str] | None = None) -> AbstractContextManager[Registry]:
    return clients({registry: account})


def test_what_a_registry_has(place: Place) -> None:
    descriptor = place.put_image("1.0", "latest", text="some")
    with client(place.registry) as registry:
        assert registry.get_digest(place.reference.tagged("1.0")) == descriptor["digest"]
        assert registry.get_digest(place.reference.pinned(descriptor["digest"])) == descriptor["digest"]
        assert sorted(registry.get_tags(place.reference)) == ["1.0", "latest"]
        image = registry.get_image(place.reference.tagged("latest"))
    assert image
    assert image.digest == descriptor["digest"]
    assert image.config == digest_of(b'{"config": {"Labels": {"text": "some"}}}')
    assert image.layer_sizes == (len(b"some 0"), len(b"some 1"))


def test_what_a_registry_does_not_have(place: Place) -> None:
    absent = place.reference.tagged("latest")
    with client(place.registry) as registry:
        assert registry.get_digest(absent) is None
        assert registry.get_image(absent) is None
        assert registry.get_manifest(absent) is None
        assert registry.get_labels(absent) is None
        assert registry.get_referrers(absent) == ()
        assert registry.get_tags(absent) == ()
        with pytest.raises(UserError, match=f"the image {absent} does not exist"):
            registry.tag(absent, [absent.tagged("new")])


def test_a_repository_that_has_lost_its_tags_has_none(place: Place) -> None:
    descriptor = place.put_image("one")
    place.call("DELETE", f"manifests/{descriptor['digest']}").raise_for_status()
    assert place.call("GET", "tags/list").json()["tags"] is None
    with client(place.registry) as registry:
        assert registry.get_tags(place.reference) == ()


@pytest.mark.parametrize("kind", ["oci", "docker"])
def test_a_manifest_is_given_to_the_byte(place: Place, kind: str) -> None:
    descriptor = place.put_image("one", text="some", kind=kind)
    with client(place.registry) as registry:
        manifest = registry.get_manifest(place.reference.tagged("one"))
        assert registry.get_manifest(place.reference.pinned(descriptor["digest"])) == manifest
    assert manifest
    assert manifest.name == f"{place.registry}/{place.name}"
    assert manifest.digest == descriptor["digest"]
    assert (manifest.media_type, manifest.content) == place.content("one")[manifest.digest]
    assert not manifest.is_index
    assert manifest.children == ()
    assert manifest.config
    assert manifest.config.media_type == MEDIA_TYPES[kind]["config"]
    assert [(layer.digest, layer.size, layer.media_type) for layer in manifest.layers] == [
        (digest_of(content), len(content), MEDIA_TYPES[kind]["layer"]) for content in (b"some 0", b"some 1")
    ]


@pytest.mark.parametrize("kind", ["oci", "docker"])
def test_an_index_tells_its_images(place: Place, kind: str) -> None:
    descriptor = place.put_index("one", kind=kind)
    with client(place.registry) as registry:
        index = registry.get_manifest(place.reference.tagged("one"))
        image = registry.get_image(place.reference.tagged("one"))
    assert index
    assert (index.digest, index.is_index) == (descriptor["digest"], True)
    assert (index.config, index.layers) == (None, ())
    assert [child.platform for child in index.children] == ["linux/amd64", "linux/arm64", "unknown/unknown"]
    assert [child.is_attestation for child in index.children] == [False, False, True]
    assert index.children[2].annotations == {"vnd.docker.reference.type": "attestation-manifest"}
    assert all(child.digest in place.content("one") for child in index.children)
    assert image
    assert (image.config, image.layer_sizes) == ("", ())


def test_the_digest_is_computed_where_the_registry_does_not_tell_it(front: Front, place: Place) -> None:
    descriptor = place.put_image("one")
    front.silent = ("GET", "HEAD")
    reference = ImageReference(front.address, place.name, "one")
    with client(front.address) as registry:
        assert registry.get_digest(reference) == descriptor["digest"]
        image = registry.get_image(reference)
    assert image
    assert image.digest == descriptor["digest"]


def test_a_manifest_with_other_bytes_than_its_digest_says_is_refused(front: Front, place: Place) -> None:
    descriptor = place.put_image("one", text="some")
    front.altered = "/manifests/"
    reference = ImageReference(front.address, place.name, "one")
    with client(front.address) as registry:
        for asked in (reference, reference.pinned(descriptor["digest"])):
            with pytest.raises(UserError, match=f"content that does not match {descriptor['digest']}"):
                registry.get_manifest(asked)
        front.silent = ("GET",)
        with pytest.raises(UserError, match="content that does not match"):
            registry.get_manifest(reference.pinned(descriptor["digest"]))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "is not valid"),
        ({"config": {"digest": "sha256:../../x", "size": 1}}, "is not valid"),
        ({"config": {"digest": "sha256:" + "0" * 64}}, "is not valid"),
        ({"mediaType": "application/vnd.docker.distribution.manifest.v1+json"}, "unsupported media type"),
        ([], "did not return a JSON object"),
        ("<html>", "did not return a JSON object"),
    ],
)
def test_a_manifest_that_is_none_is_told(front: Front, name: str, body: object, said: str) -> None:
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    front.given = {"/manifests/one": (OCI["manifest"], content)}
    with client(front.address) as registry, pytest.raises(UserError, match=said):
        registry.get_manifest(ImageReference(front.address, name, "one"))


@pytest.mark.parametrize("kind", ["oci", "docker"])
def test_labels_are_those_of_the_platform(place: Place, kind: str) -> None:
    place.put_image("image", text="alone", kind=kind)
    place.put_index("index", kind=kind)
    with client(place.registry) as registry:
        image, index = place.reference.tagged("image"), place.reference.tagged("index")
        assert registry.get_labels(image) == {"text": "alone"}
        assert registry.get_labels(index) == {"text": "amd64"}
        assert registry.get_labels(index, "linux/arm64") == {"text": "arm64"}
        assert registry.get_labels(index, "linux/s390x") is None
        assert registry.get_labels(index, "linux/arm") is None


def test_an_index_of_one_image_has_the_labels_of_that(place: Place) -> None:
    platform = {"os": "linux", "architecture": "arm64", "variant": "v8"}
    image = {**place.put_image(text="the image"), "platform": platform}
    attestation = {
        **place.put_image(text="attestation"),
        "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
    }
    place.put_manifest(OCI["index"], {"manifests": [attestation, image]}, "one")
    with client(place.registry) as registry:
        assert registry.get_labels(place.reference.tagged("one")) == {"text": "the image"}


@pytest.mark.parametrize(
    "config", [b"{}", b'{"config": null}', b'{"config": {"Labels": null}}', b'{"config": "x"}']
)
def test_an_image_without_labels_has_none(place: Place, config: bytes) -> None:
    place.put_manifest(OCI["manifest"], {"config": place.put_blob(config), "layers": []}, "one")
    with client(place.registry) as registry:
        assert registry.get_labels(place.reference.tagged("one")) == {}


def test_labels_are_read_only_from_a_sound_configuration(front: Front, place: Place) -> None:
    reference = ImageReference(front.address, place.name)
    place.put_image("one")
    large = place.put_blob(json.dumps({"config": {"Labels": {"text": "x" * 5_000_000}}}).encode())
    place.put_manifest(OCI["manifest"], {"config": large, "layers": []}, "large")
    with client(front.address) as registry:
        with pytest.raises(UserError, match="more than 4194304 bytes"):
            registry.get_labels(reference.tagged("large"))
        front.altered = "/blobs/"
        with pytest.raises(UserError, match="content that does not match"):
            registry.get_labels(reference.tagged("one"))


@pytest.mark.parametrize("kind", ["oci", "docker"])
def test_new_tags_in_the_repository(front: Front, place: Place, kind: str) -> None:
    descriptor = place.put_index("sha-1234567", kind=kind)
    reference = ImageReference(front.address, place.name)
    with client(front.address) as registry:
        digest = registry.tag(
            reference.tagged("sha-1234567"), [reference.tagged(tag) for tag in ("1.0", "latest")]
        )
        again = registry.tag(reference.pinned(digest), [reference.tagged("1.0")])
    assert digest == again == descriptor["digest"]
    assert place.content("1.0") == place.content("latest") == place.content(digest)
    written = [request for request in front.requests if not request.startswith(("GET", "HEAD"))]
    assert written == [f"PUT /v2/{place.name}/manifests/{tag}" for tag in ("1.0", "latest")]


def test_a_tag_is_moved(place: Place) -> None:
    place.put_image("latest", text="old")
    descriptor = place.put_image("new", text="new")
    with client(place.registry) as registry:
        registry.tag(place.reference.tagged("new"), [place.reference.tagged("latest")])
    assert place.content("latest") == place.content(descriptor["digest"])


@pytest.mark.parametrize("kind", ["oci", "docker"])
def test_another_repository_of_the_registry_takes_the_blobs_over(front: Front, place: Place, kind: str) -> None:
    descriptor = place.put_index("one", kind=kind)
    target = Place(place.registry, f"{place.name}-there")
    reference = ImageReference(front.address, target.name)
    with client(front.address) as registry:
        digest = registry.tag(
            ImageReference(front.address, place.name, "one"), [reference.tagged("one"), reference.tagged("two")]
        )
    assert digest == descriptor["digest"]
    assert target.content("one") == target.content("two") == place.content("one")
    mounts = [request for request in front.requests if "mount=" in request]
    assert len(mounts) == 8, "5 layers and 3 configurations, each once"
    assert not any("/blobs/" in request for request in front.requests if "mount=" not in request)
    manifests = [request.rpartition("/")[2] for request in front.requests if request.startswith("PUT")]
    assert manifests[-2:] == ["one", "two"], "the tags come last"
    two = f"/v2/{target.name}/manifests/two"
    assert front.requests[-3:] == [f"HEAD {two}", f"PUT {two}", f"HEAD {two}"], "nothing is brought for it again"
    assert set(manifests[:-2]) == {
        child["digest"] for child in json.loads(target.content("one")[digest][1])["manifests"]
    }


def test_what_is_there_is_not_brought_again(front: Front, place: Place) -> None:
    place.put_image("one", text="some")
    target = Place(place.registry, f"{place.name}-there")
    source, there = ImageReference(front.address, place.name, "one"), ImageReference(front.address, target.name)
    with client(front.address) as registry:
        registry.tag(source, [there.tagged("sha-1")])
        front.requests.clear()
        registry.tag(source, [there.tagged("1.0")])
    assert [request.partition(" ")[0] for request in front.requests] == ["GET", "HEAD", "HEAD", "PUT", "HEAD"]
    assert target.content("1.0") == place.content("one")


def test_an_index_that_lost_an_image_gets_it_again(front: Front, place: Place) -> None:
    descriptor = place.put_index("one")
    target = Place(place.registry, f"{place.name}-there")
    source, there = ImageReference(front.address, place.name, "one"), ImageReference(front.address, target.name)
    with client(front.address) as registry:
        registry.tag(source, [there.tagged("sha-1")])
        child = json.loads(place.content("one")[descriptor["digest"]][1])["manifests"][1]["digest"]
        target.call("DELETE", f"manifests/{child}").raise_for_status()
        registry.tag(source, [there.tagged("1.0")])
    assert target.content("1.0") == place.content("one")


@pytest.mark.parametrize("refusal", ["an upload", "403", "405", "token"])
def test_blobs_are_copied_where_they_are_not_taken_over(front: Front, place: Place, refusal: str) -> None:
    place.put_index("one")
    target = Place(place.registry, f"{place.name}-there")
    front.mounts = {"an upload": 202, "405": 405}.get(refusal, 403)
    if refusal == "token":
        front.account = ("someone", SECRET)
        front.one_scope = True
    with client(front.address, ("someone", SECRET)) as registry:
        registry.tag(
            ImageReference(front.address, place.name, "one"), [ImageReference(front.address, target.name, "one")]
        )
    assert target.content("one") == place.content("one")
    assert sum("PUT" in request and "/blobs/uploads/" in request for request in front.requests) == 8
    given_up = sum("DELETE" in request and "/blobs/uploads/" in request for request in front.requests)
    assert given_up == (8 if refusal == "an upload" else 0)


@pytest.mark.parametrize("kind", ["oci", "docker"])
@pytest.mark.parametrize("put", [Place.put_image, Place.put_index])
def test_another_registry_gets_every_bit(
    place: Place, other: Place, kind: str, put: Callable[..., dict[str, Any]]
) -> None:
    descriptor = put(place, "one", kind=kind)
    targets = [other.reference.tagged("one"), place.reference.tagged("two"), other.reference.tagged("two")]
    with client(other.registry, other.auth) as registry:
        assert registry.tag(place.reference.tagged("one"), targets) == descriptor["digest"]
        assert registry.get_digest(other.reference.tagged("two")) == descriptor["digest"]
    assert other.content("one") == other.content("two") == place.content("two") == place.content("one")


def test_nothing_is_compressed_on_the_way(front: Front, place: Place, other: Place) -> None:
    place.put_index("one")
    front.compresses = True
    with client(other.registry, other.auth) as registry:
        registry.tag(ImageReference(front.address, place.name, "one"), [other.reference.tagged("one")])
    assert other.content("one") == place.content("one")


def test_a_large_layer_passes_through_little_memory(place: Place, other: Place) -> None:
    layer = place.put_blob(bytes(40_000_000))
    place.put_manifest(OCI["manifest"], {"config": place.put_blob(b"{}"), "layers": [layer]}, "one")
    with client(other.registry, other.auth) as registry:
        registry.get_digest(other.reference.tagged("one"))
        tracemalloc.start()
        try:
            registry.tag(place.reference.tagged("one"), [other.reference.tagged("one")])
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert other.has("one")
    assert most < 10_000_000


def test_an_empty_blob_is_copied_too(place: Place, other: Place) -> None:
    place.put_manifest(OCI["manifest"], {"config": place.put_blob(b"{}"), "layers": [place.put_blob(b"")]}, "one")
    with client(other.registry, other.auth) as registry:
        registry.tag(place.reference.tagged("one"), [other.reference.tagged("one")])
    assert other.content("one") == place.content("one")


def test_an_index_of_blobs_and_of_indexes_is_whole_too(place: Place, other: Place) -> None:
    inner = place.put_index()
    cache = place.put_blob(b"a layer in the cache of BuildKit")
    place.put_manifest(OCI["index"], {"manifests": [cache, inner]}, "one")
    with client(other.registry, other.auth) as registry:
        registry.tag(place.reference.tagged("one"), [other.reference.tagged("one")])
    assert other.content(inner["digest"]) == place.content(inner["digest"])
    assert other.call("GET", f"blobs/{cache['digest']}").content == b"a layer in the cache of BuildKit"


def test_layers_that_registries_do_not_keep_are_not_asked_for(place: Place, other: Place) -> None:
    foreign = {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "digest": "sha256:" + "1" * 64,
        "size": 7,
        "urls": ["https://example.com/windows"],
    }
    place.put_manifest(OCI["manifest"], {"config": place.put_blob(b"{}"), "layers": [foreign]}, "one")
    with client(other.registry, other.auth) as registry:
        registry.tag(place.reference.tagged("one"), [other.reference.tagged("one")])
    assert other.has("one")


def test_no_tag_is_put_on_an_incomplete_image(place: Place, other: Place) -> None:
    layer = place.put_blob(b"a layer")
    place.put_manifest(OCI["manifest"], {"config": place.put_blob(b"{}"), "layers": [layer]}, "layer")
    place.call("DELETE", f"blobs/{layer['digest']}").raise_for_status()
    descriptor = place.put_index("image")
    child = json.loads(place.content("image")[descriptor["digest"]][1])["manifests"][1]["digest"]
    place.call("DELETE", f"manifests/{child}").raise_for_status()
    with client(other.registry, other.auth) as registry:
        for tag, said in (("layer", "answered 404"), ("image", f"incomplete: it lists {child}")):
            with pytest.raises(UserError, match=said):
                registry.tag(place.reference.tagged(tag), [other.reference.tagged(tag)])
            assert not other.has(tag)


@pytest.mark.parametrize("large", [False, True])
def test_an_upload_that_is_cut_is_started_anew(
    front: Front, place: Place, other: Place, large: bool, waits: list[float]
) -> None:
    layer = other.put_blob(b"0123456789" * (1_000_000 if large else 1))
    other.put_manifest(OCI["manifest"], {"config": other.put_blob(b"{}"), "layers": [layer]}, "one")
    front.torn = {"PUT": 3}
    with client(other.registry, other.auth) as registry:
        registry.tag(other.reference.tagged("one"), [ImageReference(front.address, place.name, "one")])
    assert place.content("one") == other.content("one")
    assert len(waits) == 3
    puts = [request for request in front.requests if request.startswith("PUT") and "/uploads/" in request]
    assert len(set(puts)) == len(puts) == 5, "no upload is used twice"


@pytest.mark.parametrize("fault", [429, 503, 0, 404])
def test_an_upload_that_is_not_taken_is_started_anew(
    front: Front, place: Place, other: Place, fault: int, waits: list[float]
) -> None:
    other.put_image("one")
    # It comes after the questions for the tag, the image and the blob, and the opening of the upload.
    front.faults = [None, None, None, None, fault]
    with client(other.registry, other.auth) as registry:
        registry.tag(other.reference.tagged("one"), [ImageReference(front.address, place.name, "one")])
    assert place.content("one") == other.content("one")
    assert len(waits) == 1


def test_a_download_that_is_cut_is_started_anew(
    front: Front, place: Place, other: Place, waits: list[float]
) -> None:
    place.put_image("one")
    front.torn = {"GET": 3}
    with client(other.registry, other.auth) as registry:
        registry.tag(ImageReference(front.address, place.name, "one"), [other.reference.tagged("one")])
    assert place.content("one") == other.content("one")
    assert len(waits) == 3


def test_a_copy_that_never_ends_well_leaves_no_tag(
    front: Front, place: Place, other: Place, waits: list[float]
) -> None:
    place.put_image("one")
    source, target = ImageReference(front.address, place.name, "one"), other.reference.tagged("one")
    with client(other.registry, other.auth) as registry:
        front.torn = {"GET": 100}
        with pytest.raises(RegistryUnavailableError, match=f"registry {front.address} cannot be used") as caught:
            registry.tag(source, [target])
        assert len(waits) == 3
        assert f"/v2/{place.name}/blobs/sha256:" in caught.value.hint
        front.torn, front.altered = {}, "/blobs/"
        with pytest.raises(UserError, match=f"registry {front.address} returned content that does not match"):
            registry.tag(source, [target])
        front.altered, front.padded = "", "/blobs/"
        with pytest.raises(UserError, match=f"registry {front.address} returned content that does not match"):
            registry.tag(source, [target])
    assert not other.has("one")


def test_a_tag_that_is_elsewhere_afterwards_is_told(front: Front, place: Place) -> None:
    old, new = place.put_image("latest", text="old"), place.put_image("new", text="new")
    front.loses_tags = True
    source = ImageReference(front.address, place.name, "new")
    with client(front.address) as registry:
        with pytest.raises(UserError, match=f":latest points to {old['digest']} after .*{new['digest']}"):
            registry.tag(source, [source.tagged("latest")])
        with pytest.raises(UserError, match=":1 points to nothing after"):
            registry.tag(source, [source.tagged("1")])


def test_referrers_by_the_tag_that_stands_in(place: Place) -> None:
    image = place.put_image("one")
    signature = {**place.put_image(text="signature"), "artifactType": "application/vnd.example.signature"}
    with client(place.registry) as registry:
        assert registry.get_referrers(place.reference.tagged("one")) == ()
        place.put_manifest(OCI["index"], {"manifests": [signature]}, image["digest"].replace(":", "-"))
        (referrer,) = registry.get_referrers(place.reference.tagged("one"))
        assert (referrer,) == registry.get_referrers(place.reference.pinned(image["digest"]))
    assert referrer.digest == signature["digest"]
    assert referrer.artifact_type == "application/vnd.example.signature"


def test_referrers_where_the_registry_has_the_call(front: Front, place: Place) -> None:
    reference = place.reference.tagged("one")
    image = place.put_image("one")
    signatures = [place.put_image(text=text) for text in ("a", "b", "c")]
    front.referrers = signatures
    with client(front.address) as registry:
        referrers = registry.get_referrers(ImageReference(front.address, reference.repository, "one"))
        assert [entry.digest for entry in referrers] == [entry["digest"] for entry in signatures]
        front.referrers = []
        assert registry.get_referrers(ImageReference(front.address, place.name, digest=image["digest"])) == ()


def test_referrers_at_ghcr_do_not_lead_to_its_web_site(front: Front, elsewhere: Front, place: Place) -> None:
    image = place.put_image("one")
    signature = place.put_image(text="signature")
    place.put_manifest(OCI["index"], {"manifests": [signature]}, image["digest"].replace(":", "-"))
    front.site = f"http://{elsewhere.address}/-/v2/packages"
    with client(front.address) as registry:
        (referrer,) = registry.get_referrers(ImageReference(front.address, place.name, "one"))
    assert referrer.digest == signature["digest"]
    assert elsewhere.requests == []


def test_asking_whether_a_push_is_taken_leaves_nothing(place: Place, front: Front) -> None:
    reference = ImageReference(front.address, place.name)
    with client(front.address) as registry:
        registry.check_push(reference)
        assert registry.get_tags(reference) == ()
    opened, given_up, _ = front.requests
    assert opened == f"POST /v2/{place.name}/blobs/uploads/"
    assert given_up.startswith(f"DELETE /v2/{place.name}/blobs/uploads/")
    answer = httpx.get(f"http://{place.registry}{given_up.removeprefix('DELETE ')}")
    assert answer.status_code == 404


def test_an_upload_that_cannot_be_given_up_is_left(front: Front, name: str) -> None:
    front.faults = [None, 0]
    with client(front.address) as registry:
        registry.check_push(ImageReference(front.address, name))
    assert len(front.requests) == 2


def test_a_password_opens_the_registry(rig: Rig, other: Place) -> None:
    descriptor = other.put_image("one")
    reference = other.reference.tagged("one")
    with client(other.registry, other.auth) as registry:
        registry.check_push(reference)
        assert registry.get_digest(reference) == descriptor["digest"]
    with client(other.registry, (rig.username, "wrong")) as registry:
        for ask in (
            registry.check_push,
            registry.get_digest,
            registry.get_tags,
            registry.get_image,
            registry.get_labels,
        ):
            with pytest.raises(
                RegistryRefusedError, match=f"denied permission to .* user '{rig.username}'"
            ) as caught:
                ask(reference)
            assert "wrong" not in str(caught.value)
        with pytest.raises(RegistryRefusedError):
            registry.tag(reference, [reference.tagged("two")])
    with (
        client(other.registry) as registry,
        pytest.raises(UserError, match="anonymous access, because no credentials are set"),
    ):
        registry.get_tags(reference)


def test_tokens_as_ghcr_gives_them(front: Front, place: Place) -> None:
    descriptor = place.put_image("one")
    front.account = ("someone", SECRET)
    reference = ImageReference(front.address, place.name, "one")
    with client(front.address, front.account) as registry:
        assert registry.get_digest(reference) == descriptor["digest"]
        registry.check_push(reference)
        assert registry.get_tags(reference) == ("one",)
        assert sum("/token" in request for request in front.requests) == 2
    with client(front.address) as registry:
        assert registry.get_digest(reference) == descriptor["digest"]
        with pytest.raises(
            RegistryRefusedError, match=r"denied permission to push.*anonymous access.*resource is denied"
        ):
            registry.check_push(reference)
    with (
        client(front.address, ("someone", "wrong")) as registry,
        pytest.raises(RegistryRefusedError, match=r"denied permission to read .* user 'someone'"),
    ):
        registry.get_digest(reference)


def test_a_token_for_taking_blobs_over_may_read_the_source_too(front: Front, place: Place) -> None:
    place.put_index("one")
    front.account = ("someone", SECRET)
    target = Place(place.registry, f"{place.name}-there")
    with client(front.address, front.account) as registry:
        registry.tag(
            ImageReference(front.address, place.name, "one"), [ImageReference(front.address, target.name, "one")]
        )
    assert target.content("one") == place.content("one")
    asked = [httpx.URL(request.partition(" ")[2]) for request in front.requests if "/token" in request]
    assert [url.params.get_list("scope") for url in asked] == [
        [f"repository:{place.name}:pull"],
        [f"repository:{target.name}:pull,push"],
        [f"repository:{target.name}:pull,push", f"repository:{place.name}:pull"],
    ]
    assert {url.params["service"] for url in asked} == {front.address}


def test_an_identity_token_is_sent_as_a_form(front: Front, elsewhere: Front, place: Place) -> None:
    descriptor = place.put_image("one")
    front.account, front.identity_token = ("someone", "password"), SECRET
    reference = ImageReference(front.address, place.name, "one")
    with client(front.address, ("<token>", SECRET)) as registry:
        registry.check_push(reference)
        assert registry.get_digest(reference) == descriptor["digest"]
    assert [request for request in front.requests if request.endswith("/token")] == ["POST /token"] * 2
    front.token_path, front.storage = "/moved", elsewhere.address
    with (
        client(front.address, ("<token>", SECRET)) as registry,
        pytest.raises(RegistryUnavailableError, match="answered 307"),
    ):
        registry.get_digest(reference)
    assert elsewhere.requests == []


def test_a_token_that_ran_out_is_got_anew(front: Front, place: Place, other: Place) -> None:
    other.put_image("one")
    front.account = ("someone", "password")
    reference = ImageReference(front.address, place.name, "one")
    with client(front.address, front.account) as registry:
        assert registry.get_digest(reference) is None
        front.generation += 1
        assert registry.get_digest(reference) is None
    # Each blob is first asked for and its upload opened: the token runs out in between.
    front.runs_out_at = "PUT"
    with clients({front.address: front.account, other.registry: other.auth}) as registry:
        registry.tag(other.reference.tagged("one"), [reference])
    assert place.content("one") == other.content("one")


def test_a_busy_token_server_is_asked_again(front: Front, place: Place, waits: list[float]) -> None:
    descriptor = place.put_image("one")
    front.account = ("someone", "password")
    front.faults = [None, 503, None, 429]
    with client(front.address, front.account) as registry:
        assert registry.get_digest(ImageReference(front.address, place.name, "one")) == descriptor["digest"]
    assert len(waits) == 2


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (401, "missing permission: repository:{name}:pull,push"),
        (403, "the registry said: permission_denied: write_package"),
    ],
)
def test_a_missing_permission_is_named(
    front: Front, place: Place, refusal: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.put_image("one")
    front.account, front.refusal = ("someone", "password"), refusal
    monkeypatch.setattr("pixi_container.registry.transport.GITHUB_REGISTRY", front.address)
    reference = ImageReference(front.address, place.name, "one")
    with client(front.address, front.account) as registry:
        for refused in (registry.check_push, lambda one: registry.tag(one, [one.tagged("two")])):
            with pytest.raises(RegistryRefusedError) as caught:
                refused(reference)
            assert f"push to {front.address}/{place.name}: user 'someone'" in caught.value.message
            assert said.format(name=place.name) in caught.value.message
            assert "packages: write" in caught.value.hint
            assert "Manage Actions access" in caught.value.hint
    with client(front.address, ("someone", "wrong")) as registry, pytest.raises(RegistryRefusedError) as caught:
        registry.get_labels(reference)
    assert "packages: read" in caught.value.hint
    assert not place.has("two")


def test_blobs_on_another_host_are_fetched_without_credentials(
    front: Front, elsewhere: Front, place: Place, other: Place
) -> None:
    place.put_index("one")
    front.account, front.storage = ("someone", SECRET), elsewhere.address
    source = ImageReference(front.address, place.name, "one")
    with clients({front.address: front.account, other.registry: other.auth}) as registry:
        assert registry.get_labels(source) == {"text": "amd64"}
        registry.tag(source, [other.reference.tagged("one")])
        assert other.content("one") == place.content("one")
        assert len(elsewhere.requests) == 9
        # Were it to ask for a token, it would get none.
        elsewhere.account = front.account
        with pytest.raises(RegistryRefusedError):
            registry.get_labels(source)
    assert set(elsewhere.authorizations) == {""}
    assert not any("/token" in request for request in elsewhere.requests)
    assert any("Bearer" in authorization for authorization in front.authorizations)


def test_uploads_to_another_host_go_without_credentials(
    front: Front, elsewhere: Front, place: Place, other: Place
) -> None:
    other.put_image("one")
    front.account, front.uploads = ("someone", SECRET), elsewhere.address
    with clients({front.address: front.account, other.registry: other.auth}) as registry:
        registry.tag(other.reference.tagged("one"), [ImageReference(front.address, place.name, "one")])
        registry.check_push(ImageReference(front.address, place.name))
    assert place.content("one") == other.content("one")
    assert [request.partition(" ")[0] for request in elsewhere.requests] == ["PUT", "PUT", "PUT", "DELETE"]
    assert set(elsewhere.authorizations) == {""}


def test_nobody_sends_us_to_a_place_without_encryption(front: Front, place: Place, waits: list[float]) -> None:
    place.put_image("one")
    front.storage = "192.0.2.1"
    with (
        client(front.address) as registry,
        pytest.raises(RegistryUnavailableError, match=r"192\.0\.2\.1.*not encrypted"),
    ):
        registry.get_labels(ImageReference(front.address, place.name, "one"))
    assert waits == []


def test_secrets_are_in_no_error(front: Front, elsewhere: Front, place: Place, waits: list[float]) -> None:
    place.put_image("one")
    front.account, front.storage = ("someone", SECRET), elsewhere.address
    reference = ImageReference(front.address, place.name, "one")
    errors: list[UserError] = []

    def fails(ask: Callable[[ImageReference], object]) -> None:
        with pytest.raises(UserError) as caught:
            ask(reference)
        errors.append(caught.value)

    with client(front.address, front.account) as registry:
        assert SECRET not in repr(registry)
        elsewhere.faults = [403]
        fails(registry.get_labels)
        elsewhere.faults = [503] * 4
        fails(registry.get_labels)
        front.faults = [0] * 4
        fails(registry.get_digest)
        front.faults, front.refusal = [], 403
        fails(registry.check_push)
    secrets = [SECRET, "signature=", *{authorization for authorization in front.authorizations if authorization}]
    assert len(secrets) == 5, "the account's header and two tokens"
    for error in errors:
        told = "".join(traceback.format_exception(error)) + str(error) + repr(error)
        assert not [secret for secret in secrets if secret in told]


def test_a_token_that_is_no_header_is_not_used(front: Front, name: str) -> None:
    front.account = ("someone", "password")
    front.given = {"/token": ("application/json", json.dumps({"token": "broken\n" + SECRET}).encode())}
    with client(front.address) as registry, pytest.raises(RegistryRefusedError) as caught:
        registry.get_digest(ImageReference(front.address, name, "one"))
    assert "broken" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "link",
    ["{path}?{query}", "http://elsewhere.invalid{path}?{query}", "http://elsewhere.invalid/?{query}", "?{query}"],
)
def test_every_page_of_tags_is_read(front: Front, place: Place, link: str) -> None:
    tags = [f"v{number}" for number in range(7)]
    place.put_image(*tags)
    front.page, front.next_page = 3, link
    with client(front.address) as registry:
        assert registry.get_tags(ImageReference(front.address, place.name)) == tuple(tags)
    assert len(front.requests) == 3


def test_what_a_link_asks_for_is_passed_on_as_it_is(front: Front, place: Place) -> None:
    place.put_image("v1", "v2")
    front.page, front.next_page = 1, "/v2/../elsewhere?{query}&cursor=a%2Fb%26c+%3D%C3%A9#part"
    with client(front.address) as registry:
        assert registry.get_tags(ImageReference(front.address, place.name)) == ("v1", "v2")
    assert front.requests[1] == f"GET /v2/{place.name}/tags/list?n=1&last=v1&cursor=a%2Fb%26c+%3D%C3%A9"


def test_pages_without_an_end_are_left(front: Front, place: Place) -> None:
    place.put_image("v1", "v2")
    front.page, front.next_page = 1, "{path}?n=1"
    with (
        client(front.address) as registry,
        pytest.raises(RegistryUnavailableError, match="too long or never ends"),
    ):
        registry.get_tags(ImageReference(front.address, place.name))


@pytest.mark.parametrize("fault", [429, 500, 502, 503, 0])
def test_passing_trouble_passes(front: Front, place: Place, fault: int, waits: list[float]) -> None:
    descriptor = place.put_image("one")
    front.faults = [fault] * 3
    with client(front.address) as registry:
        assert registry.get_digest(ImageReference(front.address, place.name, "one")) == descriptor["digest"]
    assert len(front.requests) == 4
    assert len(waits) == 3
    assert all(0 < wait <= 5 for wait in waits)


@pytest.mark.parametrize(
    ("retry_after", "least", "most"),
    [
        ("7", 7, 7),
        ("3600", 30, 30),
        (format_datetime(datetime.now(timezone.utc) + timedelta(hours=1), usegmt=True), 30, 30),
        (format_datetime(datetime.now(timezone.utc) - timedelta(hours=1), usegmt=True), 0, 5),
        ("soon", 0, 5),
        ("-1", 0, 5),
        ("9" * 5000, 0, 5),
    ],
)
def test_a_registry_says_when_to_come_again(
    front: Front, name: str, retry_after: str, least: float, most: float, waits: list[float]
) -> None:
    front.faults, front.retry_after = [429, 503], retry_after
    with client(front.address) as registry:
        assert registry.get_digest(ImageReference(front.address, name, "one")) is None
    assert len(waits) == 2
    assert all(least <= wait <= most for wait in waits)


@pytest.mark.parametrize(
    ("fault", "said"), [(503, "HTTP status 503"), (429, "HTTP status 429"), (0, "disconnected")]
)
def test_lasting_trouble_is_said(front: Front, name: str, fault: int, said: str, waits: list[float]) -> None:
    front.faults = [fault] * 100
    with client(front.address) as registry, pytest.raises(RegistryUnavailableError, match=said) as caught:
        registry.check_push(ImageReference(front.address, name))
    assert f"the registry {front.address} cannot be used" in caught.value.message
    assert "reachable" in caught.value.hint
    assert len(front.requests) == 4
    assert len(waits) == 3


def test_a_circle_of_redirects_is_said(front: Front, place: Place, waits: list[float]) -> None:
    place.put_image("one")
    front.storage = front.address
    with client(front.address) as registry, pytest.raises(RegistryUnavailableError, match="redirected"):
        registry.get_labels(ImageReference(front.address, place.name, "one"))


def test_nobody_there(waits: list[float], name: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with client(address) as registry, pytest.raises(RegistryUnavailableError, match="refused"):
            registry.get_digest(ImageReference(address, name, "one"))


@pytest.mark.parametrize("status", [400, 404, 405])
def test_other_answers_are_told(front: Front, name: str, status: int) -> None:
    front.faults = [status]
    with client(front.address) as registry, pytest.raises(UserError, match=f"answered {status}"):
        registry.check_push(ImageReference(front.address, name))


def test_the_client_costs_nothing_until_it_is_used() -> None:
    program = "import sys, pixi_container.registry.client; print({'httpx', 'tenacity'} & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "set()"
