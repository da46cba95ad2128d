"""action.yml follows the tables in the code, and gives nothing of its inputs to a shell."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from pixi_container.inputs import INPUTS
from pixi_container.report import OUTPUTS

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS = ACTION["runs"]["steps"]


def test_the_inputs_are_those_of_the_table() -> None:
    assert {
        row.name: {
            "description": row.help,
            "required": False,
            "default": row.default if row.workflow_default is None else row.workflow_default,
        }
        for row in INPUTS
    } == ACTION["inputs"]


def test_every_input_reaches_the_program_by_its_variable() -> None:
    passed = {name: value for name, value in STEPS[1]["env"].items() if name.startswith("INPUT_")}
    assert passed == {row.variable: f"${{{{ inputs.{row.name} }}}}" for row in INPUTS}


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


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A folder for PATH that has the few tools that any runner has, and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "dirname", "sha256sum", "cut", "mkdir", "mktemp", "rm", "mv"):
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
    assert done.stdout.startswith("::error title=pixi-container::There is no Python 3.10 or newer")
    assert "setup-python" in done.stdout


def test_a_runner_with_neither_uv_nor_pip(bare_path: Path, tmp_path: Path) -> None:
    text = (
        '#!/bin/sh\ncase "$*" in *sys.version_info*) echo "$0" ;; *sys.platform*) echo any ;; *) exit 1 ;; esac\n'
    )
    program(bare_path, "python3", text)
    done = set_up(bare_path, tmp_path)
    assert done.returncode == 1
    assert "::error title=pixi-container::There is neither uv nor pip" in done.stdout
    assert list((tmp_path / "tools" / "pixi-container").iterdir()) == []
