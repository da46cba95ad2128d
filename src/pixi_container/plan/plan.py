"""The plan: one value that describes everything that will happen."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from pixi_container.application.builder_need import needs_builder
from pixi_container.build_inputs import IMAGE_CONTEXT
from pixi_container.builder_nodes import node_for
from pixi_container.docker.builder import HOW_TO_RUN_FOREIGN
from pixi_container.docker.command import ENVIRONMENT, LAYOUT_FOLDER, in_layout
from pixi_container.errors import ToolUnavailableError, UserError
from pixi_container.image.environment_way import EnvironmentWay
from pixi_container.image.fingerprint_labels import fingerprint_labels
from pixi_container.plan.base_plan import plan_base
from pixi_container.plan.commands import (
    BuildCommands,
    BuildOptions,
    build_commands,
    local_image_name,
    test_container_name,
)
from pixi_container.plan.decision import BUILD
from pixi_container.plan.notes import notes_on
from pixi_container.plan.own_build import environment_from_docker
from pixi_container.registry.reference import parse_reference
from pixi_container.workspace.lock import LOCK_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pixi_container.builder_nodes import BuilderNode
    from pixi_container.changes.comparison import Changes
    from pixi_container.docker.builder import BuilderKind
    from pixi_container.image.definition import ImageDefinition
    from pixi_container.inputs import Inputs
    from pixi_container.plan.base_plan import BasePlan
    from pixi_container.plan.decision import Decision
    from pixi_container.plan.existing import ExistingImages
    from pixi_container.registry.reference import ImageReference
    from pixi_container.request import Request
    from pixi_container.runner.event import Event
    from pixi_container.workspace.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that will happen, and why. It contains no secret.

    ``published_tags`` are the tags that the push creates: the user's, and the ``img-*`` tags for finding the image
    again. ``base`` is how the base is had; None if nothing is added to the runtime image. ``environment_image`` is
    the environment image, reused if ``reuses_environment`` and otherwise to be published; None without one.
    ``way`` is how the environment is made; if it turns out that only Pixi can install it, ``docker_commands``
    build it. ``without_builder`` tells that the image's layers are put on the environment's without building
    anything. ``leftover_images`` are the names of images to remove from the engine at the end. ``notes`` are
    warnings, such as about an entry that has no effect. ``node`` runs the steps; None without the input ``nodes``.
    """

    decision: Decision
    push: bool
    changes: Changes
    definition: ImageDefinition
    labels: tuple[tuple[str, str], ...]
    annotations: tuple[str, ...]
    notes: tuple[str, ...]
    published_tags: tuple[ImageReference, ...]
    way: EnvironmentWay
    environment_image: ImageReference | None
    environment_tags: tuple[ImageReference, ...]
    reuses_environment: bool
    local_image: str
    keep_local_image: bool
    leftover_images: tuple[str, ...]
    test_container: str
    commands: BuildCommands
    docker_commands: BuildCommands
    without_builder: bool = False
    base: BasePlan | None = None
    node: BuilderNode | None = None

    @property
    def makes_environment(self) -> bool:
        """Whether an environment image is made straight from the lock."""
        return self.way.is_direct and self.decision.kind == BUILD and not self.reuses_environment

    @property
    def platform(self) -> str:
        """The image's platform, such as ``linux/amd64``."""
        return self.definition.workspace.platform.docker

    @property
    def platforms(self) -> tuple[str, ...]:
        """The image's platform alone, as an index has several."""
        return (self.platform,)

    @property
    def tags(self) -> tuple[str, ...]:
        """The user's tags: full image names, or bare tags if no image name is known."""
        return self.definition.metadata.tags

    def as_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        definition, metadata = self.definition, self.definition.metadata
        workspace, bases = definition.workspace, definition.bases
        return {
            "decision": self.decision.kind,
            "reason": self.decision.reason,
            "push": self.push,
            "changes": self.changes.as_json(),
            "changed_files": self.changes.relevant,
            "environment": workspace.environment,
            "more_environments": [
                {
                    "environment": each.environment,
                    "conda_packages": each.platform.conda_packages,
                    "pypi_packages": each.platform.pypi_packages,
                    "download_size": each.platform.download_size,
                }
                for each in workspace.more
            ],
            "platform": workspace.platform.docker,
            "cuda": workspace.cuda,
            "cuda_source": workspace.cuda_source,
            "pixi_version": bases.pixi_version,
            "pixi_reason": bases.pixi_reason,
            "builder_image": str(bases.builder),
            "runtime_image": str(bases.runtime),
            "base": self.base.as_json() if self.base else None,
            "conda_packages": workspace.platform.conda_packages,
            "pypi_packages": workspace.platform.pypi_packages,
            "fingerprint": definition.environment_fingerprint.digest,
            "fingerprint_parts": definition.environment_fingerprint.as_json(),
            "image_fingerprint": definition.fingerprint.digest,
            "image_fingerprint_parts": definition.fingerprint.as_json(),
            "download_size": workspace.platform.download_size,
            "version": metadata.version,
            "tags": metadata.tags,
            "labels": dict(self.labels),
            "annotations": self.annotations,
            "json": self.metadata_json(),
            "notes": self.notes,
            "published_tags": _texts(self.published_tags),
            "existing_images": _texts(self.decision.images),
            "new_tags": _texts(self.decision.new_tags),
            "environment_image": str(self.environment_image or ""),
            "environment_tags": _texts(self.environment_tags),
            "reuses_environment": self.reuses_environment,
            "environment_way": self.way.kind,
            "environment_way_reason": self.way.reason,
            "layers": definition.layers,
            "local_image": self.local_image,
            "keep_local_image": self.keep_local_image,
            "leftover_images": self.leftover_images,
            "test_container": self.test_container,
            "dockerfile": definition.dockerfile,
            "environment_dockerfile": definition.environment_dockerfile,
            "commands": asdict(self.commands),
            "docker_commands": asdict(self.docker_commands),
            "without_builder": self.without_builder,
            "node": self.node.endpoint if self.node else "",
            "workspace": workspace.as_json(),
        }

    def metadata_json(self) -> str:
        """Return tags, labels and annotations as JSON, in docker/metadata-action's format."""
        return json.dumps(self.definition.metadata.as_json()["json"])

    def as_text(self) -> str:
        """Return the plan as readable text, one fact per line."""
        definition = self.definition
        workspace, bases = definition.workspace, definition.bases
        packages = _packages(workspace)
        environment_fingerprint = definition.environment_fingerprint.short
        environment = "reused from" if self.reuses_environment else "published as"
        installed = "straight from the lock"
        if not self.way.is_direct:
            by = "by Pixi in a build" if definition.environment_dockerfile else "by Pixi in the build"
            installed = f"{by}, because {self.way.reason}"
        if not definition.stages:
            installed = "by your Dockerfile, if at all"
        lines = [
            f"decision     {self.decision.kind}: {self.decision.reason}",
            f"changes      {self.changes.reason}",
            f"{'environments' if workspace.more else 'environment':<12} {', '.join(workspace.environment_names)} "
            f"on {workspace.platform.docker}"
            + (f", {environment} {self.environment_image}" if self.environment_image else ""),
            f"packages     {packages}" + (f", in {definition.layers} layers" if self.way.is_direct else ""),
            *(f"{each.environment + ':':<12} {_packages(each)}" for each in workspace.more),
            *([] if self.reuses_environment else [f"installed    {installed}"]),
            *(["assembled    without a builder"] if self.without_builder else []),
            *([f"node         {self.node.endpoint} runs the steps for {self.platform}"] if self.node else []),
            f"cuda         {workspace.cuda or 'none'} ({workspace.cuda_source})",
            f"pixi         {bases.pixi_version} ({bases.pixi_reason})",
            f"builder      {bases.builder}",
            f"runtime      {bases.runtime}",
            *([f"base         {self.base.as_text()}"] if self.base else []),
            f"fingerprint  {definition.fingerprint.short}, environment {environment_fingerprint}",
            f"version      {definition.metadata.version or 'none'}",
            *(f"tag          {tag}" for tag in self.tags),
            *(f"put tag      {tag} on {image}" for image, tags in self.decision.tags_to_put for tag in tags),
            *(f"{command.purpose:<12} {shlex.join(command.argv)}" for command in self.commands.all),
        ]
        return "\n".join(lines)


