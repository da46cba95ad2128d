"""A layer in the cache: what is believed of it, what is asked once, and what trouble is told."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pixi_container.environment import layer_cache
from pixi_container.environment.catalogue import MEDIA_TYPE, PackageFiles
from pixi_container.environment.clobbers import PathTable
from pixi_container.environment.image_config import KEY_ANNOTATION
from pixi_container.environment.known_layers import MOST_CATALOGUE_BYTES, KnownLayers
from pixi_container.environment.layer_cache import DIFF_ID_ANNOTATION, LayerCache, cache_tag
from pixi_container.environment.layer_keys import KeyedLayer
from pixi_container.environment.layer_making import MadeLayer
from pixi_container.environment.layer_tar import MEDIA_TYPES
from pixi_container.environment.oci_layout import OciLayout
from pixi_container.errors import RegistryError, RegistryRefusedError, RegistryUnavailableError
from pixi_container.registry.blobs import Parts
from tests.unit.environment.memory_repository import MemoryRepository, made_layer

FILES = {"conda:a": PackageFiles("id of a", PathTable("conda:a", ("lib/a",)))}
IDENTITIES = {"conda:a": "id of a", "conda:b": "id of b"}


@pytest.fixture
def repository() -> MemoryRepository:
    return MemoryRepository("lab/layers")


@pytest.fixture
def made(tmp_path: Path) -> MadeLayer:
    return made_layer(tmp_path, "own-a", FILES)


def unchanged(parts: Parts) -> Parts:
    return parts


def cache_in(repository: MemoryRepository, compression: Any = "gzip", *, writes: bool = True) -> LayerCache:  # noqa: ANN401
    return LayerCache(repository, compression, IDENTITIES, writes=writes)


def filled(repository: MemoryRepository, made: MadeLayer) -> None:
    """Add a layer, which is in another repository of the registry."""
    target = MemoryRepository("lab/study")
    target.blobs[made.layer.digest] = made.file.read_bytes()
    cache_in(repository).add(made, target, unchanged)


def keyed(made: MadeLayer, *packages: str) -> KeyedLayer:
    return KeyedLayer(made.name, made.key, packages or tuple(made.packages))


def test_a_layer_comes_back_as_it_was_made(repository: MemoryRepository, made: MadeLayer) -> None:
    filled(repository, made)
    known = cache_in(repository).look_up([keyed(made)])
    assert known == KnownLayers({made.key: made.layer}, FILES)
    assert cache_in(repository).look_up([KeyedLayer("own-a", "another key", ("conda:a",))]) == KnownLayers()
    assert cache_in(repository, "zstd").look_up([keyed(made)]) == KnownLayers()


def test_a_tag_is_one_that_every_registry_takes() -> None:
    tags = {cache_tag(key, kind) for key in ("a", "b" * 64) for kind in MEDIA_TYPES}
    assert len(tags) == 4
    assert all(re.fullmatch(r"layer-[0-9a-f]{40}", tag) for tag in tags)


def test_a_layer_is_a_manifest_of_its_own(repository: MemoryRepository, made: MadeLayer) -> None:
    filled(repository, made)
    document = repository.document(cache_tag(made.key, "gzip"))
    layer, catalogue = document["layers"]
    assert layer == {
        "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
        "digest": made.layer.digest,
        "size": made.layer.size,
        "annotations": {KEY_ANNOTATION: made.key, DIFF_ID_ANNOTATION: made.layer.diff_id},
    }
    assert (catalogue["mediaType"], document["schemaVersion"]) == (MEDIA_TYPE, 2)
    assert document["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert document["config"]["mediaType"] == "application/vnd.oci.empty.v1+json"
    blobs = (document["config"], *document["layers"])
    assert {blob["digest"]: blob["size"] for blob in blobs} == {
        digest: len(content) for digest, content in repository.blobs.items()
    }


def first(**fields: object) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["layers"][0].update(fields)


def annotated(name: str, value: str) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["layers"][0]["annotations"].update({name: value})


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(annotated(KEY_ANNOTATION, "0" * 64), id="another key"),
        pytest.param(first(annotations={}), id="no key"),
        pytest.param(annotated(DIFF_ID_ANNOTATION, "sha256:x"), id="a diff id that is none"),
        pytest.param(first(mediaType="application/vnd.oci.image.layer.v1.tar+zstd"), id="another compression"),
        pytest.param(first(mediaType="application/vnd.oci.image.layer.v1.tar"), id="no compression"),
        pytest.param(lambda document: document.update(layers=[]), id="no layer"),
        pytest.param(lambda document: document["layers"].pop(), id="no catalogue"),
        pytest.param(lambda document: document["layers"].append(document["layers"][1]), id="one more layer"),
        pytest.param(lambda document: document["layers"].reverse(), id="another order"),
        pytest.param(
            lambda document: document["layers"][1].update(size=MOST_CATALOGUE_BYTES + 1), id="a huge catalogue"
        ),
    ],
)
def test_what_this_program_would_not_have_written_is_not_believed(
    repository: MemoryRepository, made: MadeLayer, change: Callable[[dict[str, Any]], object]
) -> None:
    filled(repository, made)
    repository.change(cache_tag(made.key, "gzip"), change)
    cache = cache_in(repository)
    assert cache.look_up([keyed(made)]) == KnownLayers()
    assert cache.notes == ()


@pytest.mark.parametrize(
    "packages", [("conda:b",), ("conda:a", "conda:b")], ids=["another package", "one more package"]
)
def test_a_layer_with_other_packages_is_not_taken(
    repository: MemoryRepository, made: MadeLayer, packages: tuple[str, ...]
) -> None:
    filled(repository, made)
    assert cache_in(repository).look_up([keyed(made, *packages)]) == KnownLayers()


def test_a_layer_with_another_package_of_the_same_name_is_not_taken(
    repository: MemoryRepository, made: MadeLayer
) -> None:
    filled(repository, made)
    other = LayerCache(repository, "gzip", {"conda:a": "another id"}, writes=False)
    assert other.look_up([keyed(made)]) == KnownLayers()


def test_each_layer_is_asked_for_once(repository: MemoryRepository, made: MadeLayer) -> None:
    cache = cache_in(repository)
    assert cache.look_up([]) == KnownLayers()
    assert cache.look_up([keyed(made)]) == KnownLayers()
    filled(repository, made)
    repository.calls.clear()
    assert cache.look_up([keyed(made)]) == KnownLayers()
    assert repository.calls == []
    assert cache_in(repository).look_up([keyed(made)]).layers


def test_a_job_that_may_not_write_adds_nothing(repository: MemoryRepository, made: MadeLayer) -> None:
    cache_in(repository, writes=False).add(made, MemoryRepository(), unchanged)
    assert (repository.calls, repository.manifests) == ([], {})


@pytest.mark.parametrize("mounts", [True, False])
def test_a_layer_is_uploaded_where_the_registry_does_not_mount_it(
    repository: MemoryRepository, made: MadeLayer, mounts: bool
) -> None:
    repository.mounts = mounts
    through = []

    def counted(parts: Parts) -> Parts:
        for part in parts:
            through.append(part)
            yield part

    target = MemoryRepository("lab/study")
    target.blobs[made.layer.digest] = made.file.read_bytes()
    cache_in(repository).add(made, target, counted)
    assert ("mount" in repository.calls, bool(through)) == (True, not mounts)
    assert repository.blobs[made.layer.digest] == made.file.read_bytes()


def test_a_layer_of_another_registry_or_a_folder_is_uploaded(made: MadeLayer, tmp_path: Path) -> None:
    for target in (MemoryRepository(registry="quay.io"), OciLayout(tmp_path / "layout")):
        repository = MemoryRepository("lab/layers")
        cache_in(repository).add(made, target, unchanged)
        assert "mount" not in repository.calls
        assert repository.blobs[made.layer.digest] == made.file.read_bytes()


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (RegistryUnavailableError("it is down"), "the layer cache ghcr.io/lab/layers cannot be read: it is down"),
        (RegistryRefusedError("no access"), "the layer cache ghcr.io/lab/layers cannot be read: no access"),
        (RegistryError("odd content"), ""),
        (ValueError("odd content"), ""),
    ],
)
def test_trouble_with_reading_is_told_once_and_not_tried_again(
    repository: MemoryRepository, made: MadeLayer, error: Exception, note: str
) -> None:
    filled(repository, made)
    repository.troubles["get_manifest"] = error
    cache = cache_in(repository)
    assert cache.look_up([keyed(made)]) == KnownLayers()
    assert cache.notes == ((note,) if note else ())
    repository.troubles.clear()
    other = KeyedLayer("own-b", "another key", ())
    repository.calls.clear()
    assert cache.look_up([other]) == KnownLayers()
    assert bool(repository.calls) is not bool(note)
    cache.add(made, MemoryRepository(registry="quay.io"), unchanged)
    assert "put_manifest" in repository.calls, "it may be written nevertheless"


@pytest.mark.parametrize("method", ["mount", "put", "put_manifest"])
def test_trouble_with_writing_is_told_and_not_tried_again(
    repository: MemoryRepository, made: MadeLayer, method: str
) -> None:
    repository.troubles[method] = RegistryRefusedError("no permission")
    cache = cache_in(repository)
    target = MemoryRepository("lab/study")
    target.blobs[made.layer.digest] = made.file.read_bytes()
    cache.add(made, target, unchanged)
    assert cache.notes == ("the layer cache ghcr.io/lab/layers cannot be written: no permission",)
    repository.calls.clear()
    cache.add(made, target, unchanged)
    assert repository.calls == []
    cache.look_up([keyed(made)])
    assert repository.calls == ["get_manifest"], "it may be read nevertheless"


def test_a_cache_that_takes_too_long_is_left_alone(
    repository: MemoryRepository, made: MadeLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_cache, "_SECONDS", 0.0)
    monkeypatch.setattr(repository, "get_manifest", lambda _: time.sleep(0.02))
    cache = cache_in(repository)
    assert cache.look_up([keyed(made)]) == KnownLayers()
    assert cache.notes == (
        "the layer cache ghcr.io/lab/layers cannot be read: it did not answer within 0 seconds",
    )
