"""The reusable workflow and the actions of its jobs follow the tables in the code, as does what documents them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pixi_container.input_table import INPUTS
from tests.documents import (
    NOT_PASSED_ON,
    OF_A_JOB,
    ROOT,
    SUB_ACTIONS,
    WORKFLOW,
    sub_action,
    with_workflow_inputs,
    workflow_inputs,
)

TEXT = (ROOT / WORKFLOW).read_text("utf-8")
# YAML 1.1 reads the key `on` as a truth value.
DOCUMENT = yaml.safe_load(TEXT)
CALL, DISPATCH, JOBS = DOCUMENT[True]["workflow_call"], DOCUMENT[True]["workflow_dispatch"], DOCUMENT["jobs"]
OURS = "org/pixi-container-action"
BLOCKS = re.findall(r"(?ms)^```yaml\n(.*?)^```", (ROOT / "docs/many.md").read_text("utf-8"))


def step_of(job: str) -> dict[str, Any]:
    """Return the last step of a job, which uses an action of the repository."""
    step: dict[str, Any] = JOBS[job]["steps"][-1]
    return step


def action(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / name / "action.yml").read_text("utf-8"))
    return document


@pytest.mark.parametrize("name", SUB_ACTIONS)
def test_the_actions_in_folders_are_current(name: str) -> None:
    assert (ROOT / name / "action.yml").read_text("utf-8") == sub_action(name), "run `python -m tests.documents`"


@pytest.mark.parametrize("name", SUB_ACTIONS)
def test_an_action_in_a_folder_runs_its_command_with_the_inputs_that_this_uses(name: str) -> None:
    command = SUB_ACTIONS[name][0]
    document = action(name)
    assert list(document["inputs"]) == [row.name for row in INPUTS if command in row.commands]
    scripts = [step["run"] for step in document["runs"]["steps"]]
    assert scripts == [
        '"$GITHUB_ACTION_PATH/../action/setup.sh"',
        f'exec "$PYTHON" -I "$GITHUB_ACTION_PATH/../action/run.py" {command}',
        '"$GITHUB_ACTION_PATH/../action/clean.sh"',
    ]
    passed = {name for name in document["runs"]["steps"][1]["env"] if name.startswith("INPUT_")}
    assert passed == {row.variable for row in INPUTS if command in row.commands}


def test_the_workflow_is_current() -> None:
    assert with_workflow_inputs(TEXT) == TEXT, "run `python -m tests.documents`"


def test_the_workflow_has_every_input_but_those_that_cannot_be_passed_on() -> None:
    own = {"tag", "lfs", "submodules"}
    secrets = {row.name for row in INPUTS if row.is_secret}
    assert CALL["inputs"].keys() - own == {row.name for row in INPUTS} - secrets - NOT_PASSED_ON.keys()
    assert CALL["secrets"].keys() == secrets - {"secrets", "github-token"} | {"build-secrets"}
    assert DISPATCH["inputs"].keys() <= CALL["inputs"].keys()


@pytest.mark.parametrize(("job", "name"), [("plan", "matrix"), ("build", "build"), ("merge", "merge")])
def test_each_job_passes_on_every_input_that_its_action_has(job: str, name: str) -> None:
    step = step_of(job)
    assert step["uses"] == f"$/{name}"
    left_out = {"github-token", *NOT_PASSED_ON} | ({"environments"} if job == "build" else set())
    assert step["with"].keys() == action(name)["inputs"].keys() - left_out
    given = {row.name for row in workflow_inputs()} & step["with"].keys()
    changed = {"tags", "push"} | (set(OF_A_JOB) if job == "build" else set())
    assert {name: step["with"][name] for name in given - changed} == {
        name: f"${{{{ inputs.{name} }}}}" for name in given - changed
    }


def test_only_the_build_has_the_credentials_of_what_it_installs() -> None:
    with_secrets = {job: set(re.findall(r"secrets\.([a-z-]+)", json.dumps(step_of(job)["with"]))) for job in JOBS}
    of_registries = {"password", "registry-auth", "build-secrets"}
    assert with_secrets == {
        "plan": of_registries,
        "build": of_registries | {"conda-auth", "git-auth"},
        "merge": of_registries,
    }


def test_each_job_has_the_permissions_that_it_needs_and_keeps_no_credentials() -> None:
    assert DOCUMENT["permissions"] == {}
    assert {name: job["permissions"] for name, job in JOBS.items()} == {
        "plan": {"contents": "read", "packages": "read"},
        "build": {"contents": "read", "packages": "write"},
        "merge": {"contents": "read", "packages": "write"},
    }
    for job in JOBS.values():
        checkout, _ = job["steps"]
        assert re.fullmatch(r"actions/checkout@[0-9a-f]{40}", checkout["uses"])
        assert checkout["with"]["persist-credentials"] is False


def as_workflow(block: str) -> str:
    """Return a block of the documentation as a workflow, which it is, or whose steps it has."""
    steps = yaml.safe_load(block)
    if not isinstance(steps, list):
        return block
    return yaml.safe_dump({"name": "Steps", "on": "push", "jobs": {"ship": {"runs-on": "a", "steps": steps}}})


@pytest.mark.more_cases
def test_the_documentation_has_a_block_of_each_way_which_is_a_workflow(tmp_path: Path) -> None:
    assert [isinstance(yaml.safe_load(block), list) for block in BLOCKS] == [True] * 4 + [False] * 4
    files = [tmp_path / f"{number}.yml" for number in range(len(BLOCKS))]
    for file, block in zip(files, BLOCKS, strict=True):
        file.write_text(as_workflow(block))
    program = Path(sys.executable).parent / "check-jsonschema"
    schema = [str(program), "--builtin-schema", "vendor.github-workflows", *map(str, files)]
    done = subprocess.run(schema, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "block", list(map(as_workflow, BLOCKS)), ids=[f"block {n}" for n in range(1, len(BLOCKS) + 1)]
)
def test_a_block_of_the_documentation_has_inputs_and_outputs_that_there_are(block: str) -> None:
    used = 0
    for job in yaml.safe_load(block)["jobs"].values():
        for step in [job, *job.get("steps", [])]:
            name = step.get("uses", "").partition("@")[0]
            if not name.startswith(OURS):
                continue
            used += 1
            if name.endswith(".yml"):
                accepted = CALL["inputs"].keys()
                assert name == f"{OURS}/{WORKFLOW}"
                assert job["permissions"] == {"contents": "read", "packages": "write"}
            else:
                accepted = action(name.removeprefix(OURS).strip("/") or ".")["inputs"].keys()
            assert step["with"].keys() <= accepted
    assert used
    assert set(re.findall(r"needs\.images\.outputs\.([a-z-]+)", block)) <= CALL["outputs"].keys()
    assert set(re.findall(r"steps\.images\.outputs\.([a-z-]+)", block)) <= action(".")["outputs"].keys()
    assert set(re.findall(r"steps\.plan\.outputs\.([a-z-]+)", block)) <= action("matrix")["outputs"].keys()