def _packages(workspace: Workspace) -> str:
    """Return how many packages an environment has."""
    if not workspace.is_locked:
        return f"not known, because there is no {LOCK_NAME}"
    platform = workspace.platform
    packages = f"{platform.conda_packages} from conda ({platform.download_size / 1e6:.0f} MB to download)"
    return packages + (f", {platform.pypi_packages} from PyPI" if platform.pypi_packages else "")


def _texts(references: Iterable[ImageReference]) -> tuple[str, ...]:
    return tuple(str(reference) for reference in references)


def tags_to_publish(
    names: tuple[ImageReference, ...], definition: ImageDefinition, *, untagged: bool = False
) -> tuple[ImageReference, ...]:
    """Return every tag of a pushed image: the user's, and an ``img-*`` tag per name for finding it again.

    An ``untagged`` image has the latter alone; the user's tags are for the index that it will be in.
    """
    if not names:
        return ()
    found_again = tuple(name.tagged(definition.image_tag) for name in names)
    if untagged:
        return found_again
    users = (parse_reference(tag, source="tag") for tag in definition.metadata.tags)
    return tuple(dict.fromkeys((*users, *(found_again if definition.is_pinned else ()))))


def make_plan(
    request: Request,
    definition: ImageDefinition,
    changes: Changes,
    existing: ExistingImages,
    decision: Decision,
    builder: BuilderKind,
) -> Plan:
    """Return the plan for a decision.

    Raises ``UserError`` if the run should push but has no image name or no tag.
    """
    inputs, names, metadata, push = request.inputs, request.names, definition.metadata, request.may_push
    if push:
        _check_names(request.event, names, metadata.tags)
    way = _way(definition, builder, publishes=push and may_reuse_environment(inputs, definition))
    publishes_environment = push and not existing.environment and may_reuse_environment(inputs, definition)
    environment_tags = _environment_tags(names, definition) if publishes_environment else ()
    labels = {**metadata.labels, **fingerprint_labels(definition.environment_fingerprint, definition.fingerprint)}
    builds = decision.kind == BUILD
    base = plan_base(
        definition,
        existing.base,
        builder,
        names if push and may_reuse_environment(inputs, definition) else (),
        is_needed=builds and not existing.environment,
    )
    needed = _need_of_builder(request, definition, way, base)
    if builds and builder.is_missing and needed:
        raise _missing(request, builder, needed)
    # To add a few files to the environment, a builder takes seconds, and the engine's own would unpack all of it.
    is_spared = push and not needed and not (builder.is_missing or inputs.builder or inputs.nodes)
    without_builder = builds and (builder.is_missing or is_spared)
    published = names[0] if publishes_environment else None
    docker = _docker_options(request, definition, builder, labels, base, environment_tags, published)
    options = _on_environment_image(docker, existing, way, published)
    commands = docker_commands = BuildCommands()
    if builds and not without_builder:
        commands = build_commands(inputs, options)
    elif builds and is_spared and options.makes_environment:
        commands = build_commands(inputs, options).up_to_the_environment
    if commands.all and options.makes_environment:
        docker_commands = replace(build_commands(inputs, docker), create_builder=(), list_packages=None, base=None)
    environment_tags = environment_tags if builds else ()
    return Plan(
        decision=decision,
        push=push,
        changes=changes,
        definition=definition,
        labels=options.labels,
        annotations=metadata.annotations if is_spared else options.annotations,
        notes=notes_on(
            inputs, definition, builder if builds and push and (commands.emulate or not is_spared) else None
        ),
        published_tags=options.tags,
        way=way,
        environment_image=next(iter(environment_tags), existing.environment if builds else None),
        environment_tags=environment_tags,
        reuses_environment=bool(existing.environment) and builds,
        local_image=options.local_image,
        keep_local_image=request.keep,
        leftover_images=_leftover_images(docker, docker_commands if options.makes_environment else commands),
        test_container=options.test_container,
        commands=commands,
        docker_commands=docker_commands,
        without_builder=without_builder,
        base=base,
        node=node_for(inputs.nodes, definition.workspace.platform.docker) if commands.create_builder else None,
    )


