"""Which layers go where when an application is pushed, on repositories in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pixi_container.application.application_image import ApplicationImage
from pixi_container.application.push import Destination, push_application, read_environment
from pixi_container.errors import RegistryError, RegistryRefusedError, UserError
from pixi_container.image.production_stage import ContextCopy, ProductionStage
from pixi_container.registry.reference import digest_of
from tests.unit.environment.memory_repository import MemoryRepository

FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
CONFIG = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"diff_ids": ["sha256:1", "sha256:2"]}}
STAGE = ProductionStage(
    manifest_copies=(ContextCopy(("pixi.toml",), "/app/"),),
    include_copies=(ContextCopy(("src",), "/app/src"),),
    variables=(),
    expose=(),
    command=("bash",),
)


@pytest.fixture
def store() -> MemoryRepository:
    """A repository with an environment of two layers."""
    made = MemoryRepository()
    made.put_image("env", CONFIG, b"one", b"two")
    made.calls.clear()
    return made


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    (folder / "src").mkdir(parents=True)
    for name in ("pixi.toml", "src/main.py"):
        (folder / name).write_text(name)
    return folder


def push(context: Path, environment: MemoryRepository, *destinations: Destination) -> Any:  # noqa: ANN401
    image = ApplicationImage(
        environment=read_environment(environment, "env"),
        context=context,
        stage=STAGE,
        labels=(),
        annotations=(),
        epoch=0,
        compression="gzip",
    )
    temp = context.parent / "temp"
    temp.mkdir()
    try:
        return push_application(image, destinations, env={"RUNNER_TEMP": str(temp)})
    finally:
        assert list(temp.iterdir()) == []


def test_beside_the_environment_only_what_is_on_top_is_uploaded(store: MemoryRepository, context: Path) -> None:
    before = set(store.blobs)
    pushed = push(context, store, Destination(store=store, tags=("1", "latest")))
    manifest = store.document("1")
    own = [layer["digest"] for layer in manifest["layers"][2:]]
    assert set(store.blobs) - before == {*own, pushed.config}
    assert pushed.uploaded == sum(layer["size"] for layer in manifest["layers"][2:])
    assert list(store.manifests) == ["env", "1", "latest"]
    assert digest_of(store.manifests["latest"][1]) == pushed.digest
    assert "take" not in store.calls


def test_elsewhere_the_environment_s_layers_are_taken_over(store: MemoryRepository, context: Path) -> None:
    other = MemoryRepository("lab/copy")
    pushed = push(context, store, Destination(store=other, tags=("1",), environment=store))
    manifest = other.document("1")
    assert {layer["digest"] for layer in manifest["layers"]} | {pushed.config} == set(other.blobs)
    assert other.calls.count("take") == 2


def test_a_layer_that_an_environment_has_twice_is_taken_once(context: Path) -> None:
    store, other = MemoryRepository(), MemoryRepository("lab/copy")
    store.put_image("env", CONFIG, b"same", b"same")
    push(context, store, Destination(store=other, tags=("1",), environment=store))
    assert other.calls.count("take") == 1


@pytest.mark.parametrize(("urls", "taken"), [(["https://host/x"], 1), ([], 2)])
def test_a_layer_that_registries_do_not_keep_is_left_out(
    store: MemoryRepository, context: Path, urls: list[str], taken: int
) -> None:
    store.change("env", lambda manifest: manifest["layers"][0].update(mediaType=FOREIGN, urls=urls))
    other = MemoryRepository("lab/copy")
    push(context, store, Destination(store=other, tags=("1",), environment=store))
    assert other.calls.count("take") == taken


def test_what_every_store_lacked_is_counted(store: MemoryRepository, context: Path) -> None:
    other = MemoryRepository("lab/copy")
    pushed = push(
        context,
        store,
        Destination(store=store, tags=("1",)),
        Destination(store=other, tags=("1",), environment=store),
    )
    own = sum(layer["size"] for layer in store.document("1")["layers"][2:])
    assert pushed.uploaded == 2 * own


@pytest.mark.parametrize("method", ["take", "put"])
def test_no_store_has_a_tag_unless_all_have_the_layers(
    store: MemoryRepository, context: Path, method: str
) -> None:
    other = MemoryRepository("lab/copy")
    other.troubles[method] = RegistryRefusedError("no permission")
    destinations = Destination(store=store, tags=("1",)), Destination(store=other, tags=("1",), environment=store)
    with pytest.raises(RegistryRefusedError):
        push(context, store, *destinations)
    assert (list(store.manifests), list(other.manifests)) == (["env"], [])


def test_an_environment_that_is_gone_is_named_with_what_may_be_the_reason(store: MemoryRepository) -> None:
    with pytest.raises(RegistryError, match=r"^the environment's image 'gone' does not exist") as caught:
        read_environment(store, "gone")
    assert "while this run used it?" in caught.value.hint
    index = "application/vnd.oci.image.index.v1+json"
    content = f'{{"schemaVersion": 2, "mediaType": "{index}", "manifests": []}}'.encode()
    store.put_manifest("many", content, index)
    with pytest.raises(RegistryError, match=r"^the environment's image 'many' is an index"):
        read_environment(store, "many")


def test_what_docker_ignores_is_not_copied(store: MemoryRepository, context: Path) -> None:
    (context / ".dockerignore").write_text("src\n")
    with pytest.raises(UserError, match="'src' is in the checkout but not in the build context"):
        push(context, store, Destination(store=store, tags=("1",)))
    assert list(store.manifests) == ["env"]
