"""Which lines of a Dockerfile are the user's own."""

from __future__ import annotations

from pixi_container.image.base_instructions import REFUSED_FOR_A_BASE
from pixi_container.image.instructions import NO_INSTRUCTIONS, Origin, parse_instructions
from pixi_container.image.own_lines import own_lines

TEXT = "RUN id\nENV A b\n"
BASE = parse_instructions(TEXT, Origin("base-instructions", "/c", "docker/base"), REFUSED_FOR_A_BASE)
END = parse_instructions(TEXT, Origin("instructions"))
DOCKERFILE = f"FROM a\n{TEXT}USER 0\nFROM b\n{TEXT}USER 1\n"


def test_the_same_text_in_two_places_is_told_apart() -> None:
    base, end = own_lines(DOCKERFILE, BASE, END)
    assert [base.place(line) for line in range(6)] == [
        *("", "", "docker/base, line 1", "docker/base, line 2"),
        *("", ""),
    ]
    assert [end.place(line) for line in range(4, 9)] == [
        *("", "", "input 'instructions', line 1", "input 'instructions', line 2"),
        "",
    ]


def test_only_what_is_in_the_dockerfile_has_lines() -> None:
    assert own_lines(DOCKERFILE, NO_INSTRUCTIONS, NO_INSTRUCTIONS) == ()
    assert own_lines("FROM a\n", BASE, END) == ()
    assert [lines.source for lines in own_lines(DOCKERFILE, NO_INSTRUCTIONS, END)] == ["input 'instructions'"]
