"""Credentials for Git hosts: accepted forms, and that nothing of a refused one is shown."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_container.errors import UserError
from pixi_container.git_credentials import parse_git_auth, secrets_in


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ((), ""),
        (("https://x-access-token:ghs_0@github.com/",), "https://x-access-token:ghs_0@github.com\n"),
        (
            ("https://me:a%2Fb@gitlab.example:8443", "http://me:c@10.0.0.1:80"),
            "https://me:a%2Fb@gitlab.example:8443\nhttp://me:c@10.0.0.1:80\n",
        ),
    ],
)
def test_accepted(lines: tuple[str, ...], text: str) -> None:
    assert parse_git_auth(lines) == text


@pytest.mark.parametrize(
    "line",
    [
        "hunter2",
        "github.com",
        "ssh://me:hunter2@github.com",
        "https://hunter2@github.com",
        "https://:hunter2@github.com",
        "https://me:@github.com",
        "https://me:hunter2@",
        "https://me:hunter2@github.com/lab/study",
        "https://me:hunter2@github.com?a=b",
        "https://me:hunter2@github.com#a",
        "https://me:hun ter2@github.com",
        "https://me:hunter2@@github.com",
        "https://me:hun:ter2@github.com",
        "https://me:hunter2'@github.com",
        "https://me:hunter2%@github.com",
        "https://me:hunter2@git hub.com",
        "https://me:hunter2@[::1]",
        "https://me:hunter2@[::1",
        "https://me:hunter2@github.com:x",
        "https://me:hunter2@-github.com",
    ],
)
def test_refused_and_not_shown(line: str) -> None:
    with pytest.raises(UserError, match="input 'git-auth': entry 2 cannot be read") as caught:
        parse_git_auth(("https://a:b@c", line))
    assert "hunter2" not in str(caught.value) + caught.value.hint
    assert "https://USER:TOKEN@HOST" in caught.value.hint


@given(password=st.text(min_size=1))
def test_any_password_can_be_given_and_is_hidden_as_written_and_as_sent(password: str) -> None:
    line = f"https://me:{quote(password, safe='', errors='surrogatepass')}@git.example"
    text = parse_git_auth((line,))
    assert text == f"{line}\n"
    assert {line, urlsplit(line).password, unquote(urlsplit(line).password or "")} == set(secrets_in(text))


@given(st.text())
def test_whatever_is_given_is_one_line_for_each_entry_or_an_error(line: str) -> None:
    try:
        text = parse_git_auth((line,))
    except UserError:
        return
    assert text.count("\n") == 1
    assert text.isascii()
    assert not set(" '\"`\\") & set(text)
