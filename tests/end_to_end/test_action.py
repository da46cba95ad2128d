"""The action as a workflow uses it: each step of action.yml under its shell, with a runner's files."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from tests.composite import Composite, Runner
from tests.end_to_end.action_copy import ROOT, copy_action
from tests.end_to_end.conftest import Repository, image_name, registry_tags
from tests.rig.registry_front import in_front_of
from tests.rig.rig import Rig

HOSTILE = {
    "PYTHONPATH": "/nonsense",
    "PYTHONHOME": "",
    "PYTHONSTARTUP": "/nonsense/startup.py",
    "UV_SYSTEM_PYTHON": "1",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "PIP_TARGET": "/nonsense",
    "PIP_USER": "1",
    "UV_EXCLUDE_NEWER": "2020-01-01",
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
        """Return the inputs of the step."""
        given = {
            "context": "study",
            "environment": "default",
            "images": f"{self.rig.registry}/{self.image}",
            "pixi_image": self.rig.pixi_image,
            **inputs,
        }
        return {name.replace("_", "-"): value for name, value in given.items()}

    def prepared(self, event: str, ref: str) -> Runner:
        """Return the runner as it is for this event."""
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
        """Return what the action left in the runner's temporary folder."""
        return sorted(path.name for path in self.runner.temp.iterdir())


@pytest.fixture(scope="session")
def tool_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tool cache with a space in its path, empty at first."""
    return tmp_path_factory.mktemp("tool cache")


@pytest.fixture
def use(
    rig: Rig,
    warm_engine: None,
    clean_engine: None,
    repository: Repository,
    tmp_path: Path,
    tool_cache: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Use]:
    """The action in a path with spaces, a hostile environment, a home with a Docker configuration of its own."""
    action = copy_action(tmp_path / "the action")
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


def test_a_pull_request_pushes_nothing_and_does_not_log_in(use: Use) -> None:
    """It may read what anybody may, to use the environment's image."""
    with in_front_of(use.rig.password_registry) as registry:
        result = use(
            "pull_request",
            "refs/pull/7/merge",
            images=f"{registry.address}/{use.image}",
            username=use.rig.username,
            password="unused-secret",
            push="auto",
        )
        assert result.success, result.log
        assert registry.requests
        assert {request.partition(" ")[0] for request in registry.requests} <= {"GET", "HEAD"}
        assert set(registry.authorizations) == {""}
    assert "anonymous access" in result.log
    assert result.outputs["pushed"] == "false"
    assert result.outputs["digest"] == ""
    assert result.outputs["tags"].endswith(":pr-7")
    assert "unused-secret" not in result.log
    assert use.left() == []


def test_a_mistake_is_one_annotation_and_the_clean_up_runs(use: Use) -> None:
    result = use(environment="cpu")
    assert not result.success
    assert [kind for kind, _ in result.annotations] == ["error"]
    assert "there is no environment 'cpu'" in result.annotations[0][1]
    assert result.ran[-1] == "Clean up"
    assert use.left() == []


def test_the_checkout_cannot_put_itself_in_place_of_a_module(use: Use, tmp_path: Path) -> None:
    for name in ("json", "pip", "httpx", "sitecustomize", "encodings", "pixi_container", "rattler"):
        for file in (use.repository.path / f"{name}.py", use.repository.path / name / "__init__.py"):
            file.parent.mkdir(exist_ok=True)
            file.write_text("raise SystemExit('the checkout was imported')\n")
    (use.repository.path / "uv.toml").write_text("this is no configuration")
    (use.repository.path / "pyproject.toml").write_text('[tool.uv]\nexclude-newer = "2020-01-01"\n')
    use.repository.commit()
    runner = replace(use.prepared("push", "refs/heads/main"), tool_cache=tmp_path / "empty tool cache")
    result = runner.use(use.action, use.inputs(push="false"))
    assert result.success, result.log
    assert "Installing" in result.log
    assert "the checkout was imported" not in result.log


def test_two_jobs_at_once_set_up_one_folder(tmp_path: Path) -> None:
    def set_up(number: int) -> str:
        output = tmp_path / f"output {number}"
        output.touch()
        variables = {"RUNNER_TEMP": tmp_path, "RUNNER_TOOL_CACHE": tmp_path / "tools", "GITHUB_OUTPUT": output}
        subprocess.run(
            [ROOT / "action" / "setup.sh"],
            env={**os.environ, **HOSTILE, **{name: str(path) for name, path in variables.items()}},
            check=True,
            capture_output=True,
        )
        return output.read_text()

    with ThreadPoolExecutor() as pool:
        first, second = pool.map(set_up, range(2))
    assert first == second
    assert [str(path) for path in (tmp_path / "tools" / "pixi-container").iterdir()] == [
        first.splitlines()[1].removeprefix("packages=")
    ]


