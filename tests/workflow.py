"""Runs the jobs of a workflow as GitHub does, each on a runner of its own, from its file.

Source: https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax. What is not needed here is
refused, not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.composite import Composite, Runner
from tests.expressions import Functions, as_text, evaluate, filled_in

JOB_KEYS = {"name", "needs", "if", "runs-on", "permissions", "outputs", "strategy", "steps"}
STEP_KEYS = {"id", "name", "uses", "with"}
CHECKOUT = re.compile(r"actions/checkout@[0-9a-f]{40}")


@dataclass(frozen=True)
class Job:
    """What became of a job, or of one of its matrix: ``skipped``, ``success`` or ``failure``."""

    name: str
    result: str = "skipped"
    runs_on: Any = None
    permissions: Mapping[str, str] = field(default_factory=dict)
    used: tuple[tuple[str, Mapping[str, str], Composite], ...] = ()
    """The folder of each action of the repository, what it got, and what became of it."""

    @property
    def log(self) -> str:
        """The lines of all steps."""
        return "".join(composite.log for _, _, composite in self.used)


@dataclass(frozen=True)
class Run:
    """What became of a workflow."""

    jobs: Mapping[str, tuple[Job, ...]]
    outputs: Mapping[str, str]

    @property
    def result(self) -> str:
        """Whether all jobs that ran ended well."""
        results = {job.result for jobs in self.jobs.values() for job in jobs}
        return "failure" if "failure" in results else "success"

    @property
    def log(self) -> str:
        """The lines of all jobs."""
        return "\n".join(f"== {job.name}: {job.result}\n{job.log}" for jobs in self.jobs.values() for job in jobs)


@dataclass(frozen=True)
class Workflow:
    """A workflow's file in the repository ``root``, and how a runner for one of its jobs is had."""

    root: Path
    file: str
    runner: Callable[[str], Runner]
    at_once: int = 2

    def call(self, event: str, inputs: Mapping[str, str], secrets: Mapping[str, str]) -> Run:
        """Run the jobs; ``event`` is ``workflow_call`` or ``workflow_dispatch``."""
        document = yaml.safe_load((self.root / self.file).read_text("utf-8"))
        # YAML 1.1 reads the key `on` as a truth value.
        started = document[True][event]
        assert not inputs.keys() - started["inputs"].keys(), "GitHub refuses unknown inputs"
        assert not secrets.keys() - started.get("secrets", {}).keys(), "GitHub refuses unknown secrets"
        given = {name: inputs.get(name, row.get("default", "")) for name, row in started["inputs"].items()}
        for name, row in started["inputs"].items():
            assert row["type"] != "choice" or given[name] in row["options"]
        assert document["permissions"] == {}
        ended: dict[str, dict[str, Any]] = {}
        contexts = {"inputs": given, "secrets": secrets}
        jobs: dict[str, tuple[Job, ...]] = {}
        for name, job in document["jobs"].items():
            assert not job.keys() - JOB_KEYS, f"{job.keys() - JOB_KEYS} is not known here"
            needs = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
            seen = {**contexts, "needs": {need: ended[need] for need in needs}}
            jobs[name] = self._jobs(name, job, seen)
            results = {each.result for each in jobs[name]}
            result = next((each for each in ("failure", "success") if each in results), "skipped")
            outputs = self._outputs(job, jobs[name]) if "strategy" not in job else {}
            ended[name] = {"result": result, "outputs": outputs}
        called = {name: row["value"] for name, row in started.get("outputs", {}).items()}
        return Run(jobs, _texts(called, {"jobs": ended}))

    def _jobs(self, name: str, job: Mapping[str, Any], contexts: Mapping[str, Any]) -> tuple[Job, ...]:
        succeeded = all(need["result"] == "success" for need in contexts["needs"].values())
        functions: Functions = {"cancelled": lambda: False, "success": lambda: succeeded}
        condition = str(job.get("if", "success()"))
        if not re.search(r"\b(cancelled|success|always|failure)\(", condition):
            condition = f"success() && ({condition})"
        if not evaluate(condition, contexts, functions):
            return ()
        if "strategy" not in job:
            return (self._job(name, job, contexts),)
        assert job["strategy"]["fail-fast"] is False
        matrix = filled_in(job["strategy"]["matrix"], contexts)
        assert matrix.keys() == {"include"}
        assert 0 < len(matrix["include"]) <= 256, "GitHub refuses an empty matrix, and a larger one"
        with ThreadPoolExecutor(self.at_once) as pool:
            each = [
                pool.submit(self._job, f"{name} {number}", job, {**contexts, "matrix": values})
                for number, values in enumerate(matrix["include"])
            ]
            return tuple(one.result() for one in each)

    def _job(self, place: str, job: Mapping[str, Any], contexts: Mapping[str, Any]) -> Job:
        runner = self.runner(place)
        used: list[tuple[str, Mapping[str, str], Composite]] = []
        result = "success"
        for step in job["steps"]:
            assert not step.keys() - STEP_KEYS, f"{step.keys() - STEP_KEYS} is not known here"
            given = _texts(step.get("with", {}), contexts)
            if CHECKOUT.fullmatch(step["uses"]):
                assert given["persist-credentials"] == "false"
                continue
            assert step["uses"].startswith("$/"), "only actions of the repository itself are known here"
            folder = step["uses"].removeprefix("$/")
            assert folder, "the runner refuses the folder of the repository itself"
            composite = runner.use(self.root / folder, given)
            used.append((step.get("id", ""), given, composite))
            if not composite.success:
                result = "failure"
                break
        return Job(
            name=as_text(filled_in(job["name"], contexts)),
            result=result,
            runs_on=filled_in(job["runs-on"], contexts),
            permissions=job["permissions"],
            used=tuple(used),
        )

    @staticmethod
    def _outputs(job: Mapping[str, Any], jobs: tuple[Job, ...]) -> dict[str, str]:
        steps = {id_: {"outputs": composite.outputs} for one in jobs for id_, _, composite in one.used}
        return _texts(job.get("outputs", {}), {"steps": steps})


def _texts(values: Mapping[str, Any], contexts: Mapping[str, Any]) -> dict[str, str]:
    return {name: as_text(filled_in(value, contexts)) for name, value in values.items()}
