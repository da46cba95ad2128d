"""Warnings of a plan, such as about an entry that has no effect."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from pixi_container.image.workspace_stage import workspace_stage
from pixi_container.paths import HOW_TO_FETCH_LFS, is_below
from pixi_container.shortening import listed, shortened

if TYPE_CHECKING:
    from pixi_container.docker.builder import BuilderKind
    from pixi_container.image.definition import ImageDefinition
    from pixi_container.inputs import Inputs

_LARGE_ENVIRONMENT = 1_000_000_000
"""Compressed size in bytes from which unpacking an environment takes longer than making it."""


def notes_on(inputs: Inputs, definition: ImageDefinition, builder: BuilderKind | None) -> tuple[str, ...]:
    """Return the warnings; ``builder`` is the one that pushes the image, None if nothing is built and pushed."""
    return (
        *definition.metadata.notes,
        *_notes_on_command(inputs, definition),
        *_notes_on_pointers(definition),
        *_notes_on_secrets(inputs),
        *_notes_on_own_packages(definition),
        *(_notes_on_builder(definition, builder) if builder else ()),
    )


def _notes_on_command(inputs: Inputs, definition: ImageDefinition) -> tuple[str, ...]:
    """Return a note for each relative path in the command, which works only from the working folder."""
    workspace = definition.workspace
    copied = (*workspace.include, *workspace.install_files, *workspace.all_activation_scripts)
    return tuple(
        f"input 'command': '{shortened(word)}' is relative to {inputs.workdir}, but Apptainer starts in another "
        f"folder; write '{inputs.workdir}/{shortened(posixpath.normpath(word))}'"
        for word in inputs.command
        if not word.startswith(("/", "-")) and is_below(posixpath.normpath(word), copied)
    )


def _notes_on_pointers(definition: ImageDefinition) -> tuple[str, ...]:
    pointers = definition.lfs_pointers
    if not pointers:
        return ()
    more = (
        f" and {len(pointers) - 1} more included files are Git LFS pointers"
        if pointers[1:]
        else " is a Git LFS pointer"
    )
    return (f"'{shortened(pointers[0])}'{more}, not the file itself. {HOW_TO_FETCH_LFS}",)


def _notes_on_secrets(inputs: Inputs) -> tuple[str, ...]:
    """Return a note for each secret without a value, such as one of GitHub's that the repository does not have."""
    return tuple(
        f"input 'secrets': '{name}' is empty, so the build gets no such secret"
        for name, value in inputs.build_secrets
        if not value
    )


def _notes_on_own_packages(definition: ImageDefinition) -> tuple[str, ...]:
    """Return a note on the packages that the image that a user-supplied Dockerfile builds on does not have."""
    stage = workspace_stage(definition.workspace, definition.bases.pixi_version)
    if not definition.environment_dockerfile or not stage:
        return ()
    note = (
        "the environment that your Dockerfile builds on has no packages that are built from source, so the "
        f"Dockerfile has to install them: {listed(stage.skip)}"
    )
    return (note,)


def _notes_on_builder(definition: ImageDefinition, builder: BuilderKind) -> tuple[str, ...]:
    """Return a note for a builder that is missing, or that unpacks a large environment to add a few files."""
    if builder.emulation:
        note = f"the steps for {builder.platform} run under QEMU, which takes 5 to 20 times as long as natively"
        return (note,)
    if builder.missing:
        return (f"{builder.missing}; the image's layers are put on the environment's without a builder",)
    size = sum(each.platform.download_size for each in definition.workspace.all_environments)
    if not definition.way.is_direct or builder.driver != "docker" or size < _LARGE_ENVIRONMENT:
        return ()
    note = (
        f"the engine's own builder unpacks the environment ({size / 1e9:.1f} GB compressed) to add files to it; "
        "set 'builder' to 'none', or use a builder apart from the engine, as docker/setup-buildx-action makes it"
    )
    return (note,)
