"""Another commit than the event's is checked out: what is built is what is checked out, and that is said."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pixi_container.runner.checked_out import CheckedOut, event_for_checkout
from pixi_container.runner.checkout import what_is_checked_out
from pixi_container.runner.event import Event

if TYPE_CHECKING:
    from pathlib import Path

OURS, OTHER = "a" * 40, "b" * 40
PUSH = Event(name="push", ref="refs/heads/main", sha=OURS, repository="Lab/study")


@pytest.mark.parametrize(
    ("checkout", "may_push", "sha", "says", "refused"),
    [
        (CheckedOut(), True, OURS, "", False),
        (CheckedOut(OURS, "lab/study"), True, OURS, "", False),
        (CheckedOut(OTHER, "lab/study"), True, OURS, "tags of a commit that it was not built from", True),
        (CheckedOut(OTHER), True, OURS, "at bbbbbbb, while the event 'push' is about aaaaaaa", True),
        (CheckedOut(OTHER, "lab/study", is_later=True), True, OTHER, "built from the checked-out commit", False),
        (CheckedOut(OTHER, "lab/study"), False, OTHER, "built from the checked-out commit", False),
        (CheckedOut(OTHER, "lab/other"), True, OURS, "the checkout is of lab/other", False),
    ],
)
def test_the_event_speaks_of_what_is_checked_out(
    checkout: CheckedOut,
    may_push: bool,
    sha: str,
    says: str,
    refused: bool,
) -> None:
    spoken = event_for_checkout(PUSH, checkout, may_push=may_push)
    assert spoken.event == replace(PUSH, sha=sha)
    assert says in str(spoken.problem or spoken.note)
    assert bool(spoken.note) == (bool(says) and not refused)
    assert (spoken.problem is not None) == refused


def test_a_laptop_has_no_other_event_than_its_checkout() -> None:
    local = replace(PUSH, name="local")
    assert event_for_checkout(local, CheckedOut(OTHER), may_push=True).event == local


def test_a_commit_on_top_of_the_events_is_a_later_one(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=me", "-c", "user.email=me@example.org")
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    git("init", "--quiet")
    git("remote", "add", "origin", "https://github.example.org/Lab/study.git")
    commits = []
    for message in ("first", "second"):
        git("commit", "--quiet", "--allow-empty", "--message", message)
        commits.append(git("rev-parse", "HEAD"))
    first, second = commits
    env = dict(os.environ)
    later = what_is_checked_out(tmp_path, replace(PUSH, sha=first), env)
    assert later == CheckedOut(second, "Lab/study", is_later=True)
    same = what_is_checked_out(tmp_path, replace(PUSH, sha=second), env)
    assert same == CheckedOut(second, "Lab/study")
    git("checkout", "--quiet", first)
    assert what_is_checked_out(tmp_path, replace(PUSH, sha=second), env) == CheckedOut(first, "Lab/study")
    assert what_is_checked_out(tmp_path, replace(PUSH, sha=OTHER), env) == CheckedOut(first, "Lab/study")
    assert what_is_checked_out(tmp_path / "..", PUSH, env).sha == ""
