"""A stand-in for GitHub: git over HTTP and the few REST calls that the product makes, from a real repository.

git's part is ``git http-backend`` itself. The API is that of https://docs.github.com/rest at the paths of a GitHub
Enterprise Server, its limits included; answers lack what nobody here reads (patches, users, most addresses).
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from tests.rig.errors import RigError

NOTHING = "0" * 40
"""The commit that a push event names where there is none."""

_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_API = "/api/v3"
_REPOSITORY_ID = 1
_DOCUMENTATION = "https://docs.github.com/rest"
_RATE_LIMITS = "using-the-rest-api/rate-limits-for-the-rest-api"
_RATE_LIMIT = 1000
_LISTED_FILES = 3000
_COMPARED_FILES = 300
_COMPARED_COMMITS = 250
_NAME, _EMAIL = "Ada", "ada@example.org"
_FIRST_COMMIT = 1_767_225_600
_STATUSES = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "T": "changed"}
_COMMIT_FIELDS = ("%H", "%T", "%P", "%an", "%ae", "%aI", "%cn", "%ce", "%cI", "%B")
_JSON = {"content-type": "application/json; charset=utf-8"}
_TEXT = {"content-type": "text/plain; charset=utf-8"}
_ENVIRONMENT = {
    "PATH": os.environ.get("PATH", os.defpath),
    "LC_ALL": "C",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


@dataclass(frozen=True)
class Commit:
    """What git knows of a commit; dates are ISO 8601 with the committer's own offset from UTC."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: tuple[str, str, str]
    committer: tuple[str, str, str]
    message: str


