"""The instructions for a base, which cannot do all that the end of an image can."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pixi_container.image.instructions import Refusal, context_path, read_instructions
from pixi_container.shortening import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixi_container.image.instructions import Instructions

_PROBLEM = "cannot be used for a base"
_FOR_THE_IMAGE = "The image's own entrypoint and command take its place: use the inputs for them."

REFUSED_FOR_A_BASE: Mapping[str, Refusal] = {
    "FROM": Refusal(_PROBLEM, "The base is 'runtime-image'; COPY --from=IMAGE takes files from another image."),
    "CMD": Refusal(_PROBLEM, _FOR_THE_IMAGE),
    "ENTRYPOINT": Refusal(_PROBLEM, _FOR_THE_IMAGE),
    "ONBUILD": Refusal(_PROBLEM, "Nothing else is built on the base. Write the instruction itself."),
}
"""Instructions that a base cannot have."""

_WRITE_IT_PLAINLY = "Write the path without variables, quotes and backslashes; a JSON list can have white space."
_NAME_THE_FILES = "Name the files or folders that the base needs, so that no other change builds it again."
_UNCLEAR = re.compile(r"[$\"'\\]")


def read_base_instructions(context: Path, value: str) -> Instructions:
    """Return the instructions of the input ``base-instructions``.

    Raises what ``read_instructions`` raises, and ``UserError`` for what a base cannot have.
    """
    instructions = read_instructions(context, value, "base-instructions", REFUSED_FOR_A_BASE)
    check_sources(instructions)
    return instructions


def check_sources(instructions: Instructions) -> None:
    """Raise ``UserError``, with the line, for a COPY, ADD or mount whose files in the context cannot be named."""
    for instruction in instructions.parsed:
        for source in instruction.sources:
            if _UNCLEAR.search(source):
                problem = f"the files of the source {shortened(source)!r} cannot be told"
                raise instructions.origin.error(problem, instruction.line, _WRITE_IT_PLAINLY)
            if context_path(source) == ".":
                problem = f"{instruction.keyword} reads the whole context"
                raise instructions.origin.error(problem, instruction.line, _NAME_THE_FILES)
