"""A call to a registry: what is shown of addresses, and what counts as an answer."""

from __future__ import annotations

import pytest

from pixi_container.errors import RegistryUnavailableError
from pixi_container.registry.call import Answer, RegistryCall, TransientError, invalid_url, joined_url, shown_url
from pixi_container.registry.reference import ImageReference

HERE = ImageReference("ghcr.io", "lab/study")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ghcr.io/v2/lab/study/tags/list", "https://ghcr.io/v2/lab/study/tags/list"),
        ("https://host:8443/blob?signature=secret#part", "https://host:8443/blob"),
        ("https://user:secret@host/blob", "https://host/blob"),
        ("https://a@b:secret@host/blob", "https://host/blob"),
        ("//host/blob", "://host/blob"),
        ("/blob?secret", "/blob"),
        ("blob", "blob"),
        ("", ""),
        ("https://host/a\nb\x1b[31m", "https://host/ab"),
        ("https://[host/blob?secret", "(a malformed URL)"),
    ],
)
def test_no_secret_of_an_address_is_shown(url: str, shown: str) -> None:
    assert shown_url(url) == shown
    assert TransientError("host", url, "trouble").url == shown
    assert f"host cannot be used: {shown} is not" in invalid_url("host", url).message


def test_trouble_is_not_waited_for_unless_the_registry_asks() -> None:
    assert TransientError("host", "https://host", "trouble").wait == 0
    assert TransientError("host", "https://host", "trouble", 7).wait == 7


@pytest.mark.parametrize(
    ("reference", "joined"),
    [
        ("/v2/x?last=1", "https://ghcr.io/v2/x?last=1"),
        ("next", "https://ghcr.io/v2/lab/next"),
        ("https://other/x", "https://other/x"),
    ],
)
def test_an_address_may_be_relative(reference: str, joined: str) -> None:
    assert joined_url("https://ghcr.io/v2/lab/list", reference, "ghcr.io") == joined


def test_an_address_that_nobody_can_ask_is_the_registry_s_fault() -> None:
    with pytest.raises(RegistryUnavailableError, match=r"^the registry ghcr\.io .*\(a malformed URL\)"):
        joined_url("https://ghcr.io/v2/", "https://[x", "ghcr.io")


@pytest.mark.parametrize(
    ("call", "scopes"),
    [
        (RegistryCall("GET", HERE, "tags/list"), ("repository:lab/study:pull",)),
        (RegistryCall("PUT", HERE, "x", push=True), ("repository:lab/study:pull,push",)),
        (
            RegistryCall("POST", HERE, "x", push=True, mount_from="lab/base"),
            ("repository:lab/study:pull,push", "repository:lab/base:pull"),
        ),
    ],
)
def test_a_call_asks_for_no_more_than_it_needs(call: RegistryCall, scopes: tuple[str, ...]) -> None:
    assert call.scopes == scopes


def test_a_call_that_says_nothing_else_reads_and_follows_redirects() -> None:
    call = RegistryCall("GET", HERE, "tags/list")
    assert (call.push, call.redirects, call.content, call.size, tuple(call.expected)) == (False, True, b"", 0, ())


@pytest.mark.parametrize(
    "content", [b"", b"[1]", b'"a"', b"null", b"\xff{}", b'{"a": NaN}', b'{"a": -Infinity}', b"[" * 100_000]
)
def test_an_answer_is_an_object_of_json(content: bytes) -> None:
    answer = Answer(200, "https://u:secret@ghcr.io/v2/x?y=secret", {}, content)
    with pytest.raises(RegistryUnavailableError) as caught:
        answer.json()
    assert caught.value.message == "https://ghcr.io/v2/x did not return a JSON object"
    assert Answer(200, "", {}, '{"ä": 1}'.encode()).json() == {"ä": 1}
    assert "secret" not in repr(Answer(200, "", {"token": "secret"}, b"secret"))