@dataclass
class Repository:
    """A bare repository at ``path``, which anything else may push to as well."""

    path: Path
    full_name: str
    default_branch: str = "main"
    made: int = 0
    """How many commits were made here; each is dated a minute after the one before."""

    @classmethod
    def create(cls, path: Path, full_name: str = "org/study", default_branch: str = "main") -> Repository:
        """Make an empty one, from which any commit may be fetched that it has, as from GitHub."""
        repository = cls(path, full_name, default_branch)
        path.mkdir(parents=True)
        repository.git("init", "--quiet", "--bare", f"--initial-branch={default_branch}")
        for name in ("uploadpack.allowAnySHA1InWant", "uploadpack.allowFilter"):
            repository.git("config", name, "true")
        return repository

    def commit(
        self,
        files: Mapping[str, str | bytes | None],
        *,
        branch: str = "main",
        parents: Sequence[str] | None = None,
        modes: Mapping[str, str] | None = None,
    ) -> str:
        """Put one commit onto ``branch`` and give its id; ``files`` has contents by path, None to remove one.

        Without ``parents`` it follows the branch's tip. ``modes`` are git's, by path: ``100755``, ``120000`` with
        a link's target as content, ``160000`` with a submodule's commit.
        """
        ref = f"refs/heads/{branch}"
        if parents is None:
            parents = [tip] if (tip := self.commit_id(ref)) else []
        author = f"{_NAME} <{_EMAIL}> {self._next_date()}"
        lines = [f"commit {ref}\nmark :1\ncommitter {author}\ndata 6\nChange\n".encode()]
        lines += [f"{'merge' if i else 'from'} {parent}\n".encode() for i, parent in enumerate(parents)]
        for path, content in files.items():
            name = _quoted(path)
            mode = (modes or {}).get(path, "100644")
            data = content.encode() if isinstance(content, str) else content
            if data is None:
                lines.append(b"D %b\n" % name)
            elif mode == "160000":
                lines.append(b"M 160000 %b %b\n" % (data, name))
            else:
                lines.append(b"M %b inline %b\ndata %d\n%b\n" % (mode.encode(), name, len(data), data))
        lines.append(b"\nget-mark :1\n")
        return self.git("fast-import", "--quiet", "--force", content=b"".join(lines))

    def merge(self, base: str, head: str) -> str:
        """Make the commit that merges ``head`` into ``base``, on no branch; empty when they conflict."""
        done = self._run("merge-tree", "--write-tree", base, head)
        if done.returncode == 1:
            return ""
        message = f"Merge {head} into {base}"
        identity = {"NAME": _NAME, "EMAIL": _EMAIL, "DATE": self._next_date()}
        made = self._run(
            *("commit-tree", "-p", base, "-p", head, "-m", message, self._said(done)),
            env={f"GIT_{role}_{key}": text for role in ("AUTHOR", "COMMITTER") for key, text in identity.items()},
        )
        return self._said(made)

    def merge_base(self, base: str, head: str) -> str:
        """Return the two commits' best common ancestor, empty when there is none."""
        return self._run("merge-base", base, head).stdout.decode().strip()

    def collect_garbage(self) -> None:
        """Remove all that no ref leads to, as GitHub does some time after a forced push."""
        self.git("gc", "--quiet", "--prune=now")

    def commit_id(self, revision: str) -> str:
        """Return the full id of the commit, empty when there is none."""
        done = self._run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        return done.stdout.decode().strip()

    def commits(self, ids: Sequence[str]) -> list[Commit]:
        """Tell what is known of each, in the same order; git tells of each once."""
        if not ids:
            return []
        form = f"--format=tformat:{'%x00'.join(_COMMIT_FIELDS)}"
        asked = "\n".join(dict.fromkeys(ids)).encode()
        values = self.git("log", "-z", "--no-walk=unsorted", form, "--stdin", content=asked).split("\0")
        rows = [values[i : i + len(_COMMIT_FIELDS)] for i in range(0, len(values) - 1, len(_COMMIT_FIELDS))]
        found = {
            sha: Commit(sha, tree, tuple(parents.split()), (an, ae, ad), (cn, ce, cd), message.rstrip("\n"))
            for sha, tree, parents, an, ae, ad, cn, ce, cd, message in rows
        }
        return [found[sha] for sha in ids]

    def changed_files(self, base: str, head: str) -> list[dict[str, Any]]:
        """List what differs as GitHub does: renames found, each name as UTF-8 whatever its bytes are."""
        done = self._run("diff-tree", "-r", "-z", "-M", "--raw", "--numstat", base, head)
        self._said(done)
        values = iter(done.stdout.split(b"\0")[:-1])
        files: dict[bytes, dict[str, Any]] = {}
        for value in values:
            if value.startswith(b":"):
                *_, before, after, status = value.decode().split(" ")
                previous = {"previous_filename": _text(next(values))} if status[0] == "R" else {}
                name = next(values)
                sha = before if after == NOTHING else after
                files[name] = {"sha": sha, "filename": _text(name), "status": _STATUSES[status[0]], **previous}
            else:
                added, removed, name = value.split(b"\t", 2)
                if not name:
                    _, name = next(values), next(values)
                counts = [0 if number == b"-" else int(number) for number in (added, removed)]
                files[name] |= {"additions": counts[0], "deletions": counts[1], "changes": sum(counts)}
        return list(files.values())

    def git(self, *arguments: str, content: bytes = b"") -> str:
        """Run any git command in it and give what it says. Raises ``RigError`` when it fails."""
        return self._said(self._run(*arguments, content=content))

    def _run(
        self, *arguments: str, content: bytes = b"", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["git", "-C", str(self.path), *arguments],
            input=content,
            env={**_ENVIRONMENT, **(env or {})},
            capture_output=True,
            check=False,
        )

    def _said(self, done: subprocess.CompletedProcess[bytes]) -> str:
        if done.returncode != 0:
            raise RigError(f"{' '.join(done.args)}: {_text(done.stderr).strip()}")
        return _text(done.stdout).removesuffix("\n")

    def _next_date(self) -> str:
        self.made += 1
        return f"{_FIRST_COMMIT + 60 * self.made} +0000"


