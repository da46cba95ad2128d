"""The command line: exit codes, what goes where, and that a laptop shares nothing unless told to."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from pixi_container.cli import COMMANDS, Subcommand, main
from pixi_container.errors import (
    BuildFailedError,
    CommitGoneError,
    ImageTestFailedError,
    NotPermittedError,
    RegistryError,
    RegistryRefusedError,
    RegistryUnavailableError,
    ToolUnavailableError,
    UserError,
)
from pixi_container.image.base_images import DEFAULT_PIXI
from pixi_container.input_table import INPUTS
from tests.unit.conftest import Folder

GIT = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost"]


def test_plan_offline_asks_nobody_and_prints_json(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["plan", "--offline", "--json", "--context", str(folder.path), "--environment", "gpu"]
    assert main(arguments, {"PATH": "/usr/bin:/bin"}) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["environment"] == "gpu"
    assert plan["cuda"] == "12"
    assert plan["push"] is False
    assert plan["builder_image"] == f"ghcr.io/prefix-dev/pixi:{DEFAULT_PIXI}-noble"


def test_a_checkout_stands_for_the_event(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "x"], ["tag", "v2.0.0"]):
        subprocess.run([*GIT, *arguments], cwd=folder.path, check=True)
    subprocess.run([*GIT, "remote", "add", "origin", "git@github.com:Lab/Study.git"], cwd=folder.path, check=True)
    arguments = ["plan", "--offline", "--json", "--context", str(folder.path), "--push", "auto"]
    assert main(arguments, {"PATH": "/usr/bin:/bin"}) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["push"] is True
    assert {"ghcr.io/lab/study:2.0.0", "ghcr.io/lab/study:2.0", "ghcr.io/lab/study:latest"} <= set(plan["tags"])


def test_a_plan_warns_of_what_gives_nothing(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["plan", "--offline", "--context", str(folder.path), "--labels", "lonely"], {"PATH": "/usr/bin"}) == 0
    )
    assert "warning: input 'labels', line 1: 'lonely' is not key=value" in capsys.readouterr().err


def test_render_prints_the_dockerfile_alone(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "--context", str(folder.path)], {"PATH": "/usr/bin:/bin"}) == 0
    assert capsys.readouterr().out.splitlines()[3] == f"FROM ghcr.io/prefix-dev/pixi:{DEFAULT_PIXI}-noble AS pixi"


def test_a_wrong_input_is_one_message_and_exit_code_3(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "--context", str(folder.path), "--environment", "cpu"], {"PATH": "/usr/bin:/bin"}) == 3
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "there is no environment 'cpu'" in printed.err
    assert "Traceback" not in printed.err


def test_in_a_workflow_the_error_is_an_annotation(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    env = {"GITHUB_ACTIONS": "true", "PATH": "/usr/bin:/bin", "INPUT_CONTEXT": str(folder.path / "absent")}
    assert main(["render"], env) == 3
    assert capsys.readouterr().out.startswith("::error title=pixi-container::the context ")


@pytest.mark.parametrize("arguments", [[], ["fly"], ["plan", "--enviroment", "gpu"], ["run", "--password", "x"]])
def test_a_wrong_command_line_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments, {})
    assert caught.value.code == 2


def test_an_input_that_the_command_does_not_use_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["tags", "--expose", "80"], {})
    assert caught.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.endswith(
        "tags: error: --expose has no effect here; it applies to run, build, plan, matrix, merge, render"
    )


def test_the_help_of_a_command_has_the_inputs_that_it_uses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["tags", "--help"], {})
    listed = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert listed >= {"--flavor", "--environment"}
    assert not listed & {"--layers", "--push", "--password"}


def test_the_table_of_inputs_names_commands_that_there_are() -> None:
    assert {name for row in INPUTS for name in row.commands} == COMMANDS.keys()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError, 3),
        (CommitGoneError, 3),
        (NotPermittedError, 4),
        (RegistryRefusedError, 4),
        (ToolUnavailableError, 5),
        (BuildFailedError, 6),
        (ImageTestFailedError, 7),
        (RegistryError, 8),
        (RegistryUnavailableError, 8),
    ],
)
def test_each_kind_of_error_has_its_exit_code(
    error: type[UserError], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise error("wrong")

    monkeypatch.setitem(COMMANDS, "tags", Subcommand(fail, "fail"))
    assert main(["tags"], {}) == code


def test_a_bug_is_exit_code_1_with_the_lines_to_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(COMMANDS, "tags", Subcommand(lambda *_: 1 // 0, "fail"))
    assert main(["tags"], {}) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_tags_reads_a_workflows_variables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    event = tmp_path / "event.json"
    event.write_text(
        json.dumps({"repository": {"default_branch": "main", "full_name": "Lab/Study", "description": "d"}})
    )
    env = {
        "PATH": "/usr/bin:/bin",
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_REF": "refs/tags/v1.2.3",
        "GITHUB_SHA": "0" * 40,
        "GITHUB_REPOSITORY": "Lab/Study",
        "GITHUB_EVENT_PATH": str(event),
        "SOURCE_DATE_EPOCH": "0",
        "INPUT_CONTEXT": str(tmp_path),
        "INPUT_IMAGES": "quay.io/lab/a\nghcr.io/lab/a",
        "INPUT_TAGS": "type=semver,pattern={{version}}\ntype=raw,value={{date 'YYYY'}}",
    }
    assert main(["tags", "--json"], env) == 0
    result = json.loads(capsys.readouterr().out)
    assert result.keys() == {"version", "tags", "tag-names", "labels", "annotations", "json"}
    assert result["version"] == "1.2.3"
    assert result["tag-names"] == ["1.2.3", "1970", "latest"]
    assert result["tags"][0] == "quay.io/lab/a:1.2.3"
    assert result["labels"]["org.opencontainers.image.description"] == "d"
    assert result["annotations"][-1] == "index:org.opencontainers.image.description=d"


def test_images_that_are_all_disabled_leave_no_tags(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["tags", "--json", "--tags", "a", "--images", "org/app,enable=false"]
    assert main(arguments, {"PATH": "/usr/bin"}) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["tag-names"], result["tags"]) == (["a"], [])


HEAVY = {
    "difflib",
    "github",
    "httpx",
    "jinja2",
    "packaging",
    "rattler",
    "requests",
    "semver",
    "tenacity",
    "wcmatch",
}


def test_starting_imports_nothing_heavy() -> None:
    script = (
        "import sys; from pixi_container.cli import main; main(['tags', '--tags', 'a', '--images', 'r.io/a'], {});"
        f"print(sorted({HEAVY} & sys.modules.keys()), file=sys.stderr)"
    )
    source = Path(__file__).parents[2] / "src"
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        env={"PYTHONPATH": str(source), "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
    )
    assert done.stderr.splitlines()[-1] == "[]"
