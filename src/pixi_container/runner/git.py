"""Git, always on a repository of our own making, so that no configuration, hook or filter of a checkout is obeyed.

A checkout's ``.git`` may belong to whoever wrote the checked-out code, and a folder with ``HEAD``, ``refs`` and
``objects`` in it is a repository to git wherever it lies. Either can name programs that git runs. So git is told
by ``--git-dir`` where to look, and that is a folder that this program made.
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
    # git would send the token to wherever the server redirects to.
    "http.followRedirects=false",
)
_SECONDS = 30
_QUOTED_CHARACTERS = 300
_GONE = re.compile(r"not our ref|couldn't find remote ref|no such remote ref|unadvertised object", re.IGNORECASE)
_GIT = ("git", "--no-pager", *(word for setting in _SETTINGS for word in ("-c", setting)))


class Git:
    """Git on the bare repository ``path``, a folder that this program made."""

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
        """Run one command and return how it ended and what it printed.

        ``protocol`` is the one that git may use to reach another repository; by default there is none, so that a
        missing object is missing (https://git-scm.com/docs/git, GIT_ALLOW_PROTOCOL). Bytes of its output that are
        not UTF-8 are surrogates. Raises ``ToolUnavailableError`` when git is missing, or does not end in time.
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
        """Return what a command prints, trimmed; empty when it fails."""
        done = self.run(*arguments, given=given)
        return done.output.strip() if done.code == 0 else ""

    def ask(
        self,
        *arguments: str,
        seconds: float = _SECONDS,
        protocol: str = "none",
        added: Mapping[str, str] | None = None,
    ) -> str:
        """Return what a command prints, to the byte.

        Raises ``CommitGoneError`` when git says that a commit does not exist any more, and ``GitUnavailableError``
        when it fails in another way.
        """
        try:
            done = self.run(*arguments, seconds=seconds, protocol=protocol, added=added)
        except ToolUnavailableError as error:
            raise GitUnavailableError(error.message, hint=error.hint) from error
        if done.code == 0:
            return done.output
        said = " ".join(done.errors.split())[-_QUOTED_CHARACTERS:]
        if _GONE.search(done.errors):
            raise CommitGoneError(f"the repository does not have the commit any more ({said})")
        raise GitUnavailableError(f"git {arguments[0]} failed: {said or f'exit code {done.code}'}")