@dataclass(frozen=True)
class PullRequest:
    """``base_sha`` is the base branch's tip when the head last changed, ``merge_commit`` empty for a conflict.

    The head of a fork is here as well: GitHub keeps all forks' commits together.
    """

    number: int
    base: str
    base_sha: str
    head: str
    head_sha: str
    fork: bool
    merge_commit: str


@dataclass
class GitHub:
    """How it behaves; may be changed while it runs. ``requests`` are those that came, as ``METHOD path``."""

    repository: Repository
    url: str = ""
    token: str = ""
    """With one the repository is private, and git and the API want it; without, any token is good."""
    git_faults: list[int | None] = field(default_factory=list)
    """What git's next requests get in place of an answer: an HTTP status, or 0 for a connection that is cut. None
    leaves that request alone."""
    api_faults: list[int | None] = field(default_factory=list)
    """The same for the API. 429, and 403 with ``retry_after``, are the secondary rate limit; 403 alone is a token
    that lacks the permission."""
    retry_after: str = ""
    """What a fault of the API says of when to come again, in seconds."""
    git_is_down: bool = False
    api_is_down: bool = False
    rate_limit_remaining: int | None = None
    """How many requests the API answers yet; None for a server that does not count them."""
    rate_limit_seconds: int = 3600
    """When it answers again."""
    pull_requests: dict[int, PullRequest] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """The requests among them that this stand-in does not know."""

    @property
    def api_url(self) -> str:
        """What a runner has in GITHUB_API_URL."""
        return f"{self.url}{_API}"

    def open_pull_request(self, number: int, *, base: str = "main", head: str, fork: bool = False) -> str:
        """Open one, or do what GitHub does after its head or its base changed; give the merge commit's id.

        ``head`` is a branch or a commit. ``refs/pull/N/head`` and ``refs/pull/N/merge`` are there afterwards; a
        conflict gives an empty id and leaves the latter as it was. What its ``base.sha`` says changes with the
        head alone, as on GitHub: https://github.com/apache/texera/pull/8096
        """
        tip, sha = self.repository.commit_id(f"refs/heads/{base}"), self.repository.commit_id(head)
        if not tip or not sha:
            raise RigError(f"there is no branch {base!r} or no commit {head!r} to open a pull request with")
        before = self.pull_requests.get(number)
        base_sha = before.base_sha if before and before.head_sha == sha else tip
        name = f"change-{number}" if sha.startswith(head) else head
        merged = self.repository.merge(tip, sha)
        self.pull_requests[number] = PullRequest(number, base, base_sha, name, sha, fork, merged)
        self.repository.git("update-ref", f"refs/pull/{number}/head", sha)
        if merged:
            self.repository.git("update-ref", f"refs/pull/{number}/merge", merged)
        return merged

    def push_event(self, *, before: str, after: str, ref: str = "refs/heads/main") -> dict[str, Any]:
        """Return the payload of a push that moved ``ref``.

        ``NOTHING`` is the ``before`` of a new ref and the ``after`` of a deleted one. A ``before`` that was
        collected meanwhile counts as forced away.
        """
        created, deleted = before == NOTHING, after == NOTHING
        forced = not created and not deleted and self.repository.merge_base(before, after) != before
        return {
            "ref": ref,
            "before": before,
            "after": after,
            "created": created,
            "deleted": deleted,
            "forced": forced,
            "base_ref": None,
            "compare": f"{self.url}/{self.repository.full_name}/compare/{before}...{after}",
            "head_commit": None if deleted else self._event_commit(after),
            "repository": self.repository_json(),
        }

    def pull_request_event(self, number: int, action: str = "synchronize") -> dict[str, Any]:
        """Return the payload of a ``pull_request`` or ``pull_request_target`` event.

        It does not tell the merge commit, which GitHub makes afterwards; the runner has it in GITHUB_SHA.
        """
        request = {
            **self.pull_request_json(self.pull_requests[number]),
            "merge_commit_sha": None,
            "mergeable": None,
        }
        return {"action": action, "number": number, "pull_request": request, "repository": self.repository_json()}

    def merge_group_event(self, *, base_sha: str, head_sha: str, base: str = "main") -> dict[str, Any]:
        """Return the payload of a merge queue that wants ``head_sha`` checked."""
        group = {
            "base_ref": f"refs/heads/{base}",
            "base_sha": base_sha,
            "head_ref": f"refs/heads/gh-readonly-queue/{base}/pr-1-{base_sha}",
            "head_sha": head_sha,
            "head_commit": self._event_commit(head_sha),
        }
        return {"action": "checks_requested", "merge_group": group, "repository": self.repository_json()}

    def _event_commit(self, revision: str) -> dict[str, Any]:
        commit = self.repository.commits([self.repository.commit_id(revision)])[0]
        return {
            "id": commit.sha,
            "tree_id": commit.tree,
            "message": commit.message,
            "timestamp": commit.committer[2].replace("+00:00", "Z"),
            "author": dict(zip(("name", "email"), commit.author, strict=False)),
            "committer": dict(zip(("name", "email"), commit.committer, strict=False)),
        }

    def repository_json(self, *, fork: bool = False) -> dict[str, Any]:
        """Return the repository, or its fork, as the API and every event tell it."""
        owner, _, name = self.repository.full_name.partition("/")
        owner = "contributor" if fork else owner
        return {
            "id": _REPOSITORY_ID + fork,
            "name": name,
            "full_name": f"{owner}/{name}",
            "owner": {"login": owner},
            "private": bool(self.token),
            "fork": fork,
            "default_branch": self.repository.default_branch,
            "html_url": f"{self.url}/{owner}/{name}",
            "clone_url": f"{self.url}/{owner}/{name}.git",
            "url": f"{self.api_url}/repos/{owner}/{name}",
        }

    def pull_request_json(self, request: PullRequest) -> dict[str, Any]:
        """Return it as the API tells it, and an event but for the merge commit."""
        here = self.repository_json()
        return {
            "id": request.number,
            "number": request.number,
            "state": "open",
            "title": f"Change {request.number}",
            "url": f"{here['url']}/pulls/{request.number}",
            "html_url": f"{here['html_url']}/pull/{request.number}",
            "head": {
                "ref": request.head,
                "sha": request.head_sha,
                "repo": self.repository_json(fork=request.fork),
            },
            "base": {"ref": request.base, "sha": request.base_sha, "repo": here},
            "merged": False,
            "mergeable": bool(request.merge_commit),
            "merge_commit_sha": request.merge_commit or None,
            "changed_files": len(self.files_of(request)),
        }

    def files_of(self, request: PullRequest) -> list[dict[str, Any]]:
        """List all that it changes since it left its base branch."""
        ancestor = self.repository.merge_base(request.base_sha, request.head_sha)
        return self.repository.changed_files(ancestor, request.head_sha)


