"""The user's own instructions: which ones there are, what they need of the context, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_container.errors import UserError
from pixi_container.image.base_instructions import REFUSED_FOR_A_BASE
from pixi_container.image.instructions import (
    NO_INSTRUCTIONS,
    REFUSED_AT_THE_END,
    Origin,
    Refusal,
    is_path,
    parse_instructions,
    read_instructions,
)
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


HERE = Origin("instructions")


def test_every_instruction_is_read() -> None:
    parsed = parse_instructions(ALL, HERE).parsed
    assert [(each.keyword, each.line) for each in parsed] == [
        *[("RUN", 2), ("COPY", 6), ("COPY", 7), ("COPY", 8), ("COPY", 9), ("RUN", 14), ("ADD", 17), ("RUN", 18)],
        *[("ENV", 19), ("HEALTHCHECK", 21), ("SHELL", 22), ("ENTRYPOINT", 23), ("CMD", 24)],
    ]
    assert [each.sources for each in parsed if each.sources] == [
        ("tools",),
        ("data/*.csv", "./src", "$HOME/a"),
        ("q r", "s"),
        ("local.tar",),
        (".",),
    ]


def test_a_shell_of_the_users_own_is_seen() -> None:
    assert parse_instructions('RUN a\nshell ["/bin/bash", "-c"]', HERE).sets_shell
    assert not parse_instructions("RUN echo SHELL", HERE).sets_shell


def test_the_text_is_kept_but_for_line_ends() -> None:
    text = "RUN <<EOF\r\n  kept   \r\nEOF\r\n\r\n"
    assert parse_instructions(text, HERE).text == "RUN <<EOF\n  kept   \nEOF\n"
    assert parse_instructions("RUN a\r\nRUN b", HERE).text == "RUN a\nRUN b\n"


@pytest.mark.parametrize(
    ("line", "paths"),
    [
        ("COPY src /x", ("src",)),
        ("COPY src /lib/a.txt /x/", ("src", "lib/a.txt")),
        ('COPY ["a b", "/x"]', ("a b",)),
        ("COPY . /x", (".",)),
        ("ENV A=#fff\nCOPY a#b é#c /x\nCOPY d /x", ("a#b", "é#c", "d")),
        ("COPY data/*/a.csv /x/", ("data",)),
        ("COPY *.csv /x/", (".",)),
        ("COPY $A /x/", (".",)),
        ("COPY a/../b /x/", ("b",)),
        ("COPY ../../b //c/./d/ /x/", ("b", "c/d")),
        ("COPY a/*/../../b /x/", ("b",)),
        ("COPY a/b[0-9]/c a/?/d a/$X/e /tmp/", ("a",)),
        ("COPY \\\n  a \\\n  # why\n  b \\\n  /x/", ("a", "b")),
        ('COPY "a" /x/', (".",)),
        ("COPY --from=node a /x", ()),
        ("COPY --link --chmod=755 a /x", ("a",)),
        ("ADD https://example.org/a git@github.com:a/b.git c /x/", ("c",)),
        ("ADD HTTPS://example.org/a Git@example.org:a/b.git c /x/", ("c",)),
        ("COPY <<A b /x/\nc\nA", ("b",)),
        ("COPY <<A one <<B /etc/\na\nA\nb\nB", ("one",)),
        ("RUN --mount=type=bind,target=/x true", (".",)),
        ("RUN --mount=target=/x,src=a/b true", ("a/b",)),
        ("RUN --mount=Type=BIND,Source=a/b,target=/x true", ("a/b",)),
        ("RUN --mount=target=/a,src=a \\\n  --mount=type=bind,target=/b,source=b ls", ("a", "b")),
        ("RUN --mount=type=bind,target=/x,source=a/$B true", ("a",)),
        ("RUN --mount=type=bind,from=node,source=a,target=/x true", ()),
        ("RUN --mount=type=cache,target=/x true", ()),
        ("RUN true", ()),
        ("ENV A=b", ()),
    ],
)
def test_what_an_instruction_needs_of_the_context(line: str, paths: tuple[str, ...]) -> None:
    assert parse_instructions(line, HERE).context_paths == paths


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM debian", "input 'instructions', line 1: FROM starts another image"),
        ("RUN a\nfrom debian AS x", "input 'instructions', line 2: FROM starts another image"),
        ("COPY a b #c\nFROM d", "input 'instructions', line 2: FROM starts another image"),
        ("RUN a \\ #c\nFROM d", "input 'instructions', line 2: FROM starts another image"),
        ("RUN a \\\n  # c\n  b\nFROM d", "input 'instructions', line 4: FROM starts another image"),
        ("RUN a <<X\nFROM b\nX\nFROM c", "input 'instructions', line 4: FROM starts another image"),
        ("MAINTAINER me", "input 'instructions', line 1: MAINTAINER is not supported any more"),
        ("RUN a\nINSTALL b", "input 'instructions', line 2: this is no instruction of a Dockerfile: INSTALL b"),
        ("RUN <<EOF\na", "input 'instructions', line 1: this is no instruction of a Dockerfile: RUN <<EOF"),
        ("COPY a", "input 'instructions', line 1: this is no instruction"),
        ("# nothing", "input 'instructions' has no instruction"),
    ],
)
def test_what_cannot_stand_at_the_end_of_the_image(text: str, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        parse_instructions(text, HERE)


@pytest.mark.parametrize("refused", [REFUSED_AT_THE_END, REFUSED_FOR_A_BASE])
@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("RUN a\nINSTALL git", 2, "this is no instruction of a Dockerfile: INSTALL git"),
        ("RUN a\nRUN b \\", 2, "the last line ends with a backslash"),
        ("RUN a \\  \r\n\r\n", 1, "the last line ends with a backslash"),
        ("RUN a\nRUN b\0", 2, "there is a NUL character"),
        ("RUN a\n# \0\nRUN b", 2, "there is a NUL character"),
        ("RUN a\nRUN \udcff", 2, "there are bytes that are not UTF-8"),
        ("FROM a\nRUN b\nCOPY c", 3, "this is no instruction of a Dockerfile: COPY c"),
        ("ONBUILD " * 5000, 1, "this is no instruction of a Dockerfile: ONBUILD ONBUILD"),
        ("# only a comment", 0, "has no instruction"),
        ("\\\n# a", 0, "has no instruction"),
    ],
)
def test_what_nobody_can_read_is_refused_with_its_line(
    refused: Mapping[str, Refusal], text: str, line: int, problem: str
) -> None:
    for origin, file in ((HERE, ""), (Origin("instructions", "/study", "docker/more"), "/study/docker/more")):
        with pytest.raises(UserError) as caught:
            parse_instructions(text, origin, refused)
        where = f", line {line}:" if line else ""
        assert caught.value.message.startswith(f"input 'instructions'{where} {problem}")
        assert (caught.value.file, caught.value.line) == (file, line if line and file else None)


PIECES = ("RUN ", "COPY ", "FROM ", "<<EOF", "EOF", "\n", "\\", "#", " # c", " a", '["a", "b"]', "'", '"', "$")


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_whatever_is_accepted_leaves_the_next_instruction_alone(text: str) -> None:
    try:
        parsed = parse_instructions(text, HERE)
    except UserError:
        return
    with pytest.raises(UserError, match=f"line {parsed.text.count(chr(10)) + 1}: FROM starts"):
        parse_instructions(f"{parsed.text}FROM x\n", HERE)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(UserError):
        parse_instructions(f"COPY {text} /x\n", HERE).context_paths  # noqa: B018


@pytest.mark.parametrize(
    ("value", "path"), [("docker/more", True), ("RUN", True), ("", False), ("RUN a", False), ("a\u00a0b", False)]
)
def test_a_value_without_white_space_is_a_path(value: str, path: bool) -> None:
    assert is_path(value) is path


def test_one_word_is_a_file_of_the_context(folder: Folder) -> None:
    folder.write("docker/more.docker", "RUN a\n\nRUN b\n")
    read = read_instructions(folder.path, "docker/more.docker", "instructions")
    assert (read.file, read.text) == ("docker/more.docker", "RUN a\n\nRUN b\n")
    assert read_instructions(folder.path, "./docker//more.docker", "instructions").file == "docker/more.docker"
    folder.write("docker/bad", "RUN a\nFROM b\n")
    with pytest.raises(UserError, match="line 2: FROM") as caught:
        read_instructions(folder.path, "docker/bad", "instructions")
    assert (caught.value.file, caught.value.line) == (str(folder.path / "docker/bad"), 2)
    for path, message in (("../x", "leads out"), ("none", "does not exist"), ("docker/empty", "is empty")):
        folder.write("docker/empty", " \n")
        with pytest.raises(UserError, match=message):
            read_instructions(folder.path, path, "instructions")
    assert read_instructions(folder.path, "", "instructions") is NO_INSTRUCTIONS


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
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        read_instructions(folder.path, text, "instructions")
    assert caught.value.line is None
    folder.write("docker/more", text)
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        read_instructions(folder.path, "docker/more", "instructions")
    assert (caught.value.file, caught.value.line) == (str(folder.path / "docker/more"), 1 + text.count("\n"))
