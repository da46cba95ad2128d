"""Render the Dockerfile for a workspace and its base images."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.image.base_images import DEFAULT_PIXI
from pixi_container.image.instructions import NO_INSTRUCTIONS, Instructions
from pixi_container.image.layers import layer_budget
from pixi_container.image.lock_check import lock_check_without_source
from pixi_container.image.production_stage import copies_by_folder, production_stage
from pixi_container.image.template import CONTROL, render, render_apart
from pixi_container.image.workspace_stage import workspace_stage
from pixi_container.inputs import Inputs
from pixi_container.paths import checked_path, exists
from pixi_container.shortening import shortened
from pixi_container.workspace.folder import from_folder
from pixi_container.workspace.lock import LOCK_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pixi_container.image.base_definition import BaseDefinition
    from pixi_container.image.workspace_stage import WorkspaceStage
    from pixi_container.input_values import Healthcheck
    from pixi_container.registry.reference import ImageReference
    from pixi_container.workspace.workspace import Workspace

TEMPLATE = "Dockerfile.template"

TRUSTED_CACHE, UNTRUSTED_CACHE = "pixi-container", "pixi-container-untrusted"
"""Names of the builder's package caches: a build that pushes never reads what a pull request may have written."""

PROXY_VARIABLES = tuple(
    name
    for proxy in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY")
    for name in (proxy, proxy.lower())
)
"""The variables that BuildKit passes to each step if docker is configured with proxies.

Source: https://docs.docker.com/reference/dockerfile/#predefined-args
"""

PASSED_VARIABLES = (
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "HTTP_TIMEOUT",
    "NETRC",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
)
"""Variables of the builder image for building own packages, in addition to ``PIP_*`` and ``UV_*``."""

_SCRIPTS = Path(__file__).parent / "scripts"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EXPANDED_BY_SHELL = re.compile(r"[$`]")


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """The user's settings for the image.

    ``instructions`` are those that the user adds at the end, and ``base`` what is added to the runtime image.
    ``template`` is the text of a user-supplied template. ``source_version`` is the version for packages that take
    theirs from Git. ``cache`` names the builder's package cache.
    """

    inputs: Inputs = field(default_factory=Inputs)
    instructions: Instructions = NO_INSTRUCTIONS
    template: str = ""
    conda_auth: bool = False
    git_auth: bool = False
    source_version: str = ""
    cache: str = TRUSTED_CACHE
    base: BaseDefinition | None = None


def render_dockerfile(
    workspace: Workspace,
    *,
    builder_image: ImageReference,
    runtime_image: ImageReference,
    settings: ImageSettings,
    pixi_version: str = DEFAULT_PIXI,
) -> str:
    """Return the Dockerfile's text; the same values give the same text.

    Raises ``UserError`` for a value of the manifest that cannot be written into a Dockerfile.
    """
    stage = workspace_stage(workspace, pixi_version)
    check = None if stage else lock_check_without_source(workspace, pixi_version)
    workdir = settings.inputs.workdir
    place = workspace.place(workdir)
    prefix = prefix_of(workspace, workdir)
    activation = activation_variables(workspace, workdir, prefix)
    installed_from = (*workspace.install_files, *workspace.config_files, *workspace.all_activation_scripts)
    production = production_stage(workspace, settings.inputs, settings.instructions)
    values = {
        "environment": workspace.environment,
        "more": [_further(each, workdir) for each in workspace.more],
        "manifest": workspace.manifest.file,
        "builder_image": str(builder_image),
        "runtime_image": str(runtime_image),
        "base": settings.base.template_values if settings.base else None,
        "workdir": workdir,
        "workspace": place,
        "prefix": prefix,
        "cuda": _cuda(workspace),
        "activation_check": activation_check(),
        "scripts": scripts(),
        "platforms": _platforms(workspace),
        "stage": asdict(stage) if stage else None,
        "lock_check": asdict(check) if check else None,
        "git": any(source.name not in (stage.skip if stage else ()) for source in workspace.git_source),
        "conda_auth": settings.conda_auth,
        "git_auth": settings.git_auth,
        "cache": settings.cache,
        "build_variables": _build_variables(workspace, settings),
        "passed_variables": PASSED_VARIABLES,
        "proxy_variables": PROXY_VARIABLES,
        "manifest_copies": [copy.words for copy in production.manifest_copies],
        "install_copies": [
            *(copy.words for copy in copies_by_folder(installed_from, workdir)),
            *([path, f"{workdir}/{path}"] for path in _local_channels(workspace)),
        ],
        "activation_scripts": [from_folder(path, workspace.folder) for path in workspace.all_activation_scripts],
        "include_copies": [{"flags": copy.flags, "paths": copy.words} for copy in production.include_copies],
        "activation": activation,
        "kept_variables": kept_variables(workspace),
        "environment_variables": environment_variables(workspace, activation),
        "production_variables": production.variables,
        "env": [(variable.name, variable.quoted) for variable in production.env],
        "expose": production.expose,
        "volumes": production.volumes,
        "working_directory": production.working_directory,
        "healthcheck": _healthcheck(production.healthcheck),
        "stop_signal": production.stop_signal,
        "entrypoint": production.entrypoint,
        "command": production.command,
        "user": production.user,
        "instructions": production.instructions.text,
    }
    return _rendered(settings.template, values)


