"""What GitHub's API says of changed files counts only where it is sure to be the whole truth."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from pixi_container.changes.comparison import Changes, Comparison
from pixi_container.changes.git import Difference
from pixi_container.changes.github import compare_by_github
from pixi_container.errors import GithubUnavailableError
from tests.unit.loopback import Reply, Request, Server, as_json, serving

BASE, HEAD, MERGE, OTHER = "b" * 40, "a" * 40, "c" * 40, "d" * 40
PULL_REQUEST = Comparison(head=MERGE, pull_request=7, pull_request_head=HEAD)
TOKEN = "hunter2"
COMMITS = Comparison(head=HEAD, base=BASE)


@pytest.fixture
def api(waits: list[float], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """GitHub's API, which answered 404 until a test says otherwise; the waits between attempts are noted."""
    monkeypatch.setattr("urllib3.util.retry.time", SimpleNamespace(sleep=waits.append, time=lambda: 0.0))
    with serving(lambda _: as_json({"message": "Not Found"}, 404)) as server:
        yield server


def compare(api: Server, comparison: Comparison, token: str = TOKEN) -> Difference | Changes:
    return compare_by_github(comparison, "lab/study", token, f"http://{api.address}")


def files(*names: str | tuple[str, str]) -> list[dict[str, str]]:
    """Return files as the API lists them; a pair is a renamed one's new name and its old one."""
    return [
        {"filename": name, "status": "modified"}
        if isinstance(name, str)
        else {"filename": name[0], "previous_filename": name[1], "status": "renamed"}
        for name in names
    ]


def of_pull_request(api: Server, listed: list[dict[str, str]], *, count: int, head: str = HEAD) -> None:
    """Have a pull request, whose files come in pages as large as asked for."""

    def answer(request: Request) -> Reply:
        if request.path == "/repos/lab/study/pulls/7":
            here = f"http://{api.address}{request.path}"
            return as_json(
                {"number": 7, "url": here, "base": {"sha": BASE}, "head": {"sha": head}, "changed_files": count}
            )
        assert request.path == "/repos/lab/study/pulls/7/files"
        size = int(request.query["per_page"][0])
        page = int(request.query.get("page", ["1"])[0])
        following = f'<http://{api.address}{request.path}?per_page={size}&page={page + 1}>; rel="next"'
        link = following if len(listed) > size * page else None
        return as_json(listed[size * (page - 1) : size * page], link=link)

    api.answer = answer


def of_commits(api: Server, status: str, listed: list[dict[str, str]]) -> None:
    answer = {"status": status, "base_commit": {"sha": BASE}, "files": listed, "commits": [], "total_commits": 1}
    api.answer = lambda _: as_json(answer)


def reason(answer: Difference | Changes) -> str:
    """Return why everything counts as changed; the commits must be known all the same."""
    assert isinstance(answer, Changes)
    assert (answer.known, answer.consulted, answer.base, bool(answer.head)) == (False, True, BASE, True)
    return answer.reason


def test_both_names_of_a_renamed_file_and_each_name_once(api: Server) -> None:
    of_pull_request(api, files("src/b.py", ("new.py", "old.py"), "src/a.py", ("old.py", "src/a.py")), count=4)
    expected = ("new.py", "old.py", "src/a.py", "src/b.py")
    assert compare(api, PULL_REQUEST) == Difference(BASE, MERGE, expected)


def test_every_page_is_read(api: Server) -> None:
    names = [f"file-{number:03}" for number in range(250)]
    of_pull_request(api, files(*names), count=250)
    assert compare(api, PULL_REQUEST) == Difference(BASE, MERGE, tuple(names))
    assert len([asked for asked in api.asked if "/files" in asked]) == 3, "a hundred to a page"


@pytest.mark.parametrize(
    ("listed", "count", "in_payload", "is_whole"),
    [
        (0, 0, None, True),
        (2, 2, None, True),
        (2, 3, None, False),
        (2, 3, 2, True),
        (2, 2, 3, False),
        (2, 2, 0, False),
        pytest.param(2999, 2999, None, True, marks=pytest.mark.slow),
        (3000, 3000, None, False),
    ],
)
def test_a_list_that_may_lack_files_is_no_answer(
    api: Server, listed: int, count: int, in_payload: int | None, is_whole: bool
) -> None:
    of_pull_request(api, files(*map(str, range(listed))), count=count)
    comparison = Comparison(head=MERGE, pull_request=7, listed_files=in_payload)
    answer = compare(api, comparison)
    if is_whole:
        assert isinstance(answer, Difference)
        assert len(answer.files) == listed
    else:
        expected = count if in_payload is None else in_payload
        assert f"lists {listed} of the pull request's {expected} files" in reason(answer)


