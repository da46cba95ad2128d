"""The command lines of a build: what docker and buildx are told, so that nothing is decided while they run."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.docker.command import WORK, Command
from pixi_container.image.dockerfile import activation_check
from pixi_container.image.fingerprint_labels import fingerprint_labels

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pixi_container.docker.builder import BuilderKind
    from pixi_container.image.definition import ImageDefinition
    from pixi_container.inputs import Inputs
    from pixi_container.registry.reference import ImageReference
    from pixi_container.workspace.workspace import Workspace

# Annotations have no place in Docker's own media types, which are BuildKit's default.
_PUSH = "type=registry,oci-mediatypes=true"
_LOAD = "type=docker"
_NOWHERE = "type=cacheonly"
_CHECK_AS = ("--user", "54321:54321", "--read-only", "--env", "HOME=/nonexistent")
# An environment belongs to no commit: its date is the one that its files have.
_ENVIRONMENT_EPOCH = 315532800
_SOURCE = "org.opencontainers.image.source"


@dataclass(frozen=True, kw_only=True)
class BuildCommands:
    """The processes of one build in their order; None for what is not needed.

    ``build`` makes the image, in the engine where ``test`` runs it there. ``push_environment`` publishes the
    environment by itself, ``push`` the image.
    """

    build: Command | None = None
    test: Command | None = None
    push_environment: Command | None = None
    push: Command | None = None

    @property
    def all(self) -> tuple[Command, ...]:
        """Those that there are."""
        steps = (self.build, self.test, self.push_environment, self.push)
        return tuple(command for command in steps if command)


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """What is to be built, and where it goes.

    ``reuse`` is the image by digest that stands for the environment's stages. ``environment_tags`` are the names
    under which the environment is published, none where it is not; ``previous_environment`` is an environment's
    image whose layers are taken where they are the same. ``tags`` are for the registry.
    """

    definition: ImageDefinition
    builder: BuilderKind
    labels: tuple[tuple[str, str], ...]
    annotations: tuple[str, ...]
    tags: tuple[ImageReference, ...]
    push: bool
    local_image: str
    test_container: str
    keep: bool = False
    reuse: ImageReference | None = None
    environment_tags: tuple[ImageReference, ...] = ()
    previous_environment: ImageReference | None = None


def build_commands(inputs: Inputs, options: BuildOptions) -> BuildCommands:
    """Return the command lines of one build.

    The image goes into the engine only for what needs it there: a test of the user's own, a Dockerfile that does
    not check itself, and keeping it. All commands are of one builder, whose cache makes the later ones short.
    """
    definition = options.definition
    tests_itself = "check" in definition.stages and not inputs.test_command
    loaded = options.keep or not tests_itself
    local_tags = (options.local_image, *(definition.metadata.tags if options.keep else ()))
    labels = _flags("--label", (f"{key}={value}" for key, value in options.labels))
    epoch = f"source-date-epoch={definition.epoch}"
    push = f"{_PUSH},compression={inputs.compression}"

    def build(purpose: str, *more: str) -> Command:
        context = _context(definition.workspace.context)
        return Command(purpose, (*_common(inputs, options, purpose), *more, context))

    local_build = None
    if loaded:
        local_build = build("build", *labels, "--output", f"{_LOAD},{epoch}", *_flags("--tag", local_tags))
    elif not options.push:
        local_build = build("build", *labels, "--output", _NOWHERE)
    environment_push = image_push = None
    if options.push and options.environment_tags:
        environment_push = build(
            "push-environment",
            *("--target", "environment"),
            *_flags("--label", _environment_labels(options)),
            *("--output", f"{push},source-date-epoch={_ENVIRONMENT_EPOCH}"),
            *("--cache-to", "type=inline"),
            *_flags("--tag", options.environment_tags),
        )
    if options.push:
        image_push = build(
            "push",
            *labels,
            *("--output", f"{push},{epoch}"),
            *_flags("--tag", options.tags),
            *_flags("--annotation", _for_one_manifest(options.annotations)),
        )
    return BuildCommands(
        build=local_build,
        test=None if tests_itself else _test_command(inputs, options),
        push_environment=environment_push,
        push=image_push,
    )


def _context(folder: Path) -> str:
    """Return the folder as buildx takes it, which would read a name with a dash in front as a flag."""
    return f"./{folder}" if str(folder).startswith("-") else str(folder)


def local_image_name(workspace: Workspace, dockerfile: str) -> str:
    """Name the image in the engine, so that jobs side by side on one machine do not meet."""
    key = hashlib.sha256(f"{workspace.context.resolve()}\n{dockerfile}".encode()).hexdigest()
    return f"pixi-container.local/{workspace.environment}:{key[:16]}"


def test_container_name(local_image: str) -> str:
    """Name the container in which the test runs."""
    return "pixi-container-test-" + re.sub(r"[^a-z0-9]", "-", local_image.rpartition("/")[2])


def _common(inputs: Inputs, options: BuildOptions, purpose: str) -> tuple[str, ...]:
    """Return what all builds of an image share: build and push must not differ but in where the image goes."""
    definition = options.definition
    own = str(definition.workspace.context / inputs.dockerfile) if inputs.dockerfile else ""
    return (
        *("docker", "buildx", "build"),
        *(("--builder", inputs.builder) if inputs.builder else ()),
        *("--progress", "plain"),
        *("--file", own or f"{WORK}/Dockerfile"),
        *("--metadata-file", f"{WORK}/{purpose}.json"),
        *("--provenance", "false"),
        *(("--no-cache-filter", "notes") if "notes" in definition.stages else ()),
        *(("--build-context", f"environment=docker-image://{options.reuse}") if options.reuse else ()),
        *(
            ("--cache-from", f"type=registry,ref={options.previous_environment}")
            if options.previous_environment
            else ()
        ),
        *(("--secret", f"id=conda-auth,src={WORK}/conda-auth") if inputs.conda_auth else ()),
        *(_flags("--build-arg", _arguments(definition)) if inputs.dockerfile else ()),
    )


def _arguments(definition: ImageDefinition) -> tuple[str, ...]:
    """Tell a Dockerfile of the user's own what the plan knows."""
    return (
        f"ENVIRONMENT={definition.workspace.environment}",
        f"CUDA_VERSION={definition.workspace.cuda}",
        f"PIXI_VERSION={definition.bases.pixi_version}",
        f"PIXI_IMAGE={definition.bases.builder}",
    )


def _environment_labels(options: BuildOptions) -> tuple[str, ...]:
    labels = fingerprint_labels(options.definition.environment_fingerprint)
    # The source is what makes ghcr.io show the package with its repository.
    if source := dict(options.labels).get(_SOURCE):
        labels[_SOURCE] = source
    return tuple(f"{key}={value}" for key, value in labels.items() if value)


def _test_command(inputs: Inputs, options: BuildOptions) -> Command:
    script = ("bash", "-euo", "pipefail", "-c", inputs.test_command or activation_check())
    user = () if inputs.test_command or inputs.dockerfile else _CHECK_AS
    return Command(
        "test", ("docker", "run", "--rm", "--name", options.test_container, *user, options.local_image, *script)
    )


def _flags(flag: str, values: Iterable[object]) -> tuple[str, ...]:
    return tuple(word for value in values for word in (flag, str(value)))


def _for_one_manifest(annotations: tuple[str, ...]) -> tuple[str, ...]:
    """An image of one platform has no index; buildx refuses what is meant for one."""
    return tuple(annotation for annotation in annotations if annotation.startswith("manifest:"))
