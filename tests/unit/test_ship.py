"""The whole job with a registry and a docker of the tests: what is done in which order, what a failure leaves."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pixi_container.errors import (
    BuildFailedError,
    ImageTestFailedError,
    RegistryError,
    RegistryRefusedError,
    UserError,
)
from pixi_container.image.base_images import DEFAULT_PIXI
from pixi_container.index_report import IndexReport
from pixi_container.inputs import parse_inputs
from pixi_container.interrupts import Interrupted
from pixi_container.log import TerminalLog
from pixi_container.report import Report
from pixi_container.request import request_for
from pixi_container.runner.event import Event
from pixi_container.ship import ship
from tests.unit.conftest import Folder
from tests.unit.docker_program import DockerProgram
from tests.unit.loopback import Reply, Request, as_json
from tests.unit.plan.test_plan import PULL_REQUEST, PUSH
from tests.unit.registry_server import PASSWORD, USER, RegistryServer

STUDY, PIXI = "lab/study", "mirror/prefix-dev/pixi"
BASE = f"{DEFAULT_PIXI}-noble"
TEST = "python -c 'import app'"
CLEANED = ["rm --force", "image rm"]


class Job:
    """A job that ships the workspace to the registry by the stand-in for docker."""

    def __init__(self, folder: Folder, server: RegistryServer, docker: DockerProgram, temporary: Path) -> None:
        self.folder, self.server, self.docker, self.temporary = folder, server, docker, temporary
        temporary.mkdir()
        (temporary / "home/.docker").mkdir(parents=True)
        stored = {"auths": {"stored.example": {"auth": "c3RvcmVk"}}}
        (temporary / "home/.docker/config.json").write_text(json.dumps(stored))
        self.log: TerminalLog = TerminalLog()

    def ship(self, event: Event = PUSH, **texts: str) -> Report:
        report = self.shipped(event, **texts)
        assert isinstance(report, Report)
        return report

    def shipped(self, event: Event = PUSH, **texts: str) -> Report | IndexReport:
        given, env = self.given(**texts)
        return ship(request_for(event, parse_inputs(given), env), self.log)

    def given(self, **texts: str) -> tuple[dict[str, str], dict[str, str]]:
        """Return the texts of inputs, and the variables."""
        texts = {
            "context": str(self.folder.path),
            "images": str(self.server.name()),
            "tags": "type=raw,value=main",
            "flavor": "latest=false",
            "pixi-image": str(self.server.name(PIXI).tagged(BASE)),
            "username": USER,
            "password": PASSWORD,
            "environment-builder": "docker",
            **{name.replace("_", "-"): text for name, text in texts.items()},
        }
        env = {
            "PATH": self.docker.path,
            "HOME": str(self.temporary / "home"),
            "RUNNER_TEMP": str(self.temporary / "runner"),
        }
        return texts, env

    def fails(self, kind: type[UserError], event: Event = PUSH, **texts: str) -> UserError:
        """Return the error of a job that must fail, and leave nothing on this machine."""
        with pytest.raises(kind) as caught:
            self.ship(event, **texts)
        assert self.left == []
        return caught.value

    @property
    def left(self) -> list[Path]:
        """What is left in the runner's temporary folder."""
        return list((self.temporary / "runner").glob("*"))

    @property
    def pushed(self) -> set[str]:
        """The tags that are on the registry."""
        return self.server.tags(STUDY)


@pytest.fixture
def job(folder: Folder, server: RegistryServer, docker: DockerProgram, tmp_path: Path) -> Job:
    server.put_image(PIXI, BASE)
    return Job(folder, server, docker, tmp_path / "job")


def test_what_is_built_is_tested_then_pushed_and_read_back(job: Job) -> None:
    report = job.ship(test_command=TEST)
    assert job.docker.purposes == ["build", "run --rm", "push-environment", "push", *CLEANED]
    plan = report.plan
    assert job.pushed == {tag.tag for tag in (*plan.published_tags, *plan.environment_tags)}
    assert {job.server.digest(STUDY, tag.tag) for tag in plan.published_tags} == {report.digest}
    assert report.digest
    assert report.outputs()["pushed"] == "true"
    last_push = [str(request) for request in job.server.server.requests].index(job.server.written[-1])
    read = job.server.asked[last_push + 1 :]
    assert [asked.split()[1] for asked in read] == [
        f"/v2/{STUDY}/manifests/{tag.tag}" for tag in plan.published_tags
    ]
    assert job.left == []


