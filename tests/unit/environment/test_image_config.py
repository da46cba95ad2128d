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
    document,
    image_manifest,
    read_base,
)
from pixi_container.environment.layer_tar import LayerBlob
from pixi_container.errors import RegistryError
from pixi_container.registry.reference import digest_of

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


@pytest.mark.parametrize("name", ["architecture", "os", "os.version", "os.features", "variant", "author"])
def test_platform_and_author_are_those_of_the_base(name: str) -> None:
    content, manifest = base()
    config = json.dumps({**json.loads(content), name: "told"}).encode()
    assert json.loads(configuration(read_base(config, manifest), [], SETTINGS).content)[name] == "told"
    assert "container" not in json.loads(configuration(read_base(*base(container="x")), [], SETTINGS).content)


def test_an_image_is_always_of_the_same_time() -> None:
    assert configured()["created"] == "1980-01-01T00:00:00Z"
    assert configured()["rootfs"]["type"] == "layers"
    made = [entry.get("created") for entry in configured(history=None)["history"]]
    assert made == ["1980-01-01T00:00:00Z"] * 2
    assert configured(history=[{"created": "2000", "created_by": "x"}])["history"][0]["created"] == "2000"


def test_the_base_s_command_is_taken_away_with_its_escaping() -> None:
    settings = configured({"Cmd": ["sh"], "ArgsEscaped": True, "StopSignal": "SIGINT", "Volumes": {"/x": {}}})
    assert settings["config"].keys() == {"StopSignal", "Volumes", "Env", "Entrypoint", "WorkingDir", "Labels"}


def test_an_image_without_labels_has_none() -> None:
    bare = Settings(prefix="/p", workdir="/w", variables=())
    config = json.loads(configuration(read_base(*base()), [], bare).content)["config"]
    assert config == {
        "Env": [
            "PATH=/p/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "BASH_ENV=/w/.pixi/activate.sh",
        ],
        "Entrypoint": ["/w/entrypoint.sh"],
        "WorkingDir": "/w",
    }


@pytest.mark.parametrize(
    "odd",
    [
        base({"Env": "A=1"}),
        base({"Env": [1]}),
        base({"Labels": ["a"]}),
        base({"ExposedPorts": ["80"]}),
        base(history={}),
        base(rootfs={"diff_ids": "sha256:d1"}),
        base(rootfs={"diff_ids": [1]}),
    ],
)
def test_a_configuration_of_other_types_is_refused(odd: tuple[bytes, bytes]) -> None:
    with pytest.raises(RegistryError, match="the base image cannot be read"):
        read_base(*odd)


def test_a_configuration_that_does_not_fit_the_layers_is_told() -> None:
    config, _ = base()
    two = json.dumps({"layers": [{}, {}]}).encode()
    with pytest.raises(RegistryError, match=r"its configuration is of other layers than its manifest$"):
        read_base(config, two)


def test_a_zstd_layer_of_docker_is_one_of_oci() -> None:
    image = read_base(*base(media_type="application/vnd.docker.image.rootfs.diff.tar.zstd"))
    manifest = json.loads(image_manifest(image, [], configuration(image, [], SETTINGS), {}).content)
    assert manifest["layers"][0]["mediaType"] == "application/vnd.oci.image.layer.v1.tar+zstd"


def test_a_document_is_one_line_of_json_in_utf_8() -> None:
    made = document("a/b", {"ä": [1, {"b": None}]})
    assert made.content == '{"ä":[1,{"b":null}]}'.encode()
    assert made.descriptor == {"mediaType": "a/b", "digest": digest_of(made.content), "size": len(made.content)}


def test_an_odd_base_is_named_without_a_package() -> None:
    assert str(UnfitBaseError("has x")) == "the base image has x"
