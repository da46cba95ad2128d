"""The files that an image depends on: their paths for change detection, and their digests for the fingerprints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.image.base_instructions import read_base_instructions
from pixi_container.image.instructions import NO_INSTRUCTIONS
from pixi_container.image.workspace_stage import workspace_stage
from pixi_container.image_choice import MANIFEST_NAMES
from pixi_container.paths import PIXI_CONFIG, exists, leads_out
from pixi_container.workspace.build_context import digest_of, lfs_pointers, read_docker_ignore
from pixi_container.workspace.folder import default_includes, in_context
from pixi_container.workspace.lock import LOCK_NAME
from pixi_container.workspace.named_contexts import digest_of_folders, named_folders

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixi_container.image.instructions import Instructions
    from pixi_container.inputs import Inputs
    from pixi_container.workspace.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class ImageFiles:
    """The digests for the fingerprints by part, and the included files that are only Git LFS pointers."""

    digests: Mapping[str, str]
    lfs_pointers: tuple[str, ...] = ()


def read_image_files(
    workspace: Workspace, inputs: Inputs, pixi_version: str, instructions: Instructions = NO_INSTRUCTIONS
) -> ImageFiles:
    """Read the files that the build copies or mounts. Raises ``UserError`` for what cannot be read."""
    context = workspace.context
    base = read_base_instructions(context, inputs.base_instructions)
    ignore, ignore_text = read_docker_ignore(context, inputs.dockerfile)
    # The ignore file of a user-supplied Dockerfile does not apply to the builds of what is below its image.
    below = read_docker_ignore(context)[0] if inputs.dockerfile else ignore
    # A user-supplied Dockerfile may copy the whole context, including folders that the default one never copies.
    copies_all = bool(inputs.dockerfile or inputs.template)
    whole = digest_of(context, (".",), ignore, with_never_copied=True) if copies_all else ""
    return ImageFiles(
        digests={
            "activation scripts": digest_of(context, workspace.all_activation_scripts, below),
            "local packages": digest_of(context, workspace.local_channels, below),
            "manifest and lock": digest_of(context, (*workspace.install_files, *workspace.config_files), ignore),
            "own packages": digest_of(context, _own_packages(workspace, pixi_version), ignore),
            "included files": whole
            or digest_of(context, (*workspace.include, *instructions.context_paths), ignore),
            "base": digest_of(context, base.context_paths, below),
            "context": whole,
            "build contexts": digest_of_folders(named_folders(context, inputs.build_contexts)),
            ".dockerignore": ignore_text,
        },
        lfs_pointers=tuple(lfs_pointers(context, workspace.include, ignore)),
    )


def relevant_paths(
    workspace: Workspace, inputs: Inputs, pixi_version: str, instructions: Instructions = NO_INSTRUCTIONS
) -> tuple[str, ...]:
    """Return the files and folders whose change may change the image, relative to the context.

    They include files that do not exist: one may have been deleted, or would take precedence if it were added.
    """
    if inputs.dockerfile or inputs.template:
        return (".",)
    base = read_base_instructions(workspace.context, inputs.base_instructions)
    paths = {
        *(in_context(name, workspace.folder) for name in (*MANIFEST_NAMES, LOCK_NAME, PIXI_CONFIG)),
        ".dockerignore",
        *workspace.install_files,
        *workspace.missing_files,
        *workspace.all_activation_scripts,
        *(path for each in workspace.all_environments for path in each.missing_scripts),
        *workspace.local_channels,
        *_own_packages(workspace, pixi_version),
        *(path for given in (base, instructions) for path in (*given.context_paths, given.file) if path),
        *(rule.top for rule in workspace.include_rules if not rule.is_exception),
        *(default_includes(workspace.folder) if inputs.include is None else ()),
        *workspace.include,
    }
    root = workspace.context.resolve()
    targets = {
        (root / path).resolve().relative_to(root).as_posix()
        for path in paths
        if exists(root, path) and not leads_out(root, path)
    }
    return tuple(sorted(paths | targets))


def _own_packages(workspace: Workspace, pixi_version: str) -> tuple[str, ...]:
    stage = workspace_stage(workspace, pixi_version)
    return tuple(sorted({*stage.mounts, *stage.copies})) if stage else ()
