"""The sources of an image: the workspace, and the text of a user-supplied Dockerfile or template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.image.base_instructions import read_base_instructions
from pixi_container.image.instructions import NO_INSTRUCTIONS, Instructions, read_instructions
from pixi_container.paths import checked_path, read_text
from pixi_container.runner.checkout import source_version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixi_container.inputs import Inputs
    from pixi_container.workspace.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The workspace, and the texts of a user-supplied Dockerfile and template; empty without one.

    ``instructions`` are the user's own for the end of the image, and ``base_instructions`` those for the base.
    ``source_version`` is the checkout's version, for packages that take their version from Git.
    """

    workspace: Workspace
    dockerfile: str = ""
    template: str = ""
    instructions: Instructions = NO_INSTRUCTIONS
    base_instructions: Instructions = NO_INSTRUCTIONS
    source_version: str = ""


def read_sources(inputs: Inputs, workspace: Workspace, env: Mapping[str, str]) -> Sources:
    """Read a user-supplied Dockerfile, template or instructions. Raises ``UserError`` for what cannot be used."""
    return Sources(
        workspace=workspace,
        dockerfile=_own_file(workspace, inputs.dockerfile, "dockerfile"),
        template=_own_file(workspace, inputs.template, "template"),
        instructions=read_instructions(workspace.context, inputs.instructions, "instructions"),
        base_instructions=read_base_instructions(workspace.context, inputs.base_instructions),
        source_version=source_version(workspace.context, env) if workspace.scm_versioned else "",
    )


def _own_file(workspace: Workspace, path: str, name: str) -> str:
    if not path:
        return ""
    source = f"input '{name}'"
    file = checked_path(workspace.context, path, source=source)
    text = read_text(workspace.context, file, what=f"{source}: '{path}'")
    if not text.strip():
        raise UserError(f"{source}: '{path}' is empty", file=str(workspace.context / file))
    return text
