"""Which of BuildKit's warnings are about the user's own lines."""

from __future__ import annotations

import pytest

from pixi_container.docker.build_warnings import NO_OWN_LINES, OwnLines
from pixi_container.docker.command import Command

OWN = OwnLines(11, 3, "docker/more")


@pytest.mark.parametrize(
    ("printed", "warning"),
    [
        (
            " - JSONArgsRecommended: JSON arguments recommended for CMD (line 11)",
            "docker/more, line 1: JSON arguments recommended for CMD (JSONArgsRecommended)",
        ),
        (' - A: b (ENV "X (line 3)") (line 13)\n', 'docker/more, line 3: b (ENV "X (line 3)") (A)'),
        (" - A: b (line 10)", ""),
        (" - A: b (line 14)", ""),
        ("\x1b[0m - A: b (line 12)", "docker/more, line 2: b (A)"),
        ("#7 0.1  - A: b (line 11)", ""),
        ("- A: b (line 11)", ""),
        (" 1 warning found (use docker --debug to expand):", ""),
    ],
)
def test_only_a_warning_about_an_own_line_counts(printed: str, warning: str) -> None:
    assert OWN.warning(printed) == warning


def test_without_own_lines_there_is_no_warning() -> None:
    assert OwnLines().warning(" - A: b (line 1)") == ""


@pytest.mark.parametrize(
    ("file", "argv", "has_own"),
    [
        ("$WORK/Dockerfile", ("--file", "$WORK/Dockerfile", "."), True),
        ("$WORK/Dockerfile", ("$WORK/check-environment",), False),
        ("app/Dockerfile", ("--file", "app/Dockerfile", "app"), True),
        ("app/Dockerfile", ("--file", "$WORK/Dockerfile", "app"), False),
    ],
)
def test_the_build_of_another_dockerfile_has_no_own_lines(file: str, argv: tuple[str, ...], has_own: bool) -> None:
    own = OwnLines(1, 3, "app/Dockerfile", file)
    assert own.in_build(Command("build", argv)) == (own if has_own else NO_OWN_LINES)


FAILED = """\
#10 ERROR: process "/bin/bash -c exit 7" did not complete successfully: exit code: 7
------
 > [production 4/4] RUN exit 7:
------
{file}:{line}
--------------------
  11 |     RUN true
  12 | >>> RUN exit 7
--------------------
ERROR: failed to build: failed to solve: process "/bin/bash -c exit 7" did not complete successfully: exit code: 7
"""


@pytest.mark.parametrize(
    ("file", "line", "place"),
    [
        ("Dockerfile", 12, "docker/more, line 2"),
        ("my.Dockerfile", 11, "docker/more, line 1"),
        ("Dockerfile", 10, ""),
    ],
)
def test_where_the_instruction_stands_that_failed(file: str, line: int, place: str) -> None:
    assert OWN.failed(FAILED.format(file=file, line=line)) == place
    assert OWN.failed("#7 0.1 Dockerfile:12\n#7 0.2 --------------------\n") == ""
