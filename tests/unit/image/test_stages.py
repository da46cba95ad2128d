"""Which stages a Dockerfile has, whatever its template looks like."""

from __future__ import annotations

import pytest

from pixi_container.image.stages import context_copies, environment_stages, read_stages, text_of

HEREDOC = (
    'FROM a AS build\nCOPY <<"TEXT" /text\nFROM b AS c\nTEXT\nRUN <<EOF\nFROM d AS e\nEOF\nFROM build AS last\n'
)


@pytest.mark.parametrize(
    ("dockerfile", "names"),
    [
        ("FROM a AS one\nFROM b as two\n", ["one", "two"]),
        ("from --platform=linux/amd64 a AS one\nFROM one\n", ["one", ""]),
        ("FROM a AS one\r\nFROM b AS two\r\n", ["one", "two"]),
        ("# FROM a AS one\nARG X=1\nFROM b AS two", ["two"]),
        (HEREDOC, ["build", "last"]),
        ("FROM a AS one\nRUN cat <<< text\nFROM b AS two\n", ["one", "two"]),
        ("FROM a AS one\nRUN <<A <<B\nA\nFROM x AS y\nB\nFROM b AS two\n", ["one", "two"]),
        ("FROM a AS one\nRUN <<-A\n\tA\nFROM b AS two\n", ["one", "two"]),
        ("FROM a AS one\nRUN echo $((1<<N))\nFROM b AS two\n", ["one", "two"]),
        ("FROM a AS one\n# <<A\nFROM b AS two\n", ["one", "two"]),
        ("", []),
    ],
)
def test_the_names_of_the_stages(dockerfile: str, names: list[str]) -> None:
    stages = read_stages(dockerfile)
    assert [stage.name for stage in stages[1:]] == names
    assert text_of(stages) == dockerfile


@pytest.mark.parametrize(
    ("dockerfile", "kept"),
    [
        ("FROM a AS environment\nRUN x\nFROM environment AS workspace\nFROM workspace AS production\n", 2),
        ("FROM a AS environment\nFROM environment AS production\n", 1),
        ("FROM a AS environment\nFROM environment AS tools\nFROM tools AS production\n", 3),
        ("FROM a\nCOPY . .\n", 2),
        ("FROM a AS environment\nFROM a AS own-source\nFROM environment AS workspace\n", 1),
    ],
)
def test_the_environment_ends_where_the_next_stage_begins(dockerfile: str, kept: int) -> None:
    assert text_of(environment_stages(read_stages(dockerfile))) == "".join(
        dockerfile.splitlines(keepends=True)[:kept]
    )


@pytest.mark.parametrize(
    ("line", "is_copy"),
    [
        ("COPY a b", True),
        ("add a b", True),
        ("COPY --from=x a b", False),
        ("COPY <<A /a", False),
        ("RUN --mount=type=bind,target=/a true", True),
        ("RUN --mount=target=/a true", True),
        ("RUN --mount=type=bind,from=x,target=/a true", False),
        ("RUN --mount=type=cache,target=/a true", False),
        ("RUN true", False),
    ],
)
def test_what_takes_something_from_the_context(line: str, *, is_copy: bool) -> None:
    assert context_copies(read_stages(f"FROM a\n{line}\n")) == (frozenset({line}) if is_copy else frozenset())