def test_outputs_hold_whatever_text_there_is(use: Use) -> None:
    labels = ["a.b=ghadelimiter_1<<EOF", "c.d=digest=sha256:fake", "e.f=::set-output name=digest::fake"]
    result = use(push="false", labels="\n".join(labels))
    assert result.success, result.log
    assert set(labels) <= set(result.outputs["labels"].splitlines())
    assert result.outputs["digest"] == ""
    assert "\nCMD" in result.outputs["dockerfile"]


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


def test_a_secret_is_masked_from_the_first_line(use: Use) -> None:
    result = use(push="false", password="s3cret-word", username="someone", test_command="echo s3cret-word")
    assert result.success, result.log
    assert "echo ***" in result.log
    assert "s3cret-word" not in result.log


def test_what_a_container_prints_is_not_obeyed(use: Use) -> None:
    lines = ["::error::not ours", "::add-mask::study", "##[error]neither", "::set-output name=digest::fake"]
    lines += ["  ::warning file=a.py::nor this", "::stop-commands::x", "::x::", "::error::still not ours"]
    result = use(push="false", test_command="\n".join(f"echo '{line}'" for line in lines))
    assert result.success, result.log
    assert result.annotations == []
    assert result.outputs["digest"] == ""
    assert "study" in result.log
    assert all(f"\n{line}\n" in result.log for line in lines)


def when(pattern: str, number: signal.Signals) -> Callable[[str, int], None]:
    """Return what sends a signal to the step's process when it has printed a line that begins so, once."""
    sent: list[int] = []

    def send(line: str, process: int) -> None:
        if re.match(pattern, line) and not sent:
            sent.append(process)
            os.kill(process, number)

    return send


def left_in_engine(rig: Rig, image: str = "none") -> str:
    """Return the containers and images of runs, and what has the name ``image``."""
    env = {**os.environ, **rig.environment()}
    questions = (
        ["ps", "--all", "--filter", "name=pixi-container-test"],
        ["image", "ls", "--filter", "reference=pixi-container.local/*"],
        ["image", "ls", "--filter", f"reference=*/{image}"],
    )
    return "".join(
        subprocess.check_output(["docker", *words, "--quiet"], env=env, text=True) for words in questions
    )


@pytest.mark.parametrize(
    ("pattern", "test_command"),
    [
        pytest.param(r"\+ docker run", "sleep 600", id="test"),
        pytest.param(r"\+ docker buildx build .*type=registry", "true", id="push"),
    ],
)
def test_a_killed_run_is_cleaned_up_after(use: Use, pattern: str, test_command: str) -> None:
    rig = use.rig
    folders: list[str] = []
    kill = when(pattern, signal.SIGKILL)

    def look_and_kill(line: str, process: int) -> None:
        if re.match(pattern, line):
            folders.extend(use.left())
        kill(line, process)

    inputs = use.inputs(
        images=f"{rig.password_registry}/{use.image}",
        username=rig.username,
        password=rig.password,
        tags="type=raw,value=a",
        test_command=test_command,
    )
    result = use.prepared("push", "refs/heads/main").use(use.action, inputs, look_and_kill)
    assert not result.success
    assert any(name.startswith("pixi-container-") for name in folders)
    assert result.ran[-1] == "Clean up"
    assert use.left() == []
    assert left_in_engine(rig, use.image) == ""


def test_a_cancelled_run_cleans_up_itself(use: Use) -> None:
    metadata = yaml.safe_load((use.action / "action.yml").read_text())
    assert metadata["runs"]["steps"].pop()["name"] == "Clean up"
    (use.action / "action.yml").write_text(yaml.safe_dump(metadata))
    inputs = use.inputs(test_command="sleep 600", push="false")
    runner = use.prepared("push", "refs/heads/main")
    result = runner.use(use.action, inputs, when(r"\+ docker run", signal.SIGINT))
    assert not result.success
    assert [message.split(";")[0] for _, message in result.annotations] == ["stopped by SIGINT"]
    assert use.left() == []
    assert left_in_engine(use.rig) == ""
