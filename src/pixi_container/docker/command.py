"""A command line for docker."""

from __future__ import annotations

from dataclasses import dataclass, replace

WORK = "$WORK"
"""Placeholder in a command line for the temporary folder, which exists only while the plan runs."""

ENVIRONMENT = "$ENVIRONMENT"
"""Placeholder in a command line for the digest of the environment's image, which is known once it is made."""

WRITTEN_DOCKERFILE = f"{WORK}/Dockerfile"
"""The Dockerfile that a run writes, as a command line names it."""

LAYOUT_FOLDER = "environment"
"""The folder below the temporary one with an environment's image that is not published, as an OCI layout."""

BASE = "$BASE"
"""Placeholder in a command line for the digest of the base image, which is known once it is built."""

PACKAGES = "$PACKAGES"
"""Placeholder in a command line for the versions that apt-get installed, as JSON."""


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
        """Return the argument list with the path of the temporary folder filled in."""
        return tuple(argument.replace(WORK, work) for argument in self.argv)
