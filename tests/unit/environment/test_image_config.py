"""Configuration and manifest of an environment's image: what comes from the base, and what is set."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pixi_container.environment.image_config import (
    KEY_ANNOTATION,
    ImageLayer,
    Settings,
    UnfitBaseError,
    configuration,
    image_manifest,
    read_base,
)
from pixi_container.environment.layer_tar import LayerBlob
from pixi_container.errors import RegistryError

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
HISTORY = [{"created_by": "ADD"}, {"created_by": "ENV", "empty_layer": True}]
LAYER = ImageLayer("own-python", "key 1", LayerBlob(GZIP, "sha256:bb", 7, "sha256:dd"))
SETTINGS = Settings(
    prefix="/app/.pixi/envs/default",
    workdir="/app",
    variables=(("CONDA_PREFIX", "/app/.pixi/envs/default"), ("LANG", "C.UTF-8")),
    labels={"a": "new", "c": "3"},
)


def base(settings: dict[str, Any] | None = None, media_type: str = GZIP, **config: object) -> tuple[bytes, bytes]:
    document = {
        "architecture": "arm64",
        "variant": "v8",
        "os": "linux",
        "config": settings or {},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:d1"]},
        "history": HISTORY,
        **config,
    }
    layer = {"mediaType": media_type, "digest": "sha256:b1", "size": 5}
    return json.dumps(document).encode(), json.dumps({"layers": [layer]}).encode()


def configured(settings: dict[str, Any] | None = None, history: object = HISTORY) -> dict[str, Any]:
    content = configuration(read_base(*base(settings, history=history)), [LAYER], SETTINGS).content
    document: dict[str, Any] = json.loads(content)
    return document


def test_what_a_container_is_started_with() -> None:
    settings = configured(
        {
            "Env": ["LANG=de_DE", "PATH=/usr/bin:/bin", "EMPTY=", "EQUALS=a=b"],
            "Cmd": ["sh"],
            "Entrypoint": ["/old"],
            "WorkingDir": "/",
            "User": "1000",
            "ExposedPorts": {"80/tcp": {}},
            "Labels": {"a": "old", "b": "2"},
        }
    )["config"]
    assert settings == {
        "Env": [
            "LANG=C.UTF-8",
            "PATH=/app/.pixi/envs/default/bin:/usr/bin:/bin",
            "EMPTY=",
            "EQUALS=a=b",
            "CONDA_PREFIX=/app/.pixi/envs/default",
            "BASH_ENV=/app/.pixi/activate.sh",
        ],
        "Entrypoint": ["/app/entrypoint.sh"],
        "WorkingDir": "/app",
        "User": "1000",
        "ExposedPorts": {"80/tcp": {}},
        "Labels": {"a": "new", "b": "2", "c": "3"},
    }


@pytest.mark.parametrize("settings", [{}, {"Env": None, "Labels": None}])
def test_a_base_that_sets_nothing_has_the_usual_path(settings: dict[str, Any]) -> None:
    env = configured(settings)["config"]["Env"]
    usual = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert env[0] == f"PATH=/app/.pixi/envs/default/bin:{usual}"


def test_platform_layers_and_history_go_on_from_those_of_the_base() -> None:
    config = configured()
    assert (config["os"], config["architecture"], config["variant"]) == ("linux", "arm64", "v8")
    assert config["rootfs"] == {"type": "layers", "diff_ids": ["sha256:d1", "sha256:dd"]}
    assert [entry["created_by"] for entry in config["history"]] == [
        "ADD",
        "ENV",
        "pixi-container: layer own-python",
    ]


@pytest.mark.parametrize("history", [None, [], [{"created_by": "1"}, {"created_by": "2"}]])
def test_a_history_always_has_one_entry_for_each_layer(history: object) -> None:
    assert [entry["created_by"] for entry in configured(history=history)["history"]] == [
        "base image",
        "pixi-container: layer own-python",
    ]


@pytest.mark.parametrize(
    ("media_type", "converted"),
    [
        (GZIP, GZIP),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", GZIP),
        ("application/vnd.docker.image.rootfs.diff.tar", "application/vnd.oci.image.layer.v1.tar"),
        (
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        ),
    ],
)
def test_the_manifest_is_of_one_kind_and_has_the_keys(media_type: str, converted: str) -> None:
    image = read_base(*base(media_type=media_type))
    config = configuration(image, [LAYER], SETTINGS)
    manifest = json.loads(image_manifest(image, [LAYER], config, {"note": "1"}).content)
    assert manifest == {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": config.digest,
            "size": len(config.content),
        },
        "layers": [
            {"mediaType": converted, "digest": "sha256:b1", "size": 5},
            {"mediaType": GZIP, "digest": "sha256:bb", "size": 7, "annotations": {KEY_ANNOTATION: "key 1"}},
        ],
        "annotations": {"note": "1"},
    }
    assert "annotations" not in json.loads(image_manifest(image, [LAYER], config, {}).content)


def test_bases_that_need_a_builder_are_refused() -> None:
    with pytest.raises(UnfitBaseError, match=r"^the base image has instructions .*ONBUILD"):
        read_base(*base({"OnBuild": ["RUN true"]}))
    image = read_base(*base(media_type="application/vnd.docker.image.rootfs.diff.tar.xz"))
    with pytest.raises(UnfitBaseError, match=r"diff\.tar\.xz"):
        image_manifest(image, [], configuration(image, [], SETTINGS), {})


@pytest.mark.parametrize(
    ("config", "manifest"),
    [
        (b"[]", base()[1]),
        (b"{", base()[1]),
        (base()[0], b"{}"),
        (base()[0], b'{"layers": []}'),
        (base(rootfs=None)[0], base()[1]),
    ],
)
def test_a_base_whose_parts_do_not_fit_is_an_error(config: bytes, manifest: bytes) -> None:
    with pytest.raises(RegistryError, match="the base image cannot be read"):
        read_base(config, manifest)