def test_the_registry_is_tried_before_anything_is_built(job: Job) -> None:
    job.server.logs_in = job.server.only_pull = True
    error = job.fails(RegistryRefusedError, test_command=TEST)
    assert "denied permission to push" in error.message
    assert job.docker.purposes == []


@pytest.mark.slow
def test_docker_has_the_credentials_of_this_run_where_it_pushes(job: Job) -> None:
    job.ship(test_command=TEST)
    started = {start.purpose: start for start in job.docker.starts}
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    expected = {"auths": {"stored.example": {"auth": "c3RvcmVk"}, job.server.address: {"auth": auth}}}
    for purpose in ("build", "run --rm", "push"):
        assert json.loads(started[purpose].login) == expected
    assert not any(PASSWORD in " ".join(start.words) for start in job.docker.starts)


def test_a_pull_request_is_built_and_tested_without_any_credential(job: Job) -> None:
    report = job.ship(PULL_REQUEST, test_command=TEST)
    assert job.docker.purposes == ["build", "run --rm", "image inspect", *CLEANED]
    assert (report.digest, report.image_size, report.outputs()["pushed"]) == ("", 12345, "false")
    assert job.pushed == set()
    assert job.server.written == []
    assert {start.env.get("DOCKER_CONFIG") for start in job.docker.starts} == {None}
    assert {request.headers.get("authorization") for request in job.server.server.requests} == {None}


@pytest.mark.slow
def test_code_that_may_be_anybody_s_is_built_by_a_docker_that_is_logged_in_nowhere(job: Job) -> None:
    request = {"head": {"sha": PUSH.sha, "repo": {"full_name": "fork/study"}}, "base": {"sha": "b" * 40}}
    job.ship(replace(PULL_REQUEST, name="pull_request_target", payload={"number": 7, "pull_request": request}))
    assert job.docker.purposes == ["build", "image inspect"]
    (build,) = [start for start in job.docker.starts if start.purpose == "build"]
    assert json.loads(build.login) == {}
    assert job.server.written == []


@pytest.mark.slow
def test_without_a_push_the_machine_s_own_configuration_is_used(job: Job) -> None:
    report = job.ship(push="false", test_command=TEST)
    assert report.digest == ""
    (build,) = [start for start in job.docker.starts if start.purpose == "build"]
    assert "DOCKER_CONFIG" not in build.env
    assert job.pushed == set()


@pytest.mark.slow
def test_what_a_dockerfile_of_ones_own_builds_on_is_made_first(job: Job) -> None:
    job.folder.write("Dockerfile", "FROM environment AS app\nFROM app AS unit\n")
    report = job.ship(dockerfile="Dockerfile", test_command=TEST, secrets="token=hunter2", test_target="unit")
    assert job.docker.purposes == ["make-environment", "build", "test-unit", "run --rm", "push", *CLEANED]
    made, build, unit, _, push, *_ = job.docker.starts
    digest = job.server.digest(STUDY, report.plan.environment_tags[0].tag)
    assert "AS environment" in made.dockerfile
    assert made.after("--secret") == []
    for start in (build, unit, push):
        assert start.dockerfile.startswith("FROM environment AS app")
        assert start.after("--build-context") == [f"environment=docker-image://{job.server.name()}@{digest}"]
        assert f"ENVIRONMENT_IMAGE={job.server.name()}@{digest}" in start.after("--build-arg")
        assert [word.partition(",")[0] for word in start.after("--secret")] == ["id=token"]
    assert job.left == []
    job.docker.behave(**{"test-unit": {"code": 1, "prints": "ERROR: it is broken\n"}})
    job.folder.write("Dockerfile", "FROM environment AS app\nFROM app AS unit\nRUN false\n")
    failed = f"Dockerfile:3\n{'-' * 20}\nERROR: it is broken\n"
    job.docker.behave(**{"test-unit": {"code": 1, "prints": failed}})
    texts = {"tags": "type=raw,value=other", "secrets": "token=hunter2", "test_target": "unit"}
    error = job.fails(ImageTestFailedError, PUSH, dockerfile="Dockerfile", **texts)
    assert "Dockerfile, line 3" in error.message
    assert error.message.endswith("the image was not pushed")
    assert "other" not in job.pushed
    job.docker.behave(**{"make-environment": {"code": 1, "prints": failed}})
    error = job.fails(BuildFailedError, PUSH, dockerfile="Dockerfile", **texts, reuse_environment="false")
    assert "line 3" not in error.message


