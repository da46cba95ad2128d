"""The inputs for a build of one's own Dockerfile: what is read from them, and what is refused without a secret."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_container.build_inputs import (
    BuildContext,
    build_arguments,
    build_contexts,
    build_secrets,
    secret_files,
    ssh_agents,
    stage_names,
)
from pixi_container.errors import UserError

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("", ()),
        ("A=b", (("A", "b"),)),
        ("A=", (("A", ""),)),
        ("  A=b c \n\n# no\n_B2=c=d,e", (("A", "b c"), ("_B2", "c=d,e"))),
        ('A="b"', (("A", '"b"'),)),
        ('A={"b": [1, 2]}', (("A", '{"b": [1, 2]}'),)),
        ('"A=first\n\n# second\n""third"""\nB=c', (("A", 'first\n\n# second\n"third"'), ("B", "c"))),
        ("A=\té 🚀", (("A", "\té 🚀"),)),
        ("A=b\r\nB=c\r\n", (("A", "b"), ("B", "c"))),
    ],
)
def test_build_arguments(text: str, pairs: object) -> None:
    assert build_arguments(text) == pairs


@pytest.mark.parametrize(
    "text", ["A", "=b", "1A=b", "A-B=c", "--push=b", "A =b", "A=\x1b[0m", "A=\x00", "A=b\nA=c", '"A=b', '"A=b"c']
)
def test_what_is_no_build_argument(text: str) -> None:
    with pytest.raises(UserError, match="input 'build-args'"):
        build_arguments(text)


@pytest.mark.parametrize(
    ("text", "is_folder"),
    [
        ("shared=../shared", True),
        ("shared=.", True),
        ("shared=a b,c", True),
        ("shared=-x", True),
        ("debian:12=docker-image://debian:13", False),
        (f"base=docker-image://ghcr.io/lab/base:1@{DIGEST}", False),
        ("tool=https://github.com/lab/tool.git#v1:sub", False),
    ],
)
def test_build_contexts(text: str, is_folder: bool) -> None:
    name, _, value = text.partition("=")
    (context,) = build_contexts(text)
    assert context == BuildContext(name, value)
    assert context.is_folder is is_folder


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "a=",
        "=b",
        "-a=b",
        "a=docker-image://UPPER",
        "a=docker-image://",
        "a=docker-image://x y",
        "a=oci-layout://x",
        "a=target:b",
        "a=http://example.org/a.tar",
        "a=git://example.org/a",
        "a=https://",
        "a=https://example.org/a b",
        "a=b\x7f",
        "a=b\na=c",
    ],
)
def test_what_is_no_build_context(text: str) -> None:
    with pytest.raises(UserError, match="input 'build-contexts'"):
        build_contexts(text)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("token=abc", (("token", "abc"),)),
        ("token=", (("token", ""),)),
        (
            '"key=-----BEGIN-----\nabc\n-----END-----\n"\nb=c',
            (("key", "-----BEGIN-----\nabc\n-----END-----\n"), ("b", "c")),
        ),
        ("GIT_AUTH_TOKEN.github.com=x=y,z", (("GIT_AUTH_TOKEN.github.com", "x=y,z"),)),
    ],
)
def test_secrets(text: str, pairs: object) -> None:
    assert build_secrets(text) == pairs


@pytest.mark.parametrize(
    "text",
    [
        "hunter2",
        "=hunter2",
        ".a=hunter2",
        "a/b=hunter2",
        "../a=hunter2",
        "a,b=hunter2",
        '"a=hunter2',
        "a=hunter2\0",
    ],
)
def test_a_secret_that_cannot_be_read_is_not_shown(text: str) -> None:
    with pytest.raises(UserError, match=r"input 'secrets'.+not shown") as caught:
        build_secrets(f"b=c\n{text}")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_files_and_keys_by_id() -> None:
    assert secret_files("netrc=/home/me/.netrc\npip=./pip conf") == (
        ("netrc", "/home/me/.netrc"),
        ("pip", "./pip conf"),
    )
    assert ssh_agents("default\ndeploy=/run/key") == (("default", ""), ("deploy", "/run/key"))
    assert ssh_agents("default=/run/agent.sock") == (("default", "/run/agent.sock"),)


@pytest.mark.parametrize("text", ["netrc", "netrc=", "../x=a", "a=b\x00", "a=b\na=c"])
def test_what_is_no_secret_file(text: str) -> None:
    with pytest.raises(UserError, match="input 'secret-files'"):
        secret_files(text)


@pytest.mark.parametrize(
    "text", ["deploy", "a=key", "a=/key,other", 'a=/k"', "default=", "a=~/key", "default\ndefault"]
)
def test_what_is_no_agent(text: str) -> None:
    with pytest.raises(UserError, match="input 'ssh'"):
        ssh_agents(text)


@pytest.mark.parametrize("text", ["-x", "a b", "a=b", "a/b", ".a", "$(x)"])
def test_what_is_no_stage(text: str) -> None:
    with pytest.raises(UserError, match="input 'target' has an invalid value"):
        stage_names("target", text)
    assert stage_names("test-target", "unit\nLint_2\nunit") == ("unit", "Lint_2")


PARSERS: list[Callable[[str], object]] = [build_arguments, build_contexts, build_secrets, secret_files, ssh_agents]


@given(st.sampled_from(PARSERS), st.text())
def test_any_text_is_read_or_refused(parse: Callable[[str], object], text: str) -> None:
    try:
        parse(text)
    except UserError as error:
        assert error.hint  # noqa: PT017 - any text may raise it, and none must


_VALUE = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1)


@given(st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True), _VALUE))
def test_quoted_entries_arrive_as_they_are(values: dict[str, str]) -> None:
    text = "\n".join('"' + f"{key}={value}\nlast".replace('"', '""') + '"' for key, value in values.items())
    wanted = tuple((key, f"{value}\nlast") for key, value in values.items())
    assert build_arguments(text) == build_secrets(text) == wanted
