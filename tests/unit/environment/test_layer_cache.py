"""A repository of layers by key: what others made is neither downloaded nor made again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pixi_container.environment import layer_cache
from pixi_container.environment.environment_image import EnvironmentImage, Published
from pixi_container.environment.image_config import KEY_ANNOTATION
from pixi_container.environment.layer_cache import DIFF_ID_ANNOTATION
from pixi_container.environment.oci_layout import OciLayout
from pixi_container.environment.publish import publish
from pixi_container.registry.reference import ImageReference
from pixi_container.registry.repository import ImageRepository
from tests.unit.environment.archives import Item, Made, package
from tests.unit.environment.publishing import PREFIX, Place, image_of
from tests.unit.registry.loopback import SILENT, Loopback, digest_of, loopback_registry

CACHE = "lab/layers"


def publish_to(
    place: Place,
    image: EnvironmentImage,
    repository: str,
    *,
    writes: bool = False,
    cache: str | None = CACHE,
    server: Loopback | None = None,
) -> Published:
    def named(name: str, at: Loopback = place.server) -> ImageRepository:
        return ImageRepository(place.registries, ImageReference(at.address, name))

    return publish(
        image,
        named(repository),
        named("base"),
        env={"RUNNER_TEMP": str(place.folder)},
        cache=named(cache, server or place.server) if cache else None,
        cache_writes=writes,
    )


def without_archives(packages: list[Made]) -> None:
    for made in packages:
        made.archive.unlink()


@pytest.mark.slow
def test_a_new_repository_takes_the_layers_of_others(place: Place, packages: list[Made]) -> None:
    image = image_of(*packages)
    alone = publish_to(place, image, "lab/alone", cache=None)
    first = publish_to(place, image, "lab/study", writes=True)
    without_archives(packages)
    uploads = place.server.count("^PUT .*uploads")
    second = publish_to(place, image, "lab/new")
    assert second.made == ("rest",)
    assert second.digest == first.digest == alone.digest
    assert (second.progress.downloaded, second.progress.to_download, second.notes) == (0, 0, ())
    assert (second.progress.packages, second.progress.of) == (4, 4)
    assert place.server.count("^PUT .*uploads") == uploads + 4, "of the last layer, and small ones"
    held = place.server.blobs["lab/new"]
    manifest = json.loads(place.server.manifests["lab/new"]["env-default"][1])
    assert {layer["digest"] for layer in manifest["layers"]} <= held.keys()


def test_a_build_that_may_not_write_leaves_the_cache_alone(place: Place, packages: list[Made]) -> None:
    done = publish_to(place, image_of(*packages), "lab/study")
    assert (place.server.blobs[CACHE], place.server.manifests[CACHE], done.notes) == ({}, {}, ())


@pytest.mark.slow
def test_clobbers_with_packages_of_the_cache_are_seen(place: Place, tmp_path: Path) -> None:
    one, other = (
        package(tmp_path / "channel", name, [Item("lib/same.txt", name.encode())]) for name in ("one", "other")
    )
    image = image_of(one, other)
    first = publish_to(place, image, "lab/first", writes=True)
    without_archives([one, other])
    done = publish_to(place, image, "lab/study")
    assert (done.made, done.digest) == (("rest",), first.digest)
    tree = place.tree()
    assert tree[f"{PREFIX[1:]}/lib/same.txt"] == b"other"
    assert tree[f"{PREFIX[1:]}/__clobbers__/one/lib/same.txt"] == b"one"


@pytest.mark.slow
def test_only_what_is_missing_is_made(place: Place, packages: list[Made], tmp_path: Path) -> None:
    publish_to(place, image_of(*packages), "lab/first", writes=True)
    more = package(tmp_path / "channel", "more", [Item("lib/more.txt", b"more")])
    image = image_of(*packages, more)
    without_archives(packages)
    done = publish_to(place, image, "lab/study", writes=True)
    assert sorted(done.made) == ["own-more", "rest"]
    more.archive.unlink()
    assert publish_to(place, image, "lab/third").made == ("rest",)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["layout", "registry", "no mounts"])
def test_layers_come_from_anywhere_and_go_anywhere(
    place: Place, packages: list[Made], tmp_path: Path, kind: str
) -> None:
    image = image_of(*packages)
    with loopback_registry() as other:
        place.server.mounts = kind != "no mounts"
        server = other if kind == "registry" else place.server
        first = publish_to(place, image, "lab/first", writes=True, server=server)
        assert len(server.tags(CACHE)) == len(packages) + 1, "a layer for each package, and that of the shells"
        without_archives(packages)
        if kind == "layout":
            cache, base = (
                ImageRepository(place.registries, ImageReference(place.server.address, name))
                for name in (CACHE, "base")
            )
            env = {"RUNNER_TEMP": str(place.folder)}
            done = publish(image, OciLayout(tmp_path / "layout"), base, env=env, cache=cache)
        else:
            done = publish_to(place, image, "lab/second", server=server)
    assert (done.made, done.digest, done.notes) == (("rest",), first.digest, ())


@pytest.mark.slow
def test_a_layout_gives_its_layers_to_the_cache(place: Place, packages: list[Made], tmp_path: Path) -> None:
    cache, base = (
        ImageRepository(place.registries, ImageReference(place.server.address, name)) for name in (CACHE, "base")
    )
    layout, env = OciLayout(tmp_path / "layout"), {"RUNNER_TEMP": str(place.folder)}
    image = image_of(*packages)
    first = publish(image, layout, base, env=env, cache=cache, cache_writes=True)
    without_archives(packages)
    assert publish_to(place, image, "lab/study").digest == first.digest


def change(**blob: object) -> Callable[[dict[str, Any]], None]:
    return lambda manifest: manifest["layers"][0].update(blob)


def annotate(**values: object) -> Callable[[dict[str, Any]], None]:
    names = {"key": KEY_ANNOTATION, "diff_id": DIFF_ID_ANNOTATION}
    return lambda manifest: manifest["layers"][0]["annotations"].update(
        {names[name]: value for name, value in values.items()}
    )


GARBAGE: dict[str, Callable[[dict[str, Any]], object]] = {
    "another key": annotate(key="0" * 64),
    "no key": lambda manifest: manifest["layers"][0].pop("annotations"),
    "a diff id that is none": annotate(diff_id="sha256:x"),
    "another compression": change(mediaType="application/vnd.oci.image.layer.v1.tar+zstd"),
    "a digest that is none": change(digest="x"),
    "no layers": lambda manifest: manifest.update(layers=[]),
    "another's catalogue": lambda manifest: manifest["layers"].reverse(),
    "a huge catalogue": lambda manifest: manifest["layers"][1].update(size=1 << 39),
    "a layer that is gone": change(digest=digest_of(b"gone")),
    "an index": lambda manifest: manifest.update(mediaType="application/vnd.oci.image.index.v1+json"),
    "something else": lambda manifest: manifest.update(mediaType="text/plain"),
}


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=pytest.mark.slow) for kind in GARBAGE])
def test_garbage_in_the_cache_changes_nothing(place: Place, packages: list[Made], kind: str) -> None:
    image = image_of(*packages)
    first = publish_to(place, image, "lab/first", writes=True)
    for tag in place.server.tags(CACHE):
        manifest = json.loads(place.server.manifests[CACHE][tag][1])
        GARBAGE[kind](manifest)
        place.server.put_manifest(CACHE, tag, json.dumps(manifest).encode())
    done = publish_to(place, image, "lab/study")
    assert done.digest == first.digest
    assert set(done.made) == set(first.made)
    place.tree()


@pytest.mark.slow
def test_catalogues_of_other_packages_are_not_believed(place: Place, packages: list[Made]) -> None:
    image = image_of(*packages)
    publish_to(place, image, "lab/first", writes=True)
    manifests = {tag: json.loads(place.server.manifests[CACHE][tag][1]) for tag in place.server.tags(CACHE)}
    catalogues = [manifest["layers"][1] for manifest in manifests.values()]
    for (tag, manifest), catalogue in zip(manifests.items(), [*catalogues[1:], catalogues[0]], strict=True):
        manifest["layers"][1] = catalogue
        place.server.put_manifest(CACHE, tag, json.dumps(manifest).encode())
    assert set(publish_to(place, image, "lab/study").made) > {"own-alpha", "own-beta", "own-gamma", "own-hooked"}


@pytest.mark.parametrize("status", [401, pytest.param(500, marks=pytest.mark.slow)])
def test_a_cache_that_cannot_be_read_is_noted(place: Place, packages: list[Made], status: int) -> None:
    place.server.faults = [(f"GET .*{CACHE}/manifests", status)] * 99
    done = publish_to(place, image_of(*packages), "lab/study")
    (note,) = done.notes
    assert note.startswith(f"the layer cache {place.server.address}/{CACHE} cannot be read: the registry")
    assert place.tree()


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_is_noted(place: Place, packages: list[Made]) -> None:
    place.server.faults = [(f"PUT .*{CACHE}/manifests", 403)] * 99
    done = publish_to(place, image_of(*packages), "lab/study", writes=True)
    (note,) = done.notes
    assert f"{CACHE} cannot be written: the registry" in note
    assert place.tree()


@pytest.mark.slow
def test_a_cache_that_does_not_answer_is_not_waited_for(
    place: Place, packages: list[Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_cache, "_SECONDS", 0.5)
    place.server.faults = [(f"GET .*{CACHE}/manifests", SILENT)] * 99
    start = time.monotonic()
    done = publish_to(place, image_of(*packages), "lab/study")
    assert time.monotonic() - start < 5
    (note,) = done.notes
    assert "did not answer" in note
    assert place.tree()
