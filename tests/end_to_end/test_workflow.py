"""The reusable workflow's jobs in their order, each as processes with a checkout of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from pixi_container.environment.image_config import MANIFEST as OCI_MANIFEST
from pixi_container.registry.client import OCI_INDEX
from tests.composite import Runner
from tests.end_to_end.action_copy import copy_action
from tests.end_to_end.conftest import GitRepository, image_name, registry_tags
from tests.rig import solve
from tests.rig.fixtures import rig_with_arm64
from tests.rig.registry_front import Front, in_front_of
from tests.rig.rig import Rig
from tests.workflow import Job, Run, Workflow

__all__ = ["rig_with_arm64"]

pytestmark = pytest.mark.engine

FILE = ".github/workflows/pixi-container.yml"
BOTH = "linux/amd64 linux/arm64"
MANIFEST = """\
[workspace]
name = "many"
channels = ["conda-forge"]
platforms = ["linux-64", "linux-aarch64"]

[environments]
"""
SECRETS = {
    "password": "secret-of-registry",
    "registry-auth": "registry=other.example,username=me,password=secret-of-other",
    "conda-auth": '{"*.example": {"BearerToken": "secret-of-channel"}}',
    "git-auth": "https://me:secret-of-git@git.example",
}


@dataclass
class Called:
    """The workflow as another repository calls it."""

    folder: Path
    repository: GitRepository
    rig: Rig
    registry: Front
    image: str
    tool_cache: Path
    runs: int = 0
    runners: list[Runner] = field(default_factory=list)

    def __call__(
        self,
        event: str = "push",
        ref: str = "refs/heads/main",
        payload: dict[str, Any] | None = None,
        secrets: dict[str, str] | None = None,
        **inputs: str,
    ) -> Run:
        """Run it for an event."""
        self.runs += 1
        action = self.folder / "the action"
        if not action.exists():
            copy_action(action)
        given = {
            "images": f"{self.registry.address}/{self.image}",
            "environments": "e*",
            "platforms": BOTH,
            "pixi-image": self.rig.pixi_image.replace(self.rig.registry, self.registry.address),
            "builder": "none",
            "tags": "type=raw,value=it",
            **{name.replace("_", "-"): text for name, text in inputs.items()},
        }
        workflow = Workflow(action, FILE, self._runner(event, ref, payload or {}))
        return workflow.call("workflow_call", given, secrets or {})

    def _runner(self, event: str, ref: str, payload: dict[str, Any]) -> Callable[[str], Runner]:
        sha = self.repository.git("rev-parse", "HEAD")
        place = self.folder / f"run {self.runs}"
        kept = ("PATH", "HOME", "SSL_CERT_FILE", "PIP_CERT", "PIP_INDEX_URL", "PIP_FIND_LINKS", "HTTPS_PROXY")
        env = {name: os.environ[name] for name in kept if name in os.environ}

        def runner(job: str) -> Runner:
            """Return a runner that has checked out the commit, and nothing of any other job."""
            folder = place / job
            folder.mkdir(parents=True)
            self.repository.git("clone", "--quiet", str(self.repository.path), str(folder / "checkout"))
            (folder / "event.json").write_text(json.dumps({"repository": {"default_branch": "main"}, **payload}))
            github = {
                "event_name": event,
                "event_path": str(folder / "event.json"),
                "ref": ref,
                "sha": sha,
                "repository": "lab/many",
                "actor": "someone",
                "token": "ghs_secretsecretsecret",
            }
            return Runner(
                temp=folder / "temp",
                tool_cache=self.tool_cache,
                workspace=folder / "checkout",
                github=github,
                env={**env, **self.rig.environment()},
            )

        return runner

    def tags(self) -> dict[str, str]:
        """Return the user's tags with their digests."""
        tags = registry_tags(self.rig.registry, self.image)
        return {tag: digest for tag, digest in tags.items() if not tag.startswith("env-")}

    def listed(self, tag: str) -> list[dict[str, Any]]:
        """Return what the index of a tag lists."""
        url = f"http://{self.rig.registry}/v2/{self.image}/manifests/{tag}"
        answer = httpx.get(url, headers={"accept": OCI_INDEX}).raise_for_status()
        manifests: list[dict[str, Any]] = answer.json()["manifests"]
        return manifests

    def version(self, digest: str) -> str:
        """Return the version that an image's label tells."""
        of_image = f"http://{self.rig.registry}/v2/{self.image}"
        manifest = httpx.get(f"{of_image}/manifests/{digest}", headers={"accept": OCI_MANIFEST}).raise_for_status()
        config = httpx.get(f"{of_image}/blobs/{manifest.json()['config']['digest']}").raise_for_status()
        return str(config.json()["config"]["Labels"]["org.opencontainers.image.version"])

    def writing(self) -> list[str]:
        """Return the requests that change something on the registry, and forget all."""
        asked = [request for request in self.registry.requests if request.split()[0] not in {"GET", "HEAD"}]
        self.registry.requests.clear()
        return asked


