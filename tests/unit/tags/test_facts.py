from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from pixi_container.errors import UserError
from pixi_container.runner.event import Event
from pixi_container.tags import Facts, Repository, commit_date_in, facts_from
from pixi_container.tags.labels import annotations_of
from tests.unit.tags.events import NOW, SHA

HEAD = "3370e228f2209994d57af4427fe64e71bb79ac96"
REPOSITORY = {
    "full_name": "lab/analysis",
    "html_url": "https://github.com/lab/analysis",
    "description": "An analysis",
    "default_branch": "main",
    "license": {"spdx_id": "MIT"},
}
PULL_REQUEST = {
    "number": 7,
    "pull_request": {"number": 7, "base": {"ref": "main"}, "head": {"sha": HEAD}},
    "repository": REPOSITORY,
}


def facts(event: Event, **env: str) -> Facts:
    return facts_from(event, commit_date=None, now=NOW, expressions={}, env=env)


def push(ref: str = "refs/heads/main", **payload: object) -> Event:
    return Event(
        name="push", ref=ref, sha=SHA, repository="lab/analysis", payload={"repository": REPOSITORY, **payload}
    )


def test_payload_says_all_about_the_repository() -> None:
    found = facts(push())
    assert found.default_branch == "main"
    assert found.repository == Repository(
        full_name="lab/analysis",
        html_url="https://github.com/lab/analysis",
        description="An analysis",
        licence="MIT",
    )


def test_what_the_payload_lacks_stays_empty() -> None:
    event = Event(name="schedule", ref="refs/heads/main", sha=SHA, repository="lab/analysis")
    found = facts(event)
    assert found.repository == Repository(full_name="lab/analysis", html_url="https://github.com/lab/analysis")
    assert facts(Event(name="local")).repository == Repository()


@pytest.mark.parametrize("licence", [None, {"spdx_id": None}, {"spdx_id": "NOASSERTION"}])
def test_a_licence_without_a_name_is_not_known(licence: object) -> None:
    assert not facts(push(repository={**REPOSITORY, "license": licence})).repository.licence


@pytest.mark.parametrize("ref", ["refs/heads/main", "refs/pull/7/merge"])
@pytest.mark.parametrize("name", ["pull_request", "pull_request_target"])
def test_every_pull_request_has_the_ref_of_its_merge(name: str, ref: str) -> None:
    found = facts(Event(name=name, ref=ref, sha=SHA, payload=PULL_REQUEST))
    assert (found.ref, found.pull_request, found.base_ref) == ("refs/pull/7/merge", 7, "main")
    assert found.is_pull_request
    assert (found.branch, found.pull_request_name) == ("", "7")


def test_the_head_of_a_pull_request_stands_in_for_the_merge_on_demand() -> None:
    event = Event(name="pull_request", ref="refs/pull/7/merge", sha=SHA, payload=PULL_REQUEST)
    assert facts(event).revision == SHA
    found = facts(event, DOCKER_METADATA_PR_HEAD_SHA="True")
    assert (found.sha, found.revision, found.short_sha) == (SHA, HEAD, HEAD[:7])
    assert facts(push(), DOCKER_METADATA_PR_HEAD_SHA="true").revision == SHA


def test_base_ref_of_a_git_tag_comes_from_the_payload() -> None:
    assert facts(push("refs/tags/v1", base_ref="refs/heads/main")).base_ref == "main"
    assert not facts(push("refs/heads/x", base_ref="refs/heads/main")).base_ref


def test_commit_date_comes_from_the_commit_of_the_event() -> None:
    commits = [
        {"id": HEAD, "timestamp": "2001-01-01T00:00:00Z"},
        {"id": SHA, "timestamp": "2024-01-02T03:04:05+02:00"},
    ]
    event = push(commits=commits)
    expected = datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    assert commit_date_in(event) == expected
    assert facts(event).commit_date == expected
    assert facts_from(event, commit_date=NOW, now=NOW, expressions={}).commit_date == NOW


def test_commit_date_of_a_git_tag_comes_from_the_head_commit() -> None:
    event = push("refs/tags/v1", commits=[], head_commit={"id": SHA, "timestamp": "2024-01-02T03:04:05Z"})
    assert commit_date_in(event) == datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"commits": None, "head_commit": None},
        {"head_commit": {"id": HEAD, "timestamp": "2024-01-02T03:04:05Z"}},
        {"head_commit": {"id": SHA, "timestamp": "yesterday"}},
        {"head_commit": {"id": SHA}},
    ],
)
def test_a_commit_date_that_is_not_known_is_now(payload: dict[str, object]) -> None:
    event = Event(name="push", ref="refs/heads/main", sha=SHA, payload=payload)
    assert commit_date_in(event) is None
    assert facts(event).commit_date == NOW


