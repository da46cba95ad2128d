"""Several environments in one step, with a registry and a docker of the tests: one stops none of the others."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import active_children
from pathlib import Path
from typing import Any, cast

import pytest

from pixi_container.environment_process import EnvironmentProcess, Shipped, Told, Work
from pixi_container.environments_report import EnvironmentsReport
from pixi_container.errors import ImageTestFailedError, UserError
from pixi_container.inputs import parse_inputs
from pixi_container.interrupts import Interrupted
from pixi_container.log import Log, TerminalLog
from pixi_container.plan.gather import plan_platforms
from pixi_container.request import Request, registry_client, request_for
from pixi_container.runner.event import Event
from pixi_container.ship_environments import _PROCESS_BYTES, _processes, _Running, ship_environments
from tests.unit.conftest import Folder
from tests.unit.docker_program import DockerProgram
from tests.unit.plan.test_plan import PUSH, TAG
from tests.unit.registry_server import RegistryServer
from tests.unit.test_ship import BASE, PIXI, STUDY, TEST, Job

SUFFIX = {"flavor": "suffix=-{{environment}},latest=false"}


class EnvironmentsJob(Job):
    """A job for the environments ``default`` and ``gpu``."""

    def request(self, environment: str, event: Event = PUSH, **texts: str) -> Request:
        texts, env = self.given(environment=environment, **SUFFIX, **texts)
        return request_for(event, parse_inputs(texts), env)

    def of_all(self, event: Event = PUSH, **texts: str) -> EnvironmentsReport:
        requests = {name: self.request(name, event, **texts) for name in ("default", "gpu")}
        report = EnvironmentsReport(ship_environments(requests, self.log))
        assert self.left == []
        return report

    @property
    def users_tags(self) -> set[str]:
        return {tag for tag in self.pushed if not tag.startswith(("img-", "env-"))}


@pytest.fixture
def several(folder: Folder, server: RegistryServer, docker: DockerProgram, tmp_path: Path) -> EnvironmentsJob:
    server.put_image(PIXI, BASE)
    return EnvironmentsJob(folder, server, docker, tmp_path / "job")


@pytest.mark.more_cases
def test_each_has_its_image_and_a_second_run_starts_no_process(
    several: EnvironmentsJob, capsys: pytest.CaptureFixture[str]
) -> None:
    report = several.of_all()
    assert report.reason == "of 2 environments, 2 built"
    assert several.users_tags == {"main-default", "main-gpu"}
    outputs = report.outputs()
    assert outputs["tags"].splitlines() == [f"{several.server.name()}:main-{name}" for name in ("default", "gpu")]
    assert [image["image"] for image in json.loads(outputs["images"])] == [
        f"{several.server.name()}@{several.server.digest(STUDY, f'main-{name}')}" for name in ("default", "gpu")
    ]
    assert (outputs["pushed"], outputs["image"], outputs["head"]) == ("true", "", PUSH.sha)
    shown = capsys.readouterr().err
    assert "\ngpu: Push: done in " in shown
    assert "\n== Log of environment gpu, done\n" in shown
    several.docker.forget()
    again = several.of_all()
    assert again.reason == "of 2 environments, 2 skipped"
    assert several.of_all(TAG, tags="type=semver,pattern={{version}}").reason == "of 2 environments, 2 promoted"
    assert several.docker.purposes == []


@pytest.mark.slow
def test_one_that_fails_stops_none_of_the_others(several: EnvironmentsJob) -> None:
    several.docker.behave(**{"run --rm": {"code": 1, "prints": "no such module\n"}})
    requests = {"default": several.request("default"), "gpu": several.request("gpu", test_command=TEST)}
    report = EnvironmentsReport(ship_environments(requests, several.log))
    (failed,) = report.failed
    assert (failed.environment, type(failed.error)) == ("gpu", ImageTestFailedError)
    assert report.reason == "of 2 environments, 1 built, 1 failed"
    assert several.users_tags == {"main-default"}
    assert report.outputs()["pushed"] == "true"
    assert "failed: the test in the built image failed" in report.summary()
    assert several.left == []


@pytest.mark.slow
def test_one_that_cannot_be_planned_stops_none_of_the_others(several: EnvironmentsJob) -> None:
    requests = {"default": several.request("default"), "gone": several.request("gone")}
    report = EnvironmentsReport(ship_environments(requests, several.log))
    assert [each.environment for each in report.failed] == ["gone"]
    assert several.users_tags == {"main-default"}


def test_two_with_the_same_tag_are_refused_before_anything_is_done(several: EnvironmentsJob) -> None:
    requests = {
        name: request_for(PUSH, parse_inputs(texts), env)
        for name in ("default", "gpu")
        for texts, env in [several.given(environment=name)]
    }
    with pytest.raises(UserError, match="the environments 'default' and 'gpu' would both have the tag"):
        ship_environments(requests, several.log)
    assert several.docker.purposes == []


@pytest.mark.slow
def test_a_process_that_is_killed_is_told(several: EnvironmentsJob) -> None:
    process, request = EnvironmentProcess(), several.request("gpu")
    with registry_client(request) as registry:
        platforms = plan_platforms(request, several.log, registry)
    process.start(Work("gpu", request, platforms[0].plan, platforms))
    process.kill()
    while not isinstance(message := process.receive(), Shipped):
        pass
    process.end()
    assert message.error
    assert message.error.message == "the process of environment 'gpu' ended with code -9"


class MaskingLog(TerminalLog):
    """A log that notes what it is to hide."""

    def __init__(self) -> None:
        self.masked: list[str] = []

    def mask(self, secret: str) -> None:
        self.masked.append(secret)


@pytest.mark.slow
def test_a_secret_that_only_a_process_reads_is_hidden(several: EnvironmentsJob) -> None:
    several.log = log = MaskingLog()
    secret = several.temporary / "token"
    secret.write_text("hunter2-from-a-file")
    several.folder.write("Dockerfile", "FROM scratch\n")
    several.of_all(dockerfile="Dockerfile", secret_files=f"token={secret}")
    assert log.masked == ["hunter2-from-a-file"] * 2


class InterruptedLog(TerminalLog):
    """A log during whose first line of a build a signal arrives."""

    def say(self, text: str) -> None:
        if text.endswith(": Push"):
            raise Interrupted(signal.SIGTERM)
        super().say(text)


@pytest.mark.slow
def test_a_signal_stops_the_processes_and_leaves_nothing(several: EnvironmentsJob) -> None:
    several.log = InterruptedLog()
    with pytest.raises(Interrupted):
        several.of_all()
    assert active_children() == []
    assert several.left == []
    assert several.users_tags <= {"main-default", "main-gpu"}


def test_no_environment_has_an_output_but_what_all_have_in_common() -> None:
    report = EnvironmentsReport((Shipped(environment="a", error=UserError("no")),))
    outputs = report.outputs()
    assert (outputs["decision"], outputs["pushed"], outputs["changed"]) == ("", "false", "true")
    assert report.text().splitlines()[-1] == "  failed    no"


class Process:
    """Stands for a process whose messages are these."""

    def __init__(self, *messages: Told | Shipped) -> None:
        self.started: list[Work] = []
        self._messages = list(messages)

    def start(self, work: Work) -> None:
        self.started.append(work)

    def receive(self) -> Told | Shipped:
        return self._messages.pop(0)


PLAN, PLATFORMS = cast("Any", "the plan"), cast("Any", ("the platforms",))
WORK = Work("gpu", request_for(PUSH, parse_inputs({}), {}), PLAN, PLATFORMS)


class Lines:
    """A log that notes what it shows."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def warning(self, text: str) -> None:
        self.lines.append(f"warning {text}")

    def mask(self, secret: str) -> None:
        self.lines.append(f"mask {secret}")

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        self.lines.append(f"[{title}")
        yield
        self.lines.append("]")


