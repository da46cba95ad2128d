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
from pixi_container.retries import retry
from pixi_container.runner.checkout import checkout_around, repository_of
from pixi_container.runner.git import Git
from pixi_container.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixi_container.changes.comparison import Comparison

_PROTOCOLS = frozenset({"https", "http", "file"})
_SECONDS = 120
_FETCH_ATTEMPTS = 3


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
            return _compare(comparison, url, Git(str(folder), env), _authorization(url, token))
    except (CommitGoneError, GitUnavailableError):
        raise
    except UserError as error:
        raise GitUnavailableError(error.message, hint=error.hint) from error


def changed_paths(git: Git, base: str, head: str) -> tuple[str, ...]:
    """Return every path that differs between two commits of a bare repository; raises as ``compare_remote``."""
    # Settings of the machine, and .gitmodules of a checkout, may say that submodules do not count.
    as_they_are = ("--no-renames", "--ignore-submodules=none", "--no-ext-diff", "--no-textconv")
    arguments = ("-r", "-z", *as_they_are, "--name-only", base, head)
    listed = git.ask("diff-tree", *arguments, seconds=_SECONDS)
    return tuple(path for path in listed.split("\0") if path)


def _compare(comparison: Comparison, url: str, git: Git, authorization: Mapping[str, str]) -> Difference:
    git.ask("init", "--quiet", "--bare", "--template=", git.path)
    wanted = [comparison.head]
    if comparison.base_branch:
        wanted.append(f"refs/heads/{comparison.base_branch}:refs/heads/base")
    elif comparison.base:
        wanted.append(comparison.base)
    # The parents come with the second commit of depth; one fetch, as a second one in a shallow repository fails
    # in some releases of git: https://github.com/actions/runner-images/issues/14633
    depth = "1" if comparison.base or comparison.base_branch else "2"
    scheme = urlsplit(url).scheme
    fetch = partial(
        git.ask,
        "fetch",
        *("--depth", depth, "--filter=blob:none", "--no-tags", "--quiet", "--end-of-options", url, *wanted),
        seconds=_SECONDS,
        protocol=scheme if scheme in _PROTOCOLS else "none",
        added=authorization,
    )
    retry(fetch, on=GitUnavailableError, attempts=_FETCH_ATTEMPTS)
    head = comparison.head
    if comparison.base_branch:
        base = git.ask("rev-parse", "--verify", "refs/heads/base").strip()
    elif comparison.base:
        base = comparison.base
    else:
        header = git.ask("cat-file", "commit", head).partition("\n\n")[0]
        parent = re.search(r"^parent ([0-9a-f]+)$", header, re.MULTILINE)
        if not parent:
            raise CommitGoneError(f"commit {head[:7]} has no parent to compare with")
        base = parent[1]
    return Difference(base, head, changed_paths(git, base, head))


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
            git.read("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
            for revision in (base, head)
        )
        for revision, commit in ((base, first), (head, second)):
            if not commit:
                raise UserError(
                    f"there is no commit {revision!r} in the checkout around '{folder}'",
                    hint="A shallow clone may lack it: `git fetch --unshallow`.",
                )
        return Difference(first, second, changed_paths(git, first, second))
