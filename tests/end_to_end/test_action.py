"""The action as a workflow uses it: each step of action.yml under its shell, with a runner's files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.composite import Composite, Runner
from tests.end_to_end.conftest import ROOT, Repository, image_name, registry_tags
from tests.rig.rig import Rig

HOSTILE = {
    "PYTHONPATH": "/nonsense",
    "PYTHONHOME": "",
    "PYTHONSTARTUP": "/nonsense/startup.py",
    "UV_SYSTEM_PYTHON": "1",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "PIP_TARGET": "/nonsense",
}


@dataclass(frozen=True)
class Use:
    """One use of the action in a job."""

    rig: Rig
    repository: Repository
    runner: Runner
    action: Path
    image: str

    def __call__(self, event: str = "push", ref: str = "refs/heads/main", **inputs: str) -> Composite:
        """Use it for an event."""
        return self.prepared(event, ref).use(self.action, self.inputs(**inputs))

    def inputs(self, **inputs: str) -> dict[str, str]:
        """Give the inputs of the step."""
        given = {
            "context": "study",
            "environment": "default",
            "images": f"{self.rig.registry}/{self.image}",
            "pixi_image": self.rig.pixi_image,
            **inputs,
        }
        return {name.replace("_", "-"): value for name, value in given.items()}

    def prepared(self, event: str, ref: str) -> Runner:
        """Give the runner as it is for this event."""
        payload = self.runner.workspace.parent / "event.json"
        payload.write_text(json.dumps({"number": 7, "repository": {"default_branch": "main"}}))
        github = {
            "event_name": event,
            "event_path": str(payload),
            "ref": ref,
            "sha": self.repository.git("rev-parse", "HEAD"),
            "repository": "lab/study",
            "actor": "someone",
            "token": "ghs_secretsecretsecret",
        }
        return replace(self.runner, github=github)

    def left(self) -> list[str]:
        """Give what the action left in the runner's temporary folder."""
        return sorted(path.name for path in self.runner.temp.iterdir())


