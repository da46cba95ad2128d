"""Git and the checkout: none of its configuration is obeyed, and what is asked of it is still right."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from pixi_container.changes.git import compare_revisions
from pixi_container.errors import UserError
from pixi_container.runner.checkout import (
    checkout_around,
    checkout_prefix,
    commit_date,
    local_event,
    source_version,
)
from tests.end_to_end.conftest import IDENTITY
from tests.security.conftest import Victim, job

NO_COMMIT = "1234567890" * 4
ENV = {"PATH": os.environ["PATH"]}


@pytest.fixture
def attack(tmp_path: Path) -> tuple[Path, Path]:
    """A program that leaves a mark with its environment, and the mark."""
    mark = tmp_path / "mark"
    program = tmp_path / "attack.sh"
    program.write_text(f"#!/bin/sh\nenv > '{mark}'\nexit 1\n")
    program.chmod(0o755)
    return program, mark


def bare_repository(folder: Path, program: Path) -> None:
    """Make a folder a bare repository in which every missing commit is fetched by `program`, as a commit can."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("objects/info", "refs/heads"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / ".keep").touch()
    (folder / "HEAD").write_text("ref: refs/heads/main\n")
    (folder / "config").write_text(
        f"[core]\nrepositoryFormatVersion = 1\nbare = true\nsshCommand = {program}\nfsmonitor = {program}\n"
        "[extensions]\npartialClone = origin\n"
        '[remote "origin"]\nurl = ssh://git@localhost/evil\npromisor = true\n'
        '[protocol "ssh"]\nallow = always\n[protocol "ext"]\nallow = always\n'
    )


def evil_configuration(victim: Victim, program: Path) -> None:
    """Return the checkout's own repository every setting that names a program."""
    settings = {
        "core.fsmonitor": program,
        "core.pager": program,
        "core.sshCommand": program,
        "core.hooksPath": program.parent,
        "core.alternateRefsCommand": program,
        "credential.helper": program,
        "diff.external": program,
        "diff.evil.textconv": program,
        "filter.evil.clean": program,
        "filter.evil.smudge": program,
        "gpg.program": program,
        "log.showSignature": "true",
        "pager.show": program,
        "pager.describe": program,
        "uploadpack.packObjectsHook": program,
        "extensions.partialClone": "origin",
        "remote.origin.url": "ssh://git@localhost/evil",
        "remote.origin.promisor": "true",
        "protocol.ssh.allow": "always",
        "alias.describe": f"!{program}",
    }
    victim.git("config", "core.repositoryFormatVersion", "1")
    for name, value in settings.items():
        victim.git("config", name, str(value))
    (victim.path / ".gitattributes").write_text("* diff=evil filter=evil\n")


def test_the_attack_works_on_git_itself(victim: Victim, attack: tuple[Path, Path]) -> None:
    """Without this the tests below would show nothing."""
    program, mark = attack
    bare_repository(victim.path / "study", program)
    asked = ["git", "-c", "safe.directory=*", "-C", str(victim.path / "study"), "show", NO_COMMIT]
    subprocess.run(asked, env=ENV, check=False, capture_output=True)
    assert mark.exists()


@pytest.mark.parametrize(
    "event", ["push", "pull_request", "pull_request_target", "workflow_run", "issue_comment", ""]
)
@pytest.mark.parametrize(
    "command",
    [
        ["tags", "--json", "--tags", "type=raw,value={{commit_date 'YYYY'}}"],
        ["render"],
        ["plan", "--offline"],
        ["changes", "--base", NO_COMMIT],
        ["run"],
    ],
    ids=lambda command: command[0],
)
def test_a_bare_repository_in_the_workspace_runs_nothing(
    victim: Victim, attack: tuple[Path, Path], event: str, command: list[str]
) -> None:
    program, mark = attack
    bare_repository(victim.path, program)
    secret = {"INPUT_PASSWORD": "hunter22", "INPUT_USERNAME": "me", "INPUT_IMAGES": "localhost:9/a"}
    victim.run(
        *command, env={**(job(NO_COMMIT, event) if event else {}), **secret, "DOCKER_HOST": "tcp://127.0.0.1:9"}
    )
    assert not mark.exists(), mark.read_text()
    subfolder = victim.path / "study"
    bare_repository(subfolder, program)
    assert checkout_prefix(subfolder) == "study"
    assert commit_date(subfolder, NO_COMMIT, ENV) is None
    assert not mark.exists(), mark.read_text()


def test_the_configuration_of_the_checkout_is_not_obeyed(victim: Victim, attack: tuple[Path, Path]) -> None:
    program, mark = attack
    first = victim.git("rev-parse", "HEAD")
    victim.git("tag", "v1.2.3")
    (victim.path / "more.txt").write_text("more\n")
    second = victim.commit()
    evil_configuration(victim, program)
    assert commit_date(victim.path, NO_COMMIT, ENV) is None
    assert commit_date(victim.path, second, ENV)
    assert local_event(victim.path, ENV).sha == second
    assert source_version(victim.path, ENV).startswith("1.2.3.post1+g")
    assert compare_revisions(victim.path, first, "HEAD", ENV).files == ("more.txt",)
    with pytest.raises(UserError, match="there is no commit"):
        compare_revisions(victim.path, NO_COMMIT, "HEAD", ENV)
    victim.run("plan", "--offline", "--images", "localhost/a")
    assert not mark.exists(), mark.read_text()


