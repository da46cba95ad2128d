"""The user's own instructions: which ones there are, what they need of the context, and what is refused."""

from __future__ import annotations

import re

import pytest

from pixi_container.errors import UserError
from pixi_container.image.instructions import parse_instructions, read_instructions
from tests.unit.conftest import Folder

ALL = """\
# a comment
RUN --mount=type=bind,source=tools,target=/tools --mount=type=cache,target=/x apt-get update && \\
  # a comment in between
  true

copy --from=node ["a b", "/c/"]
COPY data/*.csv ./src  $HOME/a /x/
COPY --chown=1:1 ["q r", "s", "/t/"]
COPY <<EOF <<"END" /x/
FROM text
EOF
FROM text
END
RUN <<EOF
FROM text
EOF
ADD https://example.org/y.tar local.tar /z/
RUN --mount=type=secret,id=a --mount=from=tools,target=/y --mount=target=/all true
ENV A=b C="d e" \\
    F=g
HEALTHCHECK --interval=3s CMD curl x
SHELL ["/bin/sh", "-c"]
ENTRYPOINT exec top -b
CMD ["a", "b"]"""


def test_every_instruction_is_read() -> None:
    parsed = parse_instructions(ALL, "test").parsed
    assert [(each.keyword, each.line) for each in parsed] == [
        *[("RUN", 2), ("COPY", 6), ("COPY", 7), ("COPY", 8), ("COPY", 9), ("RUN", 14), ("ADD", 17), ("RUN", 18)],
        *[("ENV", 19), ("HEALTHCHECK", 21), ("SHELL", 22), ("ENTRYPOINT", 23), ("CMD", 24)],
    ]
    assert parsed[0].flags == (
        "--mount=type=bind,source=tools,target=/tools",
        "--mount=type=cache,target=/x",
    )
    assert parse_instructions("RUN a\r\nRUN b", "test").text == "RUN a\nRUN b\n"


@pytest.mark.parametrize(
    ("line", "paths"),
    [
        ("COPY src /x", ("src",)),
        ("COPY src /lib/a.txt /x/", ("src", "lib/a.txt")),
        ('COPY ["a b", "/x"]', ("a b",)),
        ("COPY . /x", (".",)),
        ("COPY data/*/a.csv /x/", ("data",)),
        ("COPY *.csv /x/", (".",)),
        ("COPY $A /x/", (".",)),
        ("COPY a/../b /x/", ("a",)),
        ('COPY "a" /x/', (".",)),
        ("COPY --from=node a /x", ()),
        ("COPY --link --chmod=755 a /x", ("a",)),
        ("ADD https://example.org/a git@github.com:a/b.git c /x/", ("c",)),
        ("COPY <<A b /x/\nc\nA", ("b",)),
        ("RUN --mount=type=bind,target=/x true", (".",)),
        ("RUN --mount=target=/x,src=a/b true", ("a/b",)),
        ("RUN --mount=type=bind,from=node,source=a,target=/x true", ()),
        ("RUN --mount=type=cache,target=/x true", ()),
        ("RUN true", ()),
        ("ENV A=b", ()),
    ],
)
def test_what_an_instruction_needs_of_the_context(line: str, paths: tuple[str, ...]) -> None:
    assert parse_instructions(line, "test").context_paths == paths


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM debian", "input 'instructions', line 1: FROM starts another image"),
        ("RUN a\nfrom debian AS x", "input 'instructions', line 2: FROM starts another image"),
        ("RUN a <<X\nFROM b\nX\nFROM c", "input 'instructions', line 4: FROM starts another image"),
        ("MAINTAINER me", "input 'instructions', line 1: MAINTAINER is not supported any more"),
        ("RUN a\nINSTALL b", "input 'instructions', line 2: this is no instruction of a Dockerfile: INSTALL b"),
        ("RUN <<EOF\na", "input 'instructions', line 1: this is no instruction of a Dockerfile: RUN <<EOF"),
        ("RUN a \\", "input 'instructions', line 1: this is no instruction"),
        ("COPY a", "input 'instructions', line 1: this is no instruction"),
        ("# nothing", "input 'instructions' has no instruction"),
    ],
)
def test_what_cannot_stand_at_the_end_of_the_image(text: str, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        parse_instructions(text, "input 'instructions'")


def test_one_word_is_a_file_of_the_context(folder: Folder) -> None:
    folder.write("docker/more.docker", "RUN a\n\nRUN b\n")
    given = read_instructions(folder.path, "docker/more.docker", "instructions")
    assert (given.file, given.text) == ("docker/more.docker", "RUN a\n\nRUN b\n")
    folder.write("docker/bad", "RUN a\nFROM b\n")
    with pytest.raises(UserError, match="line 2: FROM") as caught:
        read_instructions(folder.path, "docker/bad", "instructions")
    assert (caught.value.file, caught.value.line) == (str(folder.path / "docker/bad"), 2)
    for path, message in (("../x", "leads out"), ("none", "does not exist"), ("docker/empty", "is empty")):
        folder.write("docker/empty", " \n")
        with pytest.raises(UserError, match=message):
            read_instructions(folder.path, path, "instructions")
    assert read_instructions(folder.path, "", "instructions").parsed == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("RUN true\nCOPY nothing /x", "input 'instructions', line 2: 'nothing' does not exist in '"),
        ("RUN --mount=target=/x,source=none true", "input 'instructions', line 1: 'none' does not exist in '"),
        ("COPY out /x", "input 'instructions', line 1: 'out' leads out of the context"),
    ],
)
def test_what_is_not_in_the_context_is_named_with_its_line(folder: Folder, text: str, message: str) -> None:
    (folder.path / "out").symlink_to("/etc")
    with pytest.raises(UserError, match=re.escape(message)):
        read_instructions(folder.path, text, "instructions")
