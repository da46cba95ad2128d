"""The push: what is on a registry afterwards, what is not sent twice, and what is left when it fails."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from pixi_container.application.application_image import ApplicationImage
from pixi_container.application.push import (
    Destination,
    PushedApplication,
    push_application,
    read_environment,
)
from pixi_container.environment.entries import EARLIEST
from pixi_container.environment.layer_tar import Compression
from pixi_container.environment.oci_layout import OciLayout
from pixi_container.errors import RegistryError, RegistryUnavailableError, UserError
from pixi_container.image.production_stage import ContextCopy, ProductionStage
from pixi_container.registry.reference import ImageReference
from pixi_container.registry.repository import ImageRepository, Registries
from tests.unit.registry.loopback import MANIFEST, SILENT, Loopback, digest_of, loopback_registry

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
ENVIRONMENT_LAYERS = [gzip.compress(f"layer {number}".encode() * 1000, mtime=0) for number in range(3)]
STAGE = ProductionStage(
    manifest_copies=(ContextCopy(("pixi.toml", "pixi.lock"), "/app/"),),
    include_copies=(ContextCopy(("src",), "/app/src"),),
    variables=(),
    expose=(),
    command=("bash",),
)


@pytest.fixture
def server(without_certificates: None) -> Iterator[Loopback]:
    """A registry with an environment's image: the tag ``env`` of ``lab/study``."""
    with loopback_registry() as server:
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["PATH=/usr/bin"], "Entrypoint": ["/app/entrypoint.sh"]},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(gzip.decompress(b)) for b in ENVIRONMENT_LAYERS]},
        }
        content = json.dumps(config).encode()
        for blob in (*ENVIRONMENT_LAYERS, content):
            server.blobs["lab/study"][digest_of(blob)] = blob
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "config", "digest": digest_of(content), "size": len(content)},
            "layers": [
                {"mediaType": GZIP, "digest": digest_of(blob), "size": len(blob)} for blob in ENVIRONMENT_LAYERS
            ],
        }
        server.put_manifest("lab/study", "env", json.dumps(manifest).encode())
        yield server


@pytest.fixture
def registries() -> Iterator[Registries]:
    with Registries(lambda _: None) as registries:
        yield registries


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    (folder / "src").mkdir(parents=True)
    for name in ("pixi.toml", "pixi.lock", "src/main.py", "src/secret.env"):
        (folder / name).write_text(f"{name}\n" * 500)
    (folder / ".dockerignore").write_text("**/*.env\n")
    return folder


@pytest.fixture
def temp(tmp_path: Path) -> Path:
    folder = tmp_path / "temp"
    folder.mkdir()
    return folder


def repository(server: Loopback, registries: Registries, name: str = "lab/study") -> ImageRepository:
    return ImageRepository(registries, ImageReference(server.address, name))


def image(context: Path, store: ImageRepository, compression: Compression = "gzip") -> ApplicationImage:
    return ApplicationImage(
        environment=read_environment(store, "env"),
        context=context,
        stage=STAGE,
        labels=(("a", "b"),),
        annotations=(),
        epoch=1_700_000_000,
        compression=compression,
    )


def push(made: ApplicationImage, temp: Path, *destinations: Destination) -> PushedApplication:
    pushed = push_application(made, destinations, env={"RUNNER_TEMP": str(temp)})
    assert list(temp.iterdir()) == []
    return pushed


def plain(blob: bytes) -> bytes:
    if blob.startswith(b"\x1f\x8b"):
        return gzip.decompress(blob)
    return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(blob)).read()


def manifest_of(server: Loopback, name: str, tag: str) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(server.manifests[name][tag][1])
    return manifest


def check_whole(server: Loopback, name: str) -> None:
    """Fail if a tag names a manifest whose blobs are not there."""
    for tag in server.tags(name):
        manifest = manifest_of(server, name, tag)
        wanted = {blob["digest"] for blob in [manifest["config"], *manifest["layers"]]}
        assert wanted <= server.blobs[name].keys(), tag


def test_every_tag_points_to_the_image_and_the_environment_s_layers_are_not_asked_for(
    server: Loopback, registries: Registries, context: Path, temp: Path
) -> None:
    store = repository(server, registries)
    pushed = push(image(context, store), temp, Destination(store=store, tags=("1.0", "latest")))
    assert server.tags("lab/study") == {"env", "1.0", "latest"}
    for tag in ("1.0", "latest"):
        media_type, content = server.manifests["lab/study"][tag]
        assert (media_type, digest_of(content)) == (MANIFEST, pushed.digest)
    manifest = manifest_of(server, "lab/study", "latest")
    assert manifest["config"]["digest"] == pushed.config
    config = json.loads(server.blobs["lab/study"][pushed.config])
    assert config["config"]["Labels"] == {"a": "b"}
    blobs = [server.blobs["lab/study"][layer["digest"]] for layer in manifest["layers"]]
    assert [digest_of(gzip.decompress(blob)) for blob in blobs] == config["rootfs"]["diff_ids"]
    assert blobs[:3] == ENVIRONMENT_LAYERS
    assert pushed.uploaded == sum(map(len, blobs[3:]))
    for blob in ENVIRONMENT_LAYERS:
        assert server.count(digest_of(blob)) == 0
    check_whole(server, "lab/study")


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_each_copy_is_a_layer_with_root_s_folders(
    server: Loopback, registries: Registries, context: Path, temp: Path, compression: Compression
) -> None:
    store = repository(server, registries)
    push(image(context, store, compression), temp, Destination(store=store, tags=("1",)))
    names = []
    for layer in manifest_of(server, "lab/study", "1")["layers"][3:]:
        assert layer["mediaType"].endswith(f"+{compression}")
        with tarfile.open(fileobj=io.BytesIO(plain(server.blobs["lab/study"][layer["digest"]]))) as tar:
            members = tar.getmembers()
        assert {(each.uid, each.gid, each.uname, each.gname) for each in members} == {(0, 0, "", "")}
        assert (members[0].name, members[0].mode, members[0].mtime) == ("app", 0o755, EARLIEST)
        names.append([member.name for member in members])
    assert names == [["app", "app/pixi.lock", "app/pixi.toml"], ["app", "app/src", "app/src/main.py"]]


