"""Configuration and manifest of the application's image: the environment's, with the last stage on top."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from pixi_container.application.application_image import (
    ApplicationImage,
    application_configuration,
    application_image,
    application_manifest,
    exposed_ports,
)
from pixi_container.application.builder_need import needs_builder
from pixi_container.environment.image_config import BaseImage, read_base
from pixi_container.environment.layer_tar import LayerBlob
from pixi_container.errors import RegistryError, UserError
from pixi_container.image.base_images import choose_base_images
from pixi_container.image.definition import ImageDefinition, define_image
from pixi_container.image.files import read_image_files
from pixi_container.image.metadata import workspace_expressions
from pixi_container.image.own_dockerfile import own_dockerfile
from pixi_container.image.production_stage import ContextCopy, ProductionStage
from pixi_container.image.sources import Sources
from pixi_container.input_values import Healthcheck, Variable
from pixi_container.inputs import Inputs, parse_inputs
from pixi_container.runner.event import Event
from pixi_container.tags import facts_from
from pixi_container.workspace.workspace import read_workspace
from tests.unit.conftest import Folder

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
DATE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
LAYERS = [LayerBlob(GZIP, "sha256:b2", 7, "sha256:d2"), LayerBlob(GZIP, "sha256:b3", 8, "sha256:d3")]
STAGE = ProductionStage(
    manifest_copies=(ContextCopy(("pixi.toml", "pixi.lock"), "/app/"),),
    include_copies=(ContextCopy(("src",), "/app/src"),),
    variables=(("PIXI_PROJECT_VERSION", "1.2.0"),),
    expose=("8000",),
    command=("bash",),
)
EVENT = Event(name="push", ref="refs/heads/main", sha="0" * 40, repository="Lab/Study", actor="me", payload={})


def environment(**changes: object) -> BaseImage:
    config = {
        "architecture": "arm64",
        "variant": "v8",
        "os": "linux",
        "created": "1980-01-01T00:00:00Z",
        "config": {
            "Env": ["PATH=/app/bin", "PIXI_PROJECT_VERSION=old", "EQUALS=a=b"],
            "Entrypoint": ["/app/entrypoint.sh"],
            "WorkingDir": "/app",
            "Labels": {"a": "environment", "b": "environment"},
            "ExposedPorts": {"22/tcp": {}},
            "User": "1000",
        },
        "rootfs": {"type": "layers", "diff_ids": ["sha256:d1"]},
        "history": [{"created_by": "pixi-container: layer rest"}],
        "moby.buildkit.cache.v0": "of another build",
        **changes,
    }
    layer = {"mediaType": GZIP, "digest": "sha256:b1", "size": 5, "annotations": {"pixi-container.layer-key": "k"}}
    return read_base(json.dumps(config).encode(), json.dumps({"layers": [layer]}).encode())


IMAGE = ApplicationImage(
    environment=environment(),
    context=Path("/nowhere"),
    stage=STAGE,
    labels=(("b", "application"), ("c", "=x\n")),
    annotations=(("version", "1"),),
    epoch=1_700_000_000,
    compression="gzip",
)


def configured(image: ApplicationImage = IMAGE) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(application_configuration(image, LAYERS).content)
    return document


def test_a_container_is_started_with_the_environment_s_settings_and_those_of_the_last_stage() -> None:
    assert configured()["config"] == {
        "Env": ["PATH=/app/bin", "PIXI_PROJECT_VERSION=1.2.0", "EQUALS=a=b"],
        "Entrypoint": ["/app/entrypoint.sh"],
        "Cmd": ["bash"],
        "ArgsEscaped": True,
        "WorkingDir": "/app",
        "Labels": {"a": "environment", "b": "application", "c": "=x\n"},
        "ExposedPorts": {"22/tcp": {}, "8000/tcp": {}},
        "User": "1000",
    }


def test_the_rest_is_the_environment_s_platform_the_commit_s_time_and_all_layers() -> None:
    document = configured()
    history = document.pop("history")
    del document["config"]
    assert document == {
        "created": "2023-11-14T22:13:20Z",
        "architecture": "arm64",
        "variant": "v8",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": ["sha256:d1", "sha256:d2", "sha256:d3"]},
    }
    assert history[:3] == [
        {"created_by": "pixi-container: layer rest"},
        {"created": "2023-11-14T22:13:20Z", "created_by": "COPY pixi.toml pixi.lock /app/"},
        {"created": "2023-11-14T22:13:20Z", "created_by": "COPY src /app/src"},
    ]
    assert [entry["created_by"].partition(" ")[0] for entry in history[3:]] == ["ENV", "EXPOSE", "CMD"]
    assert all(entry["empty_layer"] for entry in history[3:])


def test_the_manifest_has_the_environment_s_layers_with_their_keys_below_the_others() -> None:
    config = application_configuration(IMAGE, LAYERS)
    manifest = json.loads(application_manifest(IMAGE, LAYERS, config).content)
    assert manifest["config"] == config.descriptor
    assert [layer["digest"] for layer in manifest["layers"]] == ["sha256:b1", "sha256:b2", "sha256:b3"]
    assert manifest["layers"][0]["annotations"] == {"pixi-container.layer-key": "k"}
    assert manifest["annotations"] == {"version": "1"}
    bare = replace(IMAGE, annotations=())
    assert "annotations" not in json.loads(application_manifest(bare, LAYERS, config).content)


def test_nothing_is_made_up_where_the_environment_has_no_settings() -> None:
    stage = ProductionStage(manifest_copies=(), include_copies=(), variables=(), expose=(), command=("python",))
    document = configured(replace(IMAGE, environment=environment(config=None), stage=stage, labels=()))
    assert document["config"] == {"Env": [], "Cmd": ["python"], "ArgsEscaped": True}


@pytest.mark.parametrize(
    "config", [{"Env": [1]}, {"Env": "PATH=/x"}, {"Labels": ["a"]}, {"ExposedPorts": ["80"]}, {"Env": {"a": "b"}}]
)
def test_a_configuration_of_wrong_types_is_an_error(config: dict[str, object]) -> None:
    with pytest.raises(RegistryError, match="cannot be read"):
        environment(config=config)


def test_ports_are_each_exposed_by_itself() -> None:
    given = ("8000", "53/udp", "6000-6002/sctp", "8000/tcp")
    assert exposed_ports(given) == ("8000/tcp", "53/udp", "6000/sctp", "6001/sctp", "6002/sctp")
    with pytest.raises(UserError, match="ends before it begins: 6010-6000"):
        exposed_ports(("6010-6000",))


def defined(folder: Folder, **texts: str) -> tuple[ImageDefinition, Inputs]:
    names = {key.replace("_", "-"): text for key, text in texts.items()}
    inputs = parse_inputs({"context": str(folder.path), **names})
    workspace = read_workspace(inputs, "linux/amd64")
    bases = choose_base_images(inputs, workspace)
    expressions = workspace_expressions(workspace, bases.pixi_version, bases.builder)
    facts = facts_from(EVENT, commit_date=DATE, now=DATE, expressions=expressions)
    files = read_image_files(workspace, inputs, bases.pixi_version)
    template = "FROM scratch\n" if inputs.template else ""
    sources = Sources(
        workspace=workspace,
        template=template,
        dockerfile=own_dockerfile("FROM a\n", inputs) if inputs.dockerfile else None,
    )
    return define_image(EVENT, inputs, sources, bases, facts, files), inputs


def test_a_definition_and_inputs_say_what_is_on_top(folder: Folder) -> None:
    definition, inputs = defined(folder, workdir="/work", command="python -m app", expose="80", compression="zstd")
    annotations = ("manifest:a=1=2", "index:b=3", "manifest-descriptor:c=4")
    made = application_image(definition, inputs, environment(), (("l", "m"),), annotations)
    assert made == ApplicationImage(
        environment=environment(),
        context=folder.path,
        stage=ProductionStage(
            manifest_copies=(ContextCopy(("pixi.toml", "pixi.lock"), "/work/"),),
            include_copies=(ContextCopy(("src",), "/work/src"),),
            variables=(("PIXI_PROJECT_VERSION", "1.2.0"),),
            expose=("80",),
            command=("python", "-m", "app"),
        ),
        labels=(("l", "m"),),
        annotations=(("a", "1=2"),),
        epoch=int(DATE.timestamp()),
        compression="zstd",
    )


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ({}, ""),
        ({"expose": "80", "command": "python"}, ""),
        ({"dockerfile": "Dockerfile"}, "only a builder can run the instructions of the input 'dockerfile'"),
        ({"template": "T"}, "only a builder can run the instructions of the input 'template'"),
        ({"test_command": "true"}, "only an engine can run the input 'test-command'"),
    ],
)
def test_a_builder_is_needed_for_instructions_and_tests_of_the_user_s_own(
    folder: Folder, texts: dict[str, str], reason: str
) -> None:
    definition, inputs = defined(folder, **texts)
    assert needs_builder(definition, inputs) == reason


def test_a_builder_is_needed_for_packages_from_source(folder: Folder) -> None:
    folder.write("pyproject.toml", '[project]\nname = "study"\nversion = "1"\n')
    folder.replace(
        "pixi.toml", "[activation.env]", '[pypi-dependencies]\nstudy = { path = "." }\n\n[activation.env]'
    )
    text = (folder.path / "pixi.lock").read_text()
    conda = "      - conda: https://conda.anaconda.org/conda-forge/linux-64/python-3.11.9-h1_0.conda\n"
    text = text.replace(conda, f"{conda}      - pypi: ./\n", 1)
    folder.write("pixi.lock", f"{text}- pypi: ./\n  name: study\n  version: '1'\n")
    definition, inputs = defined(folder)
    assert needs_builder(definition, inputs) == "packages of the environment have to be built from source"


def test_a_builder_is_needed_for_the_engine_s_own_copy_and_the_docker_way(folder: Folder) -> None:
    definition, inputs = defined(folder)
    assert needs_builder(definition, inputs, keep=True) == "the image is to be kept in an engine"
    way = "the package a is neither a .conda nor a .tar.bz2 file"
    assert needs_builder(definition, inputs, environment_needs_builder=way, keep=True) == way


def test_each_instruction_of_the_last_stage_is_in_the_history() -> None:
    assert [entry["created_by"] for entry in configured()["history"][3:]] == [
        "ENV PIXI_PROJECT_VERSION=1.2.0",
        "EXPOSE 8000",
        "CMD ['bash']",
    ]


def test_settings_of_a_last_stage_with_everything_are_configured_and_in_the_history() -> None:
    stage = replace(
        STAGE,
        env=(Variable("A", ("b c",)),),
        volumes=("/data",),
        working_directory="/srv",
        healthcheck=Healthcheck(command=("true",)),
        stop_signal="SIGINT",
        entrypoint=("/app/entrypoint.sh", "tini"),
        command=None,
        user="7:7",
    )
    document = configured(replace(IMAGE, stage=stage))
    config = document["config"]
    expected = {
        "Volumes": {"/data": {}},
        "WorkingDir": "/srv",
        "Healthcheck": {"Test": ["CMD", "true"]},
        "StopSignal": "SIGINT",
        "Entrypoint": ["/app/entrypoint.sh", "tini"],
        "Cmd": [],
        "User": "7:7",
    }
    assert {name: config[name] for name in expected} == expected
    assert config["Env"][-1] == "A=b c"
    assert [entry["created_by"] for entry in document["history"][3:]] == [
        "ENV PIXI_PROJECT_VERSION=1.2.0",
        'ENV A="b c"',
        "EXPOSE 8000",
        "VOLUME ['/data']",
        "WORKDIR /srv",
        "HEALTHCHECK ['true']",
        "STOPSIGNAL SIGINT",
        "ENTRYPOINT ['/app/entrypoint.sh', 'tini']",
        "CMD []",
        "USER 7:7",
    ]


@pytest.mark.parametrize(
    ("expose", "ports"),
    [
        (("80-80",), ("80/tcp",)),
        (("80-81",), ("80/tcp", "81/tcp")),
        (("9-10/udp",), ("9/udp", "10/udp")),
        ((), ()),
    ],
)
def test_a_range_has_both_of_its_ends(expose: tuple[str, ...], ports: tuple[str, ...]) -> None:
    assert exposed_ports(expose) == ports


def test_a_manifest_without_layers_of_its_own_is_the_environment_s(folder: Folder) -> None:
    config = application_configuration(IMAGE, [])
    manifest = json.loads(application_manifest(IMAGE, [], config).content)
    assert manifest["schemaVersion"] == 2
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    assert len(manifest["layers"]) == 1


@pytest.mark.parametrize(("compression", "made"), [("gzip", "gzip"), ("zstd", "zstd"), ("", "gzip")])
def test_layers_are_packed_as_the_input_says(folder: Folder, compression: str, made: str) -> None:
    definition, inputs = defined(folder, **({"compression": compression} if compression else {}))
    assert application_image(definition, inputs, environment(), (), ()).compression == made


def test_the_first_reason_for_a_builder_is_told(folder: Folder) -> None:
    definition, inputs = defined(folder, dockerfile="Dockerfile", test_command="true")
    reason = needs_builder(definition, inputs, keep=True, environment_needs_builder="else")
    assert reason == "only a builder can run the instructions of the input 'dockerfile'"
    definition, inputs = defined(folder, test_command="true")
    assert needs_builder(definition, inputs, keep=True) == "only an engine can run the input 'test-command'"
