"""A command line for docker."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

WORK = "$WORK"
"""Placeholder in a command line for the temporary folder, which exists only while the plan runs."""

ENVIRONMENT = "$ENVIRONMENT"
"""Placeholder in a command line for the digest of the environment's image, which is known once it is made."""

BUILDER = "$BUILDER"
"""Placeholder, as a whole argument, for the name of a builder of nodes, which is that of the temporary folder."""

WRITTEN_DOCKERFILE = f"{WORK}/Dockerfile"
"""The Dockerfile that a run writes, as a command line names it."""

LAYOUT_FOLDER = "environment"
"""The folder below the temporary one with an environment's image that is not published, as an OCI layout."""

PUSHED = "type=registry,oci-mediatypes=true"
"""The output of a build that pushes; Docker's own media types, BuildKit's default, cannot hold annotations."""

BASE = "$BASE"
"""Placeholder in a command line for the digest of the base image, which is known once it is built."""

PACKAGES = "$PACKAGES"
"""Placeholder in a command line for the versions that apt-get installed, as JSON."""


def flags(flag: str, values: Iterable[object]) -> tuple[str, ...]:
    """Return the words of a flag that is given once for each value."""
    return tuple(word for value in values for word in (flag, str(value)))


def in_layout(folder: str, digest: str) -> str:
    """Return the build context for an image in an OCI layout below the temporary folder."""
    return f"oci-layout://{WORK}/{folder}@{digest}"


@dataclass(frozen=True)
class Command:
    """A process: its purpose and its argument list."""

    purpose: str
    argv: tuple[str, ...]

    def on_environment(self, digest: str) -> Command:
        """Return the command with the digest of the environment's image filled in."""
        return self.filled(ENVIRONMENT, digest)

    def filled(self, placeholder: str, value: str) -> Command:
        """Return the command with a value in the place of a placeholder."""
        return replace(self, argv=tuple(argument.replace(placeholder, value) for argument in self.argv))

    def in_folder(self, work: str) -> tuple[str, ...]:
        """Return the argument list with the path of the temporary folder, and the builder's name, filled in."""
        name = PurePath(work).name
        return tuple(name if argument == BUILDER else argument.replace(WORK, work) for argument in self.argv)
