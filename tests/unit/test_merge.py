"""What jobs built and tested gets its tags together, without an engine; what is not there does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pixi_container.docker.builder import BuilderKind
from pixi_container.errors import UserError
from pixi_container.image.fingerprint import Fingerprint
from pixi_container.inputs import image_by_digest, parse_inputs
from pixi_container.log import TerminalLog
from pixi_container.matrix import Matrix, plan_matrix
from pixi_container.merge import MergeReport, merge
from pixi_container.plan.gather import plan_platforms
from pixi_container.plan.looked_up import LookedUp
from pixi_container.registry.client import OCI_INDEX
from pixi_container.request import Request, registry_client, request_for
from pixi_container.runner.event import Event
from pixi_container.runners import runners
from tests.unit.conftest import Folder
from tests.unit.docker_program import DockerProgram
from tests.unit.plan.test_plan import PULL_REQUEST, PUSH, TAG
from tests.unit.registry_server import PASSWORD, USER, RegistryServer
from tests.unit.test_ship import BASE, PIXI, STUDY, TEST, Job

BOTH = "linux/amd64 linux/arm64"


class Jobs(Job):
    """The jobs of a workflow for both platforms; those that build have the stand-in for docker."""

    def inputs(self, **texts: str) -> dict[str, str]:
        """Return the texts of the inputs that all jobs have."""
        return {"platforms": BOTH, "test-command": TEST, **texts}

    def request(self, event: Event = PUSH, **texts: str) -> Request:
        """Return the request of a job that builds nothing; a docker that is asked fails."""
        given = {
            "context": str(self.folder.path),
            "images": str(self.server.name()),
            "tags": "type=raw,value=main",
            "flavor": "latest=false",
            "pixi-image": str(self.server.name(PIXI).tagged(BASE)),
            "username": USER,
            "password": PASSWORD,
            "environment-builder": "docker",
            **self.inputs(**texts),
        }
        env = {"PATH": "/nowhere", "HOME": str(self.temporary / "home")}
        return request_for(event, parse_inputs(given), env)

    def matrix(self, event: Event = PUSH, **texts: str) -> Matrix:
        """Plan the jobs."""
        matrix, failed = plan_matrix({"default": self.request(event, **texts)}, runners(""), self.log)
        assert failed == {}
        return matrix

    def build(self, platform: str, event: Event = PUSH, **texts: str) -> str:
        """Build the image of a platform as its job does, and return it by digest."""
        given = self.inputs(**texts) | {"platforms": platform, "push": "untagged"}
        report = self.shipped(event, **given)
        return report.outputs()["image"]

    def merge(self, *digests: str, event: Event = PUSH, **texts: str) -> MergeReport:
        """Put the tags on the images."""
        requests = {"default": replace(self.request(event, **texts), merges=True)}
        return merge(requests, runners(""), [image_by_digest(each, "a test") for each in digests], self.log)

    @property
    def users_tags(self) -> set[str]:
        """The tags of the registry that are the user's."""
        return {tag for tag in self.pushed if not tag.startswith(("img-", "env-"))}


@pytest.fixture
def jobs(folder: Folder, server: RegistryServer, docker: DockerProgram, tmp_path: Path) -> Jobs:
    server.put_image(PIXI, BASE)
    return Jobs(folder, server, docker, tmp_path / "job")


def platforms_of(matrix: Matrix) -> list[str]:
    return [job["platform"] for job in matrix.as_json()["include"]]


@pytest.mark.slow
def test_what_is_built_has_no_job_and_no_tag_until_it_is_merged(jobs: Jobs) -> None:
    assert platforms_of(jobs.matrix()) == BOTH.split()
    built = [jobs.build(platform) for platform in BOTH.split()]
    assert jobs.users_tags == set()
    assert platforms_of(jobs.matrix()) == []
    jobs.docker.forget()
    report = jobs.merge(*built)
    assert report.failed == ()
    assert jobs.docker.purposes == []
    assert jobs.users_tags == {"main"}
    media_type, content = jobs.server.manifests[STUDY]["main"]
    assert media_type == OCI_INDEX
    children = json.loads(content)["manifests"]
    assert [f"{jobs.server.name()}@{child['digest']}" for child in children] == built
    index = f"{jobs.server.name()}@{jobs.server.digest(STUDY, 'main')}"
    assert json.loads(report.outputs()["by-environment"]) == {"default": index}


@pytest.mark.slow
def test_merging_again_changes_nothing_and_a_git_tag_promotes(jobs: Jobs) -> None:
    for platform in BOTH.split():
        jobs.build(platform)
    jobs.merge()
    written = len(jobs.server.written)
    again = jobs.merge()
    assert again.outputs()["decision"] == "skip"
    assert len(jobs.server.written) == written
    assert platforms_of(jobs.matrix(TAG)) == []
    jobs.merge(event=TAG, tags="type=semver,pattern={{version}}")
    assert jobs.server.digest(STUDY, "1.2.3") == jobs.server.digest(STUDY, "main")


@pytest.mark.more_cases
def test_of_one_platform_the_image_itself_has_the_tags(jobs: Jobs) -> None:
    image = jobs.build("linux/amd64")
    assert jobs.merge(image, platforms="").outputs()["image"] == image
    assert jobs.server.digest(STUDY, "main") == image.rpartition("@")[2]


