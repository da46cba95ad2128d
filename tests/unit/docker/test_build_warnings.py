"""What a builder says of the user's own lines: which warnings are about them, and which of them failed."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from pixi_container.docker.build_warnings import failed_instruction, warnings_about
from pixi_container.image.own_lines import OwnLines

OWN = (OwnLines(3, 2, "docker/base"), OwnLines(11, 3, "input 'instructions'"))


def warning(line: object, text: str) -> dict[str, Any]:
    """As buildx 0.29 writes it into the metadata of a build."""
    place = {"start": {"line": line}, "end": {"line": line}}
    return {"vertex": "sha256:0", "level": 1, "short": b64encode(text.encode()).decode(), "range": [place]}


@pytest.mark.parametrize(
    ("line", "text", "told"),
    [
        (11, "A: b (line 11)", "input 'instructions', line 1: A: b"),
        (13, 'A: b (ENV "X (line 13)") (line 13)', "input 'instructions', line 3: A: b (ENV \"X (line 13)\")"),
        (13, "A: b", "input 'instructions', line 3: A: b"),
        (3, "A: b (line 3)", "docker/base, line 1: A: b"),
        (4, "A: b (line 4)", "docker/base, line 2: A: b"),
        *((line, "A: b", "") for line in (0, 1, 2, 5, 10, 14, -1, None, "3", 3.5, [3])),
    ],
)
def test_only_a_warning_about_an_own_line_counts(line: object, text: str, told: str) -> None:
    metadata = {"buildx.build.warnings": [warning(line, text)]}
    assert warnings_about(OWN, metadata) == ((told,) if told else ())
    assert warnings_about((), metadata) == ()


def test_each_warning_is_told_once_in_the_order_of_the_lines() -> None:
    metadata = {"buildx.build.warnings": [warning(*each) for each in ((12, "B"), (3, "Z"), (12, "B"), (12, "A"))]}
    assert warnings_about(OWN, metadata) == (
        "docker/base, line 1: Z",
        "input 'instructions', line 2: A",
        "input 'instructions', line 2: B",
    )


@pytest.mark.parametrize(
    "warnings",
    [
        None,
        [],
        [1, "x", None, {}, {"short": "QQ=="}, {"short": "QQ==", "range": []}, {"short": "QQ==", "range": [1]}],
        [{"short": "?", "range": [{"start": {"line": 3}}]}],
        [{"short": "QQ==", "range": {"start": {"line": 3}}}],
    ],
)
def test_what_is_no_warning_is_left_out(warnings: object) -> None:
    good = warning(3, "A: b")
    assert warnings_about(OWN, {"buildx.build.warnings": warnings}) == ()
    if isinstance(warnings, list):
        assert len(warnings_about(OWN, {"buildx.build.warnings": [*warnings, good]})) == 1
    assert warnings_about(OWN, {}) == ()


def test_a_long_warning_is_shortened() -> None:
    (told,) = warnings_about(OWN, {"buildx.build.warnings": [warning(3, "A" * 5000)]})
    assert len(told) < 400


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
        ("Dockerfile", 12, "input 'instructions', line 2"),
        ("my.Dockerfile", 4, "docker/base, line 2"),
        ("Dockerfile", 10, ""),
    ],
)
def test_where_the_instruction_stands_that_failed(file: str, line: int, place: str) -> None:
    assert failed_instruction(OWN, FAILED.format(file=file, line=line)) == place
    assert failed_instruction(OWN, "#7 0.1 Dockerfile:12\n#7 0.2 --------------------\n") == ""
