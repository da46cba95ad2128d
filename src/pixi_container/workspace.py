"""The workspace as an image needs it: manifest, lock and the files beside them, for one environment."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.lock import LOCK_NAME, LockedPlatform, read_lock
from pixi_container.manifest import Manifest, read_manifest

if TYPE_CHECKING:
    from pixi_container.inputs import Inputs

_NOT_COPIED = {".git", ".pixi"}


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """One environment of a workspace; every path is relative to the context, with forward slashes.

    ``install_files`` is what Pixi reads to install: manifest, lock and what the manifest insists on.
    ``cuda`` is what ``CONDA_OVERRIDE_CUDA`` has to say, empty without CUDA, and ``cuda_source`` why.
    """

    context: Path
    manifest: Manifest
    environment: str
    platform: LockedPlatform
    all_platforms: tuple[str, ...]
    lock_version: int
    cuda: str
    cuda_source: str
    install_files: tuple[str, ...]
    activation_scripts: tuple[str, ...]
    activation_env: tuple[tuple[str, str], ...]
    include: tuple[str, ...]


def read_workspace(inputs: Inputs, docker_platform: str = "") -> Workspace:
    """Read what the inputs name, for ``linux/amd64`` or the like; empty is the first that is locked.

    Raises ``UserError`` for whatever keeps it from becoming an image.
    """
    context = Path(inputs.context)
    manifest = read_manifest(context, inputs.manifest_path)
    environment = inputs.environment
    if environment not in manifest.environment_names:
        near = difflib.get_close_matches(environment, manifest.environment_names, n=1)
        raise UserError(
            f"there is no environment '{environment}'" + (f"; did you mean '{near[0]}'?" if near else ""),
            file=str(context / manifest.file),
            hint="Environments of this workspace: " + ", ".join(manifest.environment_names) + ".",
        )
    locked = read_lock(context, environment)
    platform = locked.on(docker_platform)
    if platform.own_source:
        raise UserError(
            f"environment '{environment}' installs packages from source in the workspace: "
            + ", ".join(platform.own_source),
            file=str(context / LOCK_NAME),
            hint="Such packages cannot be built into an image yet. Ship an environment without them and put "
            "their sources into the image with 'include'.",
        )
    cuda, cuda_source = _cuda(inputs, manifest, platform)
    subdirs = (platform.name, platform.subdir)
    scripts = manifest.activation_scripts(environment, subdirs)
    return Workspace(
        context=context,
        manifest=manifest,
        environment=environment,
        platform=platform,
        all_platforms=locked.all_platforms,
        lock_version=locked.lock_version,
        cuda=cuda,
        cuda_source=cuda_source,
        install_files=tuple(
            checked_path(context, path, source=manifest.file)
            for path in (manifest.file, LOCK_NAME, *manifest.parse_time_files)
        ),
        activation_scripts=tuple(
            checked_path(context, path, source="activation script")
            for path in scripts
            if (context / path).exists()
        ),
        activation_env=tuple(sorted(manifest.activation_env(environment, subdirs).items())),
        include=_included(inputs, context),
    )


def checked_path(context: Path, path: str, *, source: str) -> str:
    """Give ``path`` in its normal form when the image can have it from the context.

    Raises ``UserError`` for one that is absent, leaves the context (by ``..``, absolute or through a symbolic
    link), or has characters that a Dockerfile's COPY gives a meaning to.
    """
    normal = PurePosixPath(path)
    problem = ""
    if normal.is_absolute() or ".." in normal.parts:
        problem = "leads out of the context"
    elif not normal.parts:
        problem = "is the whole context; name the folders and files to copy"
    elif _NOT_COPIED & set(normal.parts):
        problem = "is not copied into images"
    elif re.search(r"[\x00-\x1f\x7f$*?\[\]\\\"]", path):
        problem = 'has a character that cannot be copied by name: one of $ * ? [ ] \\ " or a control character'
    elif not (context / normal).exists():
        problem = f"does not exist in '{context}'"
    elif not (context / normal).resolve().is_relative_to(context.resolve()):
        problem = "is a symbolic link that leads out of the context"
    if problem:
        raise UserError(f"{source}: '{path}' {problem}", hint="Paths are relative to 'context'.")
    return str(normal)


def _included(inputs: Inputs, context: Path) -> tuple[str, ...]:
    if inputs.include is None:
        return ("src",) if (context / "src").is_dir() else ()
    return tuple(dict.fromkeys(checked_path(context, path, source="input 'include'") for path in inputs.include))


def _cuda(inputs: Inputs, manifest: Manifest, platform: LockedPlatform) -> tuple[str, str]:
    if inputs.cuda_version:
        return inputs.cuda_version, "input 'cuda-version'"
    declared = manifest.cuda(inputs.environment)
    if declared:
        return declared, f"system requirements in {manifest.file}"
    return platform.cuda, LOCK_NAME if platform.cuda else "not asked for"