@pytest.mark.slow
def test_a_platform_that_was_not_built_keeps_the_tags_as_they_are(jobs: Jobs) -> None:
    for platform in BOTH.split():
        jobs.build(platform)
    jobs.merge()
    before = jobs.server.digest(STUDY, "main")
    jobs.folder.replace("src/main.py", "print", "pass; print")
    jobs.build("linux/amd64")
    (failed,) = jobs.merge().failed
    assert failed.error
    assert failed.error.message.startswith("there is no tested image of this commit's inputs for linux/arm64: ")
    assert failed.error.message.endswith(f"{jobs.server.name()}:main differs in: included files")
    assert jobs.server.digest(STUDY, "main") == before


@pytest.mark.slow
def test_an_environment_that_is_whole_has_its_tags_beside_one_that_is_not(jobs: Jobs) -> None:
    jobs.build("linux/amd64", environment="gpu")
    one = {"platforms": "linux/amd64", "flavor": "suffix=-{{environment}}"}
    requests = {
        name: replace(jobs.request(PUSH, environment=name, **one), merges=True) for name in ("default", "gpu")
    }
    report = merge(requests, runners(""), [], jobs.log)
    assert [each.environment for each in report.failed] == ["default"]
    assert jobs.users_tags == {"main-gpu"}
    assert json.loads(report.outputs()["by-environment"]).keys() == {"gpu"}
    assert report.outputs()["reason"] == "of 2 environments, 1 promoted, 1 failed"


@pytest.mark.more_cases
@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"test_command": "true"}, id="another test"),
        pytest.param({"labels": "a=b"}, id="another label", marks=pytest.mark.slow),
        pytest.param({"test_command": ""}, id="no test", marks=pytest.mark.slow),
    ],
)
def test_what_was_built_with_other_inputs_is_not_taken(jobs: Jobs, other: dict[str, str]) -> None:
    for platform in BOTH.split():
        jobs.build(platform, PUSH, **{name.replace("_", "-"): text for name, text in other.items()})
    assert [each.environment for each in jobs.merge().failed] == ["default"]
    assert jobs.users_tags == set()


def test_a_digest_of_another_image_is_refused_before_anything_has_a_tag(jobs: Jobs) -> None:
    images = [jobs.build(platform) for platform in BOTH.split()]
    other = f"{jobs.server.name()}@sha256:{'0' * 64}"
    with pytest.raises(UserError, match="is not an image that the tags would go on") as caught:
        jobs.merge(*images, other)
    assert caught.value.message.startswith(other)
    with pytest.raises(UserError, match="is not an image that the tags would go on"):
        jobs.merge(images[0].replace(STUDY, "lab/other"))
    assert jobs.users_tags == set()


@pytest.mark.parametrize("text", ["ghcr.io/lab/study:main", "ghcr.io/lab/study@sha256:1", "::error::x"])
def test_a_digest_is_of_an_image(text: str) -> None:
    with pytest.raises(UserError, match=r"^the command line: "):
        image_by_digest(text, "the command line")


@pytest.mark.slow
def test_an_image_that_is_wanted_anew_is_built_and_then_taken(jobs: Jobs) -> None:
    jobs.build("linux/amd64")
    anew = {"platforms": "linux/amd64", "promote": "false"}
    assert platforms_of(jobs.matrix(PUSH, **anew)) == ["linux/amd64"]
    jobs.docker.forget()
    jobs.build("linux/amd64", promote="false")
    assert "push" in jobs.docker.purposes
    assert jobs.merge(event=PUSH, **anew).failed == ()
    assert jobs.users_tags == {"main"}


def test_the_jobs_of_a_pull_request_are_all_that_changed(jobs: Jobs) -> None:
    assert platforms_of(jobs.matrix(PULL_REQUEST)) == BOTH.split()
    assert jobs.server.written == []


@pytest.mark.parametrize(
    ("platform", "given", "native", "tests"),
    [
        ("linux/amd64", "", "linux/amd64", True),
        ("linux/arm64", "", "linux/arm64", True),
        ("linux/ppc64le", "", "linux/amd64", False),
        ("linux/ppc64le", "linux/ppc64le=power", "linux/ppc64le", True),
    ],
)
@pytest.mark.parametrize("emulation", ["false", "true"])
def test_every_job_has_the_same_fingerprint(
    jobs: Jobs, platform: str, given: str, native: str, tests: bool, emulation: str
) -> None:
    """That of the plan, before and after, is that of the runner, which knows what it can run itself."""
    for name in ("pixi.toml", "pixi.lock"):
        text = (jobs.folder.path / name).read_text()
        jobs.folder.write(
            name, text.replace("linux-aarch64", "linux-ppc64le" if "ppc" in platform else "linux-aarch64")
        )
    request = jobs.request(platforms=platform, emulation=emulation)
    planned = fingerprint(request, LookedUp(request.env, runners(given)))
    there = LookedUp(request.env)
    there.native_platform = native
    there.engine_platforms = (native,)
    there._kinds[""] = BuilderKind(platforms=(native, platform))
    untagged = replace(request, inputs=replace(request.inputs, push_untagged=True))
    assert fingerprint(untagged, there) == planned
    merging = LookedUp(request.env, runners(given))
    assert fingerprint(replace(request, merges=True), merging) == planned
    untested = jobs.request(PUSH, **{"test-command": "", "platforms": platform, "emulation": emulation})
    is_tested = fingerprint(untested, LookedUp(request.env, runners(given))) != planned
    assert is_tested is (tests or emulation == "true")


def fingerprint(request: Request, looked_up: LookedUp) -> Fingerprint:
    with registry_client(request) as registry:
        (platform,) = plan_platforms(request, TerminalLog(), registry, looked_up=looked_up)
    return platform.plan.definition.fingerprint