def test_steps_are_shown_at_once_and_every_line_at_the_end() -> None:
    log, last = Lines(), Shipped(environment="gpu")
    process = Process(
        Told("step", "Build"),
        Told("say", "a line"),
        Told("ended", "Build: done in 1 s"),
        Told("warning", "odd"),
        Told("mask", "hunter2"),
        last,
    )
    running = _Running(cast("EnvironmentProcess", process), cast("Log", log))
    running.start(WORK)
    assert (process.started, running.doing) == ([WORK], "gpu")
    assert [running.receive(), running.doing] == [None, "gpu: Build"]
    assert [running.receive(), running.doing] == [None, "gpu: Build"]
    assert [running.receive() for _ in range(4)] == [None, None, None, last]
    assert running.doing == "gpu: Build: done in 1 s"
    assert log.lines == [
        "gpu: Build",
        "gpu: Build: done in 1 s",
        "warning gpu: odd",
        "mask hunter2",
        "[Log of environment gpu, done",
        "\n== Build",
        "a line",
        "Build: done in 1 s",
        "odd",
        "]",
    ]


def test_the_lines_of_one_image_are_not_shown_with_the_next() -> None:
    log, failed = Lines(), Shipped(environment="cpu", error=UserError("bad"))
    running = _Running(
        cast("EnvironmentProcess", Process(Told("say", "a"), Shipped(environment="gpu"), failed)), cast("Log", log)
    )
    running.start(WORK)
    for _ in range(2):
        running.receive()
    running.start(WORK._replace(environment="cpu"))
    running.receive()
    assert log.lines[-2:] == ["[Log of environment cpu, failed", "]"]


@pytest.mark.parametrize(
    ("processors", "free", "processes"),
    [(2, 64, 2), (16, 64, 3), (16, 2, 2), (16, 0, 1), (None, 64, 1)],
)
def test_processes_are_as_many_as_processors_and_memory_allow(
    monkeypatch: pytest.MonkeyPatch, processors: int | None, free: int, processes: int
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: processors)
    monkeypatch.setattr("pixi_container.ship_environments._available_memory", lambda: free * _PROCESS_BYTES)
    assert _processes() == processes
