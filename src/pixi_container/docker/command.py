"""A command line for docker."""

from __future__ import annotations

from dataclasses import dataclass

WORK = "$WORK"
"""Placeholder in a command line for the temporary folder, which exists only while the plan runs."""


@dataclass(frozen=True)
class Command:
    """A process: its purpose and its argument list."""

    purpose: str
    argv: tuple[str, ...]

    def in_folder(self, work: str) -> tuple[str, ...]:
        """Return the argument list with the path of the temporary folder filled in."""
        return tuple(argument.replace(WORK, work) for argument in self.argv)
