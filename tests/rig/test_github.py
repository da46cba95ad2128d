"""The stand-in for GitHub, asked by the real git and the real PyGithub."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import github as pygithub
import httpx
import pytest
import requests

from tests.rig.errors import RigError
from tests.rig.github import NOTHING, GitHub, Repository, github_for

UNKNOWN = "1" * 40
NOTHING_TO_WAIT_FOR = pygithub.GithubRetry(total=0)


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHub]:
    with github_for(Repository.create(tmp_path / "study.git")) as made:
        yield made


@pytest.fixture
def fetched(tmp_path: Path) -> Path:
    """The bare repository that is fetched into."""
    folder = tmp_path / "fetched"
    subprocess.run(["git", "init", "--quiet", "--bare", folder], check=True)
    return folder


Ask = Callable[..., pygithub.Github]


@pytest.fixture
def ask() -> Iterator[Ask]:
    """PyGithub for an address, as the product makes it."""
    made: list[pygithub.Github] = []

    def client(
        github: GitHub, token: str = "", retry: pygithub.GithubRetry = NOTHING_TO_WAIT_FOR, per_page: int = 100
    ) -> pygithub.Github:
        made.append(
            pygithub.Github(
                auth=pygithub.Auth.Token(token) if token else None,
                base_url=github.api_url,
                retry=retry,
                per_page=per_page,
                lazy=True,
                seconds_between_requests=0,
            )
        )
        return made[-1]

    yield client
    for one in made:
        one.close()


def _git(folder: Path, *arguments: str, token: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
    header = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    environment = {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C",
        "HOME": str(folder),
        "GIT_TERMINAL_PROMPT": "0",
        **({"GIT_CONFIG_COUNT": "1"} if token else {}),
        "GIT_CONFIG_KEY_0": "http.extraheader",
        "GIT_CONFIG_VALUE_0": f"AUTHORIZATION: basic {header}",
    }
    done = subprocess.run(
        ["git", "-C", folder, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return done


def _fetch(folder: Path, url: str, *wanted: str, token: str = "", code: int = 0) -> str:
    """Fetch those commits alone and without contents; gives what git says."""
    arguments = ["--depth=1", "--filter=blob:none", "--no-tags", url, *wanted]
    return _git(folder, "fetch", *arguments, token=token, code=code).stderr


def _numbered(count: int, text: str = "x\n") -> dict[str, str]:
    return {f"file-{number:04}.txt": text for number in range(count)}


@pytest.mark.parametrize("suffix", ["", ".git"])
def test_git_gives_two_commits_without_history_and_contents(github: GitHub, fetched: Path, suffix: str) -> None:
    first, _, last = (github.repository.commit({f"{number}.txt": "text"}) for number in range(3))
    _fetch(fetched, f"{github.url}/org/study{suffix}", first, last)
    changed = _git(fetched, "diff-tree", "-r", "--name-only", first, last).stdout
    assert changed.split() == ["1.txt", "2.txt"]
    objects = _git(fetched, "cat-file", "--batch-all-objects", "--batch-check=%(objecttype)").stdout.split()
    assert sorted(objects) == ["commit", "commit", "tree", "tree"]
    assert not github.unknown


@pytest.mark.parametrize("version", ["0", "2"])
def test_git_sends_long_questions_compressed(github: GitHub, fetched: Path, version: str) -> None:
    wanted = [github.repository.commit({"a.txt": str(number)}) for number in range(30)]
    url = f"{github.url}/org/study"
    done = _git(fetched, "-c", f"protocol.version={version}", "fetch", "--depth=1", url, *wanted)
    assert "fatal" not in done.stderr
    found = _git(fetched, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)").stdout.split()
    assert set(wanted) <= set(found)
    # Version 0 asks for the shallow commits, version 2 for the refs in a request of its own.
    assert github.requests.count("POST /org/study/git-upload-pack") == 2


def test_git_may_send_its_question_in_chunks(github: GitHub) -> None:
    tip = github.repository.commit({"a.txt": "a"})
    answer = httpx.post(
        f"{github.url}/org/study/git-upload-pack",
        content=iter([b"0014command=ls-refs\n", b"0001", b"001bref-prefix refs/heads/\n0000"]),
        headers={"content-type": "application/x-git-upload-pack-request", "git-protocol": "version=2"},
    )
    assert answer.request.headers["transfer-encoding"] == "chunked"
    assert f"{tip} refs/heads/main\n" in answer.text


def test_a_commit_that_was_forced_away_is_there_until_it_is_collected(
    github: GitHub, fetched: Path, ask: Ask
) -> None:
    repository = github.repository
    root = repository.commit({"a.txt": "a"})
    before, after = repository.commit({"a.txt": "b"}), repository.commit({"a.txt": "c"}, parents=[root])
    asked = ask(github).get_repo("org/study")
    _fetch(fetched, f"{github.url}/org/study", before, after)
    assert asked.compare(before, after).status == "diverged"
    repository.collect_garbage()
    assert f"not our ref {before}" in _fetch(fetched, f"{github.url}/org/study", before, after, code=128)
    _fetch(fetched, f"{github.url}/org/study", root, after)
    with pytest.raises(pygithub.UnknownObjectException):
        _ = asked.compare(before, after).status


def test_a_private_repository_wants_its_token(github: GitHub, fetched: Path, ask: Ask) -> None:
    url = f"{github.url}/org/study"
    tip = github.repository.commit({"a.txt": "a"})
    github.token = "right"
    _fetch(fetched, url, tip, token="right")
    assert "terminal prompts disabled" in _fetch(fetched, url, tip, code=128)
    assert "terminal prompts disabled" in _fetch(fetched, url, tip, token="wrong", code=128)
    assert "not found" in _fetch(fetched, f"{github.url}/org/other", tip, token="right", code=128)

    assert ask(github, "right").get_repo("org/study").private
    with pytest.raises(pygithub.UnknownObjectException):
        _ = ask(github).get_repo("org/study").private
    with pytest.raises(pygithub.BadCredentialsException, match="Bad credentials"):
        _ = ask(github, "wrong").get_repo("org/study").private
    with pytest.raises(pygithub.UnknownObjectException):
        _ = ask(github, "right").get_repo("org/other").private
    header = {"authorization": "token right"}
    assert httpx.get(f"{github.api_url}/repos/org/study", headers=header).status_code == 200


def test_a_public_repository_wants_no_token_and_takes_any(github: GitHub, fetched: Path, ask: Ask) -> None:
    tip = github.repository.commit({"a.txt": "a"})
    _fetch(fetched, f"{github.url}/org/study", tip)
    _fetch(fetched, f"{github.url}/org/study", tip, token="any")
    assert ask(github, "any").get_repo("org/study").default_branch == "main"


def test_what_git_is_told_in_trouble(github: GitHub, fetched: Path) -> None:
    url = f"{github.url}/org/study"
    tip = github.repository.commit({"a.txt": "a"})
    github.git_faults = [502, 0, None, 503]
    assert "error: 502" in _fetch(fetched, url, tip, code=128)
    assert "Empty reply from server" in _fetch(fetched, url, tip, code=128)
    assert "HTTP 503" in _fetch(fetched, url, tip, code=128)
    _fetch(fetched, url, tip)
    github.git_is_down = True
    assert "error: 503" in _fetch(fetched, url, tip, code=128)
    assert github.requests[0] == "GET /org/study/info/refs?service=git-upload-pack"


def test_the_merge_commit_of_a_pull_request(github: GitHub, fetched: Path, ask: Ask) -> None:
    repository = github.repository
    root = repository.commit({"a.txt": "a", "b.txt": "b"})
    head = repository.commit({"b.txt": "c"}, branch="topic", parents=[root])
    base = repository.commit({"a.txt": "d"})
    merged = github.open_pull_request(7, head="topic")
    assert repository.commits([merged])[0].parents == (base, head)
    _fetch(fetched, f"{github.url}/org/study", "refs/pull/7/merge:refs/heads/it", base)
    assert _git(fetched, "rev-parse", "it").stdout.strip() == merged
    assert _git(fetched, "diff-tree", "-r", "--name-only", base, merged).stdout.split() == ["b.txt"]

    request = ask(github).get_repo("org/study").get_pull(7)
    assert (request.number, request.state, request.changed_files) == (7, "open", 1)
    assert (request.head.ref, request.head.sha, request.head.repo.full_name) == ("topic", head, "org/study")
    assert (request.base.ref, request.base.sha, request.merge_commit_sha) == ("main", base, merged)


def test_a_pull_request_whose_base_moved_is_merged_anew_and_keeps_its_base(github: GitHub, ask: Ask) -> None:
    repository = github.repository
    base = repository.commit({"a.txt": "a"})
    head = repository.commit({"b.txt": "b"}, branch="topic", parents=[base])
    github.open_pull_request(7, head=head)
    tip = repository.commit({"a.txt": "c"})
    merged = github.open_pull_request(7, head=head)
    assert repository.commits([merged])[0].parents == (tip, head)
    asked = ask(github).get_repo("org/study")
    assert asked.get_pull(7).base.sha == base
    assert [file.filename for file in asked.get_pull(7).get_files()] == ["b.txt"]
    github.open_pull_request(7, head=repository.commit({"b.txt": "d"}, branch="topic"))
    assert asked.get_pull(7).base.sha == tip


def test_a_pull_request_in_conflict_has_no_merge_commit(github: GitHub, ask: Ask) -> None:
    repository = github.repository
    root = repository.commit({"a.txt": "a"})
    head = repository.commit({"a.txt": "b"}, branch="topic", parents=[root])
    repository.commit({"a.txt": "c"})
    assert github.open_pull_request(7, head=head, fork=True) == ""
    assert not repository.commit_id("refs/pull/7/merge")
    assert repository.commit_id("refs/pull/7/head") == head
    request = ask(github).get_repo("org/study").get_pull(7)
    assert not request.mergeable
    assert [file.filename for file in request.get_files()] == ["a.txt"]
    with pytest.raises(RigError, match="no branch 'none'"):
        github.open_pull_request(8, base="none", head=head)


@pytest.mark.parametrize(("per_page", "pages"), [(30, 9), (100, 3)])
def test_the_files_of_a_pull_request_come_in_pages(github: GitHub, ask: Ask, per_page: int, pages: int) -> None:
    root = github.repository.commit({"a.txt": "a"})
    github.open_pull_request(7, head=github.repository.commit(_numbered(250), branch="topic", parents=[root]))
    files = list(ask(github, per_page=per_page).get_repo("org/study").get_pull(7).get_files())
    assert [file.filename for file in files] == list(_numbered(250))
    assert {(file.status, file.additions, file.deletions, file.changes) for file in files} == {("added", 1, 0, 1)}
    assert len(github.requests) == pages
    assert not github.unknown


def test_pages_are_linked_as_githubs_are(github: GitHub) -> None:
    root = github.repository.commit({"a.txt": "a"})
    github.open_pull_request(7, head=github.repository.commit(_numbered(250), branch="topic", parents=[root]))
    address = f"{github.api_url}/repos/org/study/pulls/7/files"
    moved = f"{github.api_url}/repositories/1/pulls/7/files"
    first = httpx.get(address)
    assert len(first.json()) == 30
    assert first.headers["link"] == f'<{moved}?page=2>; rel="next", <{moved}?page=9>; rel="last"'
    middle = httpx.get(f"{address}?per_page=500&page=2")
    assert len(middle.json()) == 100
    assert re.findall(r"page=(\d)>; rel=\"(\w+)\"", middle.headers["link"]) == [
        ("1", "prev"),
        ("3", "next"),
        ("3", "last"),
        ("1", "first"),
    ]
    last = httpx.get(middle.links["last"]["url"])
    assert len(last.json()) == 50
    assert set(last.links) == {"prev", "first"}


def test_a_list_of_files_ends_at_3000_without_a_word(github: GitHub, ask: Ask) -> None:
    root = github.repository.commit({"a.txt": "a"})
    head = github.repository.commit(_numbered(3010), branch="topic", parents=[root])
    github.open_pull_request(7, head=head)
    request = ask(github).get_repo("org/study").get_pull(7)
    assert len(list(request.get_files())) == 3000
    assert request.changed_files == 3010
    assert github.pull_request_event(7)["pull_request"]["changed_files"] == 3010


def test_a_comparison_ends_at_300_files_and_tells_them_on_page_one(github: GitHub, ask: Ask) -> None:
    base = github.repository.commit({"a.txt": "a"})
    github.repository.commit(_numbered(310))
    head = github.repository.commit({"a.txt": "b"})
    comparison = ask(github).get_repo("org/study").compare(base, head)
    assert len(comparison.files) == 300
    assert comparison.total_commits == 2
    address = f"{github.api_url}/repos/org/study/compare/{base}...{head}"
    page = httpx.get(f"{address}?per_page=1&page=2").json()
    assert ([commit["sha"] for commit in page["commits"]], page["files"]) == ([head], [])
    assert set(httpx.get(f"{address}?per_page=1").links) == {"next", "last"}
    assert len(httpx.get(address).json()["commits"]) == 2


def test_a_comparison_starts_at_the_common_ancestor(github: GitHub, ask: Ask) -> None:
    repository = github.repository
    root = repository.commit({"a.txt": "a"})
    main = repository.commit({"a.txt": "b"})
    topic = repository.commit({"c.txt": "c"}, branch="feature/topic", parents=[root])
    orphan = repository.commit({"c.txt": "c"}, branch="pages")
    asked = ask(github).get_repo("org/study")
    expected = {
        (root, main): ("ahead", 1, 0, root, ["a.txt"]),
        (main, root): ("behind", 0, 1, root, []),
        (main, "feature/topic"): ("diverged", 1, 1, root, ["c.txt"]),
        ("main", main): ("identical", 0, 0, main, []),
    }
    for (base, head), (status, ahead, behind, ancestor, files) in expected.items():
        found = asked.compare(base, head)
        assert (found.status, found.ahead_by, found.behind_by) == (status, ahead, behind)
        assert found.merge_base_commit.sha == ancestor
        assert found.base_commit.sha == repository.commit_id(base)
        assert [file.filename for file in found.files] == files
    assert [commit.sha for commit in asked.compare(main, topic).commits] == [topic]
    with pytest.raises(pygithub.UnknownObjectException):
        _ = asked.compare(UNKNOWN, main).status
    with pytest.raises(pygithub.GithubException, match="No common ancestor between main and pages"):
        _ = asked.compare("main", "pages").status
    assert orphan
    assert not github.unknown


def test_files_are_told_with_both_names_and_any_name(github: GitHub, ask: Ask) -> None:
    repository = github.repository
    text = "".join(f"line {number}\n" for number in range(20))
    latin = os.fsdecode("grün".encode("latin-1"))
    base = repository.commit(
        {"old name.txt": text, "gone.txt": "it was\nhere\n", "kind.txt": "x", "same.txt": "x"}
    )
    changes = {
        "old name.txt": None,
        "new/ünï.txt": f"{text}more\n",
        "gone.txt": None,
        "kind.txt": "same.txt",
        'tab\t"quote"\\.txt': "x\n",
        "line\nbreak.txt": "x\n",
        "::error::x.txt": b"\0\1",
        latin: "of its own\n",
        "vendor": UNKNOWN,
    }
    head = repository.commit(changes, modes={"kind.txt": "120000", "vendor": "160000"})
    files = ask(github).get_repo("org/study").compare(base, head).files
    found = {file.filename: (file.status, file.additions, file.deletions) for file in files}
    assert found == {
        "new/ünï.txt": ("renamed", 1, 0),
        "gone.txt": ("removed", 0, 2),
        "kind.txt": ("changed", 1, 1),
        'tab\t"quote"\\.txt': ("added", 1, 0),
        "line\nbreak.txt": ("added", 1, 0),
        "::error::x.txt": ("added", 0, 0),
        "gr\N{REPLACEMENT CHARACTER}n": ("added", 1, 0),
        "vendor": ("added", 1, 0),
    }
    assert {file.filename: file.previous_filename for file in files if file.previous_filename} == {
        "new/ünï.txt": "old name.txt"
    }
    shas = {file.filename: file.sha for file in files}
    assert shas["vendor"] == UNKNOWN
    assert shas["gone.txt"] == repository.git("rev-parse", f"{base}:gone.txt")


def test_a_commit_is_told_with_its_files(github: GitHub, ask: Ask) -> None:
    repository = github.repository
    root = repository.commit({"a.txt": "a"})
    tip = repository.commit(_numbered(310))
    asked = ask(github, per_page=30).get_repo("org/study")
    commit = asked.get_commit("main")
    assert (commit.raw_data["sha"], commit.parents[0].sha, commit.commit.message) == (tip, root, "Change")
    assert commit.commit.committer.date.isoformat() == "2026-01-01T00:02:00+00:00"
    assert len(list(commit.files)) == 310
    assert [file.filename for file in asked.get_commit(root).files] == ["a.txt"]
    with pytest.raises(pygithub.GithubException, match=f"No commit found for SHA: {UNKNOWN}") as caught:
        _ = asked.get_commit(UNKNOWN).commit
    assert caught.value.status == 422


def test_errors_have_githubs_form(github: GitHub) -> None:
    answer = httpx.get(f"{github.api_url}/repos/org/study/pulls/7")
    assert (answer.status_code, answer.json()) == (
        404,
        {
            "message": "Not Found",
            "documentation_url": "https://docs.github.com/rest/pulls/pulls#get-a-pull-request",
            "status": "404",
        },
    )


def test_the_rate_limit(github: GitHub, ask: Ask) -> None:
    asked = ask(github, retry=pygithub.GithubRetry(total=3, max_rate_limit_wait=20))
    with pytest.raises(pygithub.GithubException, match="Rate limiting is not enabled"):
        asked.get_rate_limit()
    github.rate_limit_remaining = 1
    assert asked.get_rate_limit().rate.remaining == 1
    assert asked.get_repo("org/study").id == 1
    with pytest.raises(pygithub.RateLimitExceededException) as caught:
        _ = asked.get_repo("org/study").id
    headers = caught.value.headers or {}
    assert headers["x-ratelimit-remaining"] == "0"
    assert 3590 < int(headers["x-ratelimit-reset"]) - time.time() <= 3600
    assert "retry-after" not in headers
    assert asked.get_rate_limit().resources.core.remaining == 0


@pytest.mark.parametrize("status", [403, 429])
def test_the_secondary_rate_limit(github: GitHub, ask: Ask, status: int) -> None:
    github.retry_after = "60"
    github.api_faults = [status]
    answer = httpx.get(f"{github.api_url}/repos/org/study")
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "60")
    assert "secondary rate limit" in answer.json()["message"]
    github.retry_after = "0"
    github.api_faults = [status]
    patient = pygithub.GithubRetry(total=1, status_forcelist=[403, 429])
    assert ask(github, retry=patient).get_repo("org/study").id == 1


@pytest.mark.parametrize(
    ("status", "message"),
    [(403, "Resource not accessible by integration"), (502, "Server Error"), (503, "Unicorn")],
)
def test_what_the_api_says_in_trouble(github: GitHub, ask: Ask, status: int, message: str) -> None:
    github.api_faults = [status]
    with pytest.raises(pygithub.GithubException, match=message) as caught:
        _ = ask(github, retry=None).get_repo("org/study").id
    assert caught.value.status == status
    assert ask(github).get_repo("org/study").id == 1


def test_an_api_that_is_cut_or_down(github: GitHub, ask: Ask, fetched: Path) -> None:
    tip = github.repository.commit({"a.txt": "a"})
    github.api_faults = [0]
    with pytest.raises(requests.ConnectionError):
        _ = ask(github).get_repo("org/study").id
    github.api_faults = [None, 0, 503]
    patient = ask(github, retry=pygithub.GithubRetry(total=2, backoff_factor=0))
    assert [patient.get_repo("org/study").id for _ in range(2)] == [1, 1]
    github.api_is_down = True
    assert [httpx.get(f"{github.api_url}/repos/org/study").status_code for _ in range(2)] == [503, 503]
    _fetch(fetched, f"{github.url}/org/study", tip)


def test_what_it_does_not_know_is_kept(github: GitHub, fetched: Path) -> None:
    github.repository.commit({"a.txt": "a"})
    unknown = [
        ("GET", "/api/v3/repos/org/study/issues?state=open"),
        ("POST", "/api/v3/repos/org/study/pulls/7/files"),
        ("GET", "/api/v3/user"),
        ("GET", "/org/study/info/refs?service=git-receive-pack"),
        ("GET", "/org/study/HEAD"),
    ]
    for method, path in unknown:
        assert httpx.request(method, f"{github.url}{path}").status_code == 404
    assert github.unknown == [f"{method} {path}" for method, path in unknown]
    assert github.requests == github.unknown


def test_push_events(github: GitHub) -> None:
    repository = github.repository
    root, tip = repository.commit({"a.txt": "a"}), repository.commit({"a.txt": "b"})
    event = github.push_event(before=root, after=tip)
    assert (event["ref"], event["before"], event["after"]) == ("refs/heads/main", root, tip)
    assert event["head_commit"]["id"] == tip
    assert event["head_commit"]["timestamp"] == "2026-01-01T00:02:00Z"
    assert event["repository"]["full_name"] == "org/study"
    assert event["repository"]["default_branch"] == "main"
    assert event["repository"]["html_url"] == f"{github.url}/org/study"
    kinds = {
        (root, tip): (False, False, False),
        (tip, root): (False, False, True),
        (UNKNOWN, tip): (False, False, True),
        (NOTHING, tip): (True, False, False),
        (tip, NOTHING): (False, True, False),
    }
    for (before, after), expected in kinds.items():
        event = github.push_event(before=before, after=after, ref="refs/heads/topic")
        assert (event["created"], event["deleted"], event["forced"]) == expected
    assert event["head_commit"] is None


def test_events_of_pull_requests_and_merge_queues(github: GitHub) -> None:
    repository = github.repository
    base = repository.commit({"a.txt": "a"})
    head = repository.commit({"b.txt": "b"}, branch="topic", parents=[base])
    merged = github.open_pull_request(7, head=head, fork=True)
    event = github.pull_request_event(7, "opened")
    assert (event["action"], event["number"], event["pull_request"]["changed_files"]) == ("opened", 7, 1)
    assert event["pull_request"]["base"]["sha"] == base
    assert event["pull_request"]["head"]["sha"] == head
    assert event["pull_request"]["head"]["repo"]["full_name"] == "contributor/study"
    assert event["pull_request"]["head"]["repo"]["fork"]
    assert event["pull_request"]["merge_commit_sha"] is None
    group = github.merge_group_event(base_sha=base, head_sha=merged)["merge_group"]
    assert (group["base_sha"], group["head_sha"], group["head_commit"]["id"]) == (base, merged, merged)
    assert group["head_ref"].startswith("refs/heads/gh-readonly-queue/main/")
