"""Two commits compared by git, fetched alone into a temporary repository: the checkout is left untouched."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pixi_container.errors import CommitGoneError, GitUnavailableError, UserError
from pixi_container.registry.reference import is_loopback
from pixi_container.runner.checkout import checkout_around, repository_of
from pixi_container.runner.git import run_git
from pixi_container.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pixi_container.changes.comparison import Comparison

_PROTOCOLS = frozenset({"https", "http", "file"})
_FETCH_SECONDS = 120
_FETCH_ATTEMPTS = 3
_GONE = re.compile(r"not our ref|couldn't find remote ref|no such remote ref|unadvertised object", re.IGNORECASE)


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
    try:
        with temporary_folder(env) as folder:
            return _compare(comparison, url, str(folder), env, _authorization(url, token))
    except (CommitGoneError, GitUnavailableError):
        raise
    except UserError as error:
        raise GitUnavailableError(error.message, hint=error.hint) from error


def changed_paths(repository: str, base: str, head: str, env: Mapping[str, str]) -> tuple[str, ...]:
    """Return every path that differs between two commits of a bare repository; raises as ``compare_remote``."""
    # Settings of the machine, and .gitmodules of a checkout, may say that submodules do not count.
    as_they_are = ("--no-renames", "--ignore-submodules=none", "--no-ext-diff", "--no-textconv")
    listed = _git(repository, env, "diff-tree", "-r", "-z", *as_they_are, "--name-only", base, head)
    return tuple(path for path in listed.split("\0") if path)


def _compare(
    comparison: Comparison, url: str, folder: str, env: Mapping[str, str], authorization: Mapping[str, str]
) -> Difference:
    _git(folder, env, "init", "--quiet", "--bare", "--template=", folder)
    wanted = [comparison.head]
    if comparison.base_branch:
        wanted.append(f"refs/heads/{comparison.base_branch}:refs/heads/base")
    elif comparison.base:
        wanted.append(comparison.base)
    # The parents come with the second commit of depth; one fetch, as a second one in a shallow repository fails
    # in some releases of git: https://github.com/actions/runner-images/issues/14633
    depth = "1" if comparison.base or comparison.base_branch else "2"
    scheme = urlsplit(url).scheme
    _repeated(
        partial(
            _git,
            folder,
            env,
            "fetch",
            *("--depth", depth, "--filter=blob:none", "--no-tags", "--quiet", "--end-of-options", url, *wanted),
            protocol=scheme if scheme in _PROTOCOLS else "none",
            added=authorization,
        )
    )
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
    return Difference(base, head, changed_paths(folder, base, head, env))


def _repeated(fetch: Callable[[], str]) -> None:
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

    attempts = Retrying(
        stop=stop_after_attempt(_FETCH_ATTEMPTS),
        wait=wait_exponential_jitter(multiplier=0.3, max=5),
        retry=retry_if_exception_type(GitUnavailableError),
        reraise=True,
    )
    attempts(fetch)


def _git(
    folder: str,
    env: Mapping[str, str],
    *arguments: str,
    protocol: str = "none",
    added: Mapping[str, str] | None = None,
) -> str:
    try:
        done = run_git(folder, env, *arguments, seconds=_FETCH_SECONDS, protocol=protocol, added=added)
    except UserError as error:
        raise GitUnavailableError(error.message, hint=error.hint) from error
    if done.code == 0:
        return done.output
    said = " ".join(done.errors.split())[-300:]
    if _GONE.search(done.errors):
        raise CommitGoneError(f"the repository does not have the commit any more ({said})")
    raise GitUnavailableError(f"git {arguments[0]} failed: {said or f'exit code {done.code}'}")


def _authorization(url: str, token: str) -> dict[str, str]:
    """Return the variables that give git the token as a header of this one server, none for an unencrypted one.

    The header goes by variables, as an argument would show in the list of processes:
    https://git-scm.com/docs/git-config#ENVIRONMENT
    """
    parts = urlsplit(url)
    encrypted = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.netloc))
    if not token or not encrypted or "@" in parts.netloc:
        return {}
    header = "AUTHORIZATION: basic " + base64.b64encode(f"x-access-token:{token}".encode()).decode()
    key = f"http.{parts.scheme}://{parts.netloc}/.extraheader"
    # The empty value drops a header that the machine's own configuration may have for this server.
    return {
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": key,
        "GIT_CONFIG_VALUE_0": "",
        "GIT_CONFIG_KEY_1": key,
        "GIT_CONFIG_VALUE_1": header,
    }


def compare_revisions(folder: Path, base: str, head: str, env: Mapping[str, str]) -> Difference:
    """Compare two revisions of the checkout around ``folder``. Raises ``UserError`` for an unknown one."""
    checkout = checkout_around(folder)
    if checkout is None:
        raise UserError(f"'{folder}' is not in a Git checkout")
    with repository_of(checkout, env) as git:
        first, second = (
            git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
            for revision in (base, head)
        )
        for revision, commit in ((base, first), (head, second)):
            if not commit:
                raise UserError(
                    f"there is no commit {revision!r} in the checkout around '{folder}'",
                    hint="A shallow clone may lack it: `git fetch --unshallow`.",
                )
        return Difference(first, second, changed_paths(git.path, first, second, env))
