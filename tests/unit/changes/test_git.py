"""Two commits compared by git: every changed path under its own name, and nothing of the user's is touched."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote

import pytest

from pixi_container.changes.comparison import Comparison
from pixi_container.changes.git import compare_remote, compare_revisions
from pixi_container.errors import CommitGoneError, GitUnavailableError, UserError

IDENTITY = {
    "GIT_AUTHOR_NAME": "test",
    "GIT_AUTHOR_EMAIL": "test@localhost",
    "GIT_COMMITTER_NAME": "test",
    "GIT_COMMITTER_EMAIL": "test@localhost",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}
NO_COMMIT = "1234567890" * 4
HOSTILE = """\
[core]
quotePath = true
abbrev = 7
[diff]
renames = copies
ignoreSubmodules = all
relative = true
orderFile = /nonexistent
noprefix = true
[color]
ui = always
[fetch]
prune = true
recurseSubmodules = true
[submodule]
recurse = true
[init]
defaultBranch = base
[alias]
fetch = false
diff-tree = false
"""


@dataclass(frozen=True)
class Repository:
    """A repository that gives any commit to whoever asks, as GitHub does."""

    path: Path

    @property
    def url(self) -> str:
        return f"file://{self.path}"

    def git(self, *arguments: str, given: str | None = None) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env={**os.environ, **IDENTITY},
            input=given,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def write(self, name: str, text: str = "text\n") -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def commit(self, message: str = "change") -> str:
        self.git("add", "--all")
        return self.commit_index(message)

    def commit_index(self, message: str = "change") -> str:
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def submodule(self, name: str, commit: str) -> None:
        self.git("update-index", "--add", "--cacheinfo", f"160000,{commit},{name}")


def repository_in(path: Path) -> Repository:
    path.mkdir()
    made = Repository(path)
    made.git("init", "--quiet", "--initial-branch=main")
    for name in ("allowAnySHA1InWant", "allowFilter"):
        made.git("config", f"uploadpack.{name}", "true")
    made.write("pixi.toml")
    made.commit("first")
    return made


@pytest.fixture(scope="module")
def first_commit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that every test gets a copy of."""
    return repository_in(tmp_path_factory.mktemp("git") / "repository").path


@pytest.fixture
def repository(tmp_path: Path, first_commit: Path) -> Repository:
    return Repository(Path(shutil.copytree(first_commit, tmp_path / "a repository", symlinks=True)))


