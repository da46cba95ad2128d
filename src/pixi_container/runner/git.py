"""Run Git on repositories that this program created, so a checkout's configuration, hooks and filters never apply.

A checkout's ``.git`` may come from whoever wrote the checked-out code, and Git takes any folder with ``HEAD``,
``refs`` and ``objects`` for a repository. Either can name programs that Git runs. Therefore ``--git-dir`` always
points to a folder that this program created.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pixi_container.errors import CommitGoneError, GitUnavailableError, ToolUnavailableError
from pixi_container.processes import capture

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixi_container.processes import Finished

_SETTINGS = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.askPass=",
    "credential.helper=",
    "log.showSignature=false",
    "safe.bareRepository=explicit",
    "safe.directory=*",
    # Git would send the token to the target of a redirect.
    "http.followRedirects=false",
)
_SECONDS = 30
_QUOTED_CHARACTERS = 300
_GONE = re.compile(r"not our ref|couldn't find remote ref|no such remote ref|unadvertised object", re.IGNORECASE)
_GIT = ("git", "--no-pager", *(word for setting in _SETTINGS for word in ("-c", setting)))


class Git:
    """Git on the bare repository ``path``, a folder that this program created."""

    def __init__(self, path: str, env: Mapping[str, str]) -> None:
        self.path = path
        self._env = env

    def run(
        self,
        *arguments: str,
        seconds: float = _SECONDS,
        protocol: str = "none",
        added: Mapping[str, str] | None = None,
        given: str = "",
    ) -> Finished:
        """Run one command and return its exit code and output.

        ``protocol`` is the only one that Git may use to reach another repository, by default none, so Git does not
        fetch missing objects (https://git-scm.com/docs/git, GIT_ALLOW_PROTOCOL). Output bytes that are not UTF-8
        become surrogates. Raises ``ToolUnavailableError`` if Git is missing or does not finish within ``seconds``.
        """
        fixed = {"GIT_ALLOW_PROTOCOL": protocol, "GIT_NO_LAZY_FETCH": "1", "GIT_NO_REPLACE_OBJECTS": "1"}
        return capture(
            [*_GIT, f"--git-dir={self.path}", *arguments],
            env=self._env,
            added={**fixed, **(added or {})},
            given=given,
            seconds=seconds,
            errors="surrogateescape",
        )

    def read(self, *arguments: str, given: str = "") -> str:
        """Return the trimmed output of a command, empty if it fails."""
        done = self.run(*arguments, given=given)
        return done.output.strip() if done.code == 0 else ""

    def ask(
        self,
        *arguments: str,
        seconds: float = _SECONDS,
        protocol: str = "none",
        added: Mapping[str, str] | None = None,
    ) -> str:
        """Return the exact output of a command.

        Raises ``CommitGoneError`` if Git reports that a commit no longer exists, and ``GitUnavailableError`` if
        the command fails for another reason.
        """
        try:
            done = self.run(*arguments, seconds=seconds, protocol=protocol, added=added)
        except ToolUnavailableError as error:
            raise GitUnavailableError(error.message, hint=error.hint) from error
        if done.code == 0:
            return done.output
        said = " ".join(done.errors.split())[-_QUOTED_CHARACTERS:]
        if _GONE.search(done.errors):
            raise CommitGoneError(f"the repository no longer has the commit ({said})")
        raise GitUnavailableError(f"git {arguments[0]} failed: {said or f'exit code {done.code}'}")