def _further(workspace: Workspace, workdir: str) -> dict[str, object]:
    """Return the template's values for a further environment of the image."""
    return {
        "name": workspace.environment,
        "platforms": _platforms(workspace),
        "activation": activation_variables(workspace, workdir, prefix_of(workspace, workdir)),
        "kept_variables": kept_variables(workspace),
    }


def _platforms(workspace: Workspace) -> list[dict[str, object]]:
    platform = workspace.platform
    return [
        {"architecture": platform.docker.partition("/")[2], "conda_packages": platform.conda_packages},
    ]


def prefix_of(workspace: Workspace, workdir: str) -> str:
    """Return the environment's path in an image that has the context at ``workdir``."""
    return f"{workspace.place(workdir)}/.pixi/envs/{workspace.environment}"


def _healthcheck(check: Healthcheck | None) -> dict[str, object] | None:
    if check is None:
        return None
    return {"flags": [f"--{name}={value}" for name, value in check.options], "command": check.command}


def most_environment_layers(workspace: Workspace, settings: ImageSettings, stage: WorkspaceStage | None) -> int:
    """Return how many layers the environment may have beside the image's other layers."""
    manifest_copies = len(copies_by_folder(workspace.install_files, settings.inputs.workdir))
    # Besides the copies: the shells' start-up files, the working folder, the entrypoint, and the stage's packages.
    others = manifest_copies + len(workspace.include_copies) + 3
    if stage:
        others += manifest_copies + len(stage.copies) + 1
    # Of the user's own instructions each may make a layer.
    return layer_budget(others + len(settings.instructions.parsed), settings.inputs.layers)


@lru_cache
def scripts() -> dict[str, str]:
    """Return the texts of the scripts in the Dockerfile by file name."""
    files = sorted(file for file in _SCRIPTS.iterdir() if file.suffix in {".sh", ".awk"})
    return {file.name: file.read_text("utf-8") for file in files}


PREPARING_CHECK = {"Dockerfile": "FROM environment\nCOPY Dockerfile /\n"}
"""A build context, text by file name, whose build unpacks the image that it is given, and does nothing else."""


def environment_check(place: str, more: Iterable[str] = ()) -> dict[str, str]:
    """Return a build context, text by file name, whose build starts an environment as the stage ``check`` does.

    ``place`` is the workspace's folder in the image, ``more`` are the names of the image's further environments.
    """
    started = ["", *(f"PIXI_CONTAINER_ENVIRONMENT={name} " for name in more)]
    dockerfile = "FROM environment\nENV BASH_ENV=\nCOPY --chmod=755 *.sh /pixi-container/\nUSER 54321:54321\n"
    dockerfile += "".join(f"RUN {chosen}/bin/bash /pixi-container/check.sh {place}\n" for chosen in started)
    return {"Dockerfile": dockerfile, **{name: scripts()[name] for name in ("check.sh", "active.sh")}}


def activation_check() -> str:
    """Return the default ``test-command``, which runs as a user that the image does not know."""
    return scripts()["active.sh"].strip()


def own_image_check() -> str:
    """Return the default ``test-command`` for an image of a user-supplied Dockerfile, in any POSIX shell."""
    return scripts()["own-image.sh"].strip()


def _local_channels(workspace: Workspace) -> list[str]:
    """Return what the first install reads from the context: conda package files and wheel folders."""
    return [
        checked_path(workspace.context, path, source=LOCK_NAME)
        for path in workspace.local_channels
        if exists(workspace.context, path)
    ]