@pytest.mark.parametrize(
    ("broken", "kind", "done"),
    [
        pytest.param("build", BuildFailedError, ["build"], marks=pytest.mark.slow),
        ("run --rm", ImageTestFailedError, ["build", "run --rm"]),
    ],
)
def test_a_build_or_test_that_fails_pushes_nothing(
    job: Job, broken: str, kind: type[UserError], done: list[str]
) -> None:
    job.docker.behave(**{broken: {"code": 1, "prints": "ERROR: it is broken\n"}})
    job.fails(kind, test_command=TEST)
    assert job.docker.purposes == [*done, *CLEANED]
    assert job.pushed == set()
    assert job.server.written == []


@pytest.mark.slow
def test_an_environment_that_cannot_be_pushed_ends_the_job(job: Job) -> None:
    job.docker.behave(**{"push-environment": {"code": 1}})
    job.fails(BuildFailedError, test_command=TEST)
    assert "push" not in job.docker.purposes
    assert job.docker.purposes[-2:] == CLEANED
    assert job.pushed == set()


@pytest.mark.slow
def test_an_image_that_was_not_tested_is_an_error(job: Job) -> None:
    job.docker.behave(push={"another": True})
    assert (
        "a different image from the one that was tested" in job.fails(BuildFailedError, test_command=TEST).message
    )
    assert job.docker.purposes[-2:] == CLEANED


