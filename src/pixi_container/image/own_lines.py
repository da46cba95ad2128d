"""The lines of a rendered Dockerfile that the user wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixi_container.image.instructions import Instructions


@dataclass(frozen=True)
class OwnLines:
    """Lines of the user's own: the number of the first in the Dockerfile, how many, and where they are from."""

    first: int
    count: int
    source: str

    def place(self, line: int) -> str:
        """Return where the user wrote a line of the Dockerfile; empty if it is none of these."""
        number = line - self.first + 1
        return f"{self.source}, line {number}" if 1 <= number <= self.count else ""


def own_lines(dockerfile: str, base: Instructions, end: Instructions) -> tuple[OwnLines, ...]:
    """Return the lines of the instructions for the base, and of those for the end of the image."""
    # The same text may be in both places, of which the base is the first.
    places = ((base, dockerfile.find), (end, dockerfile.rfind))
    starts = ((given, search(given.text) if given.text else -1) for given, search in places)
    return tuple(
        OwnLines(dockerfile.count("\n", 0, start) + 1, given.text.count("\n"), str(given.origin))
        for given, start in starts
        if start >= 0
    )
