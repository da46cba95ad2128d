"""The commands of the command line: what each one asks of the program, and what it prints."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pixi_container import __version__
from pixi_container.changes.comparison import Changes
from pixi_container.cli import COMMANDS, Subcommand, main
from pixi_container.interrupts import Interrupted
from pixi_container.registry.client import PublishedImage
from pixi_container.report import Report
from pixi_container.request import Request
from tests.unit.conftest import Folder
from tests.unit.plan.test_plan import PUSH, plan_of

LAPTOP = {"PATH": "/usr/bin:/bin"}
SOURCE = {**LAPTOP, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
CHANGED = Changes(
    known=True,
    consulted=True,
    reason="2 files changed",
    base="a" * 40,
    head="b" * 40,
    source="git",
    files=("src/a b", "c"),
    relevant=("src/a b", "c"),
)


@pytest.fixture
def arguments(folder: Folder) -> list[str]:
    return ["--context", str(folder.path)]


class Shipping:
    """Stands for the whole job: what it was asked for, and its report."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.requests: list[Request] = []

    def __call__(self, request: Request, _log: object) -> Report:
        self.requests.append(request)
        return self.report


@pytest.fixture
def shipping(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Shipping:
    published = PublishedImage(f"sha256:{'1' * 64}", "", (1,))
    made = Shipping(Report(plan=plan_of(folder, PUSH), published=published))
    monkeypatch.setattr("pixi_container.ship.ship", made)
    return made


@pytest.mark.parametrize(("command", "keeps"), [("run", False), ("build", True)])
def test_a_run_is_told_as_outputs_as_a_summary_and_in_the_log(
    shipping: Shipping,
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    keeps: bool,
) -> None:
    outputs, summary = tmp_path / "outputs", tmp_path / "summary"
    for name, file in (("GITHUB_OUTPUT", outputs), ("GITHUB_STEP_SUMMARY", summary)):
        file.touch()
        monkeypatch.setenv(name, str(file))
    secret = {"INPUT_PASSWORD": "hunter2", "GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push"}
    assert main([command, *arguments], {**LAPTOP, **secret}) == 0
    (request,) = shipping.requests
    assert (request.keep, request.event.name, request.inputs.password) == (keeps, "push", "hunter2")
    printed = capsys.readouterr().out
    assert printed.splitlines()[0] == "::add-mask::hunter2"
    assert printed.endswith(f"\n\n{shipping.report.text()}\n")
    assert f"sha256:{'1' * 64}" in outputs.read_text()
    assert summary.read_text().rstrip() == shipping.report.summary().rstrip()


def test_a_summary_that_cannot_be_written_is_a_warning(
    shipping: Shipping,
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "gone"))
    assert main(["build", *arguments], LAPTOP) == 0
    assert "warning: the job summary could not be written" in capsys.readouterr().err


def test_a_laptop_pushes_when_told_to(shipping: Shipping, arguments: list[str]) -> None:
    main(["build", *arguments], LAPTOP)
    main(["build", *arguments, "--push", "auto"], LAPTOP)
    main(["build", *arguments], {**LAPTOP, "INPUT_PUSH": "auto"})
    main(["build", *arguments, "--push", "false"], {**LAPTOP, "INPUT_PUSH": "auto"})
    main(["build", *arguments], {**LAPTOP, "GITHUB_EVENT_NAME": "push"})
    assert [request.inputs.push for request in shipping.requests] == [False, True, True, False, True]
    assert [request.event.name for request in shipping.requests] == [*["local"] * 4, "push"]


def test_a_plan_is_printed_line_by_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--offline", *arguments], LAPTOP) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["decision", "changes", "environment", "packages"]
    assert lines[1] == "changes      the plan is offline"


@contextmanager
def no_registry(_request: Request) -> Iterator[str]:
    yield "the registry"


def test_a_plan_asks_the_registry_unless_it_is_offline(
    folder: Folder, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[object, bool]] = []

    def planned(_request: Request, _log: object, registry: object, *, tolerant: bool, looked_up: object) -> Any:  # noqa: ANN401
        assert looked_up
        asked.append((registry, tolerant))
        return plan_of(folder, PUSH)

    monkeypatch.setattr("pixi_container.plan.gather.plan_for", planned)
    monkeypatch.setattr("pixi_container.request.registry_client", no_registry)
    assert main(["plan", *arguments], LAPTOP) == 0
    assert main(["plan", "--offline", *arguments], LAPTOP) == 0
    assert asked == [("the registry", False), (None, True)]
    capsys.readouterr()
    assert main(["plan", "--json", *arguments], LAPTOP) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed)["decision"] == "build"
    assert '\n  "decision"' in printed


@pytest.mark.parametrize(
    ("flags", "differences", "printed"),
    [
        ([], {"cuda": "the CUDA version", "pixi": "Pixi"}, "cuda: the CUDA version\npixi: Pixi\n"),
        ([], {}, "nothing differs\n"),
        (
            ["--json"],
            {"cuda": "the CUDA version"},
            '{\n  "image": "r.io/a:b",\n  "differences": {\n    "cuda": "the CUDA version"\n  }\n}\n',
        ),
    ],
)
def test_an_image_is_compared_with_the_plan(
    folder: Folder,
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    differences: dict[str, str],
    printed: str,
) -> None:
    plan = plan_of(folder, PUSH)
    asked: list[tuple[object, str, object]] = []

    def compared(registry: object, reference: object, definition: object) -> dict[str, str]:
        asked.append((registry, str(reference), definition))
        return differences

    monkeypatch.setattr("pixi_container.plan.gather.plan_for", lambda *_, **__: plan)
    monkeypatch.setattr("pixi_container.plan.existing.compare", compared)
    monkeypatch.setattr("pixi_container.request.registry_client", no_registry)
    assert main(["plan", "--explain-against", "r.io/a:b", *flags, *arguments], LAPTOP) == 0
    assert asked == [("the registry", "r.io/a:b", plan.definition)]
    assert capsys.readouterr().out == printed