@pytest.mark.parametrize(
    ("does", "message"),
    [
        ({"tags": 0}, "main does not exist after the push"),
        pytest.param({"tags": 1}, "does not exist after the push", marks=pytest.mark.slow),
        pytest.param(
            {"metadata": {"containerimage.config.digest": f"sha256:{'0' * 64}"}},
            "main points to a different image after the push",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"metadata": {"containerimage.digest": f"sha256:{'0' * 64}"}},
            "000, but no tag points to it",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_only_what_the_registry_has_counts_as_pushed(job: Job, does: dict[str, Any], message: str) -> None:
    job.docker.behave(push=does)
    assert message in job.fails(RegistryError).message
    assert job.docker.purposes == ["push-environment", "push"], "nothing is loaded without a test, nor cleaned"


@pytest.mark.parametrize("tags", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_an_environment_that_is_not_there_ends_the_job(job: Job, tags: int) -> None:
    job.docker.behave(**{"push-environment": {"tags": tags}})
    assert "does not exist after the push" in job.fails(RegistryError).message
    assert "push" not in job.docker.purposes


def test_the_second_job_of_a_state_does_nothing(job: Job) -> None:
    first = job.ship()
    count = len(job.docker.purposes)
    writes = list(job.server.written)
    second = job.ship()
    assert second.plan.decision.kind == "skip"
    assert second.digest == first.digest
    assert second.labels == dict(first.plan.labels)
    assert len(job.docker.purposes) == count
    assert job.server.written == writes


def test_a_tested_image_gets_new_tags_and_nothing_else(job: Job) -> None:
    first = job.ship()
    count, writes = len(job.docker.purposes), len(job.server.written)
    second = job.ship(tags="type=raw,value=1.0\ntype=raw,value=main")
    assert second.plan.decision.kind == "promote"
    assert job.server.written[writes:] == [f"PUT /v2/{STUDY}/manifests/1.0"]
    assert job.server.digest(STUDY, "1.0") == first.digest == second.digest
    assert len(job.docker.purposes) == count, "no builder is started"


@pytest.mark.slow
def test_no_tag_is_put_where_the_registry_takes_none(job: Job) -> None:
    job.ship()
    writes = list(job.server.written)

    def refuse(request: Request) -> Reply | None:
        return as_json({"errors": [{"code": "DENIED"}]}, 403) if request.method == "POST" else None

    job.server.interfere = refuse
    job.fails(RegistryRefusedError, tags="type=raw,value=1.0")
    assert job.server.written == writes


def test_a_change_is_built_on_the_environment_that_is_there(job: Job) -> None:
    first = job.ship()
    job.folder.write("src/main.py", "print('goodbye')\n")
    count = len(job.docker.starts)
    second = job.ship()
    builds = [start for start in job.docker.starts[count:] if start.words[:2] == ["buildx", "build"]]
    assert [start.purpose for start in builds] == ["push"]
    digest = job.server.digest(STUDY, first.plan.environment_tags[0].tag)
    assert builds[0].after("--build-context") == [f"environment=docker-image://{second.plan.environment_image}"]
    assert str(second.plan.environment_image).endswith(f"@{digest}")
    assert job.server.digest(STUDY, "main") == second.digest != first.digest


@pytest.mark.slow
def test_two_names_get_the_same_image(job: Job) -> None:
    names = [job.server.name(), job.server.name("lab/copy")]
    report = job.ship(images="\n".join(map(str, names)))
    for repository in (STUDY, "lab/copy"):
        assert job.server.digest(repository, "main") == report.digest
    uploads = [asked for asked in job.server.asked if asked.startswith("POST") and asked.endswith("/uploads/")]
    assert {asked.split("/")[3] for asked in uploads} == {"study", "copy"}, "each name is tried"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("conda-auth", json.dumps({"*.example": {"BearerToken": "hunter3"}})),
        ("git-auth", "https://me:hunter3@git.example\n"),
    ],
)
def test_a_secret_of_the_build_is_a_file_of_this_run(job: Job, name: str, secret: str) -> None:
    seen: list[tuple[str, int]] = []

    class SeeingLog(TerminalLog):
        def say(self, text: str) -> None:
            files = (job.temporary / "runner").glob(f"*/{name}")
            seen.extend((file.read_text(), file.stat().st_mode & 0o777) for file in files)
            super().say(text)

    job.log = SeeingLog()
    job.ship(PUSH, **{name.replace("-", "_"): secret})
    assert set(seen) == {(secret, 0o600)}
    (push,) = [start for start in job.docker.starts if start.purpose == "push"]
    assert push.after("--secret")[0].startswith(f"id={name},src=")
    assert "hunter3" not in " ".join(push.words)
    assert job.left == []


@pytest.mark.slow
def test_what_the_build_notes_is_a_warning_and_in_the_report(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    job.docker.behave(push={"prints": "#9 0.1 pixi-container: not run: post-link scripts of a\n"})
    report = job.ship()
    assert report.notes == ("not run: post-link scripts of a",)
    assert "warning: not run: post-link scripts of a" in capsys.readouterr().err


@pytest.mark.slow
def test_a_signal_leaves_nothing(job: Job) -> None:
    class InterruptedLog(TerminalLog):
        def say(self, text: str) -> None:
            if text == "tests run":
                raise Interrupted(15)

    job.log = InterruptedLog()
    job.docker.behave(**{"run --rm": {"prints": "tests run\n"}})
    with pytest.raises(Interrupted):
        job.ship(test_command=TEST)
    assert job.left == []
    assert job.docker.purposes[-2:] == CLEANED
    assert job.pushed == set()


NODES = "linux/amd64=tcp://127.0.0.1:9"


@pytest.mark.parametrize("fails", ["", "build", "buildx_create"])
def test_a_builder_of_nodes_is_gone_whatever_ended_the_run(job: Job, fails: str) -> None:
    job.docker.behave(**({fails: {"code": 1}} if fails else {}))
    if fails:
        job.fails(UserError, nodes=NODES, test_command=TEST)
    else:
        job.ship(nodes=NODES, test_command=TEST)
    assert job.docker.purposes[0] == "buildx create"
    assert job.docker.purposes[-1] == "buildx rm"
    (name,) = job.docker.starts[0].after("--name")
    assert re.fullmatch("pixi-container-[a-z0-9_]{8}", name)
    assert job.docker.starts[-1].words[-1] == name
    builds = [start for start in job.docker.starts if start.words[:2] == ["buildx", "build"]]
    assert all(start.after("--builder") == [name] for start in builds)
    assert bool(builds) is (fails != "buildx_create")


@pytest.mark.parametrize("step", ["Make the builder", "Build"])
def test_a_signal_leaves_no_builder(job: Job, step: str) -> None:
    class InterruptedLog(TerminalLog):
        @contextmanager
        def step(self, title: str) -> Iterator[None]:
            yield
            if title == step:
                raise Interrupted(15)

    job.log = InterruptedLog()
    with pytest.raises(Interrupted):
        job.ship(nodes=NODES, test_command=TEST)
    assert job.docker.purposes[-1] == "buildx rm"
    assert job.left == []


@pytest.mark.slow
def test_steps_are_told_in_their_order(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    job.ship(test_command=TEST)
    said = capsys.readouterr().err
    assert [line[3:] for line in said.splitlines() if line.startswith("== ")] == [
        "Plan",
        "Check the registries",
        "Build",
        "Test",
        "Push the environment",
        "Push",
    ]
    assert f"{job.server.name()} accepts pushes" in said
    assert "all 2 tags point to the built image" in said


@pytest.mark.slow
def test_a_merge_queue_pushes_nothing(job: Job) -> None:
    queue = replace(
        PUSH, name="merge_group", payload={"merge_group": {"base_sha": "a" * 40, "head_sha": PUSH.sha}}
    )
    report = job.ship(queue)
    assert report.digest == ""
    assert job.pushed == set()
