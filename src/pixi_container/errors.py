"""Exceptions for user errors, each kind with its exit code; any other exception is a bug."""

from __future__ import annotations

from typing import ClassVar

EXIT_CODES = {
    0: "Done.",
    1: "A bug in pixi-container, with the lines to report.",
    2: "The command line is wrong: an unknown command, an unknown flag, or one that the command does not use.",
    3: "An input, the workspace or the checkout is wrong.",
    4: "Not permitted: a registry refuses access, or the event may not push what is checked out.",
    5: "A tool is missing, too old or does not answer: docker, its engine, buildx, git.",
    6: "The build failed, or the builder's push.",
    7: "The test in the built image failed; the image was not pushed.",
    8: "A registry cannot be reached, gives broken answers, or has another image than the one that was pushed.",
}
"""The program's exit codes and their meanings. After a signal, the exit code is 128 plus the signal's number."""


class UserError(Exception):
    """A problem that the user can fix: what is wrong, where, and what to do.

    ``file`` is a path as the user knows it, and ``line`` counts from one; a workflow shows the annotation there.
    ``hint`` says what to do. ``exit_code`` is one of ``EXIT_CODES``.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, hint: str = "", file: str = "", line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.file = file
        self.line = line

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file and self.line else f"{self.file}: " if self.file else ""
        return f"{place}{self.message}" + (f"\n{self.hint}" if self.hint else "")


class NoWorkspaceError(UserError):
    """The folder has no manifest with a workspace."""


class NotPermittedError(UserError):
    """The event or the user lacks the permission for this."""

    exit_code = 4


class RegistryRefusedError(NotPermittedError):
    """The registry denies access."""


class ToolUnavailableError(UserError):
    """A required program is missing, too old or does not answer."""

    exit_code = 5


class BuildFailedError(UserError):
    """The image could not be built, or the builder could not push it."""

    exit_code = 6


class ImageTestFailedError(UserError):
    """The image was built, but its test failed."""

    exit_code = 7


class RegistryError(UserError):
    """The registry's content is not what it should be."""

    exit_code = 8


class RegistryUnavailableError(RegistryError):
    """The registry gave no usable answer: it is unreachable, too busy or broken."""


class CommitGoneError(UserError):
    """The repository answers, but no longer has the commit."""


class GitUnavailableError(ToolUnavailableError):
    """Git could not query the repository: no access, no network or no Git."""


class GithubUnavailableError(UserError):
    """GitHub's API gave no answer: rate limit, outage, no permission."""
