"""Builder output to one message with what to do."""

from __future__ import annotations

import pytest

from pixi_container.build_errors import explain


@pytest.mark.parametrize(
    ("output", "message", "hint", "file"),
    [
        (
            "#9 1.2 Error: lock file not up-to-date with the workspace",
            "out of date",
            "`pixi lock`",
            "pixi.lock",
        ),
        ("#9 Lock-file version 8 is newer than supported", "newer pixi", "'pixi-version'", "pixi.lock"),
        (
            "#9 Virtual package '__cuda >=12.8' does not match any of the available virtual packages: []",
            "__cuda >=12.8",
            "'cuda-version'",
            "",
        ),
        (
            "#9 pixi installed 0 conda packages, the lock has 26",
            "installed 0 conda packages",
            "not whole",
            "pixi.lock",
        ),
        ("#9 write /x: no space left on device", "disk is full", "Free space", ""),
        (
            "ERROR: failed to push r.io/a: unauthorized: authentication required",
            "refuses access",
            "'password'",
            "",
        ),
        ("dial tcp 10.0.0.1:443: connect: connection refused", "could not be reached", "run the job again", ""),
    ],
)
def test_known_causes(output: str, message: str, hint: str, file: str) -> None:
    error = explain(f"#1 first\n{output}\nERROR: failed to solve", purpose="build", code=1)
    assert message in error.message
    assert hint in error.hint
    assert error.file == file


def test_an_unknown_cause_shows_the_last_lines() -> None:
    output = (
        "\n".join(f"#{number} step" for number in range(50)) + '\nERROR: failed to solve: process "x" exit code: 3'
    )
    error = explain(output, purpose="build", code=1)
    assert error.message == 'the build failed with exit code 1: failed to solve: process "x" exit code: 3'
    assert "#49 step" in error.hint
    assert "#10 step" not in error.hint


def test_silence_is_reported_too() -> None:
    assert explain("", purpose="push", code=137).message == "the push failed with exit code 137"