def test_source_date_epoch_is_now() -> None:
    found = facts(push(), SOURCE_DATE_EPOCH="1700000000")
    assert found.now == datetime(2023, 11, 14, 22, 13, 20, tzinfo=timezone.utc)
    assert found.commit_date == found.now


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SOURCE_DATE_EPOCH", "today"),
        ("SOURCE_DATE_EPOCH", "9" * 30),
        ("DOCKER_METADATA_SHORT_SHA_LENGTH", "seven"),
        ("DOCKER_METADATA_SHORT_SHA_LENGTH", "0"),
        ("DOCKER_METADATA_SHORT_SHA_LENGTH", "-1"),
        ("DOCKER_METADATA_SHORT_SHA_LENGTH", "9" * 5000),
    ],
)
def test_malformed_variables_are_named(variable: str, value: str) -> None:
    with pytest.raises(UserError, match=variable):
        facts(push(), **{variable: value})


@pytest.mark.parametrize(
    ("env", "written"),
    [({}, "manifest:a=1"), ({"DOCKER_METADATA_ANNOTATIONS_LEVELS": "index"}, "index:a=1")],
)
def test_annotations_go_to_the_levels_that_the_job_asks_for(env: dict[str, str], written: str) -> None:
    assert list(annotations_of({"a": "1"}, facts(push(), **env).annotation_levels)) == [written]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-02T03:04:05", datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone.utc)),
        ("2024-01-02T03:04:05Z", datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone.utc)),
        ("2024-01-02T03:04:05-05:00", datetime(2024, 1, 2, 8, 4, 5, tzinfo=timezone.utc)),
    ],
)
def test_a_commit_date_without_a_zone_is_utc(text: str, expected: datetime) -> None:
    date = facts(push(head_commit={"id": SHA, "timestamp": text})).commit_date
    assert date == expected
    assert date.tzinfo is not None


def test_a_commit_that_the_event_does_not_name_has_no_date() -> None:
    event = Event(name="push", payload={"head_commit": {"timestamp": "2024-01-02T03:04:05Z"}})
    assert commit_date_in(event) is None


def test_the_web_address_of_a_repository_is_on_the_server_of_the_event() -> None:
    event = Event(name="push", repository="lab/study", server_url="https://git.example.org")
    assert facts(event).repository.html_url == "https://git.example.org/lab/study"
    assert facts(event).repository.name == "study"
    assert facts(push(), DOCKER_METADATA_PR_HEAD_SHA="false").revision == SHA


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Event(name="pull_request_review", ref="refs/heads/a"), True),
        (Event(name="issue_comment", ref="refs/pull/7/merge"), True),
        (Event(name="merge_group", ref="refs/heads/gh-readonly-queue/main/pr-7"), False),
        (Event(name="push", ref="refs/heads/pull_request"), False),
    ],
)
def test_what_belongs_to_a_pull_request(event: Event, expected: bool) -> None:
    assert facts(event).is_pull_request is expected


def test_length_of_the_short_sha() -> None:
    assert facts(push(), DOCKER_METADATA_SHORT_SHA_LENGTH=" 1 ").short_sha == SHA[:1]
    assert facts(push(), DOCKER_METADATA_SHORT_SHA_LENGTH="999").short_sha == SHA
    with pytest.raises(UserError, match="1000"):
        facts(push(), DOCKER_METADATA_SHORT_SHA_LENGTH="1000")
    assert facts(push(), DOCKER_METADATA_SHORT_SHA_LENGTH="12").short_sha == SHA[:12]
    assert facts(push(), DOCKER_METADATA_SHORT_SHA_LENGTH="").short_sha == SHA[:7]
    assert facts(push(), DOCKER_METADATA_SHORT_SHA_LENGTH="100").short_sha == SHA


@pytest.mark.parametrize(
    ("event_name", "ref", "expected"),
    [
        ("push", "refs/heads/main", True),
        ("push", "refs/heads/dev", False),
        ("push", "refs/tags/main", False),
        ("schedule", "refs/heads/other", True),
        ("issues", "refs/heads/other", True),
        ("push", "", False),
        ("schedule", "", False),
        ("schedule", "refs/heads/", False),
        ("discussion_comment", "refs/heads/other", True),
        ("create", "refs/heads/other", True),
    ],
)
def test_default_branch(event_name: str, ref: str, expected: bool) -> None:
    event = Event(name=event_name, ref=ref, sha=SHA, payload={"repository": REPOSITORY})
    assert facts(event).is_default_branch is expected
