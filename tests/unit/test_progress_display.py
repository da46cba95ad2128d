"""What the log says while an environment's image is made."""

from __future__ import annotations

import io
import sys

import pytest

from pixi_container.environment.progress import Progress
from pixi_container.log import TerminalLog, WorkflowLog
from pixi_container.progress_display import ProgressBar, ProgressLines, progress_display


def test_a_line_every_few_seconds_tells_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    now = [100.0]
    lines = ProgressLines(TerminalLog(), clock=lambda: now[0])
    for seconds in (1.0, 4.9, 5.0, 9.0, 10.5):
        now[0] = 100.0 + seconds
        lines.show(
            Progress(
                doing="package numpy",
                packages=int(seconds),
                of=47,
                downloaded=int(20e6 * seconds),
                to_download=int(219e6),
                uploaded=int(5e6 * seconds),
            )
        )
    assert capsys.readouterr().err.splitlines() == [
        "5 of 47 packages, 100 of 219 MB downloaded, 25 MB uploaded, 25 MB/s: package numpy",
        "10 of 47 packages, 210 of 219 MB downloaded, 52 MB uploaded, 25 MB/s: package numpy",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_person_sees_a_bar_and_nothing_is_left_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress_display(TerminalLog()) as display:
        assert isinstance(display, ProgressBar)
        display.show(
            Progress(doing="package \x1b[1mnumpy", packages=3, of=9, downloaded=50 << 20, to_download=200 << 20)
        )
        assert " 25% |" in terminal.getvalue()
        assert "52 of 210 MB" in terminal.getvalue()
        assert "3 of 9 packages: package numpy" in terminal.getvalue()
    last = terminal.getvalue().rpartition("numpy")[2]
    assert last.endswith("\r")
    assert last.strip() == ""


def test_a_log_has_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress_display(TerminalLog()) as display:
        assert isinstance(display, ProgressLines)
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress_display(WorkflowLog()) as display:
        assert isinstance(display, ProgressLines)
