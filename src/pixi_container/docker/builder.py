"""Find the Docker engine and the buildx builder, and what the builder supports."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pixi_container.errors import ToolUnavailableError
from pixi_container.processes import capture
from pixi_container.versions import version_order

if TYPE_CHECKING:
    from collections.abc import Mapping

_OLDEST_BUILDX = "0.12"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


_ON_THIS_MACHINE = frozenset({"docker", "docker-container"})

NO_BUILDER = "none"
"""The driver where there is no builder, and the value of the input ``builder`` that asks for none."""


@dataclass(frozen=True, kw_only=True)
class BuilderKind:
    """The properties of the buildx builder that change a command line.

    With the driver ``NO_BUILDER`` nothing is built; ``missing`` says why, unless the user asked for it.
    ``platforms`` are those that a step can run for, natively or emulated. ``platform`` is the one to build for,
    empty for the engine's own, and ``emulation`` the image that first has to make it run; empty for none.
    """

    driver: str = "docker-container"
    annotations: bool = True
    missing: str = ""
    platforms: tuple[str, ...] = ()
    platform: str = ""
    emulation: str = ""

    @property
    def is_missing(self) -> bool:
        """Whether there is no builder."""
        return self.driver == NO_BUILDER

    @property
    def takes_layouts(self) -> bool:
        """Whether a build context may be an OCI layout; the engine's builder needs containerd's store for it."""
        return self.driver != "docker" or self.annotations


HOW_TO_RUN_FOREIGN = (
    "For a platform other than this machine's, set 'emulation' to 'true', use a builder or 'nodes' with a node "
    "for it, or build it on a runner of that platform: see docs/many.md."
)


def machine_platform() -> str:
    """Return this machine's platform as a container has it, such as ``linux/amd64``."""
    machine = platform.machine().lower()
    return f"linux/{_ARCHITECTURES.get(machine, machine)}"


def native_platform(env: Mapping[str, str]) -> str:
    """Return the engine's own platform, such as ``linux/amd64``.

    Raises ``ToolUnavailableError`` if the docker command is missing or no engine answers.
    """
    done = capture(["docker", "version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"], env=env)
    answer = done.output.strip()
    if done.code != 0 or "/" not in answer:
        raise ToolUnavailableError(
            f"no Docker engine answers: {done.errors.strip() or 'no server'}",
            hint="Start Docker, or point DOCKER_HOST or a Docker context at a running engine.",
        )
    return answer


def check_buildx(env: Mapping[str, str]) -> None:
    """Raise ``ToolUnavailableError`` if buildx is missing or too old."""
    version = capture(["docker", "buildx", "version"], env=env)
    installed = re.search(r"v?(\d+\.\d+\.\d+)", version.output)
    if version.code != 0 or not installed:
        raise ToolUnavailableError(
            "docker buildx is not installed",
            hint="Install Docker's buildx plugin: https://docs.docker.com/go/buildx/",
        )
    if version_order(installed[1]) < version_order(_OLDEST_BUILDX):
        raise ToolUnavailableError(
            f"docker buildx {installed[1]} is too old", hint=f"Install {_OLDEST_BUILDX} or newer."
        )


def builder_kind(name: str, env: Mapping[str, str]) -> BuilderKind:
    """Return what the builder supports; an empty name means the current builder.

    Raises ``ToolUnavailableError`` if buildx is missing or too old, or the builder does not exist.
    """
    check_buildx(env)
    inspected = capture(["docker", "buildx", "inspect", *([name] if name else [])], env=env)
    driver = re.search(r"^Driver:\s+(\S+)", inspected.output, re.MULTILINE)
    if inspected.code != 0 or not driver:
        raise ToolUnavailableError(
            f"the buildx builder {name!r} cannot be used: {inspected.errors.strip()}"
            if name
            else f"buildx has no usable builder: {inspected.errors.strip()}",
            hint="List the builders with `docker buildx ls`, and choose one with the input 'builder'.",
        )
    platforms = _platforms(inspected.output)
    if driver[1] != "docker":
        return BuilderKind(driver=driver[1], platforms=platforms)
    status = capture(["docker", "info", "--format", "{{json .DriverStatus}}"], env=env)
    return BuilderKind(
        driver="docker", annotations="io.containerd.snapshotter" in status.output, platforms=platforms
    )


def engine_platforms(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the platforms that the engine can run a container for, natively or emulated; empty if unknown."""
    context = capture(["docker", "context", "show"], env=env).output.strip()
    return _platforms(capture(["docker", "buildx", "inspect", context or "default"], env=env).output)


def builder_for(kind: BuilderKind, platform: str, emulation: str) -> BuilderKind:
    """Return how a builder builds for a platform other than the engine's.

    ``emulation`` is the image that makes other platforms run; empty where that is not wanted.
    """
    if kind.is_missing:
        return replace(kind, platform=platform)
    # A builder of this machine may still tell of what was emulated before the machine was started again.
    if emulation and (kind.driver in _ON_THIS_MACHINE or platform not in kind.platforms):
        return replace(kind, platform=platform, emulation=emulation)
    if platform in kind.platforms:
        return replace(kind, platform=platform)
    return BuilderKind(driver=NO_BUILDER, missing=f"nothing can run for {platform} on this machine's builder")


def builder_of_nodes(platforms: tuple[str, ...], platform: str) -> BuilderKind:
    """Return how a builder of the remote driver builds for a platform, given the platforms of its nodes."""
    if platform in platforms:
        return BuilderKind(driver="remote", platforms=platforms, platform=platform)
    return BuilderKind(driver=NO_BUILDER, missing=f"'nodes' has no node for {platform}")


def _platforms(inspected: str) -> tuple[str, ...]:
    """Return the platforms of all nodes, without the variants that are named after an asterisk or a slash."""
    lines = re.findall(r"^Platforms:[ \t]+(.+)$", inspected, re.MULTILINE)
    names = (name.strip().rstrip("*") for line in lines for name in line.split(","))
    return tuple(dict.fromkeys(name for name in names if name))
