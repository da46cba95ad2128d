"""What becomes of each part of a Dockerfile or workflow, and the inputs that it gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixi_container.display import one_line
from pixi_container.errors import UserError
from pixi_container.input_table import INPUTS
from pixi_container.inputs import parse_inputs
from pixi_container.settings import as_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

Value: TypeAlias = "str | int | list[str] | dict[str, str]"
"""What a setting looks like in the manifest."""

TAKEN = "taken over"
NOT_NEEDED = "not needed"
LEFT = "NOT taken over"


@dataclass(frozen=True)
class PartVerdict:
    """What becomes of one instruction or step: where it stands, its text, and one of the three outcomes."""

    file: str
    line: int
    text: str
    outcome: str
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {one_line(self.text)}\n    {self.outcome}{self.reason}"


@dataclass
class Proposal:
    """Inputs to set in the manifest and in the workflow, and the verdicts, as they are collected."""

    settings: dict[str, Value] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    verdicts: list[PartVerdict] = field(default_factory=list)


@dataclass(frozen=True)
class Part:
    """A part of a file that gets a verdict."""

    file: str
    line: int
    text: str

    def taken(self, proposal: Proposal, name: str, value: Value, note: str = "") -> None:
        """Set an input to the value, or add the value to its list; a value that it would refuse is left out."""
        added = {**proposal.settings, name: merged(proposal.settings.get(name), value)}
        if problem := refusal(name, added[name]):
            self.left(proposal, problem)
            return
        proposal.settings[name] = added[name]
        self._say(proposal, TAKEN, f" as '{name}'{note}")

    def given(self, proposal: Proposal, name: str, value: str) -> None:
        """Set an input in the workflow, where its expressions are evaluated."""
        proposal.inputs[name] = f"{proposal.inputs[name]}\n{value}" if name in proposal.inputs else value
        self._say(proposal, TAKEN, f" as '{name}' in the workflow")

    def needless(self, proposal: Proposal, reason: str) -> None:
        """Say that nothing has to be taken over."""
        self._say(proposal, NOT_NEEDED, f": {reason}")

    def left(self, proposal: Proposal, reason: str) -> None:
        """Say that it is not taken over."""
        self._say(proposal, LEFT, f": {reason}")

    def _say(self, proposal: Proposal, outcome: str, reason: str) -> None:
        proposal.verdicts.append(PartVerdict(self.file, self.line, self.text, outcome, reason))


def merged(before: Value | None, value: Value) -> Value:
    """Return the value added to one before: lists and tables grow, lines follow each other."""
    if isinstance(before, list) and isinstance(value, list):
        return list(dict.fromkeys([*before, *value]))
    if isinstance(before, dict) and isinstance(value, dict):
        return {**before, **value}
    if isinstance(before, str) and isinstance(value, str) and value.endswith("\n"):
        return f"{before}{value}"
    return value


def refusal(name: str, value: Value) -> str:
    """Return why an input cannot have the value, empty if it can."""
    row = next((row for row in INPUTS if row.name == name), None)
    if not row:
        return f"there is no input '{name}'"
    try:
        parse_inputs({name: as_text(row, value)})
    except UserError as error:
        return error.message
    return ""


def differing(settings: Mapping[str, Value]) -> dict[str, Value]:
    """Return the settings that differ from the inputs' defaults, in the order of the inputs."""
    return {row.name: settings[row.name] for row in INPUTS if settings.get(row.name, row.default) != row.default}
