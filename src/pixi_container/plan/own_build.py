"""The arguments of a build that come from the inputs for a user-supplied Dockerfile or template."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixi_container.docker.command import WORK
from pixi_container.docker.secrets import SECRETS_FOLDER
from pixi_container.image.own_dockerfile import ENVIRONMENT_ARGUMENT, ENVIRONMENT_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pixi_container.image.definition import ImageDefinition
    from pixi_container.inputs import Inputs

_IMAGE = "docker-image://"


def own_build_flags(inputs: Inputs, definition: ImageDefinition, environment: str) -> tuple[str, ...]:
    """Return the arguments; ``environment`` is the context with the environment's image, empty without one."""
    offered = _offered(definition, environment) if inputs.dockerfile else {}
    arguments = {**offered, **dict(inputs.build_args)}
    return (
        *_flags("--build-arg", (f"{key}={value}" for key, value in arguments.items())),
        *_flags("--build-context", _contexts(inputs, definition.workspace.context)),
        *_flags("--secret", _secrets(inputs)),
        *_flags("--ssh", (f"{key}={path}" if path else key for key, path in inputs.ssh)),
    )


def _flags(flag: str, values: Iterable[str]) -> tuple[str, ...]:
    return tuple(word for value in values for word in (flag, value))


def _offered(definition: ImageDefinition, environment: str) -> dict[str, str]:
    """Return the build arguments for a user-supplied Dockerfile."""
    arguments = {
        "ENVIRONMENT": definition.workspace.environment,
        "CUDA_VERSION": definition.workspace.cuda,
        "PIXI_VERSION": definition.bases.pixi_version,
        "PIXI_IMAGE": str(definition.bases.builder),
    }
    if environment:
        # An image in a folder or in the engine has no name that a FROM can take, except that of its context.
        is_published = environment.startswith(_IMAGE) and "@" in environment
        arguments[ENVIRONMENT_ARGUMENT] = environment.removeprefix(_IMAGE) if is_published else ENVIRONMENT_NAME
    return arguments


def _contexts(inputs: Inputs, folder: Path) -> Iterator[str]:
    for context in inputs.build_contexts:
        if not context.is_folder:
            yield f"{context.name}={context.value}"
            continue
        place = str(folder / context.value)
        # Otherwise buildx might take the path for an address.
        yield f"{context.name}={place if place.startswith('/') else f'./{place}'}"


def _secrets(inputs: Inputs) -> Iterator[str]:
    names = [name for name, value in inputs.build_secrets if value] + [name for name, _ in inputs.secret_files]
    return (f"id={name},src={WORK}/{SECRETS_FOLDER}/{name}" for name in names)
