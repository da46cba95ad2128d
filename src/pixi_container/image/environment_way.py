"""How the environment gets into its image: straight from the lock, or installed by Pixi in a Docker build."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pixi_container.errors import UserError
from pixi_container.image.fetched_source import fetched_source
from pixi_container.image.workspace_stage import workspace_stage
from pixi_container.shortening import shortened
from pixi_container.workspace.package_ways import package_ways

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixi_container.image.own_dockerfile import OwnDockerfile
    from pixi_container.inputs import Inputs
    from pixi_container.workspace.workspace import Workspace

LAYOUT_VERSION = 1
"""Raised by whatever changes the bytes of a layer's tar: how packages are linked, unpacked or recorded."""


@dataclass(frozen=True)
class EnvironmentWay:
    """How the environment's image is made. ``reason`` says why not straight from the lock; empty if it is."""

    kind: Literal["direct", "docker"]
    reason: str = ""

    @property
    def is_direct(self) -> bool:
        """Whether the image is made straight from the lock."""
        return self.kind == "direct"


def environment_way(
    inputs: Inputs, workspace: Workspace, pixi_version: str, own: OwnDockerfile | None = None
) -> EnvironmentWay:
    """Return how the environment is made, which depends on the inputs, the lock and Pixi's configuration.

    ``own`` is a user-supplied Dockerfile, which may install it in its own way.

    Raises ``UserError`` if the input ``environment-builder`` is ``direct`` and only Pixi can make the environment.
    """
    if inputs.environment_builder == "docker" and not (own and not own.builds_on_environment):
        return EnvironmentWay("docker", "'environment-builder' is 'docker'")
    reason = next(filter(None, _reasons(inputs, workspace, pixi_version, own)), "")
    if reason and inputs.environment_builder == "direct":
        raise UserError(
            f"the environment '{workspace.environment}' cannot be made straight from the lock: {reason}",
            hint="Set 'environment-builder' to 'auto', so that Pixi installs it in the build.",
        )
    return EnvironmentWay("docker", reason) if reason else EnvironmentWay("direct")


def _reasons(inputs: Inputs, workspace: Workspace, pixi_version: str, own: OwnDockerfile | None) -> Iterator[str]:
    """Yield for each of the image's environments why it cannot be made straight from the lock, else nothing."""
    yield _why_not_direct(inputs, workspace, pixi_version, own)
    for each in workspace.more:
        reason = _why_not_direct(inputs, each, pixi_version, own)
        yield f"in the environment '{each.environment}', {reason}" if reason else ""


def _why_not_direct(inputs: Inputs, workspace: Workspace, pixi_version: str, own: OwnDockerfile | None) -> str:
    if own and not own.builds_on_environment:
        return "your Dockerfile does not build on the environment"
    if inputs.template:
        return "'template' is set"
    if workspace.config.only_pixi:
        return f"'{workspace.config.path}' sets '{shortened(workspace.config.only_pixi)}', which only Pixi follows"
    stage = workspace_stage(workspace, pixi_version)
    added_on_top = set(stage.skip) if stage else set()
    not_added = {source.name: source.why_not_added for source in fetched_source(workspace)}
    for each in package_ways(workspace.platform.packages):
        if each.way == "pixi" or (each.way == "stage" and each.package.name not in added_on_top):
            reason = not_added.get(each.package.name) or each.reason
            return f"package '{shortened(each.package.name)}' {reason}"
    return ""
