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


def test_every_variable_of_the_runner_has_its_field(tmp_path: Path) -> None:
    payload = tmp_path / "event.json"
    payload.write_text('{"action": "opened"}')
    variables = {
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_SHA": "a" * 40,
        "GITHUB_REPOSITORY": "lab/study",
        "GITHUB_BASE_REF": "trunk",
        "GITHUB_SERVER_URL": "https://git.example.org",
        "GITHUB_API_URL": "https://api.example.org",
        "GITHUB_ACTOR": "me",
        "GITHUB_EVENT_PATH": str(payload),
    }
    assert event_from_environment(variables) == Event(
        name="push",
        ref="refs/heads/main",
        sha="a" * 40,
        repository="lab/study",
        base_ref="trunk",
        server_url="https://git.example.org",
        api_url="https://api.example.org",
        actor="me",
        payload={"action": "opened"},
    )
    nothing = event_from_environment({"GITHUB_SERVER_URL": "", "GITHUB_API_URL": ""})
    assert nothing == event_from_environment({}) == Event(name="")
    assert (nothing.server_url, nothing.api_url) == ("https://github.com", "https://api.github.com")


@pytest.mark.parametrize(
    ("name", "ref", "payload", "number"),
    [
        ("pull_request", "refs/pull/7/merge", {"number": 8}, 8),
        ("pull_request", "refs/pull/7/merge", {"pull_request": {"number": 9}}, 9),
        ("pull_request", "refs/pull/7/merge", {"number": "8"}, 7),
        ("pull_request_target", "refs/heads/main", {"number": 8}, 8),
        ("pull_request_target", "refs/heads/main", {}, None),
        ("workflow_dispatch", "refs/pull/7/head", {}, 7),
        ("push", "refs/heads/main", {"number": 8}, None),
        ("push", "refs/pull/" + "7" * 18 + "/merge", {}, int("7" * 18)),
        ("push", "refs/pull/" + "7" * 19 + "/merge", {}, None),
    ],
)
def test_the_number_of_a_pull_request(name: str, ref: str, payload: dict[str, object], number: int | None) -> None:
    event = Event(name=name, ref=ref, payload=payload)
    assert event.pull_request == number


@pytest.mark.parametrize(
    ("name", "ref", "pull_request", "queue", "known", "credentials"),
    [
        ("push", "refs/heads/main", False, False, True, True),
        ("push", "refs/heads/gh-readonly-queue/main/pr-7", False, True, True, False),
        ("merge_group", "refs/heads/main", False, True, True, False),
        ("pull_request", "refs/pull/7/merge", True, False, True, True),
        ("pull_request_target", "refs/heads/main", True, False, True, False),
        ("workflow_dispatch", "refs/pull/7/head", True, False, True, False),
        ("workflow_run", "refs/heads/main", False, False, False, False),
        ("local", "", False, False, True, True),
    ],
)
def test_what_kind_of_event_it_is(
    name: str, ref: str, pull_request: bool, queue: bool, known: bool, credentials: bool
) -> None:
    event = Event(name=name, ref=ref)
    assert event.is_pull_request is pull_request
    assert event.is_merge_queue is queue
    assert event.is_known is known
    assert event.may_use_credentials is credentials


@pytest.mark.parametrize(
    ("ref", "branch", "tag", "pull_request"),
    [
        ("refs/heads/a/b", "a/b", "", ""),
        ("refs/tags/v1", "", "v1", ""),
        ("refs/pull/7/merge", "", "", "7"),
        ("refs/pull/7/head", "", "", "7/head"),
        ("", "", "", ""),
    ],
)
def test_a_ref_has_one_kind_of_name(ref: str, branch: str, tag: str, pull_request: str) -> None:
    event = Event(name="push", ref=ref)
    assert (event.branch, event.tag, event.pull_request_name) == (branch, tag, pull_request)


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
