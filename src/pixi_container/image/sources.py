"""The sources of an image: the workspace, and the text of a user-supplied Dockerfile or template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.image.base_instructions import read_base_instructions
from pixi_container.image.instructions import NO_INSTRUCTIONS, Instructions, read_instructions
from pixi_container.image.own_dockerfile import read_own_dockerfile
from pixi_container.paths import read_own_file
from pixi_container.runner.checkout import source_version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixi_container.image.own_dockerfile import OwnDockerfile
    from pixi_container.inputs import Inputs
    from pixi_container.workspace.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The workspace, a user-supplied Dockerfile, and the text of a user-supplied template, empty without one.

    ``instructions`` are the user's own for the end of the image, and ``base_instructions`` those for the base.
    ``source_version`` is the checkout's version, for packages that take their version from Git.
    """

    workspace: Workspace
    dockerfile: OwnDockerfile | None = None
    template: str = ""
    instructions: Instructions = NO_INSTRUCTIONS
    base_instructions: Instructions = NO_INSTRUCTIONS
    source_version: str = ""


def read_sources(
    inputs: Inputs, workspace: Workspace, env: Mapping[str, str], own: OwnDockerfile | None = None
) -> Sources:
    """Return the sources, with the texts of a user-supplied Dockerfile, template or instructions.

    ``own`` is the Dockerfile if it was read before. Raises ``UserError`` for what cannot be used.
    """
    template = read_own_file(workspace.context, inputs.template, "template") if inputs.template else ""
    return Sources(
        workspace=workspace,
        dockerfile=own or read_own_dockerfile(inputs),
        template=template,
        instructions=read_instructions(workspace.context, inputs.instructions, "instructions"),
        base_instructions=read_base_instructions(workspace.context, inputs.base_instructions),
        source_version=source_version(workspace.context, env) if workspace.scm_versioned else "",
    )
