"""What docs/nodes.md gives to be copied are steps that the action takes, and a shell command that is one."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pixi_container.builder_nodes import _OPTIONS, parse_nodes
from pixi_container.inputs import parse_inputs

PAGE = (Path(__file__).parents[2] / "docs/nodes.md").read_text("utf-8")
Example = dict[str, Any] | list[dict[str, Any]]
BLOCKS = re.findall(r"(?ms)^```(\w+)\n(.*?)^```$", PAGE)
EXAMPLES: list[Example] = [yaml.safe_load(text) for language, text in BLOCKS if language == "yaml"]
VALUES = {
    "runner.temp": "/home/runner/work/_temp",
    "vars.BUILDKIT_NODES": "linux/amd64=tcp://amd.lab.example:1234",
    "steps.buildx.outputs.name": "builder-1",
    "secrets.DOCKER_TOKEN": "t0ken",
    "vars.DOCKER_USER": "me",
}
OURS = "org/pixi-container-action@v1"


def steps_of(example: Example) -> list[dict[str, Any]]:
    if isinstance(example, dict):
        return [step for job in example["jobs"].values() for step in job["steps"]]
    return example


def evaluated(text: str, *, is_fork: bool) -> str:
    """Return the text with the value of each expression; `!… && a || ''` is a value but for a fork."""

    def value(match: re.Match[str]) -> str:
        chosen = re.fullmatch(r"!github\.event\.pull_request\.head\.repo\.fork && (.+) \|\| ''", match[1])
        if chosen and is_fork:
            return ""
        expression = chosen[1] if chosen else match[1]
        return expression[1:-1] if expression.startswith("'") else VALUES[expression]

    return re.sub(r"\$\{\{ (.+?) \}\}", value, text)


@pytest.mark.parametrize("is_fork", [False, True])
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(len(str(example))))
def test_each_example_has_a_step_that_the_action_takes(example: Example, is_fork: bool) -> None:
    (step,) = (step for step in steps_of(example) if step.get("uses") == OURS)
    inputs = parse_inputs({name: evaluated(text, is_fork=is_fork) for name, text in step["with"].items()})
    assert bool(inputs.nodes) is ("nodes" in step["with"] and not (is_fork and "fork" in str(step)))


def test_the_appended_nodes_are_a_list() -> None:
    (kubernetes,) = (
        step
        for example in EXAMPLES
        for step in steps_of(example)
        if step.get("with", {}).get("driver") == "kubernetes"
    )
    assert [node["platforms"] for node in yaml.safe_load(kubernetes["with"]["append"])] == ["linux/arm64"]


@pytest.mark.parametrize("text", [text for language, text in BLOCKS if language == "bash"])
def test_shell_is_bash(text: str) -> None:
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0


def test_the_tables_name_every_option_and_kind_of_endpoint() -> None:
    table = PAGE.partition("| option | meaning |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z-]+)`", table.replace("`true` or `false`", ""))) == set(_OPTIONS)
    endpoints = re.findall(r"(?m)^\| `(\S+://\S*)` \|", PAGE)
    assert len(endpoints) == 4
    for endpoint in endpoints:
        assert parse_nodes([f"linux/amd64={endpoint.replace(':port', ':1')}"])