@contextmanager
def github_for(repository: Repository) -> Iterator[GitHub]:
    """Run one in this process, at ``url``; ``<url>/<full_name>`` is what git fetches from."""
    github = GitHub(repository)
    handler = type("Handler", (_Handler,), {"github": github})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        github.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield github
        finally:
            server.shutdown()
            thread.join()


class _RefusedError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class _Handler(BaseHTTPRequestHandler):
    github: GitHub
    protocol_version = "HTTP/1.1"

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self.handle_request
        raise AttributeError(name)

    def handle_request(self) -> None:
        self.github.requests.append(f"{self.command} {self.path}")
        content = self._content()
        url = urlsplit(self.path)
        if url.path.startswith(f"{_API}/"):
            self._api(unquote(url.path.removeprefix(_API)))
        else:
            self._git(unquote(url.path), url.query, content)

    def _content(self) -> bytes:
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        content = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def _git(self, path: str, query: str, content: bytes) -> None:
        github = self.github
        fault = 503 if github.git_is_down else _next(github.git_faults)
        found = re.fullmatch(r"/([^/]+/[^/]+?)(?:\.git)?/(info/refs|git-upload-pack)", path)
        known = found and (query == "service=git-upload-pack" if found[2] == "info/refs" else not query)
        if fault is not None:
            self._fail(fault, _TEXT, b"Something went wrong\n")
        elif not found or not known:
            github.unknown.append(f"{self.command} {self.path}")
            self._answer(404, _TEXT, b"Not Found\n")
        elif not self._may_fetch(found[1]):
            # GitHub says the same of what does not exist, so that nobody can find out what does.
            headers = {**_TEXT, "www-authenticate": 'Basic realm="GitHub"'}
            self._answer(401, headers, b"Invalid username or token.\n" if self._authorization() else b"")
        elif found[1] != github.repository.full_name:
            self._answer(404, _TEXT, b"Repository not found.\n")
        else:
            self._http_backend(found[2], query, content)

    def _may_fetch(self, full_name: str) -> bool:
        given = self._authorization()
        if self.github.token:
            wanted = base64.b64encode(f"x-access-token:{self.github.token}".encode()).decode()
            return given.lower().startswith("basic ") and given[6:] == wanted
        return bool(given) or full_name == self.github.repository.full_name

    def _http_backend(self, service: str, query: str, content: bytes) -> None:
        """Run git's own server; source of the variables: https://git-scm.com/docs/git-http-backend#_environment."""
        environment = {
            **_ENVIRONMENT,
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_TRANSLATED": str(self.github.repository.path.resolve() / service),
            "REQUEST_METHOD": self.command,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(content)),
            "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", ""),
            "GIT_PROTOCOL": self.headers.get("git-protocol", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"], input=content, env=environment, capture_output=True, check=False
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(headers.pop("Status", "200").split(" ")[0])
        self._answer(status, headers, body)

    def _api(self, path: str) -> None:
        github = self.github
        fault = 503 if github.api_is_down else _next(github.api_faults)
        token = re.sub(r"(?i)^(bearer|token) ", "", self._authorization())
        if fault is not None:
            self._fail_api(fault)
        elif github.token and token and token != github.token:
            self._refuse(401, "Bad credentials")
        elif path == "/rate_limit" and self.command == "GET":
            self._rate_limit()
        elif github.rate_limit_remaining is not None and github.rate_limit_remaining < 1:
            self._refuse(403, "API rate limit exceeded for installation ID 1.", _RATE_LIMITS)
        else:
            if github.rate_limit_remaining is not None:
                github.rate_limit_remaining -= 1
            self._call(path, may_read=not github.token or bool(token))

    def _call(self, path: str, *, may_read: bool) -> None:
        github = self.github
        calls: tuple[tuple[str, Callable[..., None], str], ...] = (
            (r"", self._get_repository, "repos/repos#get-a-repository"),
            (r"/compare/(.+?)\.\.\.(.+)", self._compare, "commits/commits#compare-two-commits"),
            (r"/commits/(.+)", self._get_commit, "commits/commits#get-a-commit"),
            (r"/pulls/(\d+)", self._get_pull_request, "pulls/pulls#get-a-pull-request"),
            (r"/pulls/(\d+)/files", self._list_files, "pulls/pulls#list-pull-requests-files"),
        )
        found = re.fullmatch(r"/(repos/[^/]+/[^/]+|repositories/\d+)(.*)", path, re.DOTALL)
        asked = [
            (answer, matched.groups(), documentation)
            for pattern, answer, documentation in calls
            if found and (matched := re.fullmatch(pattern, found[2], re.DOTALL))
        ]
        if not found or not asked or self.command != "GET":
            github.unknown.append(f"{self.command} {self.path}")
            self._refuse(404, "Not Found")
            return
        answer, arguments, documentation = asked[0]
        names = {f"repos/{github.repository.full_name}", f"repositories/{_REPOSITORY_ID}"}
        if not may_read or found[1] not in names:
            self._refuse(404, "Not Found", documentation)
            return
        try:
            answer(*arguments)
        except _RefusedError as error:
            self._refuse(error.status, error.message, documentation)

    def _get_repository(self) -> None:
        self._give(self.github.repository_json())

    def _get_pull_request(self, number: str) -> None:
        self._give(self.github.pull_request_json(self._pull_request(number)))

    def _list_files(self, number: str) -> None:
        files = self.github.files_of(self._pull_request(number))
        page, links = self._page(files[:_LISTED_FILES], usual=30, most=100)
        self._give(page, links)

    def _pull_request(self, number: str) -> PullRequest:
        request = self.github.pull_requests.get(int(number))
        if not request:
            raise _RefusedError(404, "Not Found")
        return request

    def _get_commit(self, revision: str) -> None:
        repository = self.github.repository
        sha = repository.commit_id(revision)
        if not sha:
            raise _RefusedError(422, f"No commit found for SHA: {revision}")
        commit = repository.commits([sha])[0]
        files = repository.changed_files(commit.parents[0] if commit.parents else _EMPTY_TREE, sha)
        page, links = self._page(files[:_LISTED_FILES], usual=300, most=300)
        self._give({**self._commit(commit), "files": page}, links)

    def _compare(self, base: str, head: str) -> None:
        """Compare from the common ancestor on; the list of files is cut without a mark, and on page one alone.

        Source: https://docs.github.com/rest/commits/commits#compare-two-commits,
        https://github.com/github/rest-api-description/issues/3552
        """
        repository = self.github.repository
        ends = repository.commit_id(base), repository.commit_id(head)
        if not all(ends):
            raise _RefusedError(404, "Not Found")
        ancestor = repository.merge_base(*ends)
        if not ancestor:
            raise _RefusedError(404, f"No common ancestor between {base} and {head}.")
        ids = repository.git("rev-list", "--reverse", f"{ends[0]}..{ends[1]}").split()
        behind = int(repository.git("rev-list", "--count", f"{ends[1]}..{ends[0]}"))
        status = {(False, False): "identical", (True, False): "ahead", (False, True): "behind"}
        page, links = self._page(ids, usual=_COMPARED_COMMITS, most=1000)
        query = self._query()
        if not query.keys() & {"page", "per_page"}:
            page, links = ids[-_COMPARED_COMMITS:], {}
        first, common, *commits = repository.commits([ends[0], ancestor, *page])
        is_first = _positive(query.get("page", ""), 1) == 1
        answer = {
            "url": f"{self.github.url}{self.path}",
            "base_commit": self._commit(first),
            "merge_base_commit": self._commit(common),
            "status": status.get((bool(ids), bool(behind)), "diverged"),
            "ahead_by": len(ids),
            "behind_by": behind,
            "total_commits": len(ids),
            "commits": [self._commit(commit) for commit in commits],
            "files": repository.changed_files(ancestor, ends[1])[:_COMPARED_FILES] if is_first else [],
        }
        self._give(answer, links)

    def _rate_limit(self) -> None:
        if self.github.rate_limit_remaining is None:
            self._refuse(404, "Rate limiting is not enabled.", "rate-limit/rate-limit")
            return
        rate = {name: int(value) for name, value in self._limits().items() if value.isdigit()}
        rate = {name.removeprefix("x-ratelimit-"): value for name, value in rate.items()}
        self._give({"resources": {"core": rate}, "rate": rate})

    def _commit(self, commit: Commit) -> dict[str, Any]:
        address = f"{self.github.repository_json()['url']}/commits"
        return {
            "sha": commit.sha,
            "url": f"{address}/{commit.sha}",
            "commit": {
                "author": _person(commit.author),
                "committer": _person(commit.committer),
                "message": commit.message,
                "tree": {"sha": commit.tree},
            },
            "parents": [{"sha": parent, "url": f"{address}/{parent}"} for parent in commit.parents],
        }

    def _page(self, items: list[Any], *, usual: int, most: int) -> tuple[list[Any], dict[str, str]]:
        """Return one page and its links as GitHub writes them: https://docs.github.com/rest/using-the-rest-api.

        Their addresses have the repository's number in place of its name.
        """
        query = self._query()
        size = min(_positive(query.get("per_page", ""), usual), most)
        number = _positive(query.get("page", ""), 1)
        last = -(-len(items) // size)
        others = (
            ("prev", number - 1, number > 1),
            ("next", number + 1, number < last),
            ("last", last, number < last),
            ("first", 1, number > 1),
        )
        path = re.sub(r"/repos/[^/]+/[^/]+", f"/repositories/{_REPOSITORY_ID}", urlsplit(self.path).path)
        links = [
            f'<{self.github.url}{path}?{urlencode({**query, "page": page})}>; rel="{name}"'
            for name, page, is_there in others
            if is_there
        ]
        headers = {"link": ", ".join(links)} if links else {}
        return items[(number - 1) * size : number * size], headers

    def _query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}

    def _authorization(self) -> str:
        return self.headers.get("authorization", "")

    def _limits(self) -> dict[str, str]:
        remaining = self.github.rate_limit_remaining
        if remaining is None:
            return {}
        return {
            "x-ratelimit-limit": str(_RATE_LIMIT),
            "x-ratelimit-remaining": str(remaining),
            "x-ratelimit-used": str(_RATE_LIMIT - remaining),
            "x-ratelimit-reset": str(int(time.time()) + self.github.rate_limit_seconds),
            "x-ratelimit-resource": "core",
        }

    def _fail_api(self, status: int) -> None:
        """Say it as GitHub does; of its outages some are JSON and some are a page for people."""
        wait = {"retry-after": self.github.retry_after} if self.github.retry_after else {}
        if status == 429 or (status == 403 and wait):
            message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
            self._refuse(status, message, _RATE_LIMITS, wait)
        elif 0 < status < 500:
            messages = {401: "Bad credentials", 403: "Resource not accessible by integration"}
            self._refuse(status, messages.get(status, "Not Found"), headers=wait)
        elif status in {500, 502}:
            self._fail(status, {**_JSON, **wait}, b'{"message": "Server Error"}')
        else:
            page = b"<!DOCTYPE html>\n<title>Unicorn!</title>\n"
            self._fail(status, {"content-type": "text/html", **wait}, page)

    def _fail(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        if status:
            self._answer(status, headers, body)
        else:
            self.close_connection = True

    def _refuse(
        self, status: int, message: str, documentation: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        address = f"{_DOCUMENTATION}/{documentation}".rstrip("/")
        body = {"message": message, "documentation_url": address, "status": str(status)}
        self._give(body, headers, status)

    def _give(self, answer: Any, headers: Mapping[str, str] | None = None, status: int = 200) -> None:  # noqa: ANN401
        body = json.dumps(answer, ensure_ascii=False).encode()
        self._answer(status, {**_JSON, **self._limits(), **(headers or {})}, body)

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_request(self, *_: object) -> None:
        pass


def _next(faults: list[int | None]) -> int | None:
    return faults.pop(0) if faults else None


def _positive(text: str, otherwise: int) -> int:
    return int(text) if text.isdigit() and int(text) else otherwise


def _person(who: tuple[str, str, str]) -> dict[str, str]:
    date = datetime.fromisoformat(who[2].replace("Z", "+00:00")).astimezone(timezone.utc)
    return {"name": who[0], "email": who[1], "date": f"{date:%Y-%m-%dT%H:%M:%SZ}"}


def _text(given: bytes) -> str:
    return given.decode(errors="replace")


def _quoted(path: str) -> bytes:
    """Write a path as ``git fast-import`` reads it: https://git-scm.com/docs/git-fast-import#_filemodify."""
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'.encode(errors="surrogateescape")
