"""Git, always on a repository of our own making, so that no configuration, hook or filter of a checkout is obeyed.

A checkout's ``.git`` may belong to whoever wrote the checked-out code, and a folder with ``HEAD``, ``refs`` and
``objects`` in it is a repository to git wherever it lies. Either can name programs that git runs. So git is told
by ``--git-dir`` where to look, and that is a folder that this program made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
_GIT = ("git", "--no-pager", *(word for setting in _SETTINGS for word in ("-c", setting)))


def run_git(
    repository: str,
    env: Mapping[str, str],
    *arguments: str,
    seconds: float,
    protocol: str = "none",
    added: Mapping[str, str] | None = None,
    given: str = "",
) -> Finished:
    """Run git on the bare ``repository``, a folder that this program made, and return what it printed.

    ``protocol`` is the one that git may use to reach another repository; by default there is none, so that a
    missing object is missing (https://git-scm.com/docs/git, GIT_ALLOW_PROTOCOL). Bytes of its output
    that are not UTF-8 are surrogates. Raises ``UserError`` when git is missing, or does not end in time.
    """
    fixed = {"GIT_ALLOW_PROTOCOL": protocol, "GIT_NO_LAZY_FETCH": "1", "GIT_NO_REPLACE_OBJECTS": "1"}
    return capture(
        [*_GIT, f"--git-dir={repository}", *arguments],
        env=env,
        added={**fixed, **(added or {})},
        given=given,
        seconds=seconds,
        errors="surrogateescape",
    )
