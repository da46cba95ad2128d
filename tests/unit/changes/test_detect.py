"""Who is asked what changed: git, then GitHub, and nobody's silence passes for "nothing changed"."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pixi_container.changes.comparison import Changes
from pixi_container.changes.detect import changes_from, find_changes, running_workflow, workspace_prefix
from pixi_container.changes.git import Difference
from pixi_container.runner.event import Event
from tests.unit.changes.test_git import IDENTITY, Repository, repository_in
from tests.unit.loopback import Server, as_json, serving

GONE = "9" * 40


@dataclass
class Asker:
    """Asks what an event changed, with git at one place and GitHub's API at another; ``said`` is what it tells."""

    repository: Repository
    api: Server
    env: dict[str, str]
    said: list[str] = field(default_factory=list)

    def ask(self, payload: dict[str, object], name: str = "push", *, git: bool = True) -> Changes:
        root = self.repository.path.parents[1] if git else self.repository.path
        event = Event(
            name=name,
            ref="refs/heads/main",
            sha=self.repository.git("rev-parse", "HEAD"),
            repository="lab/study",
            server_url=f"file://{root}",
            api_url=f"http://{self.api.address}",
            payload=payload,
        )
        return find_changes(event, "", self.env, self.said.append)


@pytest.fixture
def asker(tmp_path: Path) -> Iterator[Asker]:
    (tmp_path / "lab").mkdir()
    repository = repository_in(tmp_path / "lab/study")
    repository.write("new.txt")
    repository.commit()
    env = {"PATH": os.environ["PATH"], **IDENTITY, "RUNNER_TEMP": str(tmp_path / "temp")}
    with serving(lambda _: as_json({"message": "Not Found"}, 404)) as api:
        yield Asker(repository, api, env)


def pushed(asker: Asker) -> dict[str, object]:
    return {
        "before": asker.repository.git("rev-parse", "HEAD^"),
        "after": asker.repository.git("rev-parse", "HEAD"),
    }


def of_api(base: str) -> dict[str, object]:
    return {"status": "ahead", "base_commit": {"sha": base}, "files": [{"filename": "by-api"}]}


def test_git_is_asked_and_then_nobody_else(asker: Asker) -> None:
    changes = asker.ask(pushed(asker))
    assert (changes.known, changes.source, changes.files) == (True, "git", ("new.txt",))
    assert changes.reason == f"1 file changed between {changes.base[:7]} and {changes.head[:7]}"
    assert (asker.api.asked, asker.said) == ([], [])


@pytest.mark.slow
def test_without_git_the_api_is_asked_and_that_is_said(asker: Asker) -> None:
    payload = pushed(asker)
    asker.api.answer = lambda _: as_json(of_api(str(payload["before"])))
    changes = asker.ask(payload, git=False)
    assert (changes.known, changes.source, changes.files) == (True, "github", ("by-api",))
    (said,) = asker.said
    assert said.startswith("git fetch failed")
    assert said.endswith("; asking GitHub's API")


@pytest.mark.slow
def test_without_both_everything_counts_as_changed_and_both_reasons_are_told(asker: Asker) -> None:
    payload = pushed(asker)
    changes = asker.ask(payload, git=False)
    assert (changes.known, changes.consulted, changes.source) == (False, True, "none")
    assert (changes.base, changes.head) == (payload["before"], payload["after"])
    assert changes.reason.startswith("git fetch failed")
    assert changes.reason.endswith("; GitHub's API answered 404: Not Found")


def test_an_api_that_does_not_know_is_believed(asker: Asker) -> None:
    payload = pushed(asker)
    asker.api.answer = lambda _: as_json({**of_api(str(payload["before"])), "status": "diverged"})
    changes = asker.ask(payload, git=False)
    assert not changes.known
    assert "history was rewritten" in changes.reason


def test_a_commit_that_is_gone_is_asked_for_nowhere_else(asker: Asker) -> None:
    changes = asker.ask({**pushed(asker), "before": GONE})
    assert (changes.known, changes.base) == (False, GONE)
    assert asker.api.asked == []


def test_what_a_stranger_wrote_is_not_fetched(asker: Asker) -> None:
    head = {"sha": asker.repository.git("rev-parse", "HEAD")}
    base = {"sha": asker.repository.git("rev-parse", "HEAD^")}
    changes = asker.ask(
        {"number": 7, "pull_request": {"head": head, "base": base, "changed_files": 1}}, "pull_request_target"
    )
    assert changes.source == "none"
    assert changes.reason == "GitHub's API answered 404: Not Found"
    assert asker.api.asked == ["GET /repos/lab/study/pulls/7"]
    assert asker.said == []


def test_an_event_that_asks_nothing_starts_nothing(asker: Asker) -> None:
    assert not asker.ask({}, "schedule", git=False).consulted
    assert (asker.api.asked, asker.said) == ([], [])


def test_where_the_workspace_is_in_its_checkout(asker: Asker, tmp_path: Path) -> None:
    (asker.repository.path / "part/study").mkdir(parents=True)
    assert workspace_prefix(asker.repository.path) == ""
    assert workspace_prefix(asker.repository.path / "part/study") == "part/study/"
    assert workspace_prefix(tmp_path) is None


def test_files_are_counted() -> None:
    reasons = [
        changes_from(Difference("b" * 40, "a" * 40, names), "git").reason for names in ((), ("x",), ("x", "y"))
    ]
    assert [reason.partition(" between")[0] for reason in reasons] == [
        "0 files changed",
        "1 file changed",
        "2 files changed",
    ]


def test_what_differs_is_known_and_complete() -> None:
    assert changes_from(Difference("b" * 40, "a" * 40, ("x", "y")), "github") == Changes(
        known=True,
        consulted=True,
        reason="2 files changed between bbbbbbb and aaaaaaa",
        base="b" * 40,
        head="a" * 40,
        source="github",
        files=("x", "y"),
    )


@pytest.mark.parametrize(
    ("ref", "path"),
    [
        ("lab/study/.github/workflows/ci.yml@refs/heads/main", ".github/workflows/ci.yml"),
        ("lab/study/.github/workflows/ci.yml@abc", ""),
        ("lab/study/.github/workflows/a/ci.yml@refs/heads/main", ""),
        ("study/.github/workflows/ci.yml@refs/heads/main", ""),
        ("", ""),
    ],
)
def test_the_running_workflow(ref: str, path: str) -> None:
    assert running_workflow({"GITHUB_WORKFLOW_REF": ref}) == path
    assert running_workflow({}) == ""