def test_the_same_files_are_the_same_image_and_nothing_is_sent_again(
    server: Loopback, registries: Registries, context: Path, temp: Path
) -> None:
    store = repository(server, registries)
    first = push(image(context, store), temp, Destination(store=store, tags=("1",)))
    uploads = server.count("POST")
    second = push(image(context, store), temp, Destination(store=store, tags=("2",)))
    assert (second.digest, second.config, second.uploaded) == (first.digest, first.config, 0)
    assert server.count("POST") == uploads
    (context / "src/main.py").write_text("changed\n")
    third = push(image(context, store), temp, Destination(store=store, tags=("3",)))
    before, after = (manifest_of(server, "lab/study", tag)["layers"] for tag in ("1", "3"))
    assert [a == b for a, b in zip(after, before, strict=True)] == [True, True, True, True, False]
    assert third.uploaded == after[-1]["size"]


@pytest.mark.parametrize("mounts", [True, False])
def test_another_repository_gets_the_same_image_with_the_environment_s_layers(
    server: Loopback, registries: Registries, context: Path, temp: Path, mounts: bool
) -> None:
    server.mounts = mounts
    store, other = repository(server, registries), repository(server, registries, "lab/copy")
    pushed = push(
        image(context, store),
        temp,
        Destination(store=store, tags=("1",)),
        Destination(store=other, tags=("1", "latest"), environment=store),
    )
    assert server.tags("lab/copy") == {"1", "latest"}
    assert manifest_of(server, "lab/copy", "1") == manifest_of(server, "lab/study", "1")
    assert digest_of(server.manifests["lab/copy"]["latest"][1]) == pushed.digest
    assert server.count("mount=") == 3
    check_whole(server, "lab/copy")


@pytest.mark.slow
def test_another_registry_and_a_folder_get_the_same_image(
    server: Loopback, registries: Registries, context: Path, temp: Path, tmp_path: Path
) -> None:
    store, layout = repository(server, registries), OciLayout(tmp_path / "layout")
    with loopback_registry() as elsewhere:
        other = repository(elsewhere, registries, "lab/copy")
        pushed = push(
            image(context, store),
            temp,
            Destination(store=other, tags=("1",), environment=store),
            Destination(store=layout, tags=("1",), environment=store),
        )
        check_whole(elsewhere, "lab/copy")
        assert elsewhere.tags("lab/copy") == {"1"}
    manifest = layout.get_manifest("1")
    assert manifest is not None
    assert manifest.digest == pushed.digest
    assert all(layout.has(blob.digest) for blob in manifest.layers)
    assert server.tags("lab/study") == {"env"}


def test_an_upload_that_breaks_off_is_repeated(
    server: Loopback, registries: Registries, context: Path, temp: Path
) -> None:
    store = repository(server, registries)
    server.faults += [("PUT .*blobs/uploads", 0), ("POST ", 500), ("PUT .*manifests", 429)]
    push(image(context, store), temp, Destination(store=store, tags=("1",)))
    assert server.faults == []
    check_whole(server, "lab/study")


@pytest.mark.slow
@pytest.mark.parametrize("request_", ["POST ", "PUT .*blobs/uploads", "mount="])
def test_a_failure_leaves_no_tag_and_no_file(
    server: Loopback, registries: Registries, context: Path, temp: Path, request_: str
) -> None:
    store, other = repository(server, registries), repository(server, registries, "lab/copy")
    made = image(context, store)
    server.faults += [(request_, 500)] * 100
    server.mounts = request_ == "mount="
    with pytest.raises(RegistryUnavailableError):
        push_application(
            made,
            [
                Destination(store=store, tags=("1",)),
                Destination(store=other, tags=("1",), environment=store),
            ],
            env={"RUNNER_TEMP": str(temp)},
        )
    assert (server.tags("lab/study"), server.tags("lab/copy")) == ({"env"}, set())
    assert list(temp.iterdir()) == []


def test_an_upload_that_gets_no_answer_holds_up_no_error(
    server: Loopback, registries: Registries, context: Path, temp: Path
) -> None:
    store = repository(server, registries)
    server.faults = [("PUT .*uploads", SILENT), ("PUT .*uploads", 403)]
    start = time.monotonic()
    with pytest.raises(UserError):
        push(image(context, store), temp, Destination(store=store, tags=("main",)))
    assert time.monotonic() - start < 4.5
    assert "main" not in server.tags("lab/study")
    assert list(temp.iterdir()) == []


def test_a_file_that_cannot_be_copied_is_said_before_anything_is_sent(
    server: Loopback, registries: Registries, context: Path, temp: Path
) -> None:
    store = repository(server, registries)
    (context / "src/.wh.main.py").write_text("")
    with pytest.raises(UserError, match=r"\.wh\."):
        push(image(context, store), temp, Destination(store=store, tags=("1",)))
    assert list(temp.iterdir()) == []
    assert server.count("POST|PUT") == 0


def test_an_environment_that_is_gone_is_an_error(server: Loopback, registries: Registries) -> None:
    with pytest.raises(RegistryError, match="'env-gone' does not exist"):
        read_environment(repository(server, registries), "env-gone")
