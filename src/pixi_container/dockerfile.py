"""The Dockerfile: from a workspace and the chosen images to text, with no room for anything else."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.lock import LOCK_NAME

if TYPE_CHECKING:
    from jinja2 import Template

    from pixi_container.image_reference import ImageReference
    from pixi_container.workspace import Workspace

TEMPLATE = "Dockerfile.template"

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_EXPANDED_BY_SHELL = re.compile(r"[$`]")


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """What the user chose for the image beside the workspace."""

    workdir: str = "/app"
    expose: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


def render_dockerfile(
    workspace: Workspace,
    *,
    builder_image: ImageReference,
    runtime_image: ImageReference,
    settings: ImageSettings,
) -> str:
    """Give the Dockerfile's text; the same values give the same text.

    Raises ``UserError`` for a value of the manifest that cannot stand in a Dockerfile.
    """
    workdir = settings.workdir
    prefix = f"{workdir}/.pixi/envs/{workspace.environment}"
    activation = _activation(workspace, workdir, prefix)
    values = {
        "environment": workspace.environment,
        "manifest": workspace.manifest.file,
        "builder_image": str(builder_image),
        "runtime_image": str(runtime_image),
        "workdir": workdir,
        "prefix": prefix,
        "cuda": workspace.cuda,
        "platforms": [
            {
                "architecture": workspace.platform.docker.partition("/")[2],
                "conda_packages": workspace.platform.conda_packages,
            }
        ],
        "install_copies": _copies((*workspace.install_files, *workspace.activation_scripts), workdir),
        "script_copies": _copies(workspace.activation_scripts, workdir),
        "production_copies": [
            *_copies(tuple(dict.fromkeys((workspace.manifest.file, LOCK_NAME))), workdir),
            *([path, f"{workdir}/{path}"] for path in workspace.include),
        ],
        "activation": activation,
        "environment_variables": _environment_variables(workspace, activation),
        "expose": settings.expose,
        "command": list(settings.command or ("bash",)),
    }
    return _template().render(values)


def _copies(paths: tuple[str, ...], workdir: str) -> list[list[str]]:
    """Group files by folder, as one COPY puts all it copies into one folder."""
    folders: dict[str, list[str]] = {}
    for path in paths:
        parent = str(PurePosixPath(path).parent)
        folders.setdefault(f"{workdir}/" if parent == "." else f"{workdir}/{parent}/", []).append(path)
    return [[*files, folder] for folder, files in folders.items()]


def _activation(workspace: Workspace, workdir: str, prefix: str) -> list[tuple[str, str]]:
    """The variables that Pixi's activation always sets, in a fixed order.

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
        "PIXI_PROJECT_ROOT": workdir,
        "PIXI_PROJECT_VERSION": workspace.manifest.version,
    }
    return [(key, value) for key, value in variables.items() if value]


def _environment_variables(workspace: Workspace, activation: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The image's static variables, for whoever starts a process without any shell.

    A value of ``[activation.env]`` that refers to other variables is expanded by a shell only and is left to
    activate.sh, as is one of several lines.
    """
    variables = dict(activation)
    for name, value in workspace.activation_env:
        if not _VARIABLE.fullmatch(name):
            raise UserError(
                f"[activation.env] has the name {name!r}, which no shell can export",
                file=str(workspace.context / workspace.manifest.file),
                hint="Accepted: letters, digits and underscores, not starting with a digit.",
            )
        if name != "PATH" and not _EXPANDED_BY_SHELL.search(value) and not _CONTROL.search(value):
            variables[name] = value
    # Without these two Pixi checks, and may rewrite, the environment on every `pixi run`.
    variables |= {"PIXI_FROZEN": "true", "PIXI_NO_INSTALL": "true", "PIXI_CACHE_DIR": "/tmp/pixi-cache"}  # noqa: S108
    if workspace.cuda:
        variables |= {
            "CONDA_OVERRIDE_CUDA": workspace.cuda,
            "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
            "NVIDIA_VISIBLE_DEVICES": "all",
        }
    return sorted(variables.items())


def _quoted_for_env(value: str) -> str:
    """Quote for ENV: https://docs.docker.com/reference/dockerfile/#environment-replacement."""
    if _CONTROL.search(value):
        raise UserError(f"a value has a control character and cannot be a variable of an image: {value!r}")
    return '"' + re.sub(r'(["\\$])', r"\\\1", value) + '"'


def _quoted_for_shell(value: str) -> str:
    if _CONTROL.search(value):
        raise UserError(f"a value has a control character and cannot be exported: {value!r}")
    return shlex.quote(value)


def _template() -> Template:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters = {"json": json.dumps, "env": _quoted_for_env, "shell": _quoted_for_shell}
    return environment.from_string(_template_path().read_text("utf-8"))


def _template_path() -> Path:
    """The template lies at the top of the repository, and inside the package once that is installed."""
    installed = Path(__file__).with_name(TEMPLATE)
    return installed if installed.exists() else Path(__file__).parents[2] / TEMPLATE
