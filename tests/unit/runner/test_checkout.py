"""The checkout of a laptop or a job: which commit, branch, tag, date and version Git tells of it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from pixi_container.runner.checkout import (
    Checkout,
    checkout_around,
    checkout_prefix,
    commit_date,
    local_event,
    source_version,
    what_is_checked_out,
)
from pixi_container.runner.event import Event

ENV = {"PATH": os.environ["PATH"]}
NO_FILES = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
IDENTITY = ("-c", "user.name=me", "-c", "user.email=me@example.org")


@dataclass(frozen=True)
class Repository:
    """A repository that Git itself writes."""

    path: Path

    def git(self, *arguments: str, date: str = "1700000000 +0530") -> str:
        done = subprocess.run(
            ["git", *IDENTITY, *arguments],
            cwd=self.path,
            env={**ENV, "GIT_COMMITTER_DATE": date, "GIT_CONFIG_GLOBAL": os.devnull},
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def commit(self, date: str = "1700000000 +0530") -> str:
        self.git("commit", "--quiet", "--allow-empty", "--message", "x", date=date)
        return self.git("rev-parse", "HEAD")

    def written(self, when: str, message: str = "x") -> str:
        """Return a commit with a date as it is written, which nothing refers to."""
        content = f"tree {NO_FILES}\nauthor a <a> 1 +0000\ncommitter a <a> {when}\n\n{message}\n"
        (self.path / "commit").write_text(content)
        return self.git("hash-object", "-t", "commit", "-w", "--literally", "commit")


def repository_in(folder: Path) -> Repository:
    made = Repository(folder / "checkout")
    made.path.mkdir()
    made.git("init", "--quiet", "--template=", "--initial-branch", "work")
    return made


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return repository_in(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository for tests that leave nothing in each other's way."""
    return repository_in(tmp_path_factory.mktemp("shared"))


def test_a_checkout_is_found_from_any_folder_in_it(repository: Repository) -> None:
    git = repository.path / ".git"
    inner = repository.path / "a/b"
    inner.mkdir(parents=True)
    assert checkout_around(inner) == checkout_around(repository.path) == Checkout(repository.path, git, git)
    assert checkout_prefix(inner) == "a/b"
    assert checkout_prefix(repository.path) == ""
    assert checkout_around(repository.path.parent) is None
    assert checkout_prefix(repository.path.parent) is None


def test_a_worktree_has_refs_and_objects_elsewhere(repository: Repository) -> None:
    sha = repository.commit()
    tree = repository.path.parent / "tree"
    repository.git("worktree", "add", "--quiet", "-b", "other", str(tree))
    git = repository.path / ".git"
    assert checkout_around(tree) == Checkout(tree, git / "worktrees/tree", git)
    assert checkout_prefix(tree / "a") == "a"
    event = local_event(tree, ENV)
    assert (event.sha, event.ref) == (sha, "refs/heads/other")


def test_a_submodule_has_all_of_its_own(repository: Repository) -> None:
    module = repository.path / "module"
    module.mkdir()
    (module / ".git").write_text("gitdir: ../.git/modules/module\n")
    own = repository.path / ".git/modules/module"
    assert checkout_around(module) == Checkout(module, own, own)


def test_a_git_file_that_cannot_be_read_is_no_checkout(repository: Repository) -> None:
    (repository.path / "a").mkdir()
    (repository.path / "a/.git").write_bytes(b"gitdir: \xff\n")
    assert checkout_around(repository.path / "a") is None


def test_the_checkout_of_a_laptop_is_an_event(repository: Repository) -> None:
    nothing = {"repository": {"default_branch": "main"}}
    assert local_event(repository.path.parent, ENV) == Event(name="local", payload=nothing)
    assert local_event(repository.path, ENV) == Event(name="local", ref="refs/heads/work", payload=nothing)
    sha = repository.commit()
    repository.git("tag", "v1.2.3")
    repository.git("remote", "add", "origin", "https://github.com/Lab/study.git")
    repository.git("update-ref", "refs/remotes/origin/trunk", sha)
    repository.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
    assert local_event(repository.path, ENV) == Event(
        name="local",
        ref="refs/tags/v1.2.3",
        sha=sha,
        repository="Lab/study",
        payload={"repository": {"default_branch": "trunk"}},
    )
    repository.commit()
    repository.git("checkout", "--quiet", "--detach")
    assert local_event(repository.path, ENV).ref == ""


@pytest.mark.parametrize(
    ("remote", "ours", "any_host"),
    [
        ("https://github.com/Lab/study", "Lab/study", "Lab/study"),
        ("https://github.com/Lab/study.git/", "Lab/study", "Lab/study"),
        ("ssh://git@github.com/Lab/study.git", "Lab/study", "Lab/study"),
        ("git@github.com:Lab/study.git", "Lab/study", "Lab/study"),
        ("git@github.com:Lab/study.git/more", "", "study.git/more"),
        ("https://github.example.org/Lab/study", "", "Lab/study"),
        ("git@gitlab.com:group/Lab/study.git", "", "Lab/study"),
        ("study", "", ""),
        ("https://github.com//study", "", ""),
        ("https://github.com/Lab/study/more", "", "study/more"),
        ("http://github.com/Lab/study", "", "Lab/study"),
        ("ssh://git@github.com:Lab/study", "Lab/study", "Lab/study"),
        ("https://host//study", "", ""),
    ],
)
def test_a_remote_names_the_repository(shared: Repository, remote: str, ours: str, any_host: str) -> None:
    (shared.path / ".git/config").write_text(f'[remote "origin"]\nurl = {remote}\n')
    assert local_event(shared.path, ENV).repository == ours
    assert what_is_checked_out(shared.path, Event(name="push", sha="1" * 40), ENV).repository == any_host


