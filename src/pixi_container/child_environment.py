"""The environment variables that each child process gets: an allow list per program.

The environment holds every secret of the step (``INPUT_*``), and whatever earlier steps of the job set. A program
gets only what it needs to find its files, servers and certificates.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")

_EVERY_PROGRAM = (
    "PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TZ", "LANG", "LANGUAGE", "LC_*", "XDG_*",
    *_PROXIES, *(name.lower() for name in _PROXIES),
    "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip

_DOCKER = (
    # Where the engine is: https://docs.docker.com/reference/cli/docker/#environment-variables
    "DOCKER_API_VERSION", "DOCKER_CERT_PATH", "DOCKER_CLI_HINTS", "DOCKER_CONFIG", "DOCKER_CONTEXT",
    "DOCKER_CUSTOM_HEADERS", "DOCKER_DEFAULT_PLATFORM", "DOCKER_HOST", "DOCKER_TLS", "DOCKER_TLS_VERIFY",
    # Where the builder is: https://docs.docker.com/build/building/variables/#build-tool-configuration-variables
    "BUILDKIT_COLORS", "BUILDKIT_HOST", "BUILDKIT_TTY_LOG_LINES", "BUILDX_BUILDER", "BUILDX_CONFIG",
    "BUILDX_EXPERIMENTAL", "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY", "KUBECONFIG",
    # SOURCE_DATE_EPOCH is left out: buildx turns it into a build argument, on which every step would depend.
    # For an engine reached by SSH.
    "SSH_AUTH_SOCK",
)  # fmt: skip

_GIT = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_SYSTEM", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH")

# Where Pixi has its caches, configuration and credentials, and what it takes the machine for:
# https://pixi.sh/latest/reference/environment_variables/
_PIXI = (
    "PIXI_HOME",
    "PIXI_CACHE_DIR",
    "PIXI_CONFIG_FILE",
    "RATTLER_*",
    "UV_CACHE_DIR",
    "CONDA_OVERRIDE_*",
    "NETRC",
)

CREDENTIAL_HELPER = ("AWS_*", "AZURE_*", "CLOUDSDK_*", "GOOGLE_APPLICATION_CREDENTIALS", "PASSWORD_STORE_DIR")
"""The identity of cloud registries' credential helpers; only for a run that may use credentials."""

_FIXED = {
    # Otherwise buildx calls git in the checkout, and git obeys the checkout's configuration:
    # https://docs.docker.com/build/building/variables/#buildx_git_info
    "docker": {"BUILDX_GIT_INFO": "false"},
    # English messages can be matched, and nobody can answer a prompt.
    "git": {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"},
}


def child_environment(program: str, env: Mapping[str, str]) -> dict[str, str]:
    """Return the part of ``env`` that ``program`` gets, and its fixed settings.

    ``PATH`` loses relative folders and those in the checkout, so that no program is looked up there.
    """
    name = PurePath(program).name
    patterns = _EVERY_PROGRAM
    if name == "docker":
        patterns += _DOCKER
    elif name == "git":
        patterns += _GIT
    elif name == "pixi":
        patterns += _PIXI
    elif name.startswith("docker-credential-"):
        patterns += ("DOCKER_CONFIG", *CREDENTIAL_HELPER)
    passed = passing(patterns, env)
    if "PATH" in passed:
        passed["PATH"] = _search_path(passed["PATH"], env.get("GITHUB_WORKSPACE", ""))
    return passed | _FIXED.get(name, {})


def passing(patterns: tuple[str, ...], env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables whose name matches one of ``patterns``; ``*`` stands for any text."""
    exact = {pattern for pattern in patterns if "*" not in pattern}
    globs = [pattern for pattern in patterns if "*" in pattern]
    return {
        name: value
        for name, value in env.items()
        if name in exact or any(fnmatchcase(name, pattern) for pattern in globs)
    }


def _search_path(path: str, checkout: str) -> str:
    forbidden = Path(checkout).resolve() if checkout else None
    folders = [
        folder
        for folder in path.split(os.pathsep)
        if Path(folder).is_absolute() and not (forbidden and Path(folder).resolve().is_relative_to(forbidden))
    ]
    # Some C libraries take an empty search path for the working folder.
    return os.pathsep.join(folders) or os.defpath
