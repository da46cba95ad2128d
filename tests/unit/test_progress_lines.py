"""What the log says while an environment's image is made."""

from __future__ import annotations

import pytest

from pixi_container.environment.progress import Progress
from pixi_container.log import TerminalLog
from pixi_container.progress_lines import ProgressLines


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
