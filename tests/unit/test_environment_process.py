"""What a process tells of an image that it ships; no process is started here."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any, cast

import pytest

from pixi_container import environment_process
from pixi_container.environment_process import Shipped, Told, Work, _Log, _shipped
from pixi_container.errors import UserError
from pixi_container.inputs import parse_inputs
from pixi_container.interrupts import Interrupted
from pixi_container.log import Log
from pixi_container.request import request_for
from tests.unit.plan.test_plan import PUSH

WORK = Work(
    "gpu", request_for(PUSH, parse_inputs({}), {}), cast("Any", "the plan"), cast("Any", ("the platforms",))
)


class Wire:
    """A connection of which the test has the other end."""

    def __init__(self) -> None:
        self.sent: list[Told | Shipped] = []

    def send(self, message: Told | Shipped) -> None:
        self.sent.append(message)


class Outcome:
    """A report of an image."""

    def outputs(self) -> dict[str, str]:
        return {"image": "a"}

    def text(self) -> str:
        return "text"

    def summary(self) -> str:
        return "summary"


def ended(monkeypatch: pytest.MonkeyPatch, ship: Callable[[Log], Outcome], wire: Wire) -> Shipped:
    """Return how an image ended that is shipped like this; the wire has what was sent until then."""

    def carry_out(request: object, plan: object, platforms: object, registry: object, log: Log) -> Outcome:
        assert (request, plan, platforms) == (WORK.request, WORK.plan, WORK.platforms)
        assert registry
        return ship(log)

    monkeypatch.setattr(environment_process, "carry_out", carry_out)
    return _shipped(WORK, _Log(cast("Any", wire)))


def raising(error: BaseException) -> Callable[[Log], Outcome]:
    def ship(_: Log) -> Outcome:
        raise error

    return ship


def test_everything_that_a_log_gets_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def ship(log: Log) -> Outcome:
        with log.step("Build"):
            log.say("a line")
            with log.untrusted_output() as write:
                write("::error::foreign")
        log.warning("odd")
        log.error(UserError("bad"))
        log.mask("hunter2")
        return Outcome()

    monkeypatch.setattr("time.monotonic", lambda: 1.0)
    wire = Wire()
    last = ended(monkeypatch, ship, wire)
    assert wire.sent == [
        Told("step", "Build"),
        Told("say", "a line"),
        Told("say", "::error::foreign"),
        Told("ended", "Build: done in 0.0 s"),
        Told("warning", "odd"),
        Told("say", "bad"),
        Told("mask", "hunter2"),
    ]
    assert last == Shipped(environment="gpu", outputs={"image": "a"}, text="text", summary="summary")


def test_an_error_of_the_user_is_how_the_image_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    error = UserError("the test failed")
    wire = Wire()
    last = ended(monkeypatch, raising(error), wire)
    assert last == Shipped(environment="gpu", error=error)
    assert wire.sent == []


def test_an_error_of_the_program_is_told_with_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()
    last = ended(monkeypatch, raising(KeyError("odd")), wire)
    assert (last.environment, last.outputs) == ("gpu", {})
    assert "this is a bug" in str(last.error)
    (told,) = wire.sent
    assert isinstance(told, Told)
    assert told.kind == "say"
    assert told.text.startswith("Traceback")
    assert "KeyError: 'odd'" in told.text


def test_a_signal_is_told_and_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()
    with pytest.raises(Interrupted):
        ended(monkeypatch, raising(Interrupted(signal.SIGTERM)), wire)
    (last,) = wire.sent
    assert isinstance(last, Shipped)
    assert last.environment == "gpu"
    assert str(last.error).startswith("stopped by ")
