"""Facts of the usual events, for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

from pixi_container.tags import Facts, Repository

SHA = "860c1904a1ce19322e91ac35af1ab07466440c37"
NOW = datetime(2024, 3, 9, 15, 4, 5, 678000, tzinfo=timezone.utc)
COMMITTED = datetime(2024, 2, 29, 23, 30, tzinfo=timezone.utc)

PUSH = Facts(
    event_name="push",
    ref="refs/heads/main",
    sha=SHA,
    default_branch="main",
    commit_date=COMMITTED,
    now=NOW,
    repository=Repository(
        full_name="lab/Analysis",
        html_url="https://github.com/lab/Analysis",
        description="An analysis",
        licence="BSD-3-Clause",
    ),
    expressions={
        "environment": "gpu",
        "cuda": "12.4",
        "pixi": "0.59.0",
        "base": "noble",
        "fingerprint": "0123abcd",
    },
)


def branch(name: str) -> Facts:
    return replace(PUSH, ref=f"refs/heads/{name}")


def tag(name: str) -> Facts:
    return replace(PUSH, ref=f"refs/tags/{name}", base_ref="main")


def pull_request(number: int = 7, event_name: str = "pull_request") -> Facts:
    return replace(
        PUSH, event_name=event_name, ref=f"refs/pull/{number}/merge", base_ref="main", pull_request=number
    )


SCHEDULE = replace(PUSH, event_name="schedule")