@pytest.fixture
def env(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A runner's variables; whatever happens, nothing may be left in its temporary folder."""
    temporary = tmp_path / "temp"
    yield {"PATH": os.environ["PATH"], **IDENTITY, "RUNNER_TEMP": str(temporary)}
    assert not temporary.exists() or not list(temporary.iterdir())


def files_between(repository: Repository, base: str, head: str, env: dict[str, str]) -> set[str]:
    """Compare by both ways, which have to agree."""
    remote = compare_remote(Comparison(head=head, base=base), repository.url, "", env)
    assert (remote.base, remote.head) == (base, head)
    assert compare_revisions(repository.path, base, head, env) == remote
    assert len(set(remote.files)) == len(remote.files)
    return set(remote.files)


def test_a_renamed_file_has_both_names(repository: Repository, env: dict[str, str]) -> None:
    repository.write("old.txt", "a long text, " * 50)
    base = repository.commit()
    repository.git("mv", "old.txt", "new.txt")
    assert files_between(repository, base, repository.commit(), env) == {"old.txt", "new.txt"}


def test_content_mode_type_and_absence_are_changes(repository: Repository, env: dict[str, str]) -> None:
    for name in ("content", "mode", "link", "gone", "folder/gone", "becomes/a/file", "becomes a folder", "same"):
        repository.write(name)
    base = repository.commit()
    repository.write("content", "other\n")
    (repository.path / "mode").chmod(0o755)
    (repository.path / "link").unlink()
    (repository.path / "link").symlink_to("content")
    (repository.path / "gone").unlink()
    shutil.rmtree(repository.path / "folder")
    shutil.rmtree(repository.path / "becomes")
    repository.write("becomes")
    (repository.path / "becomes a folder").unlink()
    repository.write("becomes a folder/file")
    repository.write("new/and/deep")
    assert files_between(repository, base, repository.commit(), env) == {
        "content",
        "mode",
        "link",
        "gone",
        "folder/gone",
        "becomes",
        "becomes/a/file",
        "becomes a folder",
        "becomes a folder/file",
        "new/and/deep",
    }


def test_nothing_changed_between_equal_trees(repository: Repository, env: dict[str, str]) -> None:
    base = repository.git("rev-parse", "HEAD")
    assert files_between(repository, base, repository.commit("empty"), env) == set()
    assert files_between(repository, base, base, env) == set()


def test_a_submodule_is_its_one_entry_whatever_its_settings_say(
    repository: Repository, env: dict[str, str]
) -> None:
    sections = ("added", "bumped", "removed", "replaced")
    texts = (f'[submodule "{name}"]\npath = {name}\nurl = ../x\nignore = all\n' for name in sections)
    repository.write(".gitmodules", "".join(texts))
    repository.git("add", ".gitmodules")
    for name in sections[1:]:
        repository.submodule(name, "a" * 40)
    base = repository.commit_index()
    repository.submodule("added", "a" * 40)
    repository.submodule("bumped", "b" * 40)
    repository.git("rm", "--quiet", "--cached", "removed", "replaced")
    repository.write("replaced/file")
    repository.git("add", "replaced/file")
    head = repository.commit_index()
    assert files_between(repository, base, head, env) == {*sections, "replaced/file"}


def test_odd_names_are_given_as_they_are(repository: Repository, env: dict[str, str]) -> None:
    names = {
        "new\nline.txt",
        "carriage\rreturn.txt",
        "\r\n",
        "tab\t",
        "quo\"te's",
        "back\\slash",
        " spaces ",
        "ünï.txt",
        "漢字/文.txt",
        "no\udcff\udcfe utf-8",
        ":(exclude)magic",
        "-option",
        "::error::x",
        "\x1b[2J",
        "*?[a]",
    }
    base = repository.git("rev-parse", "HEAD")
    for name in names:
        repository.write(name)
    head = repository.commit()
    assert files_between(repository, base, head, env) == names


def merge_of(repository: Repository) -> tuple[str, str]:
    """What GitHub makes of a pull request whose base branch has moved on: base and merge commit."""
    repository.git("checkout", "--quiet", "-b", "request")
    repository.write("of-request.txt")
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    repository.write("of-main.txt")
    base = repository.commit()
    repository.git("merge", "--quiet", "--no-ff", "--no-edit", "request")
    return base, repository.git("rev-parse", "HEAD")


def test_a_merge_commit_is_compared_with_its_first_parent(repository: Repository, env: dict[str, str]) -> None:
    base, head = merge_of(repository)
    repository.write("later.txt")
    repository.commit()
    difference = compare_remote(Comparison(head=head), repository.url, "", env)
    assert (difference.base, difference.head, difference.files) == (base, head, ("of-request.txt",))


def test_a_new_branch_is_compared_with_the_tip_of_another(repository: Repository, env: dict[str, str]) -> None:
    repository.git("checkout", "--quiet", "-b", "side/one")
    repository.write("of-side.txt")
    head = repository.commit()
    repository.git("checkout", "--quiet", "-b", "trunk/é", "main")
    base = repository.commit("an empty one")
    difference = compare_remote(Comparison(head=head, base_branch="trunk/é"), repository.url, "", env)
    assert (difference.base, difference.head, difference.files) == (base, head, ("of-side.txt",))


def test_a_rewritten_history_is_compared_state_with_state(repository: Repository, env: dict[str, str]) -> None:
    repository.write("dropped.txt")
    base = repository.commit()
    repository.git("reset", "--quiet", "--hard", "HEAD^")
    repository.write("kept.txt")
    head = repository.commit()
    repository.git("reflog", "expire", "--expire=now", "--all")
    assert files_between(repository, base, head, env) == {"dropped.txt", "kept.txt"}
    repository.git("prune", "--expire=now")
    with pytest.raises(CommitGoneError):
        compare_remote(Comparison(head=head, base=base), repository.url, "", env)


@pytest.mark.parametrize(
    "comparison",
    [
        Comparison(head="HEAD", base=NO_COMMIT),
        Comparison(head=NO_COMMIT, base="HEAD"),
        Comparison(head="HEAD", base_branch="deleted"),
        Comparison(head="HEAD"),
    ],
    ids=["base", "head", "branch", "parent of the first commit"],
)
def test_what_the_repository_does_not_have_is_gone(
    repository: Repository, env: dict[str, str], comparison: Comparison
) -> None:
    repository.git(
        "commit",
        "--quiet",
        "--amend",
        "--message",
        f"not what it says\n\nparent {repository.git('rev-parse', 'HEAD')}",
    )
    first = repository.git("rev-parse", "HEAD")
    asked = Comparison(
        head=comparison.head.replace("HEAD", first),
        base=comparison.base.replace("HEAD", first),
        base_branch=comparison.base_branch,
    )
    with pytest.raises(CommitGoneError):
        compare_remote(asked, repository.url, "", env)


def test_no_repository_and_no_git_are_told_from_a_commit_that_is_gone(tmp_path: Path, env: dict[str, str]) -> None:
    asked = Comparison(head=NO_COMMIT, base=NO_COMMIT)
    with pytest.raises(GitUnavailableError, match=r"git fetch failed: .*absent"):
        compare_remote(asked, f"file://{tmp_path}/absent", "", env)
    with pytest.raises(GitUnavailableError, match="'git' cannot be started"):
        compare_remote(asked, f"file://{tmp_path}/absent", "", {**env, "PATH": str(tmp_path)})
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(GitUnavailableError, match="cannot create a temporary folder"):
        compare_remote(asked, f"file://{tmp_path}/absent", "", {**env, "RUNNER_TEMP": str(blocked)})


def test_settings_of_the_machine_change_nothing(
    repository: Repository, env: dict[str, str], tmp_path: Path
) -> None:
    repository.write("a.txt", "a long text, " * 50)
    repository.submodule("sub", "a" * 40)
    base = repository.commit_index()
    repository.git("add", "a.txt")
    base = repository.commit_index()
    repository.git("mv", "a.txt", "ünï.txt")
    repository.submodule("sub", "b" * 40)
    head = repository.commit_index()
    settings = tmp_path / "hostile.gitconfig"
    settings.write_text(HOSTILE)
    hostile = {
        **env,
        "GIT_CONFIG_GLOBAL": str(settings),
        "LC_ALL": "de_DE.UTF-8",
        "LANGUAGE": "de:fr",
        "GIT_EXTERNAL_DIFF": "false",
        "GIT_PAGER": "false",
        "GIT_DIR": str(tmp_path),
        "GIT_WORK_TREE": str(tmp_path),
        "GIT_INDEX_FILE": str(settings),
        "GIT_OBJECT_DIRECTORY": str(tmp_path),
    }
    difference = compare_remote(Comparison(head=head, base=base), repository.url, "", hostile)
    assert set(difference.files) == {"a.txt", "ünï.txt", "sub"}
    with pytest.raises(CommitGoneError):
        compare_remote(Comparison(head=head, base=NO_COMMIT), repository.url, "", hostile)
    local = {
        name: value
        for name, value in hostile.items()
        if name not in hostile.keys() - env.keys() or "GIT_" not in name
    }
    local["GIT_CONFIG_GLOBAL"] = str(settings)
    (repository.path / "folder").mkdir()
    assert compare_revisions(repository.path / "folder", base, head, local).files == difference.files


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("depth", [["--depth=1"], []], ids=["shallow", "full"])
def test_the_checkout_is_left_untouched(
    repository: Repository,
    env: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    depth: list[str],
) -> None:
    base, head = merge_of(repository)
    repository.git("clone", "--quiet", *depth, repository.url, str(tmp_path / "checkout"))
    before = snapshot(tmp_path / "checkout")
    monkeypatch.chdir(tmp_path / "checkout")
    of_checkout = {**env, "GIT_DIR": str(tmp_path / "checkout/.git"), "GIT_WORK_TREE": str(tmp_path / "checkout")}
    difference = compare_remote(Comparison(head=head, base=base), repository.url, "", of_checkout)
    assert difference.files == ("of-request.txt",)
    with pytest.raises(CommitGoneError):
        compare_remote(Comparison(head=head, base=NO_COMMIT), repository.url, "", of_checkout)
    assert snapshot(tmp_path / "checkout") == before


def test_a_revision_of_the_checkout_has_to_exist(
    repository: Repository, env: dict[str, str], tmp_path: Path
) -> None:
    base, head = merge_of(repository)
    assert compare_revisions(repository.path, "HEAD^", "main", env).base == base
    assert compare_revisions(repository.path, "request", head[:10], env).files == ("of-main.txt",)
    for revision in ("absent", f"--output={tmp_path}/written", "HEAD:pixi.toml", "", NO_COMMIT):
        with pytest.raises(UserError, match="there is no commit") as caught:
            compare_revisions(repository.path, revision, "HEAD", env)
        assert "--unshallow" in caught.value.hint
    assert not (tmp_path / "written").exists()


@dataclass
class Server:
    """Git over HTTP, by git itself; ``asked`` has the headers of every request."""

    root: Path
    redirect: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append({name.lower(): value for name, value in self.headers.items()})
            if server.redirect:
                self.send_response(302)
                self.send_header("Location", server.redirect + self.path)
                self.end_headers()
                return
            path, _, query = self.path.partition("?")
            done = subprocess.run(
                ["git", "http-backend"],
                env={
                    **IDENTITY,
                    "PATH": os.environ["PATH"],
                    "GIT_PROJECT_ROOT": str(server.root),
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "REQUEST_METHOD": self.command,
                    "PATH_INFO": unquote(path),
                    "QUERY_STRING": query,
                    "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                    "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                },
                input=self.rfile.read(int(self.headers.get("Content-Length", 0))),
                capture_output=True,
                check=True,
            )
            head, _, body = done.stdout.partition(b"\r\n\r\n")
            self.send_response(200)
            for line in head.decode().splitlines():
                self.send_header(*line.split(": ", 1))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.port = http.server_port
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


@pytest.mark.slow
def test_the_token_is_a_header_for_this_one_server(
    repository: Repository, env: dict[str, str], tmp_path: Path
) -> None:
    base, head = merge_of(repository)
    asked = Comparison(head=head, base=base)
    with serving(Server(tmp_path)) as server, serving(Server(tmp_path, redirect=server.url)) as front:
        settings = tmp_path / "gitconfig"
        settings.write_text(
            "[http]\nuserAgent = ours/1\n"
            f'[http "{server.url}/"]\nextraHeader = AUTHORIZATION: basic of-the-machine\n'
        )
        machine = {
            **env,
            "GIT_CONFIG_GLOBAL": str(settings),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.userAgent",
            "GIT_CONFIG_VALUE_0": "of-the-job/1",
            "GIT_TRACE_CURL": "1",
        }
        url = f"{server.url}/{repository.path.name.replace(' ', '%20')}"
        difference = compare_remote(asked, url, "hunter2", machine)
        assert difference.files == ("of-request.txt",)
        assert {headers.get("authorization") for headers in server.asked} == {
            "basic " + base64.b64encode(b"x-access-token:hunter2").decode()
        }
        assert {headers["user-agent"] for headers in server.asked} == {"ours/1"}

        server.asked.clear()
        compare_remote(asked, url, "", env)
        assert {headers.get("authorization") for headers in server.asked} == {None}

        server.asked.clear()
        with pytest.raises(GitUnavailableError):
            compare_remote(asked, url.replace(server.url, front.url), "hunter2", env)
        assert front.asked
        assert all("authorization" in headers for headers in front.asked)
        assert server.asked == []
