"""The user's own instructions for a base: what they read of the context, and what a base cannot have."""

from __future__ import annotations

import re

import pytest

from pixi_container.errors import UserError
from pixi_container.image.base_instructions import read_base_instructions
from tests.unit.conftest import Folder

FILES = ("certs/lab.crt", "debs/a.deb", "a", "b", "with space/a")


@pytest.fixture(autouse=True)
def files(folder: Folder) -> None:
    for path in FILES:
        folder.write(path, "")


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("RUN useradd me", ()),
        ("COPY certs/lab.crt /usr/local/share/ca-certificates/", ("certs/lab.crt",)),
        ("copy ./a /certs/../b /x/", ("a", "b")),
        ('COPY --chmod=644 ["with space/a", "b", "/x/"]', ("with space/a", "b")),
        ("COPY debs/*.deb /tmp/", ("debs",)),
        ("COPY --from=ghcr.io/astral-sh/uv:0.9 /uv /bin/", ()),
        ("COPY --from=$IMAGE . /bin/", ()),
        ("ADD https://example.org/$V/x.tar.gz git@example.org:a/b.git /x/", ()),
        ("COPY <<EOF /etc/x\nCOPY no /x\nEOF", ()),
        ("RUN --mount=type=bind,source=a,target=/$X --mount=type=cache,target=/c ls", ("a",)),
        ("RUN <<EOF\nFROM x\nCMD y\nEOF", ()),
        ("ARG V=1\nENV A=$V\nLABEL a=b\nWORKDIR /x\nEXPOSE 80\nVOLUME /v\nUSER 1\nHEALTHCHECK NONE", ()),
    ],
)
def test_what_is_read_of_the_context(folder: Folder, text: str, reads: tuple[str, ...]) -> None:
    assert read_base_instructions(folder.path, text).context_paths == reads


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("RUN a\nFROM debian", 2, "FROM cannot be used for a base"),
        ("RUN a\n\ncmd bash", 3, "CMD cannot be used for a base"),
        ('ENTRYPOINT ["x"]', 1, "ENTRYPOINT cannot be used for a base"),
        ("ONBUILD RUN x", 1, "ONBUILD cannot be used for a base"),
        ("RUN a\nCOPY . /x", 2, "COPY reads the whole context"),
        ("ADD / /x", 1, "ADD reads the whole context"),
        ("COPY a/.. /x", 1, "COPY reads the whole context"),
        ("COPY *.deb /x/", 1, "COPY reads the whole context"),
        ("RUN --mount=target=/x ls", 1, "RUN reads the whole context"),
        ("COPY ${FILE} /x", 1, "the files of the source '${FILE}' cannot be told"),
        ("COPY a/$FILE /x", 1, "the files of the source 'a/$FILE' cannot be told"),
        ("RUN --mount=target=/x,source=a/$FILE ls", 1, "the files of the source 'a/$FILE' cannot be told"),
        ('COPY "a b" /x', 1, "the files of the source '\"a' cannot be told"),
        ("COPY a\\ b /x", 1, "the files of the source 'a"),
        ("RUN a\nINSTALL git", 2, "this is no instruction of a Dockerfile"),
        ("RUN a\nCOPY gone /x", 2, "'gone' does not exist in"),
    ],
)
def test_what_a_base_cannot_have_is_refused_with_its_line(
    folder: Folder, text: str, line: int, problem: str
) -> None:
    message = re.escape(f"input 'base-instructions', line {line}: {problem}")
    with pytest.raises(UserError, match=message) as caught:
        read_base_instructions(folder.path, text)
    assert (caught.value.file, caught.value.line) == ("", None)
    folder.write("docker/base", text)
    with pytest.raises(UserError, match=message) as caught:
        read_base_instructions(folder.path, "docker/base")
    assert (caught.value.file, caught.value.line) == (str(folder.path / "docker/base"), line)


def test_what_is_refused_comes_with_what_to_do(folder: Folder) -> None:
    for text in ("FROM a", "CMD a", "ENTRYPOINT a", "ONBUILD RUN a", "COPY . /x", "COPY $A /x"):
        with pytest.raises(UserError) as caught:
            read_base_instructions(folder.path, text)
        assert caught.value.hint
