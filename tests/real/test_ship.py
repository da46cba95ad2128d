"""A repository with the example, event by event, with the services that `tests.real.services` tells of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from pixi_container.registry.client import Registry
from pixi_container.registry.credentials import Credential
from pixi_container.registry.reference import ImageReference
from tests.end_to_end.conftest import OURS, Outcome, rig
from tests.end_to_end.images import STRANGER
from tests.end_to_end.project import Project
from tests.real.services import ROOT, Services
from tests.rig.github import Repository, github_for

__all__ = ["rig"]


@dataclass
class Published(Project):
    """The project where its images may be seen with a password alone."""

    credential: Credential | None = None

    def digests(self) -> dict[str, str]:
        with Registry(lambda _: self.credential) as registry:
            name = ImageReference(self.rig.registry, self.image)
            tags = [tag for tag in registry.get_tags(name) if not OURS.fullmatch(tag)]
            return {tag: str(registry.get_digest(name.tagged(tag))) for tag in tags}


@pytest.fixture(scope="session")
def services(request: pytest.FixtureRequest) -> Services:
    return Services.from_environment(os.environ, lambda: request.getfixturevalue("rig"))


@pytest.fixture
def example(services: Services, tmp_path: Path) -> Path:
    """The example, locked; in no fingerprint equal to that of an earlier run, so that its first push builds."""
    folder = services.example(tmp_path / "example")
    manifest = folder / "pixi.toml"
    manifest.write_text(manifest.read_text().replace("[activation.env]", f'[activation.env]\nRUN = "{uuid4()}"'))
    return folder


@pytest.fixture
def project(services: Services, tmp_path: Path) -> Iterator[Published]:
    """A repository without a commit, and how its workflow uses the action."""
    secret = {"username": services.username, "password": services.password}
    credential = Credential(registry=services.rig.registry, **secret) if services.username else None
    with (
        github_for(Repository.create(tmp_path / "origin.git", "lab/study")) as github,
        services.builder() as builder,
    ):
        inputs = {
            "environment": "gpu",
            "pixi_version": services.pixi_version,
            "builder": builder,
            "test_command": "python src/means.py",
            **(secret if credential else {}),
        }
        yield Published(
            github, services.rig, tmp_path / "runner", services.image, inputs=inputs, credential=credential
        )


@pytest.fixture
def docker_env(services: Services, tmp_path: Path) -> dict[str, str]:
    """Variables with which docker may pull the image, while the action has only what its inputs give it."""
    if not services.username:
        return services.env
    env = {**services.env, "DOCKER_CONFIG": str(tmp_path / "docker")}
    subprocess.run(
        ["docker", "login", services.rig.registry, "--username", services.username, "--password-stdin"],
        input=services.password,
        text=True,
        check=True,
        env=env,
    )
    return env


def decided(outcome: Outcome, decision: str) -> Outcome:
    assert outcome.code == 0, outcome.log
    assert outcome.outputs["decision"] == decision, outcome.outputs["reason"]
    return outcome


def test_from_a_plan_to_a_release(
    services: Services, project: Published, example: Path, docker_env: dict[str, str]
) -> None:
    plan = planned(services, example)
    assert plan["decision"] == "build"
    assert plan["pixi_version"] == services.pixi_version
    assert "@sha256:" in plan["builder_image"]

    paths = [path for path in example.rglob("*") if path.is_file() and ".pixi" not in path.parts]
    files = {f"study/{path.relative_to(example)}": path.read_bytes() for path in paths}
    first = decided(project.push(files), "build")
    assert "CUDA runtime 12.9" in first.log
    assert first.outputs["pushed"] == "true"
    published = project.digests()
    assert published["latest"] == published["main"] == first.outputs["digest"]

    image = first.outputs["image"]
    try:
        for command in (["python", "src/means.py"], ["pixi", "run", "--as-is", "means"]):
            said = in_container(image, command, docker_env)
            assert "environment example:gpu" in said
            assert "CUDA runtime 12.9" in said
    finally:
        subprocess.run(["docker", "image", "rm", "--force", image], env=docker_env, check=True)

    changed = decided(project.push({"study/src/note.txt": "More.\n"}), "build")
    assert changed.outputs["fingerprint"] == first.outputs["fingerprint"]
    assert "Make the environment: done" in first.log
    assert "Make the environment" not in changed.log

    repository = project.github.repository
    main = repository.commit_id("refs/heads/main")
    topic = repository.commit({"study/src/note.txt": "Other.\n"}, branch="topic", parents=[main])
    pull_request = decided(project.requested(topic), "build")
    assert pull_request.outputs["pushed"] == "false"

    released = decided(project.tagged("v1.0.0"), "promote")
    assert released.outputs["digest"] == changed.outputs["digest"]
    assert project.digests()["1.0.0"] == changed.outputs["digest"]

    unchanged = decided(project.push({"README.md": "A study.\n"}), "skip")
    tag = f"sha-{repository.commit_id('refs/heads/main')[:7]}"
    assert project.digests()[tag] == unchanged.outputs["digest"] == changed.outputs["digest"]


def planned(services: Services, example: Path) -> dict[str, str]:
    """Return the plan of a laptop."""
    options = {
        "context": str(example),
        "environment": "gpu",
        "images": f"{services.rig.registry}/{services.image}",
        "pixi-image": services.rig.pixi_image,
        "pixi-version": services.pixi_version,
    }
    given = [word for option, value in options.items() for word in (f"--{option}", value)]
    hidden = ("GITHUB_", "INPUT_")
    env = {name: value for name, value in services.env.items() if not name.startswith(hidden)}
    done = subprocess.run(
        [sys.executable, "-m", "pixi_container", "plan", "--json", *given],
        env={**env, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def in_container(image: str, command: list[str], env: dict[str, str]) -> str:
    """Run a command as a batch system would: somebody unknown to the image, nothing but /tmp writable."""
    run = ["docker", "run", "--rm", *STRANGER, "--tmpfs", "/tmp", image, *command]  # noqa: S108
    return subprocess.run(run, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout
