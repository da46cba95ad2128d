"""What an end-to-end test has: the rig, the example as a repository, and a runner's view of one step."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.rig import buildkit, solve
from tests.rig import rig as rig_module
from tests.rig.errors import RigError
from tests.rig.folders import Folders
from tests.rig.rig import Rig

ROOT = Path(__file__).parents[2]
LEFT = {
    "container": ["ps", "--all", "--quiet", "--filter", "name=pixi-container-test"],
    "image": ["image", "ls", "--quiet", "--filter", "reference=pixi-container.local/*"],
}
OURS = re.compile(r"(?:env|img)-.+-[0-9a-f]{16}|env-[A-Za-z0-9.-]+|base-[0-9a-f]{16}|sif-[0-9a-f]{16}")
IDENTITY = {
    "GIT_AUTHOR_NAME": "test",
    "GIT_AUTHOR_EMAIL": "test@localhost",
    "GIT_COMMITTER_NAME": "test",
    "GIT_COMMITTER_EMAIL": "test@localhost",
}


@pytest.fixture(scope="session")
def rig() -> Iterator[Rig]:
    """Real components; taken down again unless they were up before."""
    try:
        with rig_module.borrowed(Folders.from_environment(os.environ), print) as components:
            yield components
    except RigError as error:
        pytest.exit(f"the rig cannot be brought up: {error}", 1)


@pytest.fixture(scope="session")
def solved_example(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example with its lock; not to be changed."""
    folder = tmp_path_factory.mktemp("solved") / "example"
    shutil.copytree(ROOT / "examples", folder)
    solve.lock(folder / "pixi.toml", channel=rig.channel)
    return folder


def layer_cache(rig: Rig) -> str:
    """Return the repository by which packages are linked and compressed once for all tests."""
    return f"{rig.registry}/lab/layers"


