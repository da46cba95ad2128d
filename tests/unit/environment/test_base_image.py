"""The base image of a platform: read from a tag, a digest or an index."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pixi_container.environment.base_image import bashrc, read_base_image, stored_layers
from pixi_container.environment.image_config import BaseImage
from pixi_container.environment.shared_work import SharedWork
from pixi_container.errors import RegistryError
from pixi_container.registry.blobs import Parts
from pixi_container.registry.reference import digest_of
from tests.unit.environment.memory_repository import MemoryRepository, put_base

INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture
def repository() -> MemoryRepository:
    made = MemoryRepository("lab/base")
    put_base(made)
    return made


def put_index(repository: MemoryRepository, *platforms: str) -> None:
    """Put an index, in which the image of each platform has that as its author."""
    children = []
    for platform in platforms:
        system, _, architecture = platform.partition("/")
        manifest = repository.put_image(f"of-{architecture}", {"author": platform, "rootfs": {"diff_ids": []}})
        children.append(
            {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": digest_of(manifest),
                "size": len(manifest),
                "platform": {"os": system, "architecture": architecture},
            }
        )
    content = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}).encode()
    repository.put_manifest("many", content, INDEX)


def test_a_base_has_a_tag_or_a_digest(repository: MemoryRepository) -> None:
    by_tag = read_base_image(repository, "1", "linux/amd64")
    digest = digest_of(repository.manifests["1"][1])
    assert read_base_image(repository, digest, "linux/amd64") == by_tag
    assert by_tag.fields == {"architecture": "amd64", "os": "linux"}


def test_an_index_gives_the_image_of_the_platform(repository: MemoryRepository) -> None:
    put_index(repository, "linux/amd64", "linux/arm64")
    assert read_base_image(repository, "many", "linux/arm64").fields["author"] == "linux/arm64"
    assert read_base_image(repository, "many", "linux/amd64").fields["author"] == "linux/amd64"
    with pytest.raises(RegistryError, match=r"^there is no image ghcr\.io/lab/base:many for linux/ppc64le$"):
        read_base_image(repository, "many", "linux/ppc64le")


@pytest.mark.parametrize(("name", "shown"), [("2", ":2"), (digest_of(b""), f"@{digest_of(b'')}")])
def test_a_base_that_is_not_there_is_named_as_it_is_asked_for(
    repository: MemoryRepository, name: str, shown: str
) -> None:
    with pytest.raises(RegistryError) as caught:
        read_base_image(repository, name, "linux/amd64")
    assert caught.value.message == f"there is no image ghcr.io/lab/base{shown} for linux/amd64"


def test_layers_that_registries_do_not_keep_are_left_where_they_are() -> None:
    foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    base = BaseImage(
        config={},
        layers=(
            {"digest": "sha256:1", "size": 5, "mediaType": "x"},
            {"digest": "sha256:2", "size": "6", "mediaType": foreign, "urls": ["https://host/x"]},
            {"digest": "sha256:3", "size": 7, "mediaType": foreign, "urls": []},
            {"digest": "sha256:4", "size": 8, "mediaType": foreign, "urls": "https://host/x"},
            {"digest": "sha256:5", "size": 9},
        ),
    )
    stored = stored_layers(base)
    assert [(layer.digest[7:], layer.size, layer.media_type) for layer in stored] == [
        ("1", 5, "x"),
        ("3", 7, foreign),
        ("4", 8, foreign),
        ("5", 9, ""),
    ]


def noting() -> tuple[list[bytes], Callable[[Iterator[bytes]], Parts]]:
    """Return what passes parts on, and the list that gets each of them."""
    passed: list[bytes] = []

    def through(parts: Iterator[bytes]) -> Parts:
        for part in parts:
            passed.append(part)
            yield part

    return passed, through


def test_the_start_up_file_is_read_through_what_may_stop_it(repository: MemoryRepository) -> None:
    base = read_base_image(repository, "1", "linux/amd64")
    passed, through = noting()
    entry = bashrc(base, repository, through)
    assert entry
    assert (b"".join(entry.content), entry.mode, entry.path) == (b"echo base\n", 0o755, "etc/bash.bashrc")
    assert passed


def test_environments_of_one_step_read_the_start_up_file_once(
    repository: MemoryRepository, tmp_path: Path
) -> None:
    base = read_base_image(repository, "1", "linux/amd64")
    passed, through = noting()
    shared = SharedWork(tmp_path / "shared")
    first, again = (bashrc(base, repository, through, shared) for _ in range(2))
    assert first == again
    assert again
    assert (b"".join(again.content), again.mode) == (b"echo base\n", 0o755)
    assert passed
    seen = len(passed)
    other = replace(base, layers=(*base.layers, *base.layers))
    assert bashrc(other, repository, through, shared) == first
    assert len(passed) > seen, "another base is another file"