def test_changes_are_of_the_event_or_between_two_revisions(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, ...]] = []

    def between(_request: Request, base: str, head: str) -> Changes:
        asked.append((base, head))
        return CHANGED

    monkeypatch.setattr("pixi_container.plan.gather.changes_between", between)
    monkeypatch.setattr("pixi_container.plan.gather.changes_of", lambda *_: replace(CHANGED, relevant=()))
    assert main(["changes", *arguments], LAPTOP) == 0
    assert capsys.readouterr().out == "2 files changed\n"
    assert main(["changes", "--base", "v1", *arguments], LAPTOP) == 0
    assert capsys.readouterr().out.splitlines()[0] == "2 files changed"
    assert main(["changes", "--base", "v1", "--head", "v2", "--json", *arguments], LAPTOP) == 0
    assert json.loads(capsys.readouterr().out) == {
        **json.loads(json.dumps(CHANGED.as_json())),
        "relevant": ["src/a b", "c"],
    }
    assert asked == [("v1", "HEAD"), ("v1", "v2")]


@pytest.mark.slow
def test_changes_between_revisions_of_a_checkout(
    folder: Folder, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], cwd=folder.path, check=True)
    folder.write("src/main.py", "print('goodbye')\n")
    folder.write("README.md", "new\n")
    for words in (["add", "."], ["commit", "-qm", "y"]):
        subprocess.run([*git, *words], cwd=folder.path, check=True)
    assert main(["changes", "--base", "HEAD~1", *arguments], LAPTOP) == 0
    first, *files = capsys.readouterr().out.splitlines()
    assert first.startswith("2 files changed between ")
    assert files == ["src/main.py"]
    assert main(["changes", *arguments], LAPTOP) == 0
    assert capsys.readouterr().out == "a run on this machine does not compare changes\n"


def test_a_dockerfile_that_a_runner_would_obey_is_not_printed(
    folder: Folder, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = plan_of(folder, PUSH)
    hostile = replace(plan, definition=replace(plan.definition, dockerfile="FROM x\n::set-output name=a::b\n"))
    monkeypatch.setattr("pixi_container.plan.gather.plan_for", lambda *_: hostile)
    assert main(["render", *arguments], LAPTOP) == 0
    assert capsys.readouterr().out == hostile.definition.dockerfile
    for workflow in ({"GITHUB_ACTIONS": "true"}, {"GITHUB_EVENT_NAME": "push"}):
        assert main(["render", *arguments], {**LAPTOP, **workflow}) == 3
        printed = capsys.readouterr()
        assert "the Dockerfile contains text that the runner would execute" in printed.out + printed.err
        assert "\n::set-output" not in printed.out
    monkeypatch.setattr("pixi_container.plan.gather.plan_for", lambda *_: plan)
    assert main(["render", *arguments], {**LAPTOP, "GITHUB_EVENT_NAME": "push"}) == 0
    assert capsys.readouterr().out == plan.definition.dockerfile


def test_tags_are_printed_one_per_line_with_their_notes(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["tags", "--images", "r.io/a", "--tags", "a\nb", "--labels", "lonely", *arguments]
    assert main(words, LAPTOP) == 0
    printed = capsys.readouterr()
    assert printed.out == "r.io/a:a\nr.io/a:b\n"
    assert printed.err == "warning: input 'labels', line 1: 'lonely' is not key=value and is ignored\n"


def test_a_signal_is_told_and_has_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> NoReturn:
        raise Interrupted(signal.SIGTERM)

    monkeypatch.setitem(COMMANDS, "tags", Subcommand(interrupted, "wait"))
    assert main(["tags"], {}) == 128 + 15
    assert "; nothing is left on this machine" in capsys.readouterr().err


def test_a_reader_that_has_left_is_told_nothing() -> None:
    script = (
        "import sys; from pixi_container import cli\n"
        "def left(*_): raise BrokenPipeError\n"
        "cli.COMMANDS['tags'] = cli.Subcommand(left, '')\n"
        "sys.exit(cli.main(['tags'], {}))"
    )
    done = subprocess.run([sys.executable, "-c", script], env=SOURCE, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (128 + 13, b"", b"")


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"], {})
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"pixi-container {__version__}\n"


def test_the_module_is_the_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pixi_container", "--version"],
        env=SOURCE,
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout == f"pixi-container {__version__}\n"


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        ("run", set()),
        ("build", set()),
        ("plan", {"--json", "--offline", "--explain-against"}),
        ("render", set()),
        ("changes", {"--json", "--base", "--head"}),
        ("tags", {"--json"}),
    ],
)
def test_each_command_has_its_own_flags(command: str, flags: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    own = {"--json", "--offline", "--explain-against", "--base", "--head"}
    with pytest.raises(SystemExit):
        main([command, "--help"], {})
    words = set(capsys.readouterr().out.replace("[", " ").replace("]", " ").replace(",", " ").split())
    assert words & own == flags
    assert not words & {"--password", "--github-token", "--conda-auth", "--registry-auth"}
    assert "--context" in words
