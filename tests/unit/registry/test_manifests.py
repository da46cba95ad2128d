"""Manifests as registries give them: what is read of them, and what is refused, at the limits too."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pixi_container.errors import RegistryError, RegistryUnavailableError
from pixi_container.registry.client import Descriptor, ImageManifest, Registry, parse_manifest
from pixi_container.registry.reference import ImageReference

STUDY = ImageReference("r.example", "lab/study", "one")
OCI, DOCKER = "application/vnd.oci.image.", "application/vnd.docker.distribution.manifest."
INDEX, MANIFEST, LAYER = f"{OCI}index.v1+json", f"{OCI}manifest.v1+json", f"{OCI}layer.v1.tar+gzip"
CONFIG: dict[str, Any] = {"digest": f"sha256:{'c' * 64}", "size": 7, "mediaType": f"{OCI}config.v1+json"}
ONE: dict[str, Any] = {"digest": f"sha256:{'1' * 64}", "size": 1, "mediaType": MANIFEST}


def parsed(document: dict[str, Any], media_type: str = "") -> ImageManifest:
    return parse_manifest(json.dumps(document).encode(), media_type, "sha256:d", STUDY)


def refused(document: dict[str, Any], media_type: str = "") -> str:
    with pytest.raises(RegistryError) as caught:
        parsed(document, media_type)
    return caught.value.message


def image(**more: object) -> dict[str, Any]:
    return {"mediaType": MANIFEST, "config": CONFIG, "layers": [], **more}


def test_an_image_has_a_configuration_and_layers() -> None:
    layer: dict[str, Any] = {"digest": f"sha256:{'2' * 64}", "size": 2**40, "mediaType": LAYER}
    document = image(layers=[layer])
    manifest = parsed(document)
    assert manifest == ImageManifest(
        name="r.example/lab/study",
        digest="sha256:d",
        media_type=MANIFEST,
        content=json.dumps(document).encode(),
        config=Descriptor(digest=CONFIG["digest"], size=7, media_type=CONFIG["mediaType"]),
        layers=(Descriptor(digest=layer["digest"], size=2**40, media_type=LAYER),),
    )
    assert not manifest.is_index


def test_an_index_has_children_with_all_that_is_said_of_them() -> None:
    child = {
        **ONE,
        "platform": {"os": "linux", "architecture": "arm", "variant": "v7"},
        "artifactType": "application/x",
        "annotations": {"a": "b", "n": None},
        "urls": ["https://a.example"],
    }
    manifest = parsed({"mediaType": INDEX, "manifests": [child]})
    assert manifest.is_index
    assert manifest.children == (
        Descriptor(
            digest=ONE["digest"],
            size=1,
            media_type=MANIFEST,
            platform="linux/arm/v7",
            artifact_type="application/x",
            annotations={"a": "b", "n": ""},
            urls=("https://a.example",),
        ),
    )
    assert (manifest.config, manifest.layers) == (None, ())


@pytest.mark.parametrize(
    ("in_document", "in_header", "kind"),
    [
        (INDEX, "", INDEX),
        ("", f" {INDEX.upper()} ; charset=utf-8", INDEX),
        (None, f"{DOCKER}list.v2+json", f"{DOCKER}list.v2+json"),
        (f"{DOCKER}list.v2+json", MANIFEST, f"{DOCKER}list.v2+json"),
        ("", MANIFEST, MANIFEST),
        (f"{DOCKER}v2+json", "", f"{DOCKER}v2+json"),
    ],
)
def test_the_kind_is_in_the_document_or_else_in_the_header(
    in_document: str | None, in_header: str, kind: str
) -> None:
    manifest = parsed({**image(), "mediaType": in_document, "manifests": []}, in_header)
    assert manifest.media_type == kind
    assert manifest.is_index is (kind in {INDEX, f"{DOCKER}list.v2+json"})


@pytest.mark.parametrize(
    ("kind", "shown"), [("text/html", "text/html"), (7, "not a string"), (f"{DOCKER}v1+json", f"{DOCKER}v1+json")]
)
def test_another_kind_is_refused(kind: object, shown: str) -> None:
    assert refused(image(mediaType=kind)) == f"{STUDY} has an unsupported media type: {shown}"


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (7, "an entry is not an object"),
        ({**ONE, "digest": None}, "'' is not a digest"),
        ({**ONE, "digest": 7}, "a value is not a string"),
        ({**ONE, "digest": "sha256:" + "g" * 90}, f"'sha256:{'g' * 73}' is not a digest"),
        *(
            ({**ONE, "size": size}, f"the size of {ONE['digest']} is missing or not valid")
            for size in (None, "1", True, -1, 2**40 + 1, 1.0)
        ),
        ({**ONE, "platform": []}, "a value is not an object"),
        ({**ONE, "platform": {"os": 7}}, "a value is not a string"),
        ({**ONE, "mediaType": []}, "a value is not a string"),
        ({**ONE, "artifactType": []}, "a value is not a string"),
        ({**ONE, "annotations": []}, "a value is not an object"),
        ({**ONE, "annotations": {"a": 7}}, "a value is not a string"),
        ({**ONE, "urls": "https://a.example"}, "a value is not an array"),
        ({**ONE, "urls": [7]}, "a value is not a string"),
    ],
)
def test_an_entry_that_is_not_valid_is_refused(entry: object, problem: str) -> None:
    assert refused(image(layers=[entry])) == f"the manifest of {STUDY} is not valid: {problem}"


def test_an_image_without_a_configuration_is_refused() -> None:
    assert "is not valid: an entry is not an object" in refused(image(config=None))
    assert "is not valid: a value is not an array" in refused(image(layers={}))
    with pytest.raises(RegistryUnavailableError, match="did not return a JSON object"):
        parse_manifest(b"[]", MANIFEST, "", STUDY)


def test_a_manifest_has_a_thousand_entries() -> None:
    assert len(parsed(image(layers=[ONE] * 1000)).layers) == 1000
    assert refused(image(layers=[ONE] * 1001)) == f"the manifest of {STUDY} has more than 1000 entries"


def test_what_no_output_can_encode_is_replaced() -> None:
    layer = {**ONE, "mediaType": "\ud800a", "annotations": {"\ud800": "\udfff"}, "urls": ["\ud800"]}
    (entry,) = parsed(image(layers=[layer])).layers
    assert (entry.media_type, entry.annotations, entry.urls) == ("?a", {"?": "?"}, ("?",))


@pytest.mark.parametrize(
    ("platforms", "asked", "chosen"),
    [
        (("linux/amd64", "linux/arm64"), "linux/arm64", 1),
        (("linux/arm/v6", "linux/arm/v7"), "linux/arm/v7", 1),
        (("linux/arm64/v8", "linux/amd64"), "linux/arm64", 0),
        (("linux/arm64", "linux/amd64"), "linux/arm", None),
        (("linux/arm64",), "linux/amd64", 0),
        (("linux/arm64", "unknown/unknown"), "linux/amd64", 0),
        ((), "linux/amd64", None),
    ],
)
def test_the_image_of_a_platform(platforms: tuple[str, ...], asked: str, chosen: int | None) -> None:
    children = tuple(
        Descriptor(digest=str(number), size=1, media_type=MANIFEST, platform=platform)
        for number, platform in enumerate(platforms)
    )
    index = ImageManifest(name="", digest="", media_type=INDEX, content=b"", children=children)
    assert index.child(asked) == (None if chosen is None else children[chosen])


def test_what_an_entry_is() -> None:
    layer = Descriptor(digest="", size=1, media_type=LAYER)
    assert (layer.is_manifest, layer.is_attestation, layer.is_nondistributable) == (False, False, False)
    for kind in (INDEX, MANIFEST, f"{DOCKER}list.v2+json", f"{DOCKER}v2+json"):
        assert Descriptor(digest="", size=1, media_type=kind).is_manifest
    attested = {"vnd.docker.reference.type": "attestation-manifest"}
    assert Descriptor(digest="", size=1, media_type=MANIFEST, annotations=attested).is_attestation
    assert Descriptor(digest="", size=1, media_type=MANIFEST, platform="unknown/unknown").is_attestation
    for kind in (
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        f"{OCI}layer.nondistributable.v1.tar",
    ):
        assert Descriptor(digest="", size=1, media_type=kind, urls=("https://a",)).is_nondistributable
        assert not Descriptor(digest="", size=1, media_type=kind).is_nondistributable
    assert not Descriptor(digest="", size=1, media_type=LAYER, urls=("https://a",)).is_nondistributable


def test_a_copy_has_five_thousand_parts() -> None:
    part = Descriptor(digest="new", size=1, media_type=LAYER)
    copied = {str(number) for number in range(4999)}
    Registry._mark_copied(part, copied, STUDY)
    assert len(copied) == 5000
    with pytest.raises(RegistryError, match=f"{STUDY} refers to more than 5000 manifests and blobs"):
        Registry._mark_copied(Descriptor(digest="newer", size=1, media_type=LAYER), copied, STUDY)


def test_indexes_are_nested_eight_levels_deep() -> None:
    empty = ImageManifest(name="", digest="", media_type=INDEX, content=b"")
    with Registry(lambda _: None) as registry:
        registry._copy_content(empty, STUDY, STUDY, set(), depth=8)
        with pytest.raises(RegistryError, match=f"{STUDY} nests image indexes more than 8 levels deep"):
            registry._copy_content(empty, STUDY, STUDY, set(), depth=9)