@pytest.fixture(scope="session")
def tool_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tool cache, empty at first."""
    return tmp_path_factory.mktemp("tool cache")


@pytest.fixture
def called(
    rig_with_arm64: Rig, tmp_path: Path, tool_cache: Path, request: pytest.FixtureRequest
) -> Iterator[Called]:
    """The workflow, called from a repository that has no workspace yet."""
    repository = GitRepository(tmp_path / "caller")
    repository.path.mkdir()
    repository.git("init", "--quiet", "--initial-branch=main")
    with in_front_of(rig_with_arm64.registry) as front:
        yield Called(tmp_path, repository, rig_with_arm64, front, image_name(request.node.name), tool_cache)


def write_workspace(folder: Path, rig: Rig, count: int) -> None:
    """Write a workspace of so many environments; each has a file of its own in its image."""
    names = [f"e{number:02}" for number in range(count)]
    text = MANIFEST
    text += "".join(f'{name} = {{ features = ["{name}"], no-default-feature = true }}\n' for name in names)
    packages = ("libzlib", "libexpat", "ncurses", "libffi")
    for number, name in enumerate(names):
        text += f'[feature.{name}.dependencies]\n{packages[number % len(packages)]} = "*"\n'
        text += f'[feature.{name}.activation.env]\nNUMBER = "{number}"\n'
        text += f'[tool.pixi-container.environments.{name}]\ninclude = ["data/{name}.txt"]\n'
        (folder / "data").mkdir(parents=True, exist_ok=True)
        (folder / "data" / f"{name}.txt").write_text(f"{number}\n")
    (folder / "pixi.toml").write_text(text)
    solve.lock(folder / "pixi.toml", channel=rig.channel)


def names_of(jobs: tuple[Job, ...]) -> list[str]:
    """Return what the jobs are called."""
    return sorted(job.name for job in jobs)


def check_many(called: Called, count: int) -> None:
    """Ship so many environments for two platforms, then with one changed, then with nothing changed."""
    write_workspace(called.repository.path, called.rig, count)
    called.repository.commit()
    names = [f"e{number:02}" for number in range(count)]

    first = called()
    assert first.result == "success", first.log
    expected = [f"Build {name}, linux/{platform}" for name in names for platform in ("amd64", "arm64")]
    assert names_of(first.jobs["build"]) == expected
    assert {(job.name.rpartition("/")[2], job.runs_on) for job in first.jobs["build"]} == {
        ("amd64", "ubuntu-24.04"),
        ("arm64", "ubuntu-24.04-arm"),
    }
    before = called.tags()
    assert before.keys() == {f"it-{name}" for name in names}
    name = f"{called.registry.address}/{called.image}"
    assert json.loads(first.outputs["by-environment"]) == {
        each: f"{name}@{before[f'it-{each}']}" for each in names
    }
    assert (first.outputs["pushed"], first.outputs["jobs"]) == ("true", str(2 * count))
    built = {job.used[0][2].outputs["digest"] for job in first.jobs["build"]}
    children = [called.listed(tag) for tag in before]
    platforms = [[entry["platform"]["architecture"] for entry in entries] for entries in children]
    assert platforms == [["amd64", "arm64"]] * count
    assert {entry["digest"] for entries in children for entry in entries} == built
    versions = [{called.version(entry["digest"]) for entry in entries} for entries in children]
    assert versions == [{tag} for tag in before]
    assert all(f"<code>{each}</code>" in first.jobs["merge"][0].used[0][2].summary for each in names)

    (called.repository.path / "data" / "e01.txt").write_text("changed\n")
    called.repository.commit()
    second = called()
    assert second.result == "success", second.log
    assert names_of(second.jobs["build"]) == [f"Build e01, linux/{platform}" for platform in ("amd64", "arm64")]
    after = called.tags()
    assert {tag for tag in after if after[tag] != before[tag]} == {"it-e01"}
    assert after.keys() == before.keys()

    called.writing()
    third = called()
    assert third.result == "success", third.log
    assert third.jobs["build"] == ()
    assert third.outputs["jobs"] == "0"
    assert called.writing() == []
    assert called.tags() == after
    assert json.loads(third.outputs["by-environment"]) == {each: f"{name}@{after[f'it-{each}']}" for each in names}


def test_two_environments_are_shipped_then_what_changed_then_nothing(called: Called) -> None:
    check_many(called, 2)


@pytest.mark.slow
def test_seventeen_environments_are_shipped_then_what_changed_then_nothing(called: Called) -> None:
    check_many(called, 17)


@pytest.mark.parametrize(
    ("event", "ref"),
    [
        ("pull_request", "refs/pull/7/merge"),
        pytest.param("pull_request_target", "refs/heads/main", marks=pytest.mark.slow),
        pytest.param("workflow_run", "refs/heads/main", marks=pytest.mark.slow),
        pytest.param("anything", "refs/heads/main", marks=pytest.mark.slow),
    ],
)
def test_an_event_of_anybody_builds_and_tests_and_has_no_credentials(called: Called, event: str, ref: str) -> None:
    """GitHub gives a pull request from a fork no secret; what the other events have is not used."""
    write_workspace(called.repository.path, called.rig, 2)
    called.repository.commit()
    called.registry.account = ("someone", "secret-of-registry")
    secrets = {} if event == "pull_request" else SECRETS
    run = called(event, ref, {"number": 7}, secrets, platforms="linux/amd64", username="someone")
    assert run.result == "success", run.log
    assert names_of(run.jobs["build"]) == ["Build e00, linux/amd64", "Build e01, linux/amd64"]
    assert (run.outputs["pushed"], run.outputs["by-environment"]) == ("false", "{}")
    assert "No tag is put on any image, because" in run.jobs["merge"][0].log
    assert registry_tags(called.rig.registry, called.image) == {}
    pushing = [asked for asked in called.writing() if not asked.startswith("POST /token")]
    assert pushing == []
    basic = [header for header in called.registry.authorizations if header.startswith("Basic")]
    assert basic == []
    assert not [secret for secret in ("secret-of", "ghs_secret") if secret in run.log]
    given = [composite.log for job in run.jobs["build"] for _, _, composite in job.used]
    withheld = all("'conda-auth' is withheld" in log and "'git-auth' is withheld" in log for log in given)
    assert withheld is bool(secrets)


def test_an_environment_whose_build_fails_keeps_its_tags_and_the_others_get_theirs(called: Called) -> None:
    write_workspace(called.repository.path, called.rig, 2)
    manifest = called.repository.path / "pixi.toml"
    text = manifest.read_text()
    instructions = '[tool.pixi-container.environments.e00]\ninstructions = "RUN false"\n'
    manifest.write_text(text.replace("[tool.pixi-container.environments.e00]\n", instructions))
    called.repository.commit()
    run = called(platforms="linux/amd64")
    assert run.result == "failure"
    assert {job.name: job.result for job in run.jobs["build"]} == {
        "Build e00, linux/amd64": "failure",
        "Build e01, linux/amd64": "success",
    }
    (merge,) = run.jobs["merge"]
    assert merge.result == "failure"
    assert "environment 'e00': there is no tested image of this commit's inputs for linux/amd64" in merge.log
    assert called.tags().keys() == {"it-e01"}
