"""git-auth.sh and lend-git.sh, with the real git: private repositories, and git in an image that has none."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.image.scripts.conftest import Builder, write

TOKEN = "it%27s%20%24HOME"


@pytest.fixture
def configured(builder: Builder) -> dict[str, str]:
    """The variables of a user whose git takes credentials from a file."""
    text = f"https://me:{TOKEN}@git.example\nhttp://you:other@lab.example:8080\n"
    secret = write(builder.root / "secret", text, 0o400)
    home = builder.root / "home"
    home.mkdir()
    done = builder.run("git-auth.sh", str(secret), HOME=str(home))
    assert done.returncode == 0, done.stderr
    return {"HOME": str(home), "PATH": os.environ["PATH"], "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"}


def git(env: dict[str, str], *arguments: str, text: str = "") -> str:
    done = subprocess.run(["git", *arguments], env=env, input=text, capture_output=True, text=True, check=False)
    return done.stdout


@pytest.mark.parametrize(
    ("host", "protocol", "answer"),
    [
        ("git.example", "https", {"username=me", "password=it's $HOME"}),
        ("lab.example:8080", "http", {"username=you", "password=other"}),
        ("git.example", "http", set()),
        ("other.example", "https", set()),
    ],
)
def test_git_finds_the_credentials_of_a_host(
    configured: dict[str, str], host: str, protocol: str, answer: set[str]
) -> None:
    said = git(configured, "credential", "fill", text=f"protocol={protocol}\nhost={host}\n\n")
    assert {line for line in said.splitlines() if line.startswith(("username", "password"))} == answer


def test_git_neither_stores_nor_erases_any(builder: Builder, configured: dict[str, str]) -> None:
    secret = builder.root / "secret"
    before = secret.read_text()
    for command in ("approve", "reject"):
        git(
            configured, "credential", command, text="protocol=https\nhost=git.example\nusername=me\npassword=x\n\n"
        )
    assert secret.read_text() == before
    assert sorted(file.name for file in Path(configured["HOME"]).iterdir()) == [".gitconfig"]


@pytest.mark.parametrize(
    ("address", "reached"),
    [
        ("ssh://git@git.example/lab/tool.git", "https://git.example/lab/tool.git"),
        ("git@git.example:lab/tool.git", "https://git.example/lab/tool.git"),
        ("git@lab.example:tool.git", "http://lab.example:8080/tool.git"),
        ("ssh://git@other.example/tool.git", "ssh://git@other.example/tool.git"),
    ],
)
def test_addresses_for_ssh_become_those_that_the_token_is_for(
    configured: dict[str, str], address: str, reached: str
) -> None:
    assert git(configured, "ls-remote", "--get-url", address).strip() == reached


def test_git_runs_from_another_image(builder: Builder, tmp_path: Path) -> None:
    """With its own programs and libraries, at the place where its image is mounted."""
    mount = tmp_path / "mount"
    mount.symlink_to("/")
    lent = tmp_path / "git"
    done = builder.run("lend-git.sh", str(mount), str(lent), PATH="/usr/bin:/bin")
    assert done.returncode == 0, done.stderr
    write(tmp_path / "origin/pyproject.toml")
    script = f"""
{done.stdout}
export HOME={tmp_path} GIT_CONFIG_NOSYSTEM=1
cd {tmp_path}/origin
git init --quiet && git add . && git -c user.name=a -c user.email=b commit --quiet --message c
git clone --quiet "file://{tmp_path}/origin" ../clone && git -C ../clone submodule update --init --recursive
git --exec-path
git ls-remote http://127.0.0.1:9/tool.git || true
env
"""
    ran = subprocess.run(
        ["/bin/bash", "-euc", script], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "clone/pyproject.toml").exists()
    assert f"{mount}{lent}" in ran.stdout.splitlines()
    assert "Failed to connect to 127.0.0.1" in ran.stderr
    assert "LD_LIBRARY_PATH" not in ran.stdout
    for program in lent.iterdir():
        if not program.is_symlink():
            assert os.access(program, os.X_OK), "another image may have no git to go on to"
            text = program.read_text()
            assert text.startswith("#!/bin/sh\nexec ")
            assert f" {mount}/" in text
    loader = (lent / "git-remote-http").read_text().split()[2]
    assert Path(loader.removeprefix(str(mount))).resolve() == Path(loader.removeprefix(str(mount)))
