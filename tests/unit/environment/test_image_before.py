"""What of the image before is used again: its layers of the same kind, and packages that are the same still."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pixi_container.environment.catalogue import PackageFiles
from pixi_container.environment.clobbers import PathTable
from pixi_container.environment.entries import PathEntry
from pixi_container.environment.image_config import KEY_ANNOTATION
from pixi_container.environment.known_layers import (
    MOST_CATALOGUE_BYTES,
    KnownLayers,
    put_catalogue,
    read_image_before,
)
from pixi_container.environment.layer_making import MadeLayer, _unwritten
from pixi_container.environment.start_check import check_annotations
from pixi_container.registry.reference import digest_of
from tests.unit.environment.memory_repository import MemoryRepository, made_layer

CHECKED = digest_of(b"checked")
FILES = {name: PackageFiles(f"id of {name}", PathTable(name, (f"lib/{name}",))) for name in ("conda:a", "pypi:b")}
IDENTITIES = {"conda:a": "id of conda:a", "pypi:b": "another id"}


@pytest.fixture
def layer(tmp_path: Path) -> MadeLayer:
    return made_layer(tmp_path, "own-a", FILES)


@pytest.fixture
def store(layer: MadeLayer) -> MemoryRepository:
    """A repository with an image of one layer of ours on a base of one, and its catalogue."""
    made = MemoryRepository()
    ours, base = layer.file.read_bytes(), b"base"
    config = {"rootfs": {"diff_ids": [digest_of(base), layer.layer.diff_id]}}
    made.put_image("env", config, base, ours, kind="+gzip")

    def annotate(manifest: dict[str, Any]) -> None:
        manifest["layers"][1]["annotations"] = {KEY_ANNOTATION: layer.key}
        manifest["annotations"] = check_annotations("check key", CHECKED)

    made.change("env", annotate)
    put_catalogue(made, "env", FILES)
    return made


def test_its_layers_packages_and_check_are_known(store: MemoryRepository, layer: MadeLayer) -> None:
    known = read_image_before(store, "env", "gzip", IDENTITIES)
    assert known.layers == {layer.key: layer.layer}
    assert known.files == {"conda:a": FILES["conda:a"]}
    assert known.checks == {"check key": CHECKED}


def test_the_catalogue_is_an_artifact_beside_it(store: MemoryRepository) -> None:
    document = store.document("env-paths")
    (blob,) = document["layers"]
    assert document["artifactType"] == blob["mediaType"] == "application/vnd.pixi-container.paths.v2+json+xz"
    assert len(store.blobs[blob["digest"]]) == blob["size"]
    assert (document["schemaVersion"], document["config"]["size"]) == (2, 2)
    assert store.blobs[document["config"]["digest"]] == b"{}"


@pytest.mark.parametrize("tag", ["", "other"])
def test_without_an_image_before_nothing_is_known(store: MemoryRepository, tag: str) -> None:
    store.calls.clear()
    assert read_image_before(store, tag, "gzip", IDENTITIES) == KnownLayers()
    assert ("get_manifest" in store.calls) == bool(tag)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda manifest: manifest["layers"][1].pop("annotations"), id="no key"),
        pytest.param(
            lambda manifest: manifest["layers"][1].update(mediaType="application/vnd.oci.image.layer.v1.tar"),
            id="no compression",
        ),
        pytest.param(
            lambda manifest: manifest["layers"][1].update(mediaType="application/vnd.oci.image.layer.v1.tar+zstd"),
            id="another compression",
        ),
        pytest.param(lambda manifest: manifest["layers"].pop(0), id="diff ids of other layers"),
    ],
)
def test_a_layer_that_is_not_ours_is_not_used(
    store: MemoryRepository, layer: MadeLayer, change: Callable[[dict[str, Any]], object]
) -> None:
    store.change("env", change)
    assert read_image_before(store, "env", "gzip", IDENTITIES).layers.get(layer.key) != layer.layer


@pytest.mark.parametrize(
    "config",
    [{}, [], "text", None, {"rootfs": 1}, {"rootfs": {"diff_ids": None}}, {"rootfs": {"diff_ids": ["x", "y"]}}],
)
def test_an_odd_configuration_tells_of_no_layer(store: MemoryRepository, config: object) -> None:
    descriptor = store.add(json.dumps(config).encode(), "config")
    store.change("env", lambda manifest: manifest.update(config=descriptor))
    assert read_image_before(store, "env", "gzip", IDENTITIES).layers == {}


@pytest.mark.parametrize(("size", "is_read"), [(4 << 20, True), ((4 << 20) + 1, False)])
def test_a_configuration_has_a_largest_size(store: MemoryRepository, size: int, is_read: bool) -> None:
    content = store.blobs[store.document("env")["config"]["digest"]].ljust(size)
    store.change("env", lambda manifest: manifest.update(config=store.add(content, "config")))
    assert bool(read_image_before(store, "env", "gzip", IDENTITIES).layers) is is_read


def test_without_a_catalogue_layers_are_known_and_packages_are_not(store: MemoryRepository) -> None:
    del store.manifests["env-paths"]
    known = read_image_before(store, "env", "gzip", IDENTITIES)
    assert (len(known.layers), known.files) == (1, {})


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.update(layers=[]),
        lambda manifest: manifest["layers"][0].update(size=MOST_CATALOGUE_BYTES + 1),
    ],
)
def test_an_odd_catalogue_is_not_read(store: MemoryRepository, change: Callable[[dict[str, Any]], object]) -> None:
    store.change("env-paths", change)
    known = read_image_before(store, "env", "gzip", IDENTITIES)
    assert (len(known.layers), known.files) == (1, {})


def test_a_broken_catalogue_makes_the_image_nobody_s(store: MemoryRepository) -> None:
    broken = store.add(b"garbage", "x")
    store.change("env-paths", lambda manifest: manifest.update(layers=[broken]))
    assert read_image_before(store, "env", "gzip", IDENTITIES) == KnownLayers()


def test_a_file_of_two_parts_of_a_namespace_is_written_once() -> None:
    read: list[str] = []

    def content(name: str) -> Any:  # noqa: ANN401
        read.append(name)
        yield b"x"

    written: set[str] = set()
    first = [PathEntry("lib", "directory"), PathEntry("lib/same", content=content("first")), PathEntry("lib/a")]
    second = [PathEntry("lib", "directory"), PathEntry("lib/same", content=content("second")), PathEntry("lib/b")]
    assert [entry.path for entry in _unwritten(first, written)] == ["lib", "lib/same", "lib/a"]
    assert [entry.path for entry in _unwritten(second, written)] == ["lib", "lib/b"]
    assert read == ["second"], "an archive is read in order"


def test_the_bytes_of_a_layer_can_be_read_again(layer: MadeLayer) -> None:
    assert b"".join(layer.parts()) == b"".join(layer.parts()) == layer.file.read_bytes()
    assert digest_of(layer.file.read_bytes()) == layer.layer.digest
