"""What BuildKit's checks say of the lines of a Dockerfile that the user wrote.

Source: https://docs.docker.com/reference/build-checks/, and ``printWarnings`` in
https://github.com/docker/buildx/blob/master/commands/build.go for how buildx prints them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# What a build step prints has its number in front, so that no step can print such a line.
_WARNING = re.compile(r" - (?P<rule>[A-Za-z]+): (?P<message>.+) \(line (?P<line>[0-9]{1,6})\)")


@dataclass(frozen=True)
class OwnLines:
    """The lines of a Dockerfile that are the user's: the first one's number, how many, and where they are from."""

    first: int = 0
    count: int = 0
    source: str = ""

    def warning(self, printed: str) -> str:
        """Return a warning about one of them, in its own numbering; empty for any other line of buildx."""
        warning = _WARNING.fullmatch(printed.rstrip())
        number = int(warning["line"]) - self.first + 1 if warning else 0
        if not warning or not 1 <= number <= self.count:
            return ""
        return f"{self.source}, line {number}: {warning['message']} ({warning['rule']})"


NO_OWN_LINES = OwnLines()
