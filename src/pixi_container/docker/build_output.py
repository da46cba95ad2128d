"""Split the plain progress of a failed ``docker buildx build`` by who printed each line.

A build step may print anything, including text that looks like a BuildKit error. Only the prefix tells them apart:
each line of a step starts with the step's number and the seconds. In the summary after the steps, a continued line
may lack both, so only the end of the summary is read: buildx's own error.
Source of the format: https://github.com/moby/buildkit/blob/master/util/progress/progressui/printer.go
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
# The command is the whole script of a RUN instruction; it does not explain the failure.
_COMMAND = re.compile(
    r'(?:process ".*" did not complete successfully|executor failed running \[.*\]): (?=[^"\]]*$)', re.DOTALL
)
_AFTER_THE_ERROR = ("View build details:", "Usage:")


@dataclass(frozen=True)
class BuildOutput:
    """The lines that the failed step printed, and buildx's final error without the text of the command.

    ``step`` is empty if no step failed; ``builder`` is empty if buildx printed no error.
    """

    step: tuple[str, ...]
    builder: str


def build_output(output: str) -> BuildOutput:
    """Return the parts of buildx's last lines by who printed them."""
    # ``splitlines`` would also split at characters that BuildKit leaves within a line.
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
    # Errors before the build starts, such as an unknown flag, lack the prefix.
    for line in lines[errors[-1] :] if errors else lines:
        if line.startswith(_AFTER_THE_ERROR):
            break
        words.append(without_controls(line).rstrip())
    text = _WRAPPING.sub("", "\n".join(words).removeprefix(_ERROR).strip())
    return _COMMAND.sub("a build step ended with ", text)
