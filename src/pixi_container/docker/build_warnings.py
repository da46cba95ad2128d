"""What BuildKit's checks say of the lines of a Dockerfile that the user wrote.

Source: https://docs.docker.com/reference/build-checks/, and ``printWarnings`` in
https://github.com/docker/buildx/blob/master/commands/build.go for how buildx prints them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.docker.command import WRITTEN_DOCKERFILE

if TYPE_CHECKING:
    from pixi_container.docker.command import Command

# What a build step prints has its number in front, so that no step can print such a line.
_FAILED = re.compile(r"^(?:[^\n#]*/)?[A-Za-z0-9._-]+:(?P<line>[0-9]{1,6})$\n^-{20}$", re.MULTILINE)
_WARNING = re.compile(r"(?:\x1b\[[0-9;]*m)* - (?P<rule>[A-Za-z]+): (?P<message>.+) \(line (?P<line>[0-9]{1,6})\)")


@dataclass(frozen=True)
class OwnLines:
    """The lines of a Dockerfile that are the user's: the first one's number, how many, and where they are from.

    ``file`` is the Dockerfile as a command line names it, because a run also builds others.
    """

    first: int = 0
    count: int = 0
    source: str = ""
    file: str = WRITTEN_DOCKERFILE

    def in_build(self, command: Command) -> OwnLines:
        """Return the user's lines in what a command builds: none if that is another Dockerfile."""
        return self if self.file in command.argv else NO_OWN_LINES

    def warning(self, printed: str) -> str:
        """Return a warning about one of them, in its own numbering; empty for any other line of buildx."""
        warning = _WARNING.fullmatch(printed.rstrip())
        place = self._place(warning)
        return f"{place}: {warning['message']} ({warning['rule']})" if warning and place else ""

    def failed(self, output: str) -> str:
        """Return the place of the instruction that failed; empty if it is none of them, or buildx does not say."""
        return self._place(next(reversed(list(_FAILED.finditer(output))), None))

    def _place(self, match: re.Match[str] | None) -> str:
        number = int(match["line"]) - self.first + 1 if match else 0
        return f"{self.source}, line {number}" if 1 <= number <= self.count else ""


NO_OWN_LINES = OwnLines()
