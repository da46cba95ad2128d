"""Who said what in the plain progress of a ``docker buildx build`` that failed.

A build step may print anything, also what looks like an error of BuildKit. Only the place of a line tells them
apart: each line of a step has the step's number and the seconds in front. In the summary after the steps a line
may lack both where it continues one, so that nothing of it is read but what comes last, buildx's own error.
Source of the form: https://github.com/moby/buildkit/blob/master/util/progress/progressui/printer.go
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pixi_container.display import without_controls

_STEP_LINE = re.compile(r"#(\d+) \d+(?:\.\d+)? (.*)")
_STEP_ERROR = re.compile(r"#(\d+) ERROR: ")
_SUMMARY = "------"
_ERROR = "ERROR: "
_WRAPPING = re.compile(r"^(?:failed to build: |failed to solve: )+")
# The command is the whole script of a RUN; what is in it does not say why it failed.
_COMMAND = re.compile(
    r'(?:process ".*" did not complete successfully|executor failed running \[.*\]): (?=[^"\]]*$)', re.DOTALL
)
_AFTER_THE_ERROR = ("View build details:", "Usage:")


@dataclass(frozen=True)
class BuildOutput:
    """What the step that failed printed, by line, and what buildx said at the end, without a command's text.

    ``step`` is empty where no step failed; ``builder`` is empty where buildx ended without a word.
    """

    step: tuple[str, ...]
    builder: str


def build_output(output: str) -> BuildOutput:
    """Split the last lines that buildx printed by who said them."""
    # Not by ``splitlines``, which would end a step's line at characters that BuildKit lets pass.
    lines = output.split("\n")
    steps = lines[: lines.index(_SUMMARY)] if _SUMMARY in lines else lines
    failed = next((match[1] for line in steps if (match := _STEP_ERROR.match(line))), "")
    said = (match for line in steps if (match := _STEP_LINE.fullmatch(line)))
    return BuildOutput(
        step=tuple(without_controls(match[2]).rstrip() for match in said if failed and match[1] == failed),
        builder=_last_words(lines),
    )


def _last_words(lines: list[str]) -> str:
    errors = [number for number, line in enumerate(lines) if line.startswith(_ERROR)]
    if not errors and any(line.startswith("#") for line in lines):
        return ""
    words: list[str] = []
    # What is refused before a build begins, such as a flag, is said without the word in front.
    for line in lines[errors[-1] :] if errors else lines:
        if line.startswith(_AFTER_THE_ERROR):
            break
        words.append(without_controls(line).rstrip())
    text = _WRAPPING.sub("", "\n".join(words).removeprefix(_ERROR).strip())
    return _COMMAND.sub("a build step ended with ", text)
