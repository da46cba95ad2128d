"""Determine what changed: with Git, else with GitHub's API, else everything counts as changed."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from pixi_container.changes.comparison import Changes, assumed, comparison_for
from pixi_container.changes.git import Difference, compare_remote
from pixi_container.errors import CommitGoneError, GithubUnavailableError, GitUnavailableError
from pixi_container.runner.checkout import checkout_prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pixi_container.runner.event import Event

_WORKFLOW = re.compile(r"[^/]+/[^/]+/(?P<path>\.github/workflows/[^/]+)@refs/.+")


def find_changes(event: Event, token: str, env: Mapping[str, str], say: Callable[[str], None]) -> Changes:
    """Return the files that the event changed, or why they are unknown; ``say`` gets a line if Git fails.

    Never raises for an outage, and counts everything as changed instead: a wrong "unchanged" would ship an image
    without the change.
    """
    asked = comparison_for(event)
    if isinstance(asked, Changes):
        return asked
    said = []
    if not asked.only_listed:
        try:
            difference = compare_remote(asked, f"{event.server_url}/{event.repository}", token, env)
        except CommitGoneError as error:
            return assumed(error.message, base=asked.base, head=asked.head)
        except GitUnavailableError as error:
            say(f"{error.message}; asking GitHub's API")
            said.append(error.message)
        else:
            return changes_from(difference, "git")
    from pixi_container.changes.github import compare_by_github

    try:
        answer = compare_by_github(asked, event.repository, token, event.api_url)
    except GithubUnavailableError as error:
        said.append(error.message)
        return assumed("; ".join(said), base=asked.base, head=asked.head)
    return answer if isinstance(answer, Changes) else changes_from(answer, "github")


def workspace_prefix(context: Path) -> str | None:
    """Return the build context relative to the repository's root: with a trailing slash, empty for the root.

    Return None outside of a checkout.
    """
    prefix = checkout_prefix(context)
    return posixpath.join(prefix, "") if prefix else prefix


def running_workflow(env: Mapping[str, str]) -> str:
    """Return the running workflow's file, which may set inputs of this action; empty outside of a workflow."""
    running = _WORKFLOW.fullmatch(env.get("GITHUB_WORKFLOW_REF", ""))
    return running["path"] if running else ""


def changes_from(difference: Difference, source: str) -> Changes:
    """Return the changes that a difference from ``source``, which is ``git`` or ``github``, describes."""
    between = f"between {difference.base[:7]} and {difference.head[:7]}"
    count = len(difference.files)
    return Changes(
        known=True,
        consulted=True,
        reason=f"{count} file{'' if count == 1 else 's'} changed {between}",
        base=difference.base,
        head=difference.head,
        source=source,
        files=difference.files,
    )
