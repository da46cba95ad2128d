"""action.yml follows the tables in the code, and gives nothing of its inputs to a shell."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pixi_container.input_table import INPUTS
from pixi_container.report import OUTPUTS

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS = ACTION["runs"]["steps"]


def test_the_inputs_are_those_of_the_table() -> None:
    assert {
        row.name: {
            "description": row.action_help,
            "required": False,
            "default": row.action_default,
        }
        for row in INPUTS
        if "run" in row.commands
    } == ACTION["inputs"]


def test_a_default_is_not_passed_as_a_value_where_the_manifest_may_have_one() -> None:
    passed = {name: value["default"] for name, value in ACTION["inputs"].items() if value["default"]}
    assert passed == {
        "context": ".",
        "emulation": "false",
        "push": "auto",
        "builder": "auto",
        "github-token": "${{ github.token }}",
    }
    assert ACTION["inputs"]["workdir"]["description"].endswith(". Default: `/app`.")


def test_every_input_reaches_the_program_by_its_variable() -> None:
    passed = {name: value for name, value in STEPS[1]["env"].items() if name.startswith("INPUT_")}
    assert passed == {row.variable: f"${{{{ inputs.{row.name} }}}}" for row in INPUTS if "run" in row.commands}


def test_the_outputs_are_those_of_the_table() -> None:
    assert {
        name: {"description": text, "value": f"${{{{ steps.run.outputs.{name} }}}}"}
        for name, text in OUTPUTS.items()
    } == ACTION["outputs"]


def test_no_other_action_and_no_expression_in_a_script() -> None:
    for step in STEPS:
        assert "uses" not in step
        assert "${{" not in step["run"]
        assert step["shell"] == "bash"


def test_cleaning_up_always_happens() -> None:
    assert STEPS[-1]["if"] == "always()"
    assert "clean.sh" in STEPS[-1]["run"]


def test_the_program_takes_the_place_of_its_shell() -> None:
    assert STEPS[1]["run"].startswith("exec "), "a runner signals the shell alone"


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A folder for PATH that has the few tools that any runner has, and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "dirname", "mkdir", "mktemp", "rm", "uname"):
        (folder / name).symlink_to(subprocess.check_output(["which", name], text=True).strip())
    return folder


def set_up(bare_path: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    env = {
        "PATH": str(bare_path),
        "RUNNER_TEMP": str(tmp_path),
        "RUNNER_TOOL_CACHE": str(tmp_path / "tools"),
        "GITHUB_OUTPUT": os.devnull,
    }
    return subprocess.run(
        [ROOT / "action" / "setup.sh"], env=env, capture_output=True, text=True, check=False, cwd=tmp_path
    )


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def test_a_runner_without_a_new_enough_python(bare_path: Path, tmp_path: Path) -> None:
    program(bare_path, "python3", "#!/bin/sh\nexit 1\n")
    done = set_up(bare_path, tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith("::error title=pixi-container::This runner has no Python 3.10 or newer")
    assert "setup-python" in done.stdout
    assert done.stdout.count("\n") == 1


def test_a_newer_python_beside_an_old_one_is_found(bare_path: Path, tmp_path: Path) -> None:
    program(bare_path, "python3", "#!/bin/sh\nexit 1\n")
    newer = tmp_path / "tools" / "Python" / "3.10.4" / "x64" / "bin"
    newer.mkdir(parents=True)
    program(newer, "python3", python_without_pip())
    assert f"{sys.executable} has neither a working uv nor pip" in set_up(bare_path, tmp_path).stdout


def test_a_runner_with_neither_uv_nor_pip(bare_path: Path, tmp_path: Path) -> None:
    program(bare_path, "python3", python_without_pip())
    program(bare_path, "uv", "#!/bin/sh\necho 'uv: command not found in this version' >&2\nexit 127\n")
    done = set_up(bare_path, tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines()[1].startswith(
        f"::error title=pixi-container::{sys.executable} has neither a working uv nor pip"
    )
    assert len(done.stdout.splitlines()) == 2
    assert list((tmp_path / "tools" / "pixi-container").iterdir()) == []


def python_without_pip() -> str:
    """Return the text of a program that is this Python for all but installed packages."""
    return f'#!/bin/sh\ncase "$*" in *find_spec*|*pip*) exit 1 ;; esac\nexec {shlex.quote(sys.executable)} "$@"\n'
