"""Two commits compared by git, fetched alone into a temporary repository: the checkout is left untouched."""

from __future__ import annotations

import base64
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.processes import capture

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixi_container.changes import Comparison

# git would send the token to wherever the server redirects to.
_SETTINGS = ("safe.directory=*", "credential.helper=", "core.askPass=", "http.followRedirects=false")
_GIT = ("git", *(word for setting in _SETTINGS for word in ("-c", setting)))
_FETCH_SECONDS = 120
_FETCH_ATTEMPTS = 3
_GONE = re.compile(r"not our ref|couldn't find remote ref|no such remote ref|unadvertised object", re.IGNORECASE)


class CommitGoneError(UserError):
    """The repository answers, but has no such commit any more."""


class GitUnavailableError(UserError):
    """git could not ask the repository: no access, no network, no git."""


@dataclass(frozen=True)
class Difference:
    """The commits that were compared, and every path that differs, both names of a renamed file.

    Bytes of a name that are no UTF-8 are surrogates, as in Python's own file functions.
    """

    base: str
    head: str
    files: tuple[str, ...]


def compare_remote(comparison: Comparison, url: str, token: str, env: Mapping[str, str]) -> Difference:
    """Fetch exactly the two commits, without any file's content, and compare their trees.

    Source of the method: one fetch at depth one needs no history, and a submodule, a rename or an odd name is an
    entry like any other. ``token`` reaches git by environment alone. Raises ``CommitGoneError`` and
    ``GitUnavailableError``.
    """
    parent = env.get("RUNNER_TEMP") or tempfile.gettempdir()
    try:
        Path(parent).mkdir(parents=True, exist_ok=True)
        folder = tempfile.mkdtemp(prefix="pixi-container-changes-", dir=parent)
    except OSError as error:
        raise GitUnavailableError(f"there is no temporary folder: {error}") from error
    try:
        return _compare(comparison, url, folder, _environment(url, token, env))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def compare_local(folder: Path, base: str, head: str, env: Mapping[str, str]) -> Difference:
    """Compare two revisions of the checkout around ``folder``. Raises ``UserError`` for an unknown one."""
    quiet = {**env, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    first, second = (_commit(folder, revision, quiet) for revision in (base, head))
    return Difference(first, second, _diff(str(folder), first, second, quiet))


def _commit(folder: Path, revision: str, env: Mapping[str, str]) -> str:
    ask = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
    done = capture([*_GIT, "-C", str(folder), *ask], env=env)
    if done.code != 0:
        raise UserError(
            f"there is no commit {revision!r} in the checkout around '{folder}'",
            hint="A shallow clone may lack it: `git fetch --unshallow`.",
        )
    return done.output.strip()


def _compare(comparison: Comparison, url: str, folder: str, env: Mapping[str, str]) -> Difference:
    _git(folder, env, "init", "--quiet", "--bare")
    wanted = [comparison.head]
    if comparison.base_branch:
        wanted.append(f"refs/heads/{comparison.base_branch}:refs/heads/base")
    elif comparison.base:
        wanted.append(comparison.base)
    # The parents come with the second commit of depth; one fetch, as a second one in a shallow repository fails
    # in some releases of git: https://github.com/actions/runner-images/issues/14633
    depth = "1" if comparison.base or comparison.base_branch else "2"
    _fetch(folder, env, "--depth", depth, "--filter=blob:none", "--no-tags", "--quiet", url, *wanted)
    head = comparison.head
    if comparison.base_branch:
        base = _git(folder, env, "rev-parse", "--verify", "refs/heads/base").strip()
    elif comparison.base:
        base = comparison.base
    else:
        header = _git(folder, env, "cat-file", "commit", head).partition("\n\n")[0]
        found = re.search(r"^parent ([0-9a-f]+)$", header, re.MULTILINE)
        if not found:
            raise CommitGoneError(f"commit {head[:7]} has no parent to compare with")
        base = found[1]
    return Difference(base, head, _diff(folder, base, head, env))


def _fetch(folder: str, env: Mapping[str, str], *arguments: str) -> None:
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

    attempts = Retrying(
        stop=stop_after_attempt(_FETCH_ATTEMPTS),
        wait=wait_exponential_jitter(multiplier=0.3, max=5),
        retry=retry_if_exception_type(GitUnavailableError),
        reraise=True,
    )
    attempts(_git, folder, env, "fetch", *arguments)


def _diff(folder: str, base: str, head: str, env: Mapping[str, str]) -> tuple[str, ...]:
    # Settings of the machine, and .gitmodules of a checkout, may say that submodules do not count.
    as_they_are = ("--no-renames", "--ignore-submodules=none")
    listed = _git(folder, env, "diff-tree", "-r", "-z", *as_they_are, "--name-only", base, head)
    return tuple(path for path in listed.split("\0") if path)


def _git(folder: str, env: Mapping[str, str], *arguments: str) -> str:
    try:
        done = capture(
            [*_GIT, "-C", folder, *arguments], env=env, seconds=_FETCH_SECONDS, errors="surrogateescape"
        )
    except UserError as error:
        raise GitUnavailableError(error.message, hint=error.hint) from error
    if done.code == 0:
        return done.output
    said = " ".join(done.errors.split())[-300:]
    if _GONE.search(done.errors):
        raise CommitGoneError(f"the repository does not have the commit any more ({said})")
    raise GitUnavailableError(f"git {arguments[0]} failed: {said or f'exit code {done.code}'}")


def _environment(url: str, token: str, env: Mapping[str, str]) -> dict[str, str]:
    """Give git's environment: no prompt, English messages, and the token as a header of this one server.

    The header goes by variables, as an argument would show in the list of processes:
    https://git-scm.com/docs/git-config#ENVIRONMENT
    """
    quiet = {**env, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"):
        quiet.pop(name, None)
    if token and url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        header = "AUTHORIZATION: basic " + base64.b64encode(f"x-access-token:{token}".encode()).decode()
        number = int(env.get("GIT_CONFIG_COUNT") or 0)
        key = f"http.{url.partition('://')[0]}://{url.partition('://')[2].partition('/')[0]}/.extraheader"
        # The empty value drops a header that the machine's own configuration may have for this server.
        for offset, value in enumerate(("", header)):
            quiet[f"GIT_CONFIG_KEY_{number + offset}"] = key
            quiet[f"GIT_CONFIG_VALUE_{number + offset}"] = value
        quiet["GIT_CONFIG_COUNT"] = str(number + 2)
    return quiet