def _build_variables(workspace: Workspace, settings: ImageSettings) -> list[tuple[str, str]]:
    """Return variables with the version for packages that ask Git for it, because the build has no repository."""
    if not workspace.scm_versioned or not settings.source_version:
        return []
    return [
        ("SETUPTOOLS_SCM_PRETEND_VERSION", settings.source_version),
        ("PDM_BUILD_SCM_VERSION", settings.source_version),
        ("POETRY_DYNAMIC_VERSIONING_BYPASS", settings.source_version),
    ]


def _cuda(workspace: Workspace) -> str:
    """Return the CUDA version, checked because the Dockerfile contains it without quotes. Raises ``UserError``."""
    if re.fullmatch(r"([0-9]{1,9}(\.[0-9]{1,9}){0,5})?", workspace.cuda):
        return workspace.cuda
    raise UserError(
        f"{shortened(repr(workspace.cuda))} is not a CUDA version ({shortened(workspace.cuda_source)})",
        hint="Accepted: a version such as 12 or 12.9.",
    )


def activation_variables(workspace: Workspace, workdir: str, prefix: str) -> list[tuple[str, str]]:
    """Return the variables that Pixi's activation always sets, in a fixed order.

    The workspace's version is left out: it changes with each release, and the environment must not.

    Source: core/activation.rs of Pixi; PIXI_EXE and PIXI_PROMPT belong to Pixi's own interactive shell.
    """
    name = workspace.manifest.name
    named = name if workspace.environment == "default" else f"{name}:{workspace.environment}"
    variables = {
        "CONDA_DEFAULT_ENV": named,
        "CONDA_PREFIX": prefix,
        "CONDA_SHLVL": "1",
        "PIXI_ENVIRONMENT_NAME": workspace.environment,
        "PIXI_ENVIRONMENT_PLATFORMS": ",".join(workspace.all_platforms),
        "PIXI_IN_SHELL": "1",
        "PIXI_PROJECT_MANIFEST": f"{workdir}/{workspace.manifest.file}",
        "PIXI_PROJECT_NAME": name,
        "PIXI_PROJECT_ROOT": workspace.place(workdir),
    }
    return [(key, value) for key, value in variables.items() if value]


def environment_variables(workspace: Workspace, activation: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the image's static variables, for processes that start without a shell.

    Values of ``[activation.env]`` that refer to other variables or have several lines are left to activate.sh,
    because only a shell can set them. Raises ``UserError`` for an invalid name.
    """
    variables = dict(activation)
    for name, value in workspace.activation_env:
        if not _VARIABLE.fullmatch(name):
            raise UserError(
                f"[activation.env] has the name {shortened(repr(name))}, which no shell can export",
                file=str(workspace.context / workspace.manifest.file),
                hint="Accepted: letters, digits and underscores, not starting with a digit.",
            )
        if name != "PATH" and not _EXPANDED_BY_SHELL.search(value) and not CONTROL.search(value):
            variables[name] = value
    # The host's home may contain packages for its own Python (https://docs.python.org/3/library/site.html).
    variables.setdefault("PYTHONNOUSERSITE", "1")
    if workspace.cuda:
        variables |= {"NVIDIA_DRIVER_CAPABILITIES": "compute,utility", "NVIDIA_VISIBLE_DEVICES": "all"}
    # Empty, so that a container started from another one does not take that one's activation for its own.
    return sorted({**variables, **dict(kept_variables(workspace)), "PIXI_CONTAINER_ACTIVE": ""}.items())


def kept_variables(workspace: Workspace) -> list[tuple[str, str]]:
    """Return the variables of the image for Pixi and conda, which override those of a host."""
    # Without the first two Pixi checks, and may rewrite, the environment on every `pixi run`.
    variables = {"PIXI_FROZEN": "true", "PIXI_NO_INSTALL": "true", "PIXI_CACHE_DIR": "/tmp/pixi-cache"}  # noqa: S108
    if workspace.cuda:
        variables["CONDA_OVERRIDE_CUDA"] = workspace.cuda
    return sorted(variables.items())


def _rendered(own_template: str, values: Mapping[str, object]) -> str:
    """Return the user's template, or else the default one, rendered with the same JSON values."""
    plain = json.loads(json.dumps(values))
    if own_template:
        return render_apart(own_template, plain)
    return render(_template_path().read_text("utf-8"), plain)


def _template_path() -> Path:
    """Return the template's path: the top of the repository, or inside the installed package."""
    package = Path(__file__).parents[1]
    installed = package / TEMPLATE
    return installed if installed.exists() else package.parents[1] / TEMPLATE
