"""The whole job for several platforms, with a registry and a docker of the tests: all get tags, or none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pixi_container.errors import BuildFailedError, ImageTestFailedError, UserError
from pixi_container.index_report import IndexReport
from pixi_container.registry.client import OCI_INDEX
from pixi_container.runner.event import Event
from tests.unit.conftest import Folder
from tests.unit.docker_program import DockerProgram
from tests.unit.plan.test_plan import PULL_REQUEST, PUSH, TAG
from tests.unit.registry_server import RegistryServer
from tests.unit.test_ship import BASE, CLEANED, PIXI, STUDY, TEST, Job

BOTH = "linux/amd64 linux/arm64"


class IndexJob(Job):
    """A job for both platforms, whose builder runs steps of both."""

    def of_both(self, event: Event = PUSH, platforms: str = BOTH, **texts: str) -> IndexReport:
        report = self.shipped(event, platforms=platforms, **texts)
        assert isinstance(report, IndexReport)
        assert self.left == []
        return report

    def fails_for_both(self, kind: type[UserError], **texts: str) -> UserError:
        with pytest.raises(kind) as caught:
            self.of_both(PUSH, **texts)
        assert self.left == []
        return caught.value

    def index(self, tag: str) -> dict[str, Any]:
        media_type, content = self.server.manifests[STUDY][tag]
        assert media_type == OCI_INDEX
        index: dict[str, Any] = json.loads(content)
        return index

    @property
    def users_tags(self) -> set[str]:
        return {tag for tag in self.pushed if not tag.startswith(("img-", "env-"))}


@pytest.fixture
def both(folder: Folder, server: RegistryServer, docker: DockerProgram, tmp_path: Path) -> IndexJob:
    server.put_image(PIXI, BASE)
    return IndexJob(folder, server, docker, tmp_path / "job")


def test_every_platform_is_tested_before_any_is_pushed_and_the_tags_are_those_of_an_index(both: IndexJob) -> None:
    report = both.of_both(test_command=TEST)
    tested, pushed = ["build", "run --rm"], ["push-environment", "push"]
    assert both.docker.purposes == [*tested, *tested, *pushed, *pushed, *CLEANED, *CLEANED]
    builds = [start.after("--platform") for start in both.docker.starts if start.purpose == "push"]
    assert builds == [[], ["linux/arm64"]]
    runs = [start.words for start in both.docker.starts if start.purpose == "run --rm"]
    assert ["--platform" in words for words in runs] == [False, True]
    assert both.users_tags == {"main"}
    children = both.index("main")["manifests"]
    assert [child["platform"] for child in children] == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm64", "os": "linux"},
    ]
    images = [each.plan.definition.image_tag for each in report.reports]
    assert [child["digest"] for child in children] == [both.server.digest(STUDY, tag) for tag in images]
    assert report.outputs()["digest"] == both.server.digest(STUDY, "main")
    assert json.loads(report.outputs()["images"])[0]["platforms"] == {
        "linux/amd64": children[0]["digest"],
        "linux/arm64": children[1]["digest"],
    }


@pytest.mark.slow
def test_a_second_run_builds_nothing_and_a_tag_promotes_the_same_index(both: IndexJob) -> None:
    first = both.of_both()
    both.docker.forget()
    again = both.of_both()
    assert (again.plan.decision.kind, again.digest) == ("skip", first.digest)
    release = both.of_both(TAG, tags="type=semver,pattern={{version}}")
    assert (release.plan.decision.kind, release.digest) == ("promote", first.digest)
    assert both.server.digest(STUDY, "1.2.3") == first.digest
    assert both.docker.purposes == []


@pytest.mark.slow
def test_only_the_platform_is_built_that_has_no_image(both: IndexJob) -> None:
    both.shipped(PUSH, platforms="linux/arm64", tags="type=raw,value=arm")
    both.docker.forget()
    report = both.of_both()
    assert [each.plan.decision.kind for each in report.reports] == ["build", "skip"]
    assert report.plan.decision.reason.startswith("for linux/amd64: ")
    assert both.docker.purposes == ["build", "push-environment", "push"]
    assert len(both.index("main")["manifests"]) == 2


@pytest.mark.parametrize("which", ["build", "build linux/arm64"])
def test_a_platform_that_is_not_built_publishes_nothing_of_any(both: IndexJob, which: str) -> None:
    both.docker.behave(**{which: {"code": 1}})
    both.fails_for_both(BuildFailedError)
    assert both.pushed == set()


@pytest.mark.parametrize("which", ["run --rm", "run --rm linux/arm64"])
def test_a_platform_whose_test_fails_publishes_nothing_of_any(both: IndexJob, which: str) -> None:
    both.docker.behave(**{which: {"code": 1, "prints": "no such module\n"}})
    error = both.fails_for_both(ImageTestFailedError, test_command=TEST)
    assert "no such module" in error.hint
    assert both.pushed == set()


@pytest.mark.slow
def test_a_push_that_fails_leaves_the_users_tags_as_they_are(both: IndexJob) -> None:
    both.of_both()
    before = both.server.digest(STUDY, "main")
    both.folder.replace("src/main.py", "print", "pass; print")
    both.docker.behave(**{"push linux/arm64": {"code": 1}})
    both.fails_for_both(BuildFailedError)
    assert both.server.digest(STUDY, "main") == before


@pytest.mark.more_cases
def test_a_pull_request_builds_and_tests_every_platform_and_pushes_none(both: IndexJob) -> None:
    report = both.of_both(PULL_REQUEST, test_command=TEST)
    assert both.docker.purposes == [
        "build",
        "run --rm",
        "build",
        "run --rm",
        "image inspect",
        "image inspect",
        *CLEANED,
        *CLEANED,
    ]
    assert both.server.written == []
    assert report.outputs()["pushed"] == "false"


def test_tags_that_differ_between_platforms_are_refused(both: IndexJob) -> None:
    error = both.fails_for_both(UserError, tags="type=raw,value={{fingerprint}}")
    assert error.message.startswith("the tags for linux/arm64 differ from those for linux/amd64")
    assert both.docker.purposes == []


def test_a_platform_that_is_not_locked_is_told_before_anything_is_built(both: IndexJob) -> None:
    error = both.fails_for_both(UserError, platforms="linux/amd64 linux/ppc64le")
    assert "is not locked for linux/ppc64le" in error.message
    assert both.docker.purposes == []