@pytest.mark.parametrize(
    ("zone", "offset"),
    [
        ("+0000", timedelta()),
        ("+0530", timedelta(hours=5, minutes=30)),
        ("-0330", -timedelta(hours=3, minutes=30)),
    ],
)
def test_the_date_of_a_commit_has_its_zone(shared: Repository, zone: str, offset: timedelta) -> None:
    sha = shared.written(f"1700000000 {zone}")
    date = commit_date(shared.path, sha, ENV)
    assert date == datetime(2023, 11, 14, 22, 13, 20, tzinfo=timezone.utc)
    assert date
    assert date.utcoffset() == offset


@pytest.mark.parametrize(("when", "seconds"), [("1 +0000", 1), ("0 -0000", 0), ("12345678901 +0000", 12345678901)])
def test_a_date_may_be_long_ago_or_far_away(shared: Repository, when: str, seconds: int) -> None:
    date = commit_date(shared.path, shared.written(when), ENV)
    assert date
    assert date.timestamp() == seconds


def test_a_commit_that_is_not_there_has_no_date(repository: Repository) -> None:
    sha = repository.commit()
    assert commit_date(repository.path, "1" * 40, ENV) is None
    assert commit_date(repository.path, "HEAD", ENV) is None
    assert commit_date(repository.path.parent, sha, ENV) is None


@pytest.mark.parametrize(
    "when", ["1 +9999", "1 -2400", "1700000000 +05300", "123456789012 +0000", "99999999999999 +0000"]
)
def test_a_date_that_cannot_be_is_no_date(shared: Repository, when: str) -> None:
    assert commit_date(shared.path, shared.written(when), ENV) is None


def test_a_date_in_the_message_is_not_the_commit_s(shared: Repository) -> None:
    sha = shared.written("?", "committer a <a> 1700000000 +0000")
    assert commit_date(shared.path, sha, ENV) is None


def test_a_package_s_version_comes_from_the_last_tag_with_a_number(repository: Repository) -> None:
    assert source_version(repository.path.parent, ENV) == ""
    assert source_version(repository.path, ENV) == ""
    first = repository.commit()
    assert source_version(repository.path, ENV) == f"0.0.0+g{first[:7]}"
    repository.git("tag", "release-1.20.3")
    assert source_version(repository.path, ENV) == "1.20.3"
    repository.git("tag", "nightly")
    second = repository.commit(date="1700000001 +0000")
    assert source_version(repository.path, ENV) == f"1.20.3.post1+g{second[:7]}"


@pytest.mark.parametrize(
    ("tag", "version"),
    [("1.2.3", "1.2.3"), ("2", "2"), ("v10.0", "10.0"), ("a-1.2", "1.2"), ("v1x", ""), ("1.2rc1", "1")],
)
def test_which_part_of_a_tag_is_the_version(repository: Repository, tag: str, version: str) -> None:
    sha = repository.commit()
    repository.git("tag", tag)
    assert source_version(repository.path, ENV) == (version or f"0.0.0+g{sha[:7]}")


@pytest.fixture(scope="module")
def with_sha256(tmp_path_factory: pytest.TempPathFactory) -> tuple[Repository, str]:
    """A repository of the newer kind of commit IDs, and its commit."""
    made = Repository(tmp_path_factory.mktemp("sha256"))
    made.git("init", "--quiet", "--object-format", "sha256", "--initial-branch", "work")
    return made, made.commit()


@pytest.mark.parametrize(
    "extensions",
    [
        "\tobjectformat = sha256\n",
        "objectformat=sha256\n",
        "  ObjectFormat  =  SHA256  \n",
        "objectFormat = sha256\nnoop = true\n",
        "noop = true\nobjectformat =sha256",
    ],
)
def test_the_format_of_a_checkout_may_be_written_in_any_way(
    with_sha256: tuple[Repository, str], extensions: str
) -> None:
    made, sha = with_sha256
    (made.path / ".git/config").write_text(f"[core]\nrepositoryformatversion = 1\n[extensions]\n{extensions}")
    assert local_event(made.path, ENV).sha == sha


def test_a_checkout_with_other_formats_is_read(tmp_path: Path) -> None:
    made = Repository(tmp_path)
    made.git("init", "--quiet", "--object-format", "sha256", "--initial-branch", "work")
    sha = made.commit()
    assert len(sha) == 64
    assert local_event(tmp_path, ENV).sha == sha
    assert commit_date(tmp_path, sha, ENV)
    made.git("pack-refs", "--all")
    assert local_event(tmp_path, ENV).sha == sha
