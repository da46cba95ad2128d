"""What a run leaves to another: caches of a builder, folders in the runner's temp, files that may be copied."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.conftest import ROOT
from tests.security.conftest import Victim, job
from tests.unit.docker_program import docker_program


def planned(victim: Victim, event: str, ref: str, *words: str) -> dict[str, str]:
    """Return the plan as JSON values."""
    env = job(victim.git("rev-parse", "HEAD"), event, ref)
    done = victim.run("plan", "--offline", "--json", "--images", "localhost/a", *words, env=env)
    assert done.returncode == 0, done.stdout
    plan: dict[str, str] = json.loads(done.stdout[done.stdout.index("{") :])
    return plan


def test_a_build_that_pushes_reads_no_cache_of_one_that_does_not(victim: Victim) -> None:
    push = planned(victim, "push", "refs/heads/main")
    request = planned(victim, "pull_request", "refs/pull/7/merge")
    assert "id=pixi-container-${TARGETARCH}" in push["dockerfile"]
    assert "id=pixi-container-${TARGETARCH}" not in request["dockerfile"]
    assert "id=pixi-container-untrusted-${TARGETARCH}" in request["dockerfile"]
    # The packages are the same all the same.
    assert push["image_fingerprint"] == request["image_fingerprint"]


@pytest.mark.parametrize("name", [".pixi/config.toml", ".git/description"])
def test_what_a_dockerfile_of_the_users_own_may_copy_counts(victim: Victim, name: str) -> None:
    (victim.path / "Dockerfile").write_text("FROM a AS production\nCOPY . .\n")
    words = ("--dockerfile", "Dockerfile")
    before = planned(victim, "push", "refs/heads/main", *words)["image_fingerprint"]
    (victim.path / name).parent.mkdir(exist_ok=True)
    (victim.path / name).write_text("changed\n")
    changed = planned(victim, "push", "refs/heads/main", *words)["image_fingerprint"]
    assert changed != before
    (victim.path / ".dockerignore").write_text(".git\n.pixi\n")
    hidden = planned(victim, "push", "refs/heads/main", *words)["image_fingerprint"]
    (victim.path / name).write_text("changed again\n")
    assert planned(victim, "push", "refs/heads/main", *words)["image_fingerprint"] == hidden


def test_the_clean_up_follows_no_link_and_kills_nothing_that_it_is_told_by_others(tmp_path: Path) -> None:
    temp, outside = tmp_path / "temp", tmp_path / "outside"
    left = temp / "pixi-container-left"
    for folder in (temp, outside, left):
        folder.mkdir()
    (outside / "kept").write_text("kept")
    (temp / "pixi-container-link").symlink_to(outside)
    # A group of 1 would mean every process there is.
    (left / "build-process-group").write_text("1")
    (left / "container").write_text("--all")
    (left / "builder").write_text("--all-inactive")
    (left / "images").write_text("--force\n$(touch mark)\n")
    with subprocess.Popen(["sleep", "60"]) as other:
        done = subprocess.run(
            ["bash", str(ROOT / "action/clean.sh")],
            env={"PATH": os.environ["PATH"], "RUNNER_TEMP": str(temp), "DOCKER_HOST": "tcp://127.0.0.1:9"},
            cwd=tmp_path,
            check=False,
            capture_output=True,
        )
        assert done.returncode == 0
        assert other.poll() is None
        other.kill()
    assert (outside / "kept").read_text() == "kept"
    assert not left.exists()
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    ("name", "removed"),
    [
        ("pixi-container-a_b12345", True),
        *((name, False) for name in ("default", "--all-inactive", "pixi-container-rig-1", "pixi-container-a b")),
        ("pixi-container-a\nmine", False),
    ],
)
def test_the_clean_up_removes_the_builder_that_the_run_made_and_no_other(
    tmp_path: Path, name: str, removed: bool
) -> None:
    left = tmp_path / "temp/pixi-container-left"
    left.mkdir(parents=True)
    (left / "builder").write_text(name)
    docker = docker_program(tmp_path / "docker")
    env = {"PATH": docker.path, "RUNNER_TEMP": str(tmp_path / "temp")}
    subprocess.run(["bash", str(ROOT / "action/clean.sh")], env=env, check=True, capture_output=True)
    assert [start.words for start in docker.starts] == ([["buildx", "rm", "--force", name]] if removed else [])
    assert not left.exists()


def test_the_scripts_of_the_action_start_no_program_of_the_checkout(victim: Victim, tmp_path: Path) -> None:
    programs = victim.path / "bin"
    programs.mkdir()
    for name in ("python3", "python", "uv", "docker", "dirname", "mktemp", "head"):
        (programs / name).write_text(f"#!/bin/sh\ntouch '{tmp_path}/mark'\nexit 1\n")
        (programs / name).chmod(0o755)
    left = tmp_path / "temp/pixi-container-left"
    left.mkdir(parents=True)
    (left / "images").write_text("a\n")
    sourced = f'. "{ROOT}/action/search_path.sh"; command -v python3 docker dirname; echo "$PATH"'
    env = {
        "PATH": f"{programs}:bin::.:{os.environ['PATH']}",
        "GITHUB_WORKSPACE": str(victim.path),
        "RUNNER_TEMP": str(tmp_path / "temp"),
        "DOCKER_HOST": "tcp://127.0.0.1:9",
        # The set-up stops where it has to install packages: no index answers.
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "PIP_INDEX_URL": "http://127.0.0.1:9",
        "PIP_RETRIES": "0",
        "UV_HTTP_RETRIES": "0",
    }
    shown = subprocess.run(
        ["bash", "-c", sourced], env=env, cwd=victim.path, check=False, capture_output=True, text=True
    )
    assert str(victim.path) not in shown.stdout
    assert shown.stdout.splitlines()[-1].split(":") == [
        folder for folder in os.environ["PATH"].split(":") if folder and Path(folder).is_dir()
    ]
    for script in ("clean.sh", "setup.sh"):
        command = ["bash", str(ROOT / "action" / script)]
        subprocess.run(command, env=env, cwd=victim.path, check=False, capture_output=True)
    assert not (tmp_path / "mark").exists()
