"""Events: which may push, and what is read of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pixi_container.errors import UserError
from pixi_container.runner.event import Event, event_from_environment


@pytest.mark.parametrize(
    ("name", "ref", "pushes"),
    [
        ("push", "refs/heads/main", True),
        ("push", "refs/tags/v1", True),
        ("release", "refs/tags/v1", True),
        ("schedule", "refs/heads/main", True),
        ("workflow_dispatch", "refs/heads/main", True),
        ("repository_dispatch", "refs/heads/main", True),
        ("pull_request", "refs/pull/7/merge", False),
        ("pull_request_target", "refs/heads/main", False),
        ("workflow_dispatch", "refs/pull/7/head", False),
        ("merge_group", "refs/heads/gh-readonly-queue/main/pr-7", False),
        ("workflow_run", "refs/heads/main", False),
        ("issue_comment", "refs/heads/main", False),
        ("", "refs/heads/main", False),
    ],
)
def test_only_events_known_to_be_safe_may_push(name: str, ref: str, pushes: bool) -> None:
    assert Event(name=name, ref=ref).may_push is pushes


def test_an_event_is_read_from_the_runners_variables(tmp_path: Path) -> None:
    payload = tmp_path / "event.json"
    payload.write_text(json.dumps({"number": 7, "repository": {"default_branch": "trunk"}}))
    event = event_from_environment(
        {
            "GITHUB_EVENT_NAME": "pull_request",
            "GITHUB_REF": "refs/pull/7/merge",
            "GITHUB_SHA": "a" * 40,
            "GITHUB_REPOSITORY": "lab/study",
            "GITHUB_RUN_ID": "5",
            "GITHUB_EVENT_PATH": str(payload),
        }
    )
    assert event.pull_request == 7
    assert event.default_branch == "trunk"
    assert (event.branch, event.tag) == ("", "")


@pytest.mark.parametrize(
    ("content", "message"), [(None, "cannot be read"), ("{", "not valid JSON"), ("[]", "not a JSON object")]
)
def test_a_broken_payload_is_one_clear_error(tmp_path: Path, content: str | None, message: str) -> None:
    file = tmp_path / "event.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        event_from_environment({"GITHUB_EVENT_PATH": str(file)})
    assert caught.value.file == str(file)
