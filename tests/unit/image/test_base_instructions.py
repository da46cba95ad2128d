"""The user's own instructions for a base: what they read of the context, and what a base cannot have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_container.errors import UserError
from pixi_container.image.base_instructions import parse_base_instructions


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("RUN useradd me", ()),
        ("COPY certs/lab.crt /usr/local/share/ca-certificates/", ("certs/lab.crt",)),
        ("copy ./a /b/../c /x/", ("a", "b/../c")),
        ("COPY --chown=1:1 --chmod=644 a b /x/", ("a", "b")),
        ('COPY ["with space/a", "b", "/x/"]', ("with space/a", "b")),
        ("COPY \\\n  a \\\n  # why\n  b \\\n  /x/", ("a", "b")),
        ("COPY debs/*.deb /tmp/", ("debs",)),
        ("COPY a/b[0-9]/c a/?/d /tmp/", ("a",)),
        ("COPY --from=ghcr.io/astral-sh/uv:0.9 /uv /bin/", ()),
        ("ADD https://example.org/x.tar.gz git@example.org:a/b.git /x/", ()),
        ("ADD rootfs.tar /", ("rootfs.tar",)),
        ("COPY <<EOF /etc/x\nCOPY no /x\nEOF", ()),
        ("COPY <<A one <<B /etc/\na\nA\nb\nB", ("one",)),
        ("RUN --mount=type=bind,source=scripts/x.sh,target=/x.sh sh /x.sh", ("scripts/x.sh",)),
        ("RUN --mount=src=a,target=/a --mount=type=cache,target=/c --mount=target=/b,source=b ls", ("a", "b")),
        ("RUN --mount=type=bind,from=alpine,target=/a --mount=type=secret,id=x ls", ()),
        ("RUN <<EOF\nFROM x\nCMD y\nEOF", ()),
        ("ARG V=1\nENV A=$V\nLABEL a=b\nWORKDIR /x\nEXPOSE 80\nVOLUME /v\nUSER 1\nHEALTHCHECK NONE", ()),
    ],
)  # fmt: skip
def test_what_is_read_of_the_context(text: str, reads: tuple[str, ...]) -> None:
    assert parse_base_instructions(text).reads == reads


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("RUN a\nFROM debian", 2, "has FROM, which a base cannot have"),
        ("RUN a\n\ncmd bash", 3, "has CMD, which a base cannot have"),
        ('ENTRYPOINT ["x"]', 1, "has ENTRYPOINT, which a base cannot have"),
        ("ONBUILD RUN x", 1, "has ONBUILD, which a base cannot have"),
        ("RUN a\nCOPY . /x", 2, "reads the whole context"),
        ("COPY / /x", 1, "reads the whole context"),
        ("COPY *.deb /x/", 1, "reads the whole context"),
        ("RUN --mount=target=/x ls", 1, "reads the whole context"),
        ("COPY ${FILE} /x", 1, "has the source '${FILE}', whose files cannot be told"),
        ('COPY "a b" /x', 1, "has the source '\"a', whose files cannot be told"),
        ("COPY a\\ b /x", 1, "has the source"),
        ("RUN a\nINSTALL git", 2, "is no Dockerfile instruction"),
        ("RUN <<EOF\nid", 1, "is no Dockerfile instruction"),
        ("RUN a\nRUN b \\", 2, "ends with a backslash"),
        ("RUN a \\  \n\n", 1, "ends with a backslash"),
        ("# only a comment", 0, "has no instruction"),
        ("RUN a\0", 1, "contains a NUL character"),
    ],
)
def test_what_a_base_cannot_have_is_refused_with_its_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_base_instructions(text, "docker/base")
    assert problem in caught.value.message
    assert (caught.value.file, caught.value.line) == ("docker/base", line or None)
    with pytest.raises(UserError) as caught:
        parse_base_instructions(text)
    assert (caught.value.file, caught.value.line) == ("", None)
    assert (f"line {line} " in caught.value.message) == bool(line)


def test_a_shell_of_the_users_own_is_seen_and_text_is_kept() -> None:
    text = 'SHELL ["/bin/bash", "-c"]\r\nRUN <<EOF\r\n  kept   \r\nEOF\r\n\r\n'
    parsed = parse_base_instructions(text)
    assert parsed.sets_shell
    assert parsed.text == 'SHELL ["/bin/bash", "-c"]\nRUN <<EOF\n  kept   \nEOF\n'
    assert not parse_base_instructions("RUN echo SHELL").sets_shell


@given(
    st.lists(
        st.sampled_from(
            [*("RUN ", "COPY ", "FROM ", "<<EOF", "EOF", "\n", "\\"), *("#", " a", '["a", "b"]', "'", '"', "$")]
        ),
        max_size=12,
    ).map("".join)
)  # fmt: skip
def test_whatever_is_accepted_leaves_the_next_instruction_alone(text: str) -> None:
    try:
        parsed = parse_base_instructions(text)
    except UserError:
        return
    with pytest.raises(UserError, match=f"line {parsed.text.count(chr(10)) + 1} has ONBUILD"):
        parse_base_instructions(f"{parsed.text}ONBUILD RUN x\n")
