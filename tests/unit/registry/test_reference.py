"""Image references: Docker's short names, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_container.errors import UserError
from pixi_container.registry.reference import is_loopback, parse_reference

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
