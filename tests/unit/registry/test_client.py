"""The client and a registry: what it reads is what its digest says, and a tag is put with all that it needs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pixi_container.errors import RegistryError, RegistryRefusedError, RegistryUnavailableError
from pixi_container.registry.client import PublishedImage, Registry
from pixi_container.registry.reference import ImageReference
from tests.unit.loopback import Reply, Request, as_json
from tests.unit.registry_server import OCI_INDEX, OCI_LAYER, PASSWORD, RegistryServer, digest_of

ABSENT = f"sha256:{'0' * 64}"


def put_index(server: RegistryServer, repository: str, *tags: str, **platforms: str) -> dict[str, Any]:
    """Put an index of an image for each platform, whose label ``for`` is its name, and an attestation."""
    children = []
    for name, platform in platforms.items():
        system, architecture, *variant = platform.split("/")
        parts = {"os": system, "architecture": architecture, **({"variant": variant[0]} if variant else {})}
        image = server.put_image(repository, labels={"for": name}, layers=(name.encode(),))
        children.append({**image, "platform": parts})
    attestation = {
        **server.put_image(repository, labels={"for": "nobody"}),
        "platform": {"os": "unknown", "architecture": "unknown"},
    }
    return server.put_manifest(repository, {"mediaType": OCI_INDEX, "manifests": [*children, attestation]}, *tags)


def test_an_image_as_the_registry_has_it(server: RegistryServer) -> None:
    image = server.put_image("lab/study", "one", labels={"a": "b"}, layers=(b"base", b"environment"))
    with server.client() as registry:
        reference = server.name().tagged("one")
        assert registry.get_digest(reference) == image["digest"]
        published = registry.get_image(reference)
        manifest = registry.get_manifest(reference)
    assert manifest
    assert manifest.config
    assert published == PublishedImage(image["digest"], manifest.config.digest, (4, 11))
    assert (manifest.name, manifest.is_index, manifest.children) == (f"{server.address}/lab/study", False, ())
    assert digest_of(manifest.content) == manifest.digest
    assert server.blobs["lab/study"][manifest.config.digest]


def test_what_is_not_there_is_none(server: RegistryServer) -> None:
    with server.client() as registry:
        for reference in (server.name().tagged("one"), server.name().pinned(ABSENT)):
            assert registry.get_digest(reference) is None
            assert registry.get_manifest(reference) is None
            assert registry.get_image(reference) is None
            assert registry.get_labels(reference) is None
            assert registry.get_tags(reference) == ()
            assert registry.get_referrers(reference) == ()


@pytest.mark.parametrize("tells_digests", [True, False])
def test_a_digest_is_of_the_bytes_also_where_the_registry_does_not_say(
    server: RegistryServer, tells_digests: bool
) -> None:
    image = server.put_image("lab/study", "one")
    server.tells_digests = tells_digests
    with server.client() as registry:
        assert registry.get_digest(server.name().tagged("one")) == image["digest"]
        assert registry.get_digest(server.name().pinned(image["digest"])) == image["digest"]
    assert ("GET" in {asked.split()[0] for asked in server.asked}) is not tells_digests


def test_other_bytes_than_the_digests_are_refused(server: RegistryServer) -> None:
    image = server.put_image("lab/study", "one", labels={"a": "b"})
    config = json.loads(server.manifests["lab/study"]["one"][1])["config"]["digest"]
    with server.client() as registry:
        server.blobs["lab/study"][config] += b" "
        with pytest.raises(RegistryError, match=f"content that does not match {config}"):
            registry.get_labels(server.name().tagged("one"))
        media_type, content = server.manifests["lab/study"]["one"]
        server.manifests["lab/study"][image["digest"]] = (media_type, content + b" ")
        with pytest.raises(RegistryError, match=f"content that does not match {image['digest']}"):
            registry.get_manifest(server.name().pinned(image["digest"]))
        # A tag has no digest of its own to be held to, and what the registry says has to be of what it gives.
        headers = {"content-type": media_type, "docker-content-digest": image["digest"]}
        server.interfere = lambda _: Reply(200, content + b" ", headers)
        with pytest.raises(RegistryError, match="content that does not match"):
            registry.get_manifest(server.name().tagged("one"))


@pytest.mark.parametrize(
    ("platforms", "asked", "expected"),
    [
        ({"intel": "linux/amd64", "arm": "linux/arm64"}, "linux/amd64", "intel"),
        ({"intel": "linux/amd64", "arm": "linux/arm64"}, "linux/arm64", "arm"),
        ({"old": "linux/arm64x", "arm": "linux/arm64/v8"}, "linux/arm64", "arm"),
        ({"intel": "linux/amd64", "arm": "linux/arm64"}, "linux/s390x", None),
        ({"arm": "linux/arm64"}, "linux/amd64", "arm"),
        ({}, "linux/amd64", None),
    ],
)
def test_labels_of_an_index_are_those_of_the_platforms_image(
    server: RegistryServer, platforms: dict[str, str], asked: str, expected: str | None
) -> None:
    put_index(server, "lab/study", "one", **platforms)
    with server.client() as registry:
        labels = registry.get_labels(server.name().tagged("one"), asked)
    assert labels == ({"for": expected} if expected else None)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [(None, {}), ({}, {}), ({"a": "b", "c": ""}, {"a": "b", "c": ""}), ({"a": 1, "b": "c"}, {"b": "c"})],
)
def test_labels(server: RegistryServer, labels: dict[str, object] | None, expected: dict[str, str]) -> None:
    server.put_image("lab/study", "one", labels=labels)
    with server.client() as registry:
        assert registry.get_labels(server.name().tagged("one")) == expected


def test_every_page_of_tags(server: RegistryServer) -> None:
    pages = {
        "n=1000": (["a", "b"], "n=2&last=b"),
        "n=2&last=b": (["c", "no tag!", 7], "n=2&last=c"),
        "n=2&last=c": (None, ""),
    }

    def answer(request: Request) -> Reply:
        tags, following = pages[request.target.partition("?")[2]]
        # Only the query of the link counts.
        link = f'<https://elsewhere.example/v2/x?{following}#part>; rel="next"' if following else None
        return as_json({"tags": tags}, link=link)

    server.interfere = answer
    with server.client() as registry:
        assert registry.get_tags(server.name()) == ("a", "b", "c")
    assert {request.path for request in server.server.requests} == {"/v2/lab/study/tags/list"}


def test_tags_that_are_no_list(server: RegistryServer) -> None:
    server.interfere = lambda _: as_json({"tags": "abc"})
    with (
        server.client() as registry,
        pytest.raises(RegistryUnavailableError, match="returned no valid list of the tags"),
    ):
        registry.get_tags(server.name())


def test_referrers_by_the_call_and_else_by_the_tag(server: RegistryServer) -> None:
    image = server.put_image("lab/study", "one")
    signature = {
        **server.put_image("lab/study", labels={"signature": "1"}),
        "artifactType": "application/signature",
        "annotations": {"by": "me"},
    }
    index = {"mediaType": OCI_INDEX, "manifests": [signature]}
    server.put_manifest("lab/study", index, image["digest"].replace(":", "-"))
    with server.client() as registry:
        (by_tag,) = registry.get_referrers(server.name().tagged("one"))
        assert (by_tag.digest, by_tag.artifact_type) == (signature["digest"], "application/signature")
        assert by_tag.annotations == {"by": "me"}

        def answer(request: Request) -> Reply | None:
            return as_json({"manifests": []}, content_type=OCI_INDEX) if "/referrers/" in request.path else None

        server.interfere = answer
        assert registry.get_referrers(server.name().tagged("one")) == (), "the call counts where there is one"


def test_a_push_is_tried_and_given_up(server: RegistryServer) -> None:
    with server.client() as registry:
        registry.check_push(server.name())
    assert [asked.partition("?")[0].rpartition("/")[0] for asked in server.asked] == [
        "POST /v2/lab/study/blobs/uploads",
        "DELETE /v2/lab/study/blobs/uploads",
    ]
    assert not server.uploads


def test_a_push_that_is_refused(server: RegistryServer) -> None:
    server.logs_in = server.only_pull = True
    with server.client(PASSWORD) as registry, pytest.raises(RegistryRefusedError) as caught:
        registry.check_push(server.name())
    assert f"denied permission to push to {server.address}/lab/study: user 'me'" in caught.value.message
    assert "missing permission: repository:lab/study:push" in caught.value.message
    assert "permission to push to this repository" in caught.value.hint


@pytest.mark.parametrize("reply", [Reply(405), Reply(500), Reply(404)])
def test_an_upload_that_cannot_be_given_up_is_no_trouble(server: RegistryServer, reply: Reply) -> None:
    server.interfere = lambda request: reply if request.method == "DELETE" else None
    with server.client() as registry:
        registry.check_push(server.name())
    assert [asked.split()[0] for asked in server.asked] == ["POST", "DELETE"]


def test_a_tag_in_the_same_repository_is_a_manifest_and_nothing_more(server: RegistryServer) -> None:
    image = server.put_image("lab/study", "one", layers=(b"layer",))
    before = server.manifests["lab/study"]["one"]
    with server.client() as registry:
        targets = [server.name().tagged("two"), server.name().tagged("one")]
        assert registry.tag(server.name().tagged("one"), targets) == image["digest"]
    assert server.manifests["lab/study"]["two"] == before
    assert server.written == ["PUT /v2/lab/study/manifests/two"], "a tag that is right is left alone"
    assert not any("/blobs/" in asked for asked in server.asked)


def test_a_tag_on_nothing(server: RegistryServer) -> None:
    with server.client() as registry, pytest.raises(RegistryError, match=r"the image .*:one does not exist"):
        registry.tag(server.name().tagged("one"), [server.name().tagged("two")])
    assert server.written == []


def everything(server: RegistryServer, repository: str) -> tuple[dict[str, bytes], dict[str, tuple[str, bytes]]]:
    return dict(server.blobs[repository]), dict(server.manifests[repository])


@pytest.mark.parametrize("mounts", [True, False])
@pytest.mark.parametrize("is_index", [True, False])
def test_a_tag_in_another_repository_has_all_that_it_refers_to(
    server: RegistryServer, mounts: bool, is_index: bool
) -> None:
    server.mounts = mounts
    if is_index:
        put_index(server, "lab/study", "one", intel="linux/amd64", arm="linux/arm64")
    else:
        server.put_image("lab/study", "one", layers=(b"a", b"b", b"a"))
    with server.client() as registry:
        registry.tag(server.name().tagged("one"), [server.name("lab/copy").tagged("one")])
    assert everything(server, "lab/copy") == everything(server, "lab/study")
    assert not server.uploads
    assert any("PUT" in asked and "/blobs/" in asked for asked in server.asked) is not mounts


def test_a_tag_in_another_registry(server: RegistryServer, other: RegistryServer) -> None:
    put_index(server, "lab/study", "one", intel="linux/amd64", arm="linux/arm64")
    with server.client() as registry:
        registry.tag(server.name().tagged("one"), [other.name().tagged("a"), other.name().tagged("b")])
        uploads = [asked for asked in other.asked if "PUT" in asked and "/blobs/" in asked]
        assert len(uploads) == len(server.blobs["lab/study"]), "each once, for both tags"
        assert not any("mount=" in asked for asked in other.asked)
        assert (
            other.digest("lab/study", "a") == other.digest("lab/study", "b") == server.digest("lab/study", "one")
        )
        assert everything(other, "lab/study")[0] == everything(server, "lab/study")[0]
        other.server.requests.clear()
        registry.tag(server.name().tagged("one"), [other.name("lab/study").tagged("a")])
    assert [asked.split()[0] for asked in other.asked] == ["HEAD"]


def test_what_is_there_is_not_copied_again(server: RegistryServer, other: RegistryServer) -> None:
    for place in (server, other):
        place.put_image("lab/study", "one", layers=(b"layer",))
    other.manifests["lab/study"].pop("one")
    other.put_blob("lab/more", b"layer")
    server.put_image("lab/more", "one", layers=(b"layer", b"new"))
    with server.client() as registry:
        registry.tag(server.name().tagged("one"), [other.name().tagged("two")])
        assert other.written == ["PUT /v2/lab/study/manifests/two"]
        other.server.requests.clear()
        registry.tag(server.name("lab/more").tagged("one"), [other.name("lab/more").tagged("one")])
    uploaded = [request.query["digest"][0] for request in other.server.requests if "digest" in request.query]
    assert digest_of(b"new") in uploaded
    assert digest_of(b"layer") not in uploaded


def test_a_layer_that_an_image_has_twice_is_copied_once(server: RegistryServer, other: RegistryServer) -> None:
    server.put_image("lab/study", "one", layers=(b"layer", b"other", b"layer"))
    with server.client() as registry:
        registry.tag(server.name().tagged("one"), [other.name().tagged("one")])
    asked = [each for each in other.asked if digest_of(b"layer").partition(":")[2] in each]
    other_asked = [each for each in other.asked if digest_of(b"other").partition(":")[2] in each]
    assert len(asked) == len(other_asked)


def test_a_layer_that_registries_do_not_keep_is_left_out(server: RegistryServer, other: RegistryServer) -> None:
    kind = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
    foreign = {"mediaType": kind, "digest": ABSENT, "size": 9, "urls": ["https://example.org/a"]}
    usual = server.put_blob("lab/study", b"layer", OCI_LAYER, urls=["https://example.org/b"])
    config = server.put_blob("lab/study", b"{}")
    image = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": [foreign, usual],
    }
    server.put_manifest("lab/study", image, "one")
    with server.client() as registry:
        registry.tag(server.name().tagged("one"), [other.name().tagged("one")])
    assert set(other.blobs["lab/study"]) == {usual["digest"], config["digest"]}


def test_an_incomplete_source_changes_nothing(server: RegistryServer, other: RegistryServer) -> None:
    index = put_index(server, "lab/study", "one", intel="linux/amd64")
    (child, *_) = json.loads(server.manifests["lab/study"][index["digest"]][1])["manifests"]
    del server.manifests["lab/study"][child["digest"]]
    with (
        server.client() as registry,
        pytest.raises(RegistryError, match=f"lists {child['digest']}, which does not exist"),
    ):
        registry.tag(server.name().tagged("one"), [other.name().tagged("one")])
    assert other.written == []


def test_a_blob_with_other_bytes_is_not_passed_on(server: RegistryServer, other: RegistryServer) -> None:
    server.put_image("lab/study", "one", layers=(b"layer",))
    server.blobs["lab/study"][digest_of(b"layer")] = b"Layer"
    with server.client() as registry, pytest.raises(RegistryError, match="content that does not match"):
        registry.tag(server.name().tagged("one"), [other.name().tagged("one")])
    assert digest_of(b"layer") not in other.blobs["lab/study"]
    assert other.tags("lab/study") == set()


def test_a_tag_that_somebody_else_moves_meanwhile(server: RegistryServer) -> None:
    image = server.put_image("lab/study", "one")
    theirs = server.put_image("lab/study", "theirs", labels={"by": "them"})

    def meanwhile(request: Request) -> Reply | None:
        if request.method != "PUT":
            return None
        server.manifests["lab/study"]["two"] = server.manifests["lab/study"]["theirs"]
        return Reply(201)

    server.interfere = meanwhile
    with server.client() as registry, pytest.raises(RegistryError) as caught:
        registry.tag(server.name().tagged("one"), [server.name().tagged("two")])
    expected = f"two points to {theirs['digest']} after this run set it to {image['digest']}"
    assert expected in caught.value.message
    assert "another run" in caught.value.hint


def test_a_mount_that_is_refused_is_a_copy(server: RegistryServer) -> None:
    server.put_image("lab/study", "one", layers=(b"layer",))

    def refuse(request: Request) -> Reply | None:
        return as_json({"errors": [{"code": "DENIED"}]}, 403) if "mount=" in request.target else None

    server.interfere = refuse
    with server.client() as registry:
        registry.tag(server.name().tagged("one"), [server.name("lab/copy").tagged("one")])
    assert everything(server, "lab/copy") == everything(server, "lab/study")


def test_an_upload_that_the_registry_forgets_is_opened_anew(server: RegistryServer, other: RegistryServer) -> None:
    server.put_image("lab/study", "one", layers=(b"layer",))
    forgotten: list[str] = []

    def forget(request: Request) -> Reply | None:
        if request.method == "PUT" and "/blobs/" in request.path and not forgotten:
            forgotten.append(request.target)
            return Reply(404)
        return None

    other.interfere = forget
    with server.client() as registry:
        registry.tag(server.name().tagged("one"), [other.name().tagged("one")])
    assert everything(other, "lab/study") == everything(server, "lab/study")
    assert forgotten


ENDLESS: dict[str, Callable[[Registry, ImageReference], object]] = {
    "tags": Registry.get_tags,
    "referrers": lambda registry, name: registry.get_referrers(name.pinned(ABSENT)),
}


@pytest.mark.parametrize("ask", ENDLESS.values(), ids=ENDLESS.keys())
def test_a_list_that_leads_to_itself_ends(
    server: RegistryServer, ask: Callable[[Registry, ImageReference], object]
) -> None:
    server.interfere = lambda request: as_json(
        {"tags": [], "manifests": []},
        content_type=OCI_INDEX,
        link=f"<{request.target.partition('?')[0]}?n=1>; rel=next",
    )
    with (
        server.client() as registry,
        pytest.raises(RegistryUnavailableError, match="that is too long or never ends"),
    ):
        ask(registry, server.name())
    assert len(server.asked) == 2