def test_a_pull_request_that_has_moved_on_is_no_answer(api: Server) -> None:
    of_pull_request(api, files("a"), count=1, head=OTHER)
    assert "new commits since this event" in reason(compare(api, PULL_REQUEST))
    assert not any("/files" in asked for asked in api.asked)
    unknown = Comparison(head=MERGE, pull_request=7)
    assert compare(api, unknown) == Difference(BASE, MERGE, ("a",)), "the event does not say which commits it has"


def test_the_base_of_the_event_is_kept(api: Server) -> None:
    of_pull_request(api, files("a"), count=1)
    assert compare(api, Comparison(head=HEAD, base=OTHER, pull_request=7)) == Difference(OTHER, HEAD, ("a",))


@pytest.mark.parametrize("status", ["ahead", "identical"])
def test_two_commits_straight_ahead(api: Server, status: str) -> None:
    of_commits(api, status, files("b", ("new", "old")))
    assert compare(api, COMMITS) == Difference(BASE, HEAD, ("b", "new", "old"))
    assert api.requests[0].path == f"/repos/lab/study/compare/{BASE}...{HEAD}"


def test_a_branch_is_compared_by_name_and_told_as_the_commit_it_was_at(api: Server) -> None:
    of_commits(api, "ahead", files("a"))
    assert compare(api, Comparison(head=HEAD, base_branch="main")) == Difference(BASE, HEAD, ("a",))
    assert api.requests[0].path == f"/repos/lab/study/compare/main...{HEAD}"


@pytest.mark.parametrize("status", ["diverged", "behind"])
def test_a_rewritten_history_is_no_answer(api: Server, status: str) -> None:
    of_commits(api, status, files("a"))
    assert "history was rewritten" in reason(compare(api, COMMITS))


@pytest.mark.parametrize(("listed", "is_whole"), [(299, True), (300, False)])
def test_more_files_than_a_comparison_tells_are_no_answer(api: Server, listed: int, is_whole: bool) -> None:
    of_commits(api, "ahead", files(*map(str, range(listed))))
    answer = compare(api, COMMITS)
    assert isinstance(answer, Difference) if is_whole else "at most 300 changed files" in reason(answer)


@pytest.mark.parametrize(
    ("reply", "said", "attempts"),
    [
        (as_json({"message": "Not Found"}, 404), "answered 404: Not Found", 1),
        (as_json(["Not Found"], 404), "an unexpected form", 1),
        (as_json({"message": "Bad credentials"}, 401), "answered 401: Bad credentials", 1),
        (as_json({"message": "Resource not accessible by integration"}, 403), "403: Resource not accessible", 1),
        (as_json({"message": "You have exceeded a secondary rate limit"}, 403), "answered 403: ", 1),
        (as_json({"message": "Slow down"}, 403, retry_after="1"), "cannot be reached: RetryError", 4),
        (as_json({"message": "Server Error"}, 500), "cannot be reached: RetryError", 4),
        (as_json({"message": "slow down"}, 429), "cannot be reached: RetryError", 4),
        (Reply(404, b"<html>"), "answered 404: ", 1),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
@pytest.mark.parametrize("comparison", [PULL_REQUEST, COMMITS], ids=["pull request", "commits"])
def test_trouble_of_the_api_is_one_error(
    api: Server, waits: list[float], comparison: Comparison, reply: Reply, said: str, attempts: int
) -> None:
    api.answer = lambda _: reply
    with pytest.raises(GithubUnavailableError) as caught:
        compare(api, comparison)
    assert said in caught.value.message
    assert len(api.requests) == attempts
    assert sum(waits) < 60


def test_an_outage_that_passes_is_none(api: Server) -> None:
    of_commits(api, "ahead", files("a"))
    healthy = api.answer
    api.answer = lambda request: healthy(request) if len(api.requests) > 2 else as_json({}, 502)
    assert compare(api, COMMITS) == Difference(BASE, HEAD, ("a",))


@pytest.mark.usefixtures("api")
def test_nobody_there_is_the_same_error() -> None:
    with serving(lambda _: Reply()) as gone:
        pass
    with pytest.raises(GithubUnavailableError, match="cannot be reached: ConnectionError"):
        compare(gone, COMMITS)


@pytest.mark.parametrize(("token", "header"), [(TOKEN, f"token {TOKEN}"), ("", None)])
def test_the_token_goes_with_the_request_where_there_is_one(api: Server, token: str, header: str | None) -> None:
    answer: dict[str, Any] = {"status": "ahead", "base_commit": {"sha": BASE}, "files": []}
    api.answer = lambda _: as_json(answer)
    compare(api, COMMITS, token)
    assert {request.headers.get("authorization") for request in api.requests} == {header}