def test_a_signed_commit_is_not_checked_by_a_program_of_the_checkout(
    victim: Victim, attack: tuple[Path, Path]
) -> None:
    program, mark = attack
    commit = victim.git("cat-file", "commit", "HEAD")
    header, _, message = commit.partition("\n\n")
    signed = f"{header}\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n -----END PGP SIGNATURE-----\n\n{message}\n"
    written = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin"],
        cwd=victim.path,
        input=signed,
        check=True,
        capture_output=True,
        text=True,
    )
    evil_configuration(victim, program)
    assert commit_date(victim.path, written.stdout.strip(), ENV)
    assert not mark.exists()


def test_objects_come_from_the_checkout_alone(victim: Victim, tmp_path: Path) -> None:
    other = tmp_path / "other"
    subprocess.run(["git", "clone", "--quiet", str(victim.path), str(other)], check=True, capture_output=True)
    elsewhere = Victim(other).commit("a commit of another repository")
    (victim.path / ".git/objects/info/alternates").write_text(f"{other}/.git/objects\n")
    assert victim.git("cat-file", "-t", elsewhere) == "commit"
    assert commit_date(victim.path, elsewhere, ENV) is None


def worktree(victim: Victim, folder: Path) -> Path:
    victim.git("worktree", "add", "--quiet", str(folder), "-b", "other")
    return folder


def shallow(victim: Victim, folder: Path) -> Path:
    victim.commit("second")
    url = f"file://{victim.path}"
    subprocess.run(["git", "clone", "--quiet", "--depth=1", url, str(folder)], check=True, capture_output=True)
    return folder


def packed(victim: Victim, folder: Path) -> Path:
    victim.git("tag", "v1.0.0")
    victim.git("gc", "--quiet")
    victim.path.rename(folder)
    return folder


def submodule(victim: Victim, folder: Path) -> Path:
    folder.mkdir()
    around = Victim(folder)
    around.git("init", "--quiet")
    around.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", f"file://{victim.path}", "inner")
    return folder / "inner"


def odd_names(victim: Victim, folder: Path) -> Path:
    """Names of refs are bytes, and need not be UTF-8."""
    head = victim.git("rev-parse", "HEAD").encode()
    odd = b"create refs/heads/b\xe9\0" + head + b"\0"
    subprocess.run(["git", "update-ref", "-z", "--stdin"], cwd=victim.path, input=odd, check=True)
    return packed(victim, folder)


def sha256(victim: Victim, folder: Path) -> Path:
    folder.mkdir()
    made = Victim(folder)
    made.git("init", "--quiet", "--object-format=sha256", "--initial-branch=main")
    (folder / "file").touch()
    made.commit()
    return folder


@pytest.mark.parametrize(
    "make", [worktree, shallow, packed, odd_names, submodule, sha256], ids=lambda make: make.__name__
)
def test_every_kind_of_checkout_is_understood(
    victim: Victim, tmp_path: Path, make: Callable[[Victim, Path], Path]
) -> None:
    """What is told is what git itself tells there."""
    folder = make(victim, tmp_path / "kind")
    real = Victim(folder)
    sha = real.git("rev-parse", "HEAD")
    event = local_event(folder, ENV)
    assert event.sha == sha
    branch = real.git("branch", "--show-current")
    tag = real.git("tag", "--points-at", "HEAD")
    assert event.ref == (f"refs/tags/{tag}" if tag else f"refs/heads/{branch}" if branch else "")
    date = commit_date(folder, sha, ENV)
    assert date
    assert date.isoformat() == real.git("show", "--no-patch", "--format=%cI", sha).replace("Z", "+00:00")
    below = folder / "a/b"
    below.mkdir(parents=True)
    assert checkout_prefix(below) == "a/b"
    assert compare_revisions(folder, "HEAD", "HEAD", ENV).files == ()


def test_a_zone_west_of_greenwich_is_kept(victim: Victim) -> None:
    env = {**os.environ, **IDENTITY, "GIT_COMMITTER_DATE": "2026-03-01T23:30:00-0730"}
    asked = ["git", "commit", "--quiet", "--allow-empty", "--message", "west"]
    subprocess.run(asked, cwd=victim.path, env=env, check=True, capture_output=True)
    west = timezone(-timedelta(hours=7, minutes=30))
    expected = datetime(2026, 3, 1, 23, 30, tzinfo=west)
    date = commit_date(victim.path, victim.git("rev-parse", "HEAD"), ENV)
    assert date
    assert (date, date.utcoffset()) == (expected, expected.utcoffset())


@pytest.mark.parametrize(
    "content", ["", "gitdir: /nonexistent\n", "gitdir: " + "a" * 5000, "\0", "gitdir: ../..\n"]
)
def test_a_git_file_that_leads_nowhere_is_no_checkout_and_no_traceback(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / ".git").write_text(content)
    checkout_around(folder)
    assert commit_date(folder, NO_COMMIT, ENV) is None
    assert local_event(folder, ENV).sha == ""


def test_what_cannot_be_read_is_not_there(victim: Victim) -> None:
    head = victim.git("rev-parse", "HEAD")
    shutil.rmtree(victim.path / ".git/objects")
    (victim.path / ".git/objects").write_text("no folder")
    assert commit_date(victim.path, head, ENV) is None
    assert local_event(victim.path, ENV).sha == head


def test_a_pipe_in_place_of_a_file_of_git_hangs_nothing(victim: Victim) -> None:
    (victim.path / ".git/packed-refs").unlink(missing_ok=True)
    os.mkfifo(victim.path / ".git/packed-refs")
    assert commit_date(victim.path, NO_COMMIT, ENV) is None
