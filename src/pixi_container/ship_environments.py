"""The whole job for several environments, an image each: planned together, and made beside each other."""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_container.environment_process import EnvironmentProcess, Shipped, Told
from pixi_container.errors import UserError
from pixi_container.log import LabelledLog
from pixi_container.plan.decision import BUILD
from pixi_container.plan.gather import plan_image, plan_platforms
from pixi_container.plan.looked_up import LookedUp
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

_MOST_PROCESSES = 3
_PROCESS_BYTES = 300 << 20
"""What the process of an environment may take of memory, with room to spare."""


def ship_environments(requests: Mapping[str, Request], log: Log) -> tuple[Shipped, ...]:
    """Return how the image of each environment ended, by its name, in their order.

    All are planned first. One that fails does not stop the others. Raises ``UserError`` before anything is done if
    two environments would get the same tag.
    """
    some = next(iter(requests.values()))
    with registry_client(some) as registry:
        with log.step("Plan"):
            planned, ended = _planned(requests, registry, log)
            _check_tags({name: plan for name, (plan, _) in planned.items()})
        unbuilt = {name: each for name, each in planned.items() if each[0].decision.kind != BUILD}
        for name, (plan, platforms) in unbuilt.items():
            ended[name] = _without_build(requests[name], plan, platforms, registry, LabelledLog(log, name))
    with temporary_folder(some.env) as shared:
        to_build = {name: replace(requests[name], shared=shared) for name in planned if name not in unbuilt}
        ended |= _built(to_build, log)
    return tuple(ended[name] for name in requests)


def _planned(
    requests: Mapping[str, Request], registry: Registry, log: Log
) -> tuple[dict[str, tuple[Plan | IndexPlan, tuple[PlatformPlan, ...]]], dict[str, Shipped]]:
    """Return the plan of each environment, and the errors of those that have none."""
    planned: dict[str, tuple[Plan | IndexPlan, tuple[PlatformPlan, ...]]] = {}
    failed: dict[str, Shipped] = {}
    looked_up = LookedUp(next(iter(requests.values())).env)
    for name, request in requests.items():
        try:
            platforms = plan_platforms(request, LabelledLog(log, name), registry, looked_up=looked_up)
            plan = plan_image(request, platforms, registry)
        except UserError as error:
            failed[name] = Shipped(environment=request.inputs.environment, error=error)
            log.say(f"{name}: cannot be planned: {error.message}")
            continue
        planned[name] = (plan, platforms)
        log.say(f"{name}: {plan.decision.kind}: {plan.decision.reason}")
    return planned, failed


def _check_tags(plans: Mapping[str, Plan | IndexPlan]) -> None:
    """Raise ``UserError`` if a tag is that of two environments."""
    owners: dict[str, str] = {}
    for name, plan in plans.items():
        for tag in plan.tags:
            other = owners.setdefault(str(tag), name)
            if other != name:
                raise UserError(
                    f"the environments '{other}' and '{name}' would both have the tag {tag}",
                    hint="Put {{environment}} into 'images', 'tags' or 'flavor', such as "
                    "'suffix=-{{environment}},onlatest=true'.",
                )


def _without_build(
    request: Request, plan: Plan | IndexPlan, platforms: Sequence[PlatformPlan], registry: Registry, log: Log
) -> Shipped:
    try:
        report = carry_out(request, plan, platforms, registry, log)
    except UserError as error:
        return Shipped(environment=request.inputs.environment, error=error)
    return Shipped(
        environment=request.inputs.environment,
        outputs=report.outputs(),
        text=report.text(),
        summary=report.summary(),
    )


def _built(requests: Mapping[str, Request], log: Log) -> dict[str, Shipped]:
    """Have a process build each image, some at a time, and return how each ended."""
    waiting, running, ended = deque(requests.items()), dict[str, _Running](), dict[str, Shipped]()
    most = _processes()
    try:
        while waiting or running:
            while waiting and len(running) < most:
                name, request = waiting.popleft()
                running[name] = _Running(EnvironmentProcess(name, request), log)
            ready = wait([each.process.connection for each in running.values()])
            for name in [name for name, each in running.items() if each.process.connection in ready]:
                if last := running[name].receive():
                    running.pop(name).process.end()
                    ended[name] = last
                    log.say(f"{name}: {len(ended)} of {len(requests)} environments are done")
    finally:
        for each in running.values():
            each.process.stop()
        for each in running.values():
            each.process.end()
    return ended


class _Running:
    """A process and the lines of its log, which are shown together once it has ended."""

    def __init__(self, process: EnvironmentProcess, log: Log) -> None:
        self.process = process
        self._log = log
        self._lines: list[Told] = []

    def receive(self) -> Shipped | None:
        """Take the next message, and return how it ended; None as long as it has not."""
        message, name = self.process.receive(), self.process.environment
        if isinstance(message, Shipped):
            self._show_all(message)
            return message
        if message.kind == "warning":
            self._log.warning(f"{name}: {message.text}")
        elif message.kind in {"step", "ended"}:
            self._log.say(f"{name}: {message.text}")
        self._lines.append(message)
        return None

    def _show_all(self, shipped: Shipped) -> None:
        """Show every line of the log, of which the runner executes none."""
        outcome = "failed" if shipped.error else "done"
        with self._log.step(f"Log of environment {shipped.environment}, {outcome}"):
            for line in self._lines:
                if line.kind == "step":
                    self._log.say(f"\n== {line.text}")
                else:
                    self._log.say(line.text)


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
