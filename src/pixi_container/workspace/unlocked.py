"""A workspace without a lock, or a folder without a workspace, whose image a user-supplied Dockerfile makes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.image_choice import MANIFEST_NAMES
from pixi_container.paths import exists
from pixi_container.workspace import machine
from pixi_container.workspace.folder import context_entries, in_context
from pixi_container.workspace.lock import DOCKER_PLATFORMS, LOCK_NAME, LockedPlatform
from pixi_container.workspace.manifest import manifest_from, read_manifest
from pixi_container.workspace.pixi_config import PixiConfig
from pixi_container.workspace.platforms import Platform, environment_platforms
from pixi_container.workspace.toml_table import TomlTable
from pixi_container.workspace.workspace import Workspace, environment_of

if TYPE_CHECKING:
    from pixi_container.inputs import Inputs
    from pixi_container.workspace.manifest import Manifest

_USUAL_PLATFORM = "linux/amd64"


def unlocked_workspace(inputs: Inputs, docker_platform: str = "") -> Workspace | None:
    """Return the workspace for a platform such as ``linux/amd64``, with no packages; None if there is a lock.

    The manifest counts if there is one. Raises ``UserError`` for a manifest that cannot be read or lacks the
    environment, and for a platform that no Pixi environment is locked for.
    """
    context = Path(inputs.context)
    manifest, is_there = _manifest(inputs, context)
    if exists(context, in_context(LOCK_NAME, manifest.folder)):
        return None
    environment = (
        environment_of(manifest, inputs.environment, context)
        if is_there
        else manifest.environment(inputs.environment)
    )
    platforms = environment_platforms(manifest, environment) if is_there else ()
    declared = _declared(platforms, docker_platform or _USUAL_PLATFORM)
    platform = LockedPlatform(name=declared.subdir, subdir=declared.subdir, packages=())
    names = (declared.name, declared.subdir)
    cuda = machine.cuda(declared, platform, inputs.cuda_version)
    glibc = machine.glibc(declared, platform)
    return Workspace(
        context=context,
        manifest=manifest,
        environment=environment.name,
        features=environment.feature_names,
        solve_group=environment.solve_group,
        declared=declared,
        platform=platform,
        all_platforms=tuple(sorted(each.name for each in platforms)),
        docker_platforms=(platform.docker,),
        lock_version=0,
        cuda=cuda.value,
        cuda_source=cuda.reason,
        glibc=glibc.value,
        glibc_source=glibc.reason,
        own_source=(),
        git_source=(),
        find_links=(),
        source_places=(),
        context_entries=context_entries(context, manifest.folder),
        scm_versioned=False,
        unknown_environments=(),
        install_files=(),
        config=PixiConfig(),
        stale=(),
        activation_scripts=(),
        missing_files=(),
        missing_scripts=(),
        activation_env=tuple(sorted(manifest.activation_env(environment.name, names).items())),
        include_rules=(),
        include_copies=(),
        is_locked=False,
    )


def _manifest(inputs: Inputs, context: Path) -> tuple[Manifest, bool]:
    """Return the manifest, and whether there is one; else an empty one."""
    if inputs.manifest_path or any(exists(context, name) for name in MANIFEST_NAMES):
        try:
            return read_manifest(context, inputs.manifest_path), True
        except UserError:
            # A pyproject.toml need not be a workspace.
            if inputs.manifest_path or exists(context, "pixi.toml"):
                raise
    return manifest_from(MANIFEST_NAMES[0], TomlTable({}, str(context / MANIFEST_NAMES[0]))), False


def _declared(platforms: tuple[Platform, ...], docker: str) -> Platform:
    """Return the manifest's platform for one of Docker's, else a plain one. Raises ``UserError`` for others."""
    for platform in platforms:
        if DOCKER_PLATFORMS.get(platform.subdir) == docker:
            return platform
    for subdir, known in DOCKER_PLATFORMS.items():
        if known == docker:
            return Platform(subdir, subdir)
    raise UserError(
        f"images for {docker} are not supported", hint=f"Supported: {', '.join(DOCKER_PLATFORMS.values())}."
    )
