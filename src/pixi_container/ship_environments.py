"""The whole job for several environments, an image each: planned together, and made beside each other."""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_container.environment_process import EnvironmentProcess, Shipped, Work, shipped
from pixi_container.errors import UserError
from pixi_container.log import LabelledLog
from pixi_container.plan.decision import BUILD
from pixi_container.plan.looked_up import LookedUp
from pixi_container.plan.several import plan_images
from pixi_container.request import registry_client
from pixi_container.ship import carry_out
from pixi_container.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pixi_container.log import Log
    from pixi_container.plan.gather import PlatformPlan
    from pixi_container.plan.index_plan import IndexPlan
    from pixi_container.plan.plan import Plan
    from pixi_container.registry.client import Registry
    from pixi_container.request import Request

_QUIET_SECONDS = 30.0
"""After so long without news, the log says what is going on."""

_MOST_PROCESSES = 3
_PROCESS_BYTES = 300 << 20
"""What the process of an environment may take of memory, with room to spare."""


def ship_environments(requests: Mapping[str, Request], log: Log) -> tuple[Shipped, ...]:
    """Return how the image of each environment ended, by its name, in their order.

    All are planned first. One that fails does not stop the others. Raises ``UserError`` before anything is done if
    two environments would get the same tag.
    """
    some = next(iter(requests.values()))
    with temporary_folder(some.env) as shared, registry_client(some) as registry:
        requests = {name: replace(request, shared=shared) for name, request in requests.items()}
        with log.step("Plan"):
            planned, failed = plan_images(requests, registry, LookedUp(some.env), log)
        ended = {name: Shipped(environment=name, error=error) for name, error in failed.items()}
        unbuilt = {name: each for name, each in planned.items() if each[0].decision.kind != BUILD}
        for name, (plan, platforms) in unbuilt.items():
            ended[name] = without_build(name, requests[name], plan, platforms, registry, LabelledLog(log, name))
        to_build = [Work(name, requests[name], *each) for name, each in planned.items() if name not in unbuilt]
        ended |= _built(to_build, log)
    return tuple(ended[name] for name in requests)


def without_build(
    name: str,
    request: Request,
    plan: Plan | IndexPlan,
    platforms: Sequence[PlatformPlan],
    registry: Registry,
    log: Log,
) -> Shipped:
    """Put the planned tags on an image that is there, and return how that ended."""
    try:
        return shipped(name, carry_out(request, plan, platforms, registry, log))
    except UserError as error:
        return Shipped(environment=name, error=error)


def _built(works: Sequence[Work], log: Log) -> dict[str, Shipped]:
    """Have processes build the images, some at a time, and return how each ended."""
    waiting, running, ended = deque(works), list[_Running](), dict[str, Shipped]()
    try:
        for _ in range(min(_processes(), len(works))):
            running.append(_Running(EnvironmentProcess(), log))
            running[-1].start(waiting.popleft())
        while running:
            ready = wait([each.process.connection for each in running], _QUIET_SECONDS)
            if not ready:
                log.say("at work: " + "; ".join(each.doing for each in running))
            for each in [each for each in running if each.process.connection in ready]:
                if last := each.receive():
                    ended[last.environment] = last
                    log.say(f"{last.environment}: {len(ended)} of {len(works)} environments are done")
                    _go_on(each, waiting, running, log)
    finally:
        for each in running:
            each.process.stop()
        for each in running:
            each.process.end()
    return ended


def _go_on(ended: _Running, waiting: deque[Work], running: list[_Running], log: Log) -> None:
    """Give a process that has ended an image the next one, or a new process if it is gone."""
    if waiting and ended.process.is_running:
        ended.start(waiting.popleft())
        return
    running.remove(ended)
    ended.process.stop()
    ended.process.end()
    if waiting:
        running.append(_Running(EnvironmentProcess(), log))
        running[-1].start(waiting.popleft())


class _Running:
    """A process and the lines of its log, which are shown together once an image has ended."""

    def __init__(self, process: EnvironmentProcess, log: Log) -> None:
        self.process = process
        self._log = log
        self._lines: list[str] = []
        self._name = ""
        self.doing = ""

    def start(self, work: Work) -> None:
        """Have it ship an image."""
        self._lines.clear()
        self._name = self.doing = work.environment
        self.process.start(work)

    def receive(self) -> Shipped | None:
        """Take the next message, and return how the image ended; None as long as it has not."""
        message, name = self.process.receive(), self._name
        if isinstance(message, Shipped):
            self._show_all(message)
            return message
        line = f"{name}: {message.text}"
        if message.kind == "mask":
            self._log.mask(message.text)
            return None
        if message.kind == "warning":
            self._log.warning(line)
        elif message.kind in {"step", "ended"}:
            self._log.say(line)
            self.doing = line
        self._lines.append(f"\n== {message.text}" if message.kind == "step" else message.text)
        return None

    def _show_all(self, shipped: Shipped) -> None:
        """Show every line of the log, of which the runner executes none."""
        outcome = "failed" if shipped.error else "done"
        with self._log.step(f"Log of environment {shipped.environment}, {outcome}"):
            for line in self._lines:
                self._log.say(line)


def _available_memory() -> int:
    """Return the bytes that processes can get without swapping: https://docs.kernel.org/filesystems/proc.html."""
    with suppress(OSError), Path("/proc/meminfo").open() as lines:
        for line in lines:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    return _PROCESS_BYTES


def _processes() -> int:
    """Return how many environments are made at a time: what processors and free memory allow."""
    return max(1, min(os.cpu_count() or 1, _MOST_PROCESSES, _available_memory() // _PROCESS_BYTES))
