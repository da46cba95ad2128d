"""What is told of several environments: outputs that they have in common, and each of them in a line."""

from __future__ import annotations

import json

import pytest

from pixi_container.environment_process import Shipped
from pixi_container.environments_report import EnvironmentsReport
from pixi_container.errors import UserError
from pixi_container.report import OUTPUTS


def shipped(environment: str, **outputs: str) -> Shipped:
    given = {
        "decision": "build",
        "changed": "true",
        "pushed": "true",
        "image": f"ghcr.io/lab/study:{environment}",
        "tags": f"ghcr.io/lab/study:{environment}",
        "images": json.dumps([{"environment": environment}]),
        **outputs,
    }
    return Shipped(
        environment=environment,
        outputs={**dict.fromkeys(OUTPUTS, ""), **given},
        text=f"image {environment}\nbuilt",
        summary=f"### {environment}\n",
    )


FAILED = Shipped(environment="broken", error=UserError("a|b does not build"))
UNCHANGED = {"decision": "skip", "changed": "false", "pushed": "false", "tags": "", "image": ""}


@pytest.mark.parametrize(
    ("each", "decision", "changed", "pushed"),
    [
        ([shipped("a"), shipped("b")], "build", "true", "true"),
        ([shipped("a"), shipped("b", **UNCHANGED)], "build", "true", "false"),
        ([shipped("a", **UNCHANGED), shipped("b", **UNCHANGED)], "skip", "false", "false"),
        ([shipped("a", decision="promote"), shipped("b", **UNCHANGED)], "promote", "true", "false"),
        ([shipped("a", **UNCHANGED), FAILED], "skip", "true", "false"),
        ([FAILED], "", "true", "false"),
    ],
)
def test_outputs_tell_of_all(each: list[Shipped], decision: str, changed: str, pushed: str) -> None:
    outputs = EnvironmentsReport(tuple(each)).outputs()
    assert outputs.keys() == OUTPUTS.keys()
    assert (outputs["decision"], outputs["changed"], outputs["pushed"]) == (decision, changed, pushed)


def test_what_differs_is_in_the_list_alone() -> None:
    same = {"version": "1.2.3", "dockerfile": "FROM a", "metadata": "{}"}
    report = EnvironmentsReport((shipped("a", digest="1", **same), shipped("b", digest="2", **same), FAILED))
    outputs = report.outputs()
    assert (outputs["version"], outputs["digest"], outputs["image"]) == ("1.2.3", "", "")
    assert (outputs["dockerfile"], outputs["metadata"]) == ("", "")
    assert outputs["tags"].splitlines() == ["ghcr.io/lab/study:a", "ghcr.io/lab/study:b"]
    assert json.loads(outputs["images"]) == [{"environment": "a"}, {"environment": "b"}]
    assert outputs["reason"] == report.reason == "of 3 environments, 2 built, 1 failed"
    assert report.failed == (FAILED,)


def test_a_person_reads_how_each_ended() -> None:
    report = EnvironmentsReport((shipped("a"), FAILED))
    assert report.text().splitlines() == [
        "result    of 2 environments, 1 built, 1 failed",
        "",
        "a:",
        "  image a",
        "  built",
        "",
        "broken:",
        "  failed    a|b does not build",
    ]
    lines = report.summary().splitlines()
    assert lines[:3] == ["### Container images of 2 environments", "", "of 2 environments, 1 built, 1 failed"]
    assert lines[6:8] == [
        "| <code>a</code> | build | <code>ghcr.io/lab/study:a</code> |",
        "| <code>broken</code> | failed: a&#124;b does not build |  |",
    ]
    assert lines[8:] == ["", "<details><summary><code>a</code></summary>", "", "### a", "", "</details>"]