@pytest.fixture(scope="session")
def tool_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tool cache with a space in its path, empty at first."""
    return tmp_path_factory.mktemp("tool cache")


@pytest.fixture
def use(
    rig: Rig,
    warm_engine: None,
    repository: Repository,
    tmp_path: Path,
    tool_cache: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Use]:
    """The action in a path with spaces, a hostile environment, a home with a Docker configuration of its own."""
    action = tmp_path / "the action"
    for name in ("action.yml", "Dockerfile.template"):
        action.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, action)
    for name in ("action", "requirements", "src"):
        shutil.copytree(ROOT / name, action / name, ignore=shutil.ignore_patterns("__pycache__"))
    docker = tmp_path / "docker config"
    docker.mkdir()
    if rig.docker_config:
        (docker / "cli-plugins").symlink_to(Path(rig.docker_config) / "cli-plugins")
    (docker / "config.json").write_text('{"auths": {}}')
    kept = (
        "PATH",
        "HOME",
        "SSL_CERT_FILE",
        "PIP_CERT",
        "PIP_INDEX_URL",
        "PIP_FIND_LINKS",
        "HTTPS_PROXY",
        "NO_PROXY",
    )
    env = {name: os.environ[name] for name in kept if name in os.environ}
    runner = Runner(
        temp=tmp_path / "temp folder",
        tool_cache=tool_cache,
        workspace=repository.path,
        github={},
        env={**env, **rig.environment(), **HOSTILE, "DOCKER_CONFIG": str(docker)},
    )
    before = sorted((path, path.read_bytes()) for path in docker.iterdir() if path.is_file())
    yield Use(rig, repository, runner, action, image_name(request.node.name))
    assert sorted((path, path.read_bytes()) for path in docker.iterdir() if path.is_file()) == before
    assert repository.git("status", "--porcelain") == ""


def test_a_push_ships_and_tells(use: Use) -> None:
    result = use(tags="type=raw,value=latest\ntype=sha", test_command="python src/means.py")
    assert result.success, result.log
    assert result.annotations == []
    assert result.outputs["pushed"] == "true"
    published = registry_tags(use.rig.registry, use.image)
    assert set(published.values()) == {result.outputs["digest"]}
    assert result.outputs["tags"].splitlines() == [
        f"{use.rig.registry}/{use.image}:{tag}" for tag in sorted(published)
    ]
    assert result.outputs["image"] in result.summary
    assert result.outputs["dockerfile"].startswith("# Environment")
    assert json.loads(result.outputs["json"])["tag-names"] == sorted(published)
    assert "ghs_secret" not in result.log
    assert use.left() == []


def test_the_set_up_is_made_once_and_private(use: Use, tool_cache: Path) -> None:
    first = use(push="false")
    made = list((tool_cache / "pixi-container").iterdir())
    second = use(push="false")
    assert first.success, first.log
    assert second.success, second.log
    assert list((tool_cache / "pixi-container").iterdir()) == made
    assert [path.name.startswith(".new") for path in made] == [False]
    assert "Installing" not in second.log


def test_a_pull_request_pushes_nothing(use: Use) -> None:
    result = use("pull_request", "refs/pull/7/merge", username="rig", password="wrong-secret", push="auto")
    assert result.success, result.log
    assert result.outputs["pushed"] == "false"
    assert result.outputs["digest"] == ""
    assert registry_tags(use.rig.registry, use.image) == {}
    assert "wrong-secret" not in result.log
    assert use.left() == []


def test_a_mistake_is_one_annotation_and_the_clean_up_runs(use: Use) -> None:
    result = use(environment="cpu")
    assert not result.success
    assert [kind for kind, _ in result.annotations] == ["error"]
    assert "there is no environment 'cpu'" in result.annotations[0][1]
    assert result.ran[-1] == "Clean up"
    assert use.left() == []


def test_the_checkout_cannot_put_itself_in_place_of_a_module(use: Use) -> None:
    for name in ("json.py", "httpx.py", "sitecustomize.py", "pixi_container/__init__.py", "rattler/__init__.py"):
        file = use.repository.path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("raise SystemExit('the checkout was imported')\n")
    use.repository.commit()
    result = use(push="false")
    assert result.success, result.log
    assert "the checkout was imported" not in result.log


def test_a_password_shows_nowhere(use: Use) -> None:
    rig = use.rig
    seen: list[str] = []

    def look(line: str, _: int) -> None:
        if line.startswith(("+ docker", "#")):
            seen.append(subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout)

    inputs = use.inputs(
        images=f"{rig.password_registry}/{use.image}",
        username=rig.username,
        password=rig.password,
        tags="type=raw,value=a",
    )
    result = use.prepared("push", "refs/heads/main").use(use.action, inputs, look)
    assert result.success, result.log
    assert registry_tags(rig.password_registry, use.image, (rig.username, rig.password)).keys() == {"a"}
    assert seen
    assert not any(rig.password in processes for processes in seen)
    assert rig.password not in result.log + result.summary + json.dumps(result.outputs)
    assert use.left() == []


def test_what_a_container_prints_is_not_obeyed(use: Use) -> None:
    lines = ["::error::not ours", "::add-mask::study", "##[error]neither", "::set-output name=digest::fake"]
    result = use(push="false", test_command="\n".join(f"echo '{line}'" for line in lines))
    assert result.success, result.log
    assert result.annotations == []
    assert result.outputs["digest"] == ""
    assert "study" in result.log


def test_a_killed_run_is_cleaned_up_after(use: Use) -> None:
    def kill(line: str, shell: int) -> None:
        if line.startswith("+ docker run"):
            children = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
            os.kill(int(children[0]), signal.SIGKILL)

    inputs = use.inputs(test_command="sleep 600", push="false")
    result = use.prepared("push", "refs/heads/main").use(use.action, inputs, kill)
    assert not result.success
    assert result.ran[-1] == "Clean up"
    assert use.left() == []
    env = {**os.environ, **use.rig.environment()}
    for arguments in (
        ["ps", "--all", "--filter", "name=pixi-container-test"],
        ["image", "ls", "--filter", "reference=pixi-container.local/*"],
    ):
        done = subprocess.run(
            ["docker", *arguments, "--quiet"], env=env, capture_output=True, text=True, check=True
        )
        assert done.stdout == ""
