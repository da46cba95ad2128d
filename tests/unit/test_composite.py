"""The runner of composite actions that the tests of the action rely on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.composite import Composite, Runner, parse_outputs


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(
        temp=tmp_path / "temp",
        tool_cache=tmp_path / "tools",
        workspace=tmp_path,
        github={"actor": "me", "token": "hidden"},
        env={"PATH": "/usr/bin:/bin"},
    )


def use(runner: Runner, *steps: Mapping[str, object], **inputs: str) -> Composite:
    action = {
        "inputs": {"who": {"default": "${{ github.actor }}"}, "what": {}},
        "outputs": {"said": {"value": "<${{ steps.say.outputs.said }}>"}},
        "runs": {
            "using": "composite",
            "steps": [
                {"name": f"step {number}", "shell": "bash", **step} for number, step in enumerate(steps, start=1)
            ],
        },
    }
    (runner.workspace / "action.yml").write_text(yaml.safe_dump(action))
    return runner.use(runner.workspace, inputs)


def test_inputs_reach_a_step_and_outputs_come_back(runner: Runner) -> None:
    env = {"WHO": "${{ inputs.who }}", "WHAT": "${{ inputs.what }}"}
    step = {"id": "say", "run": 'echo "said=$WHO $WHAT ${GITHUB_TOKEN-}" >> "$GITHUB_OUTPUT"', "env": env}
    assert use(runner, step, what="hello").outputs == {"said": "<me hello >"}


def test_after_a_failure_only_what_always_runs(runner: Runner) -> None:
    result = use(
        runner, {"run": "false\necho not here"}, {"run": "echo nor here"}, {"if": "always()", "run": "pwd"}
    )
    assert (result.success, result.ran) == (False, ["step 1", "step 3"])
    assert result.log == f"{runner.workspace}\n"
    assert list(runner.temp.iterdir()) == []


def test_commands_are_obeyed_unless_they_are_stopped(runner: Runner) -> None:
    script = """\
echo '::error title=a,file=b::one%0Atwo'
echo 'text ##[warning]old form'
echo 'text ::error::not at the start'
echo '::unknown::'
echo '::stop-commands::token'
echo '::error::stopped'
echo '::token::'
echo '  ::notice::again'
echo '::set-output name=said::it'
"""
    result = use(runner, {"id": "say", "run": script})
    assert result.annotations == [("error", "one\ntwo"), ("warning", "old form"), ("notice", "again")]
    assert result.outputs == {"said": "<it>"}


def test_masks_hide_what_comes_after_them(runner: Runner) -> None:
    result = use(runner, {"run": "echo pw; echo ::add-mask::pw; echo ::stop-commands::x; echo xpwx"})
    assert result.log == "pw\n::stop-commands::x\nx***x\n"


def test_output_files_are_read_as_the_runner_does() -> None:
    text = "a=b<<c\nd<<END\ne=f\n\nEND \nEND\n\ng=\n"
    assert parse_outputs(text) == {"a": "b<<c", "d": "e=f\n\nEND ", "g": ""}


@pytest.mark.parametrize("text", ["no mark\n", "a<<END\nb\n"])
def test_a_malformed_output_file_is_refused(text: str) -> None:
    with pytest.raises(AssertionError, match="the runner fails the step"):
        parse_outputs(text)


@pytest.mark.parametrize("expression", ["${{ toJSON(inputs) }}", "${{ env.HOME }}", "${{ inputs.a || 'b' }}"])
def test_what_is_not_known_is_refused(runner: Runner, expression: str) -> None:
    with pytest.raises(AssertionError, match="is not known here"):
        use(runner, {"run": f"echo {expression}"})
