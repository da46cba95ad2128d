"""The Dockerfile: from a workspace and the chosen images to text, with no room for anything else."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.image.base_images import DEFAULT_PIXI
from pixi_container.image.layers import environment_layers, layers_beside
from pixi_container.image.lock_check import lock_check_without_source
from pixi_container.image.template import CONTROL, render, render_apart
from pixi_container.image.workspace_stage import workspace_stage
from pixi_container.inputs import MOST_LAYERS
from pixi_container.paths import checked_path, exists
from pixi_container.shortening import shortened
from pixi_container.workspace.lock import LOCK_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixi_container.image.layers import Layer
    from pixi_container.image.workspace_stage import WorkspaceStage
    from pixi_container.registry.reference import ImageReference
    from pixi_container.workspace.workspace import Workspace

TEMPLATE = "Dockerfile.template"

TRUSTED_CACHE, UNTRUSTED_CACHE = "pixi-container", "pixi-container-untrusted"
"""Names of the builder's cache of packages: a build that pushes never reads what a pull request's can write."""

PROXY_VARIABLES = tuple(
    name
    for proxy in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY")
    for name in (proxy, proxy.lower())
)
"""What BuildKit gives to each step where docker is set up with proxies, for pixi and for builds that it starts.

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
"""Variables of the builder image that reach the build of own packages, beside ``PIP_*`` and ``UV_*``."""

_SCRIPTS = Path(__file__).parent / "scripts"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EXPANDED_BY_SHELL = re.compile(r"[$`]")


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """What the user chose for the image beside the workspace.

    ``layers`` is how many the environment has at most. ``template`` is the text of a template of the user's own.
    ``source_version`` is the version for packages that take theirs from Git. ``cache`` names the builder's cache
    of packages.
    """

    workdir: str = "/app"
    expose: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    layers: int = MOST_LAYERS
    template: str = ""
    conda_auth: bool = False
    source_version: str = ""
    cache: str = TRUSTED_CACHE


def render_dockerfile(
    workspace: Workspace,
    *,
    builder_image: ImageReference,
    runtime_image: ImageReference,
    settings: ImageSettings,
    pixi_version: str = DEFAULT_PIXI,
) -> str:
    """Return the Dockerfile's text; the same values give the same text.

    Raises ``UserError`` for a value of the manifest that cannot stand in a Dockerfile.
    """
    stage = workspace_stage(workspace, pixi_version)
    check = None if stage else lock_check_without_source(workspace, pixi_version)
    workdir = settings.workdir
    prefix = f"{workdir}/.pixi/envs/{workspace.environment}"
    activation = activation_variables(workspace, workdir, prefix)
    manifest_copies = _copies(workspace.install_files, workdir)
    values = {
        "environment": workspace.environment,
        "manifest": workspace.manifest.file,
        "builder_image": str(builder_image),
        "runtime_image": str(runtime_image),
        "workdir": workdir,
        "prefix": prefix,
        "cuda": _cuda(workspace),
        "activation_check": activation_check(),
        "scripts": scripts(),
        "platforms": [
            {
                "architecture": workspace.platform.docker.partition("/")[2],
                "conda_packages": workspace.platform.conda_packages,
            }
        ],
        "layers": [asdict(layer) for layer in layers_for(workspace, settings, stage)],
        "stage": asdict(stage) if stage else None,
        "lock_check": asdict(check) if check else None,
        "git": bool(workspace.git_source),
        "conda_auth": settings.conda_auth,
        "cache": settings.cache,
        "build_variables": _build_variables(workspace, settings),
        "passed_variables": PASSED_VARIABLES,
        "proxy_variables": PROXY_VARIABLES,
        "manifest_copies": manifest_copies,
        "install_copies": [
            *_copies((*workspace.install_files, *workspace.config_files, *workspace.activation_scripts), workdir),
            *([path, f"{workdir}/{path}"] for path in _local_channels(workspace)),
        ],
        "activation_scripts": workspace.activation_scripts,
        "include_copies": [[path, f"{workdir}/{path}"] for path in workspace.include],
        "activation": activation,
        "kept_variables": kept_variables(workspace),
        "environment_variables": environment_variables(workspace, activation),
        "production_variables": (
            [("PIXI_PROJECT_VERSION", workspace.manifest.version)] if workspace.manifest.version else []
        ),
        "expose": settings.expose,
        "command": list(settings.command or ("bash",)),
    }
    return _rendered(settings.template, values)


