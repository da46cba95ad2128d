"""Changed files as GitHub's API tells them, for where git has no access. Its answers have limits without a mark.

Sources: https://docs.github.com/rest/commits/commits#compare-two-commits (300 files) and
https://docs.github.com/rest/pulls/pulls#list-pull-requests-files (3,000 files).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixi_container.changes.comparison import assumed
from pixi_container.changes.git import Difference
from pixi_container.errors import GithubUnavailableError
from pixi_container.json_object import object_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from github.File import File
    from github.Repository import Repository

    from pixi_container.changes.comparison import Changes, Comparison

_COMPARE_LIMIT = 300
_LIST_LIMIT = 3000
_ATTEMPTS = 3
_LONGEST_WAIT_SECONDS = 20


def compare_by_github(comparison: Comparison, repository: str, token: str, api_url: str) -> Difference | Changes:
    """Return the changed files, or the assumption that everything changed where the answer may not be whole.

    Raises ``GithubUnavailableError`` after a bounded number of attempts.
    """
    import requests
    from github import Auth, Github, GithubException, GithubRetry

    retry = GithubRetry(
        total=_ATTEMPTS,
        max_rate_limit_wait=_LONGEST_WAIT_SECONDS,
        retry_after_max=_LONGEST_WAIT_SECONDS,
        backoff_factor=0.3,
        status_forcelist=[403, 429, *range(500, 600)],
    )
    github = Github(
        auth=Auth.Token(token) if token else None,
        base_url=api_url,
        retry=retry,
        per_page=100,
        lazy=True,
        seconds_between_requests=0,
    )
    try:
        asked = github.get_repo(repository)
        if comparison.pull_request is not None:
            return _of_pull_request(asked, comparison)
        return _of_commits(asked, comparison)
    except GithubException as error:
        message = object_in(error.data).get("message") or error.message
        raise GithubUnavailableError(f"GitHub's API answers {error.status}: {message or error}") from error
    except requests.RequestException as error:
        raise GithubUnavailableError(f"GitHub's API cannot be reached: {type(error).__name__}") from error
    finally:
        github.close()


def _of_pull_request(repository: Repository, comparison: Comparison) -> Difference | Changes:
    assert comparison.pull_request is not None  # noqa: S101 - the caller looked
    request = repository.get_pull(comparison.pull_request)
    base, head = comparison.base or request.base.sha, comparison.head
    if comparison.pull_request_head and request.head.sha != comparison.pull_request_head:
        return assumed("the pull request has got other commits since this event", base=base, head=head)
    listed = list(request.get_files())
    expected = comparison.listed_files if comparison.listed_files is not None else request.changed_files
    if len(listed) != expected or len(listed) >= _LIST_LIMIT:
        return assumed(
            f"GitHub lists {len(listed)} of the pull request's {expected} files, which may not be all",
            base=base,
            head=head,
        )
    return Difference(base, head, _names(listed))


def _of_commits(repository: Repository, comparison: Comparison) -> Difference | Changes:
    """Compare two commits; GitHub compares with their common ancestor, which is the same only straight ahead."""
    base, head = comparison.base or comparison.base_branch, comparison.head
    answer = repository.compare(base, head)
    base_sha = answer.base_commit.sha
    if answer.status not in {"ahead", "identical"}:
        return assumed(
            "the history was rewritten, which GitHub's comparison does not show", base=base_sha, head=head
        )
    if len(answer.files) >= _COMPARE_LIMIT:
        return assumed(f"GitHub tells of {_COMPARE_LIMIT} changed files at most", base=base_sha, head=head)
    return Difference(base_sha, head, _names(answer.files))


def _names(files: Iterable[File]) -> tuple[str, ...]:
    names = (name for file in files for name in (file.filename, file.previous_filename) if name)
    return tuple(sorted(set(names)))
