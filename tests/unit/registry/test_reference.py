"""Image references: Docker's short names, and what is none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_container.errors import UserError
from pixi_container.registry.reference import digest_of, is_image_name, is_loopback, name_of, parse_reference

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("debian", "docker.io/library/debian"),
        ("lab/study", "docker.io/lab/study"),
        ("debian:bookworm-slim", "docker.io/library/debian:bookworm-slim"),
        ("ghcr.io/lab/study", "ghcr.io/lab/study"),
        ("localhost/study", "localhost/study"),
        ("127.0.0.1:5000/lab/study:1.0", "127.0.0.1:5000/lab/study:1.0"),
        ("registry:5000/study", "registry:5000/study"),
        (f"ghcr.io/lab/study:1@{DIGEST}", f"ghcr.io/lab/study:1@{DIGEST}"),
        (f"ghcr.io/lab/study@{DIGEST}", f"ghcr.io/lab/study@{DIGEST}"),
    ],
)
def test_short_names_become_full(text: str, full: str) -> None:
    assert str(parse_reference(text, source="test")) == full


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ghcr.io/Lab/study",
        "a b",
        "study:",
        "study:.x",
        "study@sha256:0",
        "study@",
        "-x",
        "a//b",
        "a\nb",
        "--push",
        "a" * 300,
        "ghcr.io/",
        "study:" + "x" * 129,
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is not a valid image reference"):
        parse_reference(text, source="test")


@given(st.text())
def test_what_is_accepted_has_no_room_for_more(text: str) -> None:
    try:
        reference = str(parse_reference(text, source="test"))
    except UserError:
        return
    assert not any(character.isspace() or character in "\"'$\\`" for character in reference)
    assert str(parse_reference(reference, source="test")) == reference


@pytest.mark.parametrize(
    ("registry", "plain"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("127.0.0.1:5000", True),
        ("127.8.9.10", True),
        ("[::1]:5000", True),
        ("ghcr.io", False),
        ("localhost.example.org", False),
        ("10.0.0.1:5000", False),
        ("127.0.0.1.example.org", False),
    ],
)
def test_plain_http_is_for_this_machine_alone(registry: str, plain: bool) -> None:
    assert is_loopback(registry) is plain


@pytest.mark.parametrize(
    ("registry", "plain"),
    [
        ("[::1]", True),
        ("[::2]", False),
        ("[127.0.0.1]", False),
        ("::1", False),
        ("127.0.0.999", False),
        ("", False),
    ],
)
def test_which_addresses_are_this_machine(registry: str, plain: bool) -> None:
    assert is_loopback(registry) is plain


def test_a_reference_has_a_name_a_tag_and_a_digest() -> None:
    reference = parse_reference(f"ghcr.io/lab/study:1@{DIGEST}", source="test")
    assert (reference.registry, reference.repository, reference.tag, reference.digest) == (
        "ghcr.io",
        "lab/study",
        "1",
        DIGEST,
    )
    assert reference.name == "ghcr.io/lab/study"
    assert str(reference.tagged("2")) == "ghcr.io/lab/study:2"
    assert str(reference.tagged("2").pinned(DIGEST)) == f"ghcr.io/lab/study:2@{DIGEST}"
    assert not reference.is_bare
    assert not replace(reference, digest="").is_bare
    assert not replace(reference, tag="").is_bare
    assert replace(reference, tag="", digest="").is_bare
    assert name_of("ghcr.io/lab/study:1") == "ghcr.io/lab/study"
    assert digest_of(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    ("text", "is_name"), [("a/b", True), ("a/b:1", False), (f"a/b@{DIGEST}", False), ("A B", False), ("", False)]
)
def test_a_name_of_an_image_has_neither_tag_nor_digest(text: str, is_name: bool) -> None:
    assert is_image_name(text) is is_name


def test_parts_of_a_reference_have_limits() -> None:
    longest = "a" * 127 + "/" + "b" * 127
    assert parse_reference(f"r.io/{longest}:{'t' * 128}", source="test").repository == longest
    for text in (f"r.io/{longest}b", f"r.io/a:{'t' * 129}", f"r.io/a@sha256:{'0' * 63}", "r.io:123456/a"):
        with pytest.raises(UserError) as caught:
            parse_reference(text, source="input 'x'")
        assert caught.value.message == f"input 'x': {text[:300]!r} is not a valid image reference"
    with pytest.raises(UserError) as caught:
        parse_reference("?" * 301, source="input 'x'")
    assert f"'{'?' * 300}'" in caught.value.message


@pytest.mark.parametrize(
    ("text", "registry"),
    [
        ("localhost/a", "localhost"),
        ("a.b/c", "a.b"),
        ("a:1/b", "a:1"),
        ("Host/a", "Host"),
        ("host/a", "docker.io"),
        ("[::1]:5000/a", "[::1]:5000"),
    ],
)
def test_what_is_a_registry(text: str, registry: str) -> None:
    assert parse_reference(text, source="test").registry == registry