@pytest.fixture(scope="session")
def warm_engine(rig: Rig, solved_example: Path) -> None:
    """Keep an image of each environment in the engine, so that its layers are made and unpacked once."""
    env = {**os.environ, **rig.environment()}
    for environment in ("default", "gpu"):
        image = f"{rig.registry}/lab/warm"
        options = {
            "environment": environment,
            "pixi-image": rig.pixi_image,
            "images": image,
            "tags": f"type=raw,value={environment}",
            "layer-cache": layer_cache(rig),
            "push": "auto",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        subprocess.run(
            [sys.executable, "-m", "pixi_container", "run", *words],
            cwd=solved_example,
            env={**env, "PYTHONPATH": str(ROOT / "src")},
            check=True,
            capture_output=True,
        )
        subprocess.run(["docker", "pull", "--quiet", f"{image}:{environment}"], env=env, check=True)


@pytest.fixture(scope="session")
def buildkit_builder(rig: Rig) -> Iterator[str]:
    """A builder of buildx on a BuildKit daemon of its own, as those of hosted runners are."""
    try:
        address = rig_module.start_buildkit(Folders.from_environment(os.environ), print)
    except buildkit.UnavailableError as error:
        pytest.skip(str(error))
    with buildkit.builder(address, environment=rig.environment()) as name:
        yield name


@dataclass(frozen=True)
class GitRepository:
    """A git repository."""

    path: Path

    def git(self, *arguments: str) -> str:
        """Run git here and give what it printed."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env={**os.environ, **IDENTITY},
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def commit(self, message: str = "change") -> str:
        """Commit everything and give the commit's id."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")


@dataclass(frozen=True)
class Repository(GitRepository):
    """A git repository with the example in the folder ``study``."""

    study: Path


@pytest.fixture
def repository(solved_example: Path, tmp_path: Path) -> Repository:
    """A repository of one commit, in a path with spaces."""
    path = tmp_path / "my checkout"
    shutil.copytree(solved_example, path / "study")
    made = Repository(path, path / "study")
    made.git("init", "--quiet", "--initial-branch=main")
    made.commit()
    return made


@dataclass(frozen=True)
class Outcome:
    """How the step ended and all that a runner would have of it."""

    code: int
    log: str
    outputs: dict[str, str]
    summary: str
    left_in_temp: list[str]

    @property
    def errors(self) -> list[str]:
        """The messages of the error annotations."""
        lines = (line for line in self.log.splitlines() if line.startswith("::error"))
        return [line.split("::", 2)[2].replace("%0A", "\n") for line in lines]


@dataclass(frozen=True)
class Step:
    """One step of a workflow that uses the action, apart from its set-up."""

    rig: Rig
    repository: Repository
    folder: Path
    image: str = "lab/study"
    inputs: dict[str, str] = field(default_factory=dict)

    def environment(self, event: str, ref: str, payload: dict[str, Any], inputs: dict[str, str]) -> dict[str, str]:
        """Return the variables that a runner and action.yml set."""
        (self.folder / "temp").mkdir(parents=True, exist_ok=True)
        for name in ("output", "summary"):
            (self.folder / name).write_text("")
        event_file = self.folder / "event.json"
        repository = {
            "default_branch": "main",
            "full_name": "lab/study",
            "html_url": "https://github.com/lab/study",
        }
        event_file.write_text(json.dumps({"repository": repository, **payload}))
        defaults = {
            "context": str(self.repository.study),
            "environment": "gpu",
            "images": f"{self.rig.registry}/{self.image}",
            "pixi_image": self.rig.pixi_image,
            "layer_cache": layer_cache(self.rig),
        }
        given = {**defaults, **self.inputs, **inputs}
        return {
            **{name: os.environ[name] for name in ("PATH", "HOME", "SSL_CERT_FILE") if name in os.environ},
            **self.rig.environment(),
            "PYTHONPATH": str(ROOT / "src"),
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": event,
            "GITHUB_REF": ref,
            "GITHUB_SHA": self.repository.git("rev-parse", "HEAD"),
            "GITHUB_REPOSITORY": "lab/study",
            "GITHUB_ACTOR": "someone",
            "GITHUB_EVENT_PATH": str(event_file),
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            "RUNNER_TEMP": str(self.folder / "temp"),
            **{f"INPUT_{name.upper()}": value for name, value in given.items()},
        }

    def run(
        self,
        event: str = "push",
        ref: str = "refs/heads/main",
        payload: dict[str, Any] | None = None,
        **inputs: str,
    ) -> Outcome:
        """Run it to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "pixi_container", "run"],
            env=self.environment(event, ref, payload or {}, inputs),
            cwd=self.repository.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return self.outcome(done.returncode, done.stdout)

    def outcome(self, code: int, log: str) -> Outcome:
        """Collect what the step left."""
        return Outcome(
            code=code,
            log=log,
            outputs=read_outputs(self.folder / "output"),
            summary=(self.folder / "summary").read_text(),
            left_in_temp=[path.name for path in (self.folder / "temp").iterdir()],
        )

    def tags(self) -> dict[str, str]:
        """Return the user's tags that the registry has under the image's name, with their digests."""
        return registry_tags(self.rig.registry, self.image)

    def local_images(self) -> list[str]:
        """Return the images of this step that are in the engine, among them what the product left there."""
        images = self.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").splitlines()
        return [image for image in images if "pixi-container.local/" in image or self.image in image]

    def docker(self, *arguments: str) -> str:
        """Run docker on the rig's engine and give its standard output."""
        env = {**os.environ, **self.rig.environment()}
        done = subprocess.run(["docker", *arguments], env=env, check=True, capture_output=True, text=True)
        return done.stdout.strip()


@pytest.fixture
def clean_engine(rig: Rig) -> Iterator[None]:
    """What one test leaves in the engine must not fail the next one."""
    yield
    env = {**os.environ, **rig.environment()}
    for kind, find in LEFT.items():
        left = subprocess.check_output(["docker", *find], env=env, text=True).split()
        if left:
            subprocess.run(["docker", kind, "rm", "--force", *left], env=env, check=False, capture_output=True)


@pytest.fixture
def step(
    rig: Rig,
    warm_engine: None,
    clean_engine: None,
    repository: Repository,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Step:
    """A step that ships the example to a name of the test's own."""
    return Step(rig, repository, tmp_path / "runner", image=image_name(request.node.name))


def image_name(test: str) -> str:
    """Return a name that no other test, nor an earlier run on the same rig, has pushed to."""
    name = "".join(character if character.isalnum() else "-" for character in test.lower()).strip("-")
    return f"lab/{name[:60].strip('-')}-{uuid4().hex[:8]}"


def read_outputs(file: Path) -> dict[str, str]:
    """Parse the runner's output file as its documentation has it for multiline strings."""
    outputs: dict[str, str] = {}
    lines = iter(file.read_text().splitlines())
    for line in lines:
        name, _, delimiter = line.partition("<<")
        values = []
        for value in lines:
            if value == delimiter:
                break
            values.append(value)
        outputs[name] = "\n".join(values)
    return outputs


def registry_tags(
    registry: str, name: str, auth: tuple[str, str] | None = None, *, ours: bool = False
) -> dict[str, str]:
    """Return tags and digests of a repository, or nothing; ``ours`` are those of fingerprints."""
    kinds = ("oci.image.manifest.v1", "oci.image.index.v1", "docker.distribution.manifest.v2")
    accept = ", ".join(f"application/vnd.{kind}+json" for kind in kinds)
    with httpx.Client(base_url=f"http://{registry}/v2/{name}/", auth=auth) as client:
        answer = client.get("tags/list")
        tags = answer.json().get("tags") or [] if answer.status_code == 200 else []
        return {
            tag: client.head(f"manifests/{tag}", headers={"accept": accept}).headers["docker-content-digest"]
            for tag in tags
            if ours == bool(OURS.fullmatch(tag))
        }
