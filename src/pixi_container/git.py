"""The local checkout: what a laptop has in place of an event, and the date of a commit."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from pixi_container.event import LOCAL, Event
from pixi_container.processes import capture

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_GIT = ("git", "-c", "safe.directory=*")
_GITHUB_REMOTE = re.compile(r"(?:https://|ssh://git@|git@)github\.com[/:](?P<repository>[^/]+/[^/]+?)(?:\.git)?/?")


def local_event(folder: Path, env: Mapping[str, str]) -> Event:
    """Give the state of the checkout around ``folder`` as an event: a tag on HEAD, else the branch.

    Outside of a checkout everything is empty.
    """
    sha = _git(folder, env, "rev-parse", "--verify", "--quiet", "HEAD")
    tag = _git(folder, env, "describe", "--tags", "--exact-match", "HEAD") if sha else ""
    branch = _git(folder, env, "symbolic-ref", "--quiet", "--short", "HEAD")
    remote = _GITHUB_REMOTE.fullmatch(_git(folder, env, "remote", "get-url", "origin"))
    default = _git(folder, env, "symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD").partition("/")[2]
    return Event(
        name=LOCAL,
        ref=f"refs/tags/{tag}" if tag else f"refs/heads/{branch}" if branch else "",
        sha=sha,
        repository=remote["repository"] if remote else "",
        payload={"repository": {"default_branch": default or "main"}},
    )


def checkout_prefix(folder: Path, env: Mapping[str, str]) -> str | None:
    """Give the path of ``folder`` from the root of the checkout around it, empty for the root, None outside."""
    done = capture([*_GIT, "-C", str(folder), "rev-parse", "--show-prefix"], env=env)
    return done.output.strip("\n").rstrip("/") if done.code == 0 else None


def commit_date(folder: Path, sha: str, env: Mapping[str, str]) -> datetime | None:
    """Give the committer's date of ``sha``, or None when the checkout does not have it."""
    text = _git(folder, env, "show", "--no-patch", "--format=%cI", f"{sha}^{{commit}}") if sha else ""
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


def source_version(folder: Path, env: Mapping[str, str]) -> str:
    """Give the checkout's version for Python packages: ``1.2.3``, ``1.2.3.post4+g0123456``, or empty."""
    described = _git(folder, env, "describe", "--tags", "--long", "--match", "*[0-9]*")
    found = re.fullmatch(r".*?(\d+(?:\.\d+)*)-(\d+)-(g[0-9a-f]+)", described)
    if found:
        return found[1] if found[2] == "0" else f"{found[1]}.post{found[2]}+{found[3]}"
    sha = _git(folder, env, "rev-parse", "--short", "HEAD")
    return f"0.0.0+g{sha}" if sha else ""


def _git(folder: Path, env: Mapping[str, str], *arguments: str) -> str:
    """Run a reading git command; empty text when it fails.

    The checkout may belong to another user, as in a container job: nothing of it is executed here, so git's
    guard against that is lifted for this one command.
    """
    done = capture([*_GIT, "-C", str(folder), *arguments], env=env)
    return done.output.strip() if done.code == 0 else ""
