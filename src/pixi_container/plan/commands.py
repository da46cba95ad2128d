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
    from pathlib import Path

    from pixi_container.docker.builder import BuilderKind
    from pixi_container.image.base_images import BaseImages
    from pixi_container.image.definition import Draft
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
        found = (self.build, self.test, self.push_environment, self.push)
        return tuple(command for command in found if command)


@dataclass(frozen=True, kw_only=True)
class BuildOrder:
    """What is to be built. ``reuse`` is the image that stands for the environment's stages, by digest.

    ``environment_tags`` are the names under which the environment is published, none where it is not; ``previous``
    is an environment's image whose layers are taken where they are the same. ``tags`` are for the registry,
    ``epoch`` is the commit's time in seconds.
    """

    draft: Draft
    bases: BaseImages
    builder: BuilderKind
    labels: tuple[tuple[str, str], ...]
    annotations: tuple[str, ...]
    tags: tuple[str, ...]
    push: bool
    epoch: int
    local_image: str
    test_container: str
    keep: bool = False
    reuse: ImageReference | None = None
    environment_tags: tuple[str, ...] = ()
    previous: ImageReference | None = None


def build_commands(inputs: Inputs, workspace: Workspace, order: BuildOrder) -> BuildCommands:
    """Return the commands.

    The image goes into the engine only for what needs it there: a test of the user's own, a Dockerfile that does
    not check itself, and keeping it. All commands are of one builder, whose cache makes the later ones short.
    """
    runs_here = bool(inputs.test_command) or not order.draft.has_check
    loaded = runs_here or order.keep
    local_tags = (order.local_image, *(order.draft.metadata.tags if order.keep else ()))
    epoch = f"source-date-epoch={order.epoch}"
    push = f"{_PUSH},compression={inputs.compression}"
    image_labels = _flags("--label", tuple(f"{key}={value}" for key, value in order.labels))

    def build(purpose: str, *more: str) -> Command:
        return Command(purpose, (*_common(inputs, workspace, order, purpose), *more, _context(workspace.context)))

    return BuildCommands(
        build=build("build", *image_labels, "--output", f"{_LOAD},{epoch}", *_flags("--tag", local_tags))
        if loaded
        else None
        if order.push
        else build("build", *image_labels, "--output", _NOWHERE),
        test=_test_command(inputs, order) if runs_here else None,
        push_environment=build(
            "push-environment",
            "--target",
            "environment",
            *_flags("--label", _environment_labels(order)),
            "--output",
            f"{push},source-date-epoch={_ENVIRONMENT_EPOCH}",
            "--cache-to",
            "type=inline",
            *_flags("--tag", order.environment_tags),
        )
        if order.environment_tags and order.push
        else None,
        push=build(
            "push",
            *image_labels,
            "--output",
            f"{push},{epoch}",
            *_flags("--tag", order.tags),
            *_flags("--annotation", _for_one_manifest(order.annotations)),
        )
        if order.push
        else None,
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


def _common(inputs: Inputs, workspace: Workspace, order: BuildOrder, purpose: str) -> tuple[str, ...]:
    """Return what every build of one order shares: build and push must not differ but in where the image goes."""
    return (
        "docker",
        "buildx",
        "build",
        *(("--builder", inputs.builder) if inputs.builder else ()),
        "--progress",
        "plain",
        "--file",
        str(workspace.context / inputs.dockerfile) if inputs.dockerfile else f"{WORK}/Dockerfile",
        "--metadata-file",
        f"{WORK}/{purpose}.json",
        "--provenance",
        "false",
        *(("--no-cache-filter", "notes") if order.draft.has_notes else ()),
        *(("--build-context", f"environment=docker-image://{order.reuse}") if order.reuse else ()),
        *(("--cache-from", f"type=registry,ref={order.previous}") if order.previous else ()),
        *(("--secret", f"id=conda-auth,src={WORK}/conda-auth") if inputs.conda_auth else ()),
        *(_flags("--build-arg", _arguments(workspace, order.bases)) if inputs.dockerfile else ()),
    )


def _arguments(workspace: Workspace, bases: BaseImages) -> tuple[str, ...]:
    """Tell a Dockerfile of the user's own what the plan found out."""
    return (
        f"ENVIRONMENT={workspace.environment}",
        f"CUDA_VERSION={workspace.cuda}",
        f"PIXI_VERSION={bases.pixi_version}",
        f"PIXI_IMAGE={bases.builder}",
    )


def _environment_labels(order: BuildOrder) -> tuple[str, ...]:
    # The source is what makes ghcr.io show the package with its repository.
    source = dict(order.labels).get("org.opencontainers.image.source")
    labels = fingerprint_labels(order.draft.environment)
    return tuple(
        f"{key}={value}" for key, value in (*labels.items(), ("org.opencontainers.image.source", source)) if value
    )


def _test_command(inputs: Inputs, order: BuildOrder) -> Command:
    script = ("bash", "-euo", "pipefail", "-c", inputs.test_command or activation_check())
    user = () if inputs.test_command or inputs.dockerfile else _CHECK_AS
    return Command(
        "test", ("docker", "run", "--rm", "--name", order.test_container, *user, order.local_image, *script)
    )


def _flags(flag: str, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for value in values for word in (flag, value))


def _for_one_manifest(annotations: tuple[str, ...]) -> tuple[str, ...]:
    """An image of one platform has no index; buildx refuses what is meant for one."""
    return tuple(annotation for annotation in annotations if annotation.startswith("manifest:"))
