"""The application's image as documents: the environment's configuration and manifest, with the last stage on top.

They say what BuildKit's would. Source of what each instruction does:
https://github.com/moby/buildkit/blob/master/frontend/dockerfile/dockerfile2llb/convert.go
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from pixi_container.environment.image_config import CONFIG, MANIFEST, document, oci_descriptor
from pixi_container.errors import UserError
from pixi_container.tags import annotations_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pixi_container.environment.image_config import BaseImage, Document
    from pixi_container.environment.layer_tar import Compression, LayerBlob
    from pixi_container.image.definition import ImageDefinition
    from pixi_container.image.production_stage import ProductionStage
    from pixi_container.inputs import Inputs


@dataclass(frozen=True, kw_only=True)
class ApplicationImage:
    """All that the image is made of.

    ``environment`` is the image below, ``context`` the folder that ``stage`` copies from. ``labels`` override
    those of the environment; ``annotations`` are the manifest's. ``epoch`` is the commit's time in seconds.
    """

    environment: BaseImage
    context: Path
    stage: ProductionStage
    labels: tuple[tuple[str, str], ...]
    annotations: tuple[tuple[str, str], ...]
    epoch: int
    compression: Compression


def application_image(
    definition: ImageDefinition,
    inputs: Inputs,
    environment: BaseImage,
    labels: tuple[tuple[str, str], ...],
    annotations: tuple[str, ...],
) -> ApplicationImage:
    """Return the image of a definition on an environment's image.

    ``annotations`` are in buildx's form, ``level:key=value``; those of an index are left out, as there is none.
    """
    workspace = definition.workspace
    return ApplicationImage(
        environment=environment,
        context=workspace.context,
        stage=definition.production,
        labels=labels,
        annotations=tuple(annotations_at(annotations, "manifest", workspace.platform.docker).items()),
        epoch=definition.epoch,
        compression="zstd" if inputs.compression == "zstd" else "gzip",
    )


def application_configuration(image: ApplicationImage, layers: Sequence[LayerBlob]) -> Document:
    """Return the configuration of the image; ``layers`` are those of the stage's copies."""
    environment = image.environment
    created = datetime.fromtimestamp(image.epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return document(
        CONFIG,
        {
            "created": created,
            **environment.fields,
            "config": _started_with(environment.settings, image),
            "rootfs": {
                "type": "layers",
                "diff_ids": [*environment.diff_ids, *(layer.diff_id for layer in layers)],
            },
            "history": [
                *environment.history,
                *({"created": created, **entry} for entry in _history(image.stage)),
            ],
        },
    )


def application_manifest(image: ApplicationImage, layers: Sequence[LayerBlob], config: Document) -> Document:
    """Return the manifest, in which the environment's layers keep their keys."""
    table: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.descriptor,
        "layers": [
            *map(oci_descriptor, image.environment.layers),
            *({"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size} for layer in layers),
        ],
    }
    return document(MANIFEST, {**table, "annotations": dict(image.annotations)} if image.annotations else table)


def _started_with(settings: Mapping[str, Any], image: ApplicationImage) -> dict[str, Any]:
    """Return what a container is started with: the environment's settings, changed by ENV, EXPOSE, CMD, labels."""
    stage = image.stage
    env = dict(entry.partition("=")[::2] for entry in settings.get("Env") or ())
    labels = {**(settings.get("Labels") or {}), **dict(image.labels)}
    ports = {**(settings.get("ExposedPorts") or {}), **{port: {} for port in exposed_ports(stage.expose)}}
    env |= dict(stage.variables)
    for variable in stage.env:
        env[variable.name] = variable.value(env)
    volumes = {**(settings.get("Volumes") or {}), **{path: {} for path in stage.volumes}}
    changed: dict[str, Any] = {
        "ExposedPorts": ports,
        "Volumes": volumes,
        "WorkingDir": stage.working_directory,
        "Healthcheck": stage.healthcheck.as_configuration() if stage.healthcheck else None,
        "StopSignal": stage.stop_signal,
        "Entrypoint": list(stage.entrypoint),
        "User": stage.user,
        "Labels": labels,
    }
    return {
        **settings,
        "Env": [f"{name}={value}" for name, value in env.items()],
        "Cmd": list(stage.command or ()),
        # BuildKit sets it for each CMD in the form of a list.
        "ArgsEscaped": True,
        **{name: value for name, value in changed.items() if value},
    }


def exposed_ports(expose: Sequence[str]) -> tuple[str, ...]:
    """Return each port as ``port/protocol``. Raises ``UserError`` for a range that ends before it begins."""
    ports: dict[str, None] = {}
    for given in expose:
        numbers, _, protocol = given.partition("/")
        first, _, last = numbers.partition("-")
        if int(last or first) < int(first):
            raise UserError(
                f"input 'expose' has a range that ends before it begins: {given}",
                hint="Write the lower port first, such as 6000-6010.",
            )
        ports |= {f"{port}/{protocol or 'tcp'}": None for port in range(int(first), int(last or first) + 1)}
    return tuple(ports)


def _history(stage: ProductionStage) -> list[dict[str, Any]]:
    """Return an entry for each instruction; those without a layer say so."""
    return [
        *({"created_by": f"COPY {' '.join((*copy.flags, *copy.words))}"} for copy in stage.copies),
        *({"created_by": text, "empty_layer": True} for text in _without_layer(stage)),
    ]


def _without_layer(stage: ProductionStage) -> Iterator[str]:
    """Yield the instructions that change the configuration alone."""
    yield from (f"ENV {name}={value}" for name, value in stage.variables)
    yield from (f"ENV {variable.name}={variable.quoted}" for variable in stage.env)
    yield from (f"EXPOSE {port}" for port in stage.expose)
    if stage.volumes:
        yield f"VOLUME {list(stage.volumes)}"
    if stage.working_directory:
        yield f"WORKDIR {stage.working_directory}"
    if stage.healthcheck:
        yield f"HEALTHCHECK {list(stage.healthcheck.command)}"
    if stage.stop_signal:
        yield f"STOPSIGNAL {stage.stop_signal}"
    if stage.entrypoint:
        yield f"ENTRYPOINT {list(stage.entrypoint)}"
    yield f"CMD {list(stage.command or ())}"
    if stage.user:
        yield f"USER {stage.user}"