def _docker_options(
    request: Request,
    definition: ImageDefinition,
    builder: BuilderKind,
    labels: Mapping[str, str],
    base: BasePlan | None,
    environment_tags: tuple[ImageReference, ...],
    published: ImageReference | None,
) -> BuildOptions:
    """Return the options of a build in which Docker builds the environment as well.

    ``published`` is the repository that gets an image of the environment; None if it gets none.
    """
    inputs, metadata, push = request.inputs, definition.metadata, request.may_push
    local_image = local_image_name(definition.workspace, definition.dockerfile, builder.platform)
    options = BuildOptions(
        definition=definition,
        builder=builder,
        labels=tuple(sorted(labels.items())),
        annotations=metadata.annotations if builder.annotations else (),
        tags=tags_to_publish(request.names, definition, untagged=inputs.push_untagged) if push else (),
        push=push,
        local_image=local_image,
        test_container=test_container_name(local_image),
        keep=request.keep,
        builds_first=request.with_others,
        environment_tags=environment_tags,
        base=base,
    )
    if not definition.environment_dockerfile:
        return options
    place = environment_from_docker(inputs, builder, local_image, published)
    return replace(
        options,
        environment=place.context,
        environment_output=place.output,
        environment_tags=place.names or environment_tags,
    )


def _on_environment_image(
    docker: BuildOptions, existing: ExistingImages, way: EnvironmentWay, name: ImageReference | None
) -> BuildOptions:
    """Return the options of a build on an environment image, unless Docker builds the environment.

    ``name`` is the repository of an image that is made straight from the lock; None if that stays in a folder.
    """
    if existing.environment:
        return replace(docker, environment=f"{IMAGE_CONTEXT}{existing.environment}", environment_output="")
    if not way.is_direct:
        return docker
    return replace(
        docker,
        environment=f"{IMAGE_CONTEXT}{name}@{ENVIRONMENT}" if name else in_layout(LAYOUT_FOLDER, ENVIRONMENT),
        makes_environment=True,
        environment_output="",
        environment_tags=(),
    )


