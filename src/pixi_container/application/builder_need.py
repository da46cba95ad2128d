"""Whether an image can be made without a builder, or why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixi_container.image.definition import ImageDefinition
    from pixi_container.inputs import Inputs


def needs_builder(
    definition: ImageDefinition, inputs: Inputs, *, keep: bool = False, environment_needs_builder: str = ""
) -> str:
    """Return why the image needs a builder or an engine, a whole clause; empty if it needs neither.

    ``keep`` tells that the image is wanted in an engine, and ``environment_needs_builder`` why the environment
    itself cannot be made straight from the lock, as a clause too.
    """
    reasons = {
        "only a builder can run the instructions of the input 'dockerfile'": bool(inputs.dockerfile),
        "only a builder can run the instructions of the input 'template'": bool(inputs.template),
        "only a builder can run the instructions of the input 'instructions'": bool(inputs.instructions),
        "packages of the environment have to be built from source": "workspace" in definition.stages,
        environment_needs_builder: bool(environment_needs_builder),
        "only an engine can run the input 'test-command'": bool(inputs.test_command),
        "the image is to be kept in an engine": keep,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")
