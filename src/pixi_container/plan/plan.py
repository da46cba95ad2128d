"""The plan: from event, inputs, workspace and a few look-ups to one value that says all that will happen."""

from __future__ import annotations

import json
import posixpath
import shlex
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pixi_container.errors import UserError
from pixi_container.image.definition import environment_tag, image_tag, moving_environment_tag
from pixi_container.image.fingerprint import SHORT
from pixi_container.image.fingerprint_labels import fingerprint_labels
from pixi_container.image.metadata import published_names
from pixi_container.paths import HOW_TO_FETCH_LFS, is_below
from pixi_container.plan.commands import (
    BuildCommands,
    BuildOrder,
    build_commands,
    local_image_name,
    test_container_name,
)
from pixi_container.plan.decision import BUILD
from pixi_container.registry.reference import name_of
from pixi_container.request import may_push
from pixi_container.shortening import shortened

if TYPE_CHECKING:
    from pixi_container.changes.comparison import Changes
    from pixi_container.docker.builder import BuilderKind
    from pixi_container.image.base_images import BaseImages
    from pixi_container.image.definition import Draft
    from pixi_container.inputs import Inputs
    from pixi_container.plan.decision import Decision, Published
    from pixi_container.registry.reference import ImageReference
    from pixi_container.runner.event import Event
    from pixi_container.tags import Facts
    from pixi_container.workspace.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the plan is made of, beside event and inputs: all that was read and asked for.

    ``relevant`` are the changed files that the image depends on, ``lfs_pointers`` those that are to be copied.
    """

    workspace: Workspace
    bases: BaseImages
    facts: Facts
    draft: Draft
    changes: Changes
    relevant: tuple[str, ...]
    published: Published
    builder: BuilderKind
    lfs_pointers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that will happen, and why. No secret is part of it.

    ``tags`` are the user's; ``published_tags`` are those that the registry has in the end, among them ours by
    which an image is found again. ``existing_images`` are there already, one for each name, and get the
    ``new_tags`` of their name.
    ``environment_image`` is the environment's own image, to be used when ``reuses_environment`` and else to be
    made, if it is not empty. ``leftover_images`` are the names under which the engine has images in the end that
    nobody asked for. ``notes`` tell of what gave nothing although it was meant to.
    """

    decision: str
    reason: str
    push: bool
    changes: dict[str, Any]
    changed_files: tuple[str, ...]
    environment: str
    platform: str
    cuda: str
    cuda_source: str
    pixi_version: str
    pixi_reason: str
    builder_image: str
    runtime_image: str
    conda_packages: int
    pypi_packages: int
    fingerprint: str
    fingerprint_parts: dict[str, str]
    image_fingerprint: str
    image_fingerprint_parts: dict[str, str]
    download_size: int
    version: str
    tags: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    annotations: tuple[str, ...]
    json: str
    notes: tuple[str, ...]
    published_tags: tuple[str, ...]
    existing_images: tuple[str, ...]
    new_tags: tuple[str, ...]
    environment_image: str
    environment_tags: tuple[str, ...]
    reuses_environment: bool
    layers: int
    local_image: str
    keep_local_image: bool
    leftover_images: tuple[str, ...]
    test_container: str
    dockerfile: str
    commands: BuildCommands
    workspace: dict[str, Any]

    @property
    def tags_to_put(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Each of the existing images with the new tags of its name."""
        return tuple(
            (image, tuple(tag for tag in self.new_tags if name_of(tag) == image.partition("@")[0]))
            for image in self.existing_images
        )

    def as_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return {**asdict(self), "labels": dict(self.labels)}

    def as_text(self) -> str:
        """Return the plan for a person, a fact per line."""
        packages = f"{self.conda_packages} from conda ({self.download_size / 1e6:.0f} MB to download)"
        if self.pypi_packages:
            packages += f", {self.pypi_packages} from PyPI"
        environment = "reused from" if self.reuses_environment else "published as"
        lines = [
            f"decision     {self.decision}: {self.reason}",
            f"changes      {self.changes['reason']}",
            f"environment  {self.environment} on {self.platform}"
            + (f", {environment} {self.environment_image}" if self.environment_image else ""),
            f"packages     {packages}" + (f", in {self.layers} layers" if self.layers else ""),
            f"cuda         {self.cuda or 'none'} ({self.cuda_source})",
            f"pixi         {self.pixi_version} ({self.pixi_reason})",
            f"builder      {self.builder_image}",
            f"runtime      {self.runtime_image}",
            f"fingerprint  {self.image_fingerprint[:SHORT]}, of the environment {self.fingerprint[:SHORT]}",
            f"version      {self.version or 'none'}",
            *(f"tag          {tag}" for tag in self.tags),
            *(f"put tag      {tag} on {image}" for image, tags in self.tags_to_put for tag in tags),
            *(f"{command.purpose:<12} {shlex.join(command.argv)}" for command in self.commands.all),
        ]
        return "\n".join(lines)


def image_tags(inputs: Inputs, event: Event, workspace: Workspace, draft: Draft) -> tuple[str, ...]:
    """Return every tag that a pushed image gets: the user's, and one by which it is found again."""
    names = published_names(inputs.images, event.repository)
    ours = image_tag(workspace.environment, draft.image)
    found_again = (str(name.tagged(ours)) for name in names) if draft.is_pinned else ()
    return tuple(dict.fromkeys((*draft.metadata.tags, *found_again)))


def make_plan(event: Event, inputs: Inputs, found: Findings, decision: Decision, *, keep: bool = False) -> Plan:
    """Put a decision into all that will happen. ``keep`` leaves the image in the local engine under its tags.

    Raises ``UserError`` where nothing could be pushed: no image name, or no tag.
    """
    draft, workspace, metadata = found.draft, found.workspace, found.draft.metadata
    push, _ = may_push(event, inputs)
    names = published_names(inputs.images, event.repository)
    if push:
        _check_names(event, names, metadata.tags)
    labels = {**metadata.labels, **fingerprint_labels(draft.environment, draft.image)}
    reuse = found.published.environment
    environment_image = _environment_image(inputs, found, names, push=push)
    local = local_image_name(workspace, draft.dockerfile)
    order = BuildOrder(
        draft=draft,
        bases=found.bases,
        builder=found.builder,
        labels=tuple(sorted(labels.items())),
        annotations=metadata.annotations if found.builder.annotations else (),
        tags=image_tags(inputs, event, workspace, draft),
        push=push,
        epoch=int(found.facts.commit_date.timestamp()),
        local_image=local,
        test_container=test_container_name(local),
        keep=keep,
        reuse=reuse,
        environment_tags=() if reuse or not environment_image else _environment_tags(found, names),
        previous=found.published.previous,
    )
    builds = decision.kind == BUILD
    commands = build_commands(inputs, workspace, order) if builds else BuildCommands()
    return Plan(
        decision=decision.kind,
        reason=decision.reason,
        push=push,
        changes=found.changes.as_json(),
        changed_files=found.relevant,
        environment=workspace.environment,
        platform=workspace.platform.docker,
        cuda=workspace.cuda,
        cuda_source=workspace.cuda_source,
        pixi_version=found.bases.pixi_version,
        pixi_reason=found.bases.pixi_reason,
        builder_image=str(found.bases.builder),
        runtime_image=str(found.bases.runtime),
        conda_packages=workspace.platform.conda_packages,
        pypi_packages=workspace.platform.pypi_packages,
        fingerprint=draft.environment.digest,
        fingerprint_parts=draft.environment.as_json(),
        image_fingerprint=draft.image.digest,
        image_fingerprint_parts=draft.image.as_json(),
        download_size=workspace.platform.download_size,
        version=metadata.version,
        tags=metadata.tags,
        labels=order.labels,
        annotations=order.annotations,
        json=json.dumps(metadata.as_json()["json"]),
        notes=(*metadata.notes, *_notes_on_command(inputs, workspace), *_notes_on_pointers(found.lfs_pointers)),
        published_tags=order.tags if push else (),
        existing_images=tuple(str(image) for image in decision.images),
        new_tags=decision.new_tags,
        environment_image=str(reuse or environment_image or "") if builds else "",
        environment_tags=order.environment_tags if builds else (),
        reuses_environment=bool(reuse) and builds,
        layers=draft.layers,
        local_image=local,
        keep_local_image=keep,
        leftover_images=_leftover_images(order, commands),
        test_container=order.test_container,
        dockerfile=draft.dockerfile,
        commands=commands,
        workspace=workspace.as_json(),
    )


def _notes_on_command(inputs: Inputs, workspace: Workspace) -> tuple[str, ...]:
    """Tell of files in the command that are there only for who starts in the working folder."""
    copied = (*workspace.include, *workspace.install_files, *workspace.activation_scripts)
    return tuple(
        f"input 'command': '{shortened(word)}' is relative to {inputs.workdir}, and Apptainer starts elsewhere; "
        f"write '{inputs.workdir}/{shortened(posixpath.normpath(word))}'"
        for word in inputs.command
        if not word.startswith(("/", "-")) and is_below(posixpath.normpath(word), copied)
    )


def _notes_on_pointers(pointers: tuple[str, ...]) -> tuple[str, ...]:
    if not pointers:
        return ()
    more = (
        f" and {len(pointers) - 1} more included files are Git LFS pointers"
        if pointers[1:]
        else " is a Git LFS pointer"
    )
    return (f"'{shortened(pointers[0])}'{more}, not the file itself. {HOW_TO_FETCH_LFS}",)


def may_reuse_environment(inputs: Inputs, draft: Draft) -> bool:
    """Whether the environment can be an image of its own: a stage, all of whose inputs the fingerprint names."""
    return inputs.reuse_environment and not inputs.dockerfile and draft.is_pinned and draft.has_environment


def _environment_image(
    inputs: Inputs, found: Findings, names: tuple[ImageReference, ...], *, push: bool
) -> ImageReference | None:
    if not push or not may_reuse_environment(inputs, found.draft):
        return None
    return names[0].tagged(environment_tag(found.workspace.environment, found.draft.environment))


def _environment_tags(found: Findings, names: tuple[ImageReference, ...]) -> tuple[str, ...]:
    """The environment is published under every name, so that each has its own to go by."""
    environment = found.workspace.environment
    tags = (environment_tag(environment, found.draft.environment), moving_environment_tag(environment))
    return tuple(str(name.tagged(tag)) for tag in tags for name in names)


def _leftover_images(order: BuildOrder, commands: BuildCommands) -> tuple[str, ...]:
    # An image that is kept and has no tag of the user's has this name alone.
    is_last_name = order.keep and not order.draft.metadata.tags
    loaded = (order.local_image,) if (commands.test or order.keep) and not is_last_name else ()
    if order.builder.driver != "docker":
        return loaded
    # What the engine's own builder pushes stays in the engine under every tag.
    pushed = () if order.keep or not commands.push else order.tags
    return (*loaded, *pushed, *(order.environment_tags if commands.push_environment else ()))


def _check_names(event: Event, names: tuple[ImageReference, ...], tags: tuple[str, ...]) -> None:
    if not names:
        raise UserError(
            "there is no image name",
            hint="Set 'images', such as ghcr.io/owner/name; no repository is known.",
        )
    if not tags:
        raise UserError(
            f"no tag results from the input 'tags' for {event.name} on {event.ref or 'no ref'}",
            hint="An image without a tag cannot be pulled by name. Add a rule that fits this event, such as "
            "'type=sha', or set 'push' to false.",
        )
