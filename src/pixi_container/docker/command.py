"""One command line for docker."""

from __future__ import annotations

from dataclasses import dataclass

WORK = "$WORK"
"""Stands in a command line for the temporary folder that exists only while the plan is carried out."""


@dataclass(frozen=True)
class Command:
    """One process: what it is for and its argument list."""

    purpose: str
    argv: tuple[str, ...]

    def in_folder(self, work: str) -> tuple[str, ...]:
        """Return the argument list with the temporary folder's name put in."""
        return tuple(argument.replace(WORK, work) for argument in self.argv)
