"""The log in a workflow: what the runner obeys is ours alone."""

from __future__ import annotations

import signal
from contextlib import suppress
from types import SimpleNamespace

import pytest

from pixi_container.errors import UserError
from pixi_container.interrupts import Interrupted
from pixi_container.log import Log, TerminalLog, WorkflowLog, log_for


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixi_container.log.time", SimpleNamespace(monotonic=lambda: 5.0))


def test_the_place_decides() -> None:
    assert isinstance(log_for({"GITHUB_ACTIONS": "true"}), WorkflowLog)
    assert isinstance(log_for({}), TerminalLog)


def test_an_error_is_one_escaped_annotation_outside_of_any_group(capsys: pytest.CaptureFixture[str]) -> None:
    log = WorkflowLog()
    with pytest.raises(UserError) as caught, log.step("Build"):
        raise UserError("50% wrong,\nsee", hint="do: this", file="a,b.toml", line=3)
    log.error(caught.value)
    assert capsys.readouterr().out.splitlines() == [
        "::group::Build",
        "::endgroup::",
        "Build: failed after 0.0 s",
        "::error title=pixi-container,file=a%2Cb.toml,line=3::a,b.toml:3: 50%25 wrong,%0Asee%0Ado: this",
    ]


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (None, "done in 0.0 s"),
        (UserError("x"), "failed after 0.0 s"),
        (ZeroDivisionError(), "failed after 0.0 s"),
        (Interrupted(signal.SIGTERM), "interrupted after 0.0 s"),
    ],
)
def test_a_step_says_how_it_ended(
    raised: BaseException | None, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs: tuple[Log, ...] = (TerminalLog(), WorkflowLog())
    for log in logs:
        with suppress(BaseException), log.step("Build"):
            if raised:
                raise raised
    printed = capsys.readouterr()
    assert printed.err.splitlines() == ["", "== Build", f"   {told}"]
    assert printed.out.splitlines() == ["::group::Build", "::endgroup::", f"Build: {told}"]


@pytest.mark.parametrize("line", ["::error::x", "  ::set-output name=a::b", "a ##[error]x", "::add-mask::a"])
def test_our_own_lines_are_never_commands(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    WorkflowLog().say(f"before\n{line}")
    printed = capsys.readouterr().out
    assert "before\n" in printed
    assert not any(text.lstrip().startswith("::") or "##[" in text for text in printed.splitlines())


def test_foreign_lines_stand_between_stop_and_resume(capsys: pytest.CaptureFixture[str]) -> None:
    with WorkflowLog().untrusted_output() as show:
        show("::error::from a Dockerfile")
    first, foreign, last = capsys.readouterr().out.splitlines()
    token = first.removeprefix("::stop-commands::")
    assert foreign == "::error::from a Dockerfile"
    assert last == f"::{token}::"
    assert len(token) == 32


def test_a_secret_of_several_lines_is_masked_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    WorkflowLog().mask("first\n\n second \n")
    assert capsys.readouterr().out.splitlines() == [
        "::add-mask::first%0A%0A second",
        "::add-mask::first",
        "::add-mask::second",
    ]


def test_the_braces_of_a_secret_are_not_masked(capsys: pytest.CaptureFixture[str]) -> None:
    """The runner masks each line of what it is given, so a secret with such lines is not given whole."""
    WorkflowLog().mask('{\n  "token": "hunter22"\n}\n')
    assert capsys.readouterr().out.splitlines() == ['::add-mask::"token": "hunter22"']
    WorkflowLog().mask("abc")
    assert capsys.readouterr().out.splitlines() == ["::add-mask::abc"]