def _need_of_builder(
    request: Request, definition: ImageDefinition, way: EnvironmentWay, base: BasePlan | None
) -> str:
    """Return why the image needs a builder, a whole clause; empty if it needs none."""
    environment = ""
    if not way.is_direct:
        environment = f"Pixi installs the environment in a build, because {way.reason}"
    elif request.may_push and not may_reuse_environment(request.inputs, definition):
        environment = "'reuse-environment' is false, so that there is no environment image to put layers on"
    elif base and base.is_built:
        environment = f"the registry has no base '{base.tag}' with 'apt-packages' and 'base-instructions'"
    return needs_builder(definition, request.inputs, keep=request.keep, environment_needs_builder=environment)


def _missing(request: Request, builder: BuilderKind, needed: str) -> UserError:
    """Return the error for a builder that is missing or not wanted, and why one is needed."""
    inputs = request.inputs
    if builder.missing:
        elsewhere = "Add a line for it to 'nodes': see docs/nodes.md." if inputs.nodes else HOW_TO_RUN_FOREIGN
        return ToolUnavailableError(
            f"{builder.missing}; the image needs a builder: {needed}",
            hint=elsewhere if inputs.nodes or request.platform else "",
        )
    return UserError(f"input 'builder': 'none' cannot make this image: {needed}")


def _way(definition: ImageDefinition, builder: BuilderKind, *, publishes: bool) -> EnvironmentWay:
    """Return how the environment is made by this registry and builder."""
    way = definition.way
    if not way.is_direct:
        return way
    if not definition.is_pinned:
        return EnvironmentWay("docker", "the base image could not be read from its registry")
    if not publishes and not builder.takes_layouts:
        return EnvironmentWay("docker", "this engine's own builder cannot take an image from a folder")
    return way


def may_reuse_environment(inputs: Inputs, definition: ImageDefinition) -> bool:
    """Tell whether the environment can be its own image: a stage whose inputs are all in the fingerprint."""
    return inputs.reuse_environment and definition.is_pinned and "environment" in definition.stages


def _environment_tags(
    names: tuple[ImageReference, ...], definition: ImageDefinition
) -> tuple[ImageReference, ...]:
    """Return the environment image's tags under every name, so that no name depends on another."""
    tags = (definition.environment_tag, definition.moving_environment_tag)
    return tuple(name.tagged(tag) for tag in tags for name in names)


def _leftover_images(options: BuildOptions, commands: BuildCommands) -> tuple[str, ...]:
    # A kept image without user tags has only this name.
    is_last_name = options.keep and not options.definition.metadata.tags
    loaded = (options.local_image,) if (commands.test or options.keep) and not is_last_name else ()
    if options.builder.driver != "docker":
        return loaded
    # Images that the engine's own builder pushes stay in the engine under every tag.
    pushed = () if options.keep or not commands.push else options.tags
    bases = options.base.tags if options.base and options.base.is_built else ()
    makes_environment = commands.push_environment or commands.make_environment
    return (
        *loaded,
        *_texts(bases),
        *_texts(pushed),
        *(_texts(options.environment_tags) if makes_environment else ()),
    )


def _check_names(event: Event, names: tuple[ImageReference, ...], tags: tuple[str, ...]) -> None:
    if not names:
        raise UserError(
            "no image name is set, and none follows from the repository",
            hint="Set 'images', for example to ghcr.io/owner/name.",
        )
    if not tags:
        raise UserError(
            f"the input 'tags' gives no tag for the event '{event.name}' on {event.ref or 'no ref'}",
            hint="An image without a tag cannot be pulled by name. Add a rule that applies to this event, such as "
            "'type=sha', or set 'push' to false.",
        )
