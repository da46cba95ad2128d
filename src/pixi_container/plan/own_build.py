"""The arguments of a build that come from the inputs for a user-supplied Dockerfile or template."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pixi_container.build_inputs import IMAGE_CONTEXT
from pixi_container.docker.command import (
    ENVIRONMENT,
    LAYOUT_FOLDER,
    PUSHED,
    WORK,
    WRITTEN_DOCKERFILE,
    flags,
    in_layout,
)
from pixi_container.docker.secrets import SECRETS_FOLDER
from pixi_container.image.own_dockerfile import ENVIRONMENT_ARGUMENT, ENVIRONMENT_NAME
from pixi_container.registry.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pixi_container.docker.builder import BuilderKind
    from pixi_container.image.definition import ImageDefinition
    from pixi_container.inputs import Inputs
    from pixi_container.registry.reference import ImageReference
    from pixi_container.workspace.workspace import Workspace


@dataclass(frozen=True)
class EnvironmentPlace:
    """Where Docker puts an environment's image: the build context that takes it from there, and the output.

    ``names`` are its names in the engine, empty if it does not go there.
    """

    context: str
    output: str
    names: tuple[ImageReference, ...] = ()


def environment_from_docker(
    inputs: Inputs, builder: BuilderKind, local_image: str, name: ImageReference | None
) -> EnvironmentPlace:
    """Return where Docker puts the environment that a user-supplied Dockerfile builds on.

    ``name`` is the repository that it is pushed to. Without one it stays in a folder or, if the engine's own
    builder takes none, in the engine, beside ``local_image``.
    """
    compression = f"compression={inputs.compression}"
    if name:
        return EnvironmentPlace(f"{IMAGE_CONTEXT}{name}@{ENVIRONMENT}", f"{PUSHED},{compression}")
    if builder.takes_layouts:
        output = f"type=oci,dest={WORK}/{LAYOUT_FOLDER},tar=false,{compression}"
        return EnvironmentPlace(in_layout(LAYOUT_FOLDER, ENVIRONMENT), output)
    image = parse_reference(local_image, source="the image's name in the engine")
    image = replace(image, repository=f"{image.repository}-environment")
    return EnvironmentPlace(f"{IMAGE_CONTEXT}{image}", "type=docker", (image,))


def dockerfile_path(inputs: Inputs, workspace: Workspace) -> str:
    """Return the image's Dockerfile as a command line names it: the user's own, or the one that a run writes."""
    return str(workspace.context / inputs.dockerfile) if inputs.dockerfile else WRITTEN_DOCKERFILE


def own_build_flags(inputs: Inputs, definition: ImageDefinition, environment: str) -> tuple[str, ...]:
    """Return the arguments; ``environment`` is the context with the environment's image, empty without one."""
    offered = _offered(definition, environment) if inputs.dockerfile else {}
    arguments = {**offered, **dict(inputs.build_args)}
    return (
        *flags("--build-arg", (f"{key}={value}" for key, value in arguments.items())),
        *flags("--build-context", _contexts(inputs, definition.workspace.context)),
        *flags("--secret", _secrets(inputs)),
        *flags("--ssh", (f"{key}={path}" if path else key for key, path in inputs.ssh)),
    )


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
        is_published = environment.startswith(IMAGE_CONTEXT) and "@" in environment
        arguments[ENVIRONMENT_ARGUMENT] = (
            environment.removeprefix(IMAGE_CONTEXT) if is_published else ENVIRONMENT_NAME
        )
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