def layers_for(workspace: Workspace, settings: ImageSettings, stage: WorkspaceStage | None) -> tuple[Layer, ...]:
    """Return the layers of the environment, as many as the image's other layers leave room for."""
    skipped = set(stage.skip) if stage else set()
    installed = [package for package in workspace.platform.packages if package.name not in skipped]
    manifest_copies = len(_copies(workspace.install_files, settings.workdir))
    # Beside the copies: the shells' start-up files, the working folder, the entrypoint, and what the stage adds.
    others = manifest_copies + len(workspace.include) + 3
    if stage:
        others += manifest_copies + len(stage.copies) + 1
    return environment_layers(installed, layers_beside(others, settings.layers))


@lru_cache
def scripts() -> dict[str, str]:
    """Return the texts of the scripts that the Dockerfile holds, by the names of their files."""
    files = sorted(file for file in _SCRIPTS.iterdir() if file.suffix in {".sh", ".awk"})
    return {file.name: file.read_text("utf-8") for file in files}


def activation_check() -> str:
    """Return what is run when the user gives no ``test-command``, as a user that the image does not know."""
    return scripts()["active.sh"].strip()


def _local_channels(workspace: Workspace) -> list[str]:
    """Return what the first install takes from the context: package files of conda's and folders of wheels."""
    return [
        checked_path(workspace.context, path, source=LOCK_NAME)
        for path in workspace.local_channels
        if exists(workspace.context, path)
    ]


def _build_variables(workspace: Workspace, settings: ImageSettings) -> list[tuple[str, str]]:
    """Return packages that ask Git for their version the answer, as their build has no repository."""
    if not workspace.scm_versioned or not settings.source_version:
        return []
    return [
        ("SETUPTOOLS_SCM_PRETEND_VERSION", settings.source_version),
        ("PDM_BUILD_SCM_VERSION", settings.source_version),
        ("POETRY_DYNAMIC_VERSIONING_BYPASS", settings.source_version),
    ]


def _cuda(workspace: Workspace) -> str:
    """Return the version, which stands in the Dockerfile without quotes."""
    if re.fullmatch(r"([0-9]{1,9}(\.[0-9]{1,9}){0,5})?", workspace.cuda):
        return workspace.cuda
    raise UserError(
        f"{shortened(repr(workspace.cuda))} is no version of CUDA ({shortened(workspace.cuda_source)})",
        hint="Accepted: such as 12 or 12.9.",
    )


def _copies(paths: tuple[str, ...], workdir: str) -> list[list[str]]:
    """Group files by folder, as one COPY puts all it copies into one folder."""
    folders: dict[str, list[str]] = {}
    for path in paths:
        parent = str(PurePosixPath(path).parent)
        folders.setdefault(f"{workdir}/" if parent == "." else f"{workdir}/{parent}/", []).append(path)
    return [[*files, folder] for folder, files in folders.items()]


def activation_variables(workspace: Workspace, workdir: str, prefix: str) -> list[tuple[str, str]]:
    """The variables that Pixi's activation always sets, in a fixed order.

    The workspace's version is not among them: it changes with a release, and the environment must not.

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
    }
    return [(key, value) for key, value in variables.items() if value]


def environment_variables(workspace: Workspace, activation: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The image's static variables, for whoever starts a process without any shell.

    A value of ``[activation.env]`` that refers to other variables is expanded by a shell only and is left to
    activate.sh, as is one of several lines.
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
    # A home of the host's may have packages for its own Python (https://docs.python.org/3/library/site.html).
    variables.setdefault("PYTHONNOUSERSITE", "1")
    if workspace.cuda:
        variables |= {"NVIDIA_DRIVER_CAPABILITIES": "compute,utility", "NVIDIA_VISIBLE_DEVICES": "all"}
    # Empty, so that what a container starts does not take the environment of that container for its own.
    return sorted({**variables, **dict(kept_variables(workspace)), "PIXI_CONTAINER_ACTIVE": ""}.items())


def kept_variables(workspace: Workspace) -> list[tuple[str, str]]:
    """Return what tells Pixi and conda about the image, whatever a host says."""
    # Without the first two Pixi checks, and may rewrite, the environment on every `pixi run`.
    variables = {"PIXI_FROZEN": "true", "PIXI_NO_INSTALL": "true", "PIXI_CACHE_DIR": "/tmp/pixi-cache"}  # noqa: S108
    if workspace.cuda:
        variables["CONDA_OVERRIDE_CUDA"] = workspace.cuda
    return sorted(variables.items())


def _rendered(own_template: str, values: Mapping[str, object]) -> str:
    """Render the user's template, or ours, with values that are the same for both: those that JSON has."""
    plain = json.loads(json.dumps(values))
    if own_template:
        return render_apart(own_template, plain)
    return render(_template_path().read_text("utf-8"), plain)


def _template_path() -> Path:
    """The template lies at the top of the repository, and inside the package once that is installed."""
    package = Path(__file__).parents[1]
    installed = package / TEMPLATE
    return installed if installed.exists() else package.parents[1] / TEMPLATE
