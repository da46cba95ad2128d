"""Names and lists of others in messages: cut at a length, and at a number."""

from __future__ import annotations

import pytest

from pixi_container.shortening import listed, shortened


@pytest.mark.parametrize(
    ("text", "longest", "short"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("", 1, ""), ("a" * 120, 120, "a" * 120)],
)
def test_a_text_is_as_long_as_it_may_be(text: str, longest: int, short: str) -> None:
    assert shortened(text, longest) == short


def test_a_name_has_120_characters() -> None:
    assert shortened("a" * 120) == "a" * 120
    assert shortened("a" * 121) == "a" * 119 + "…"


def test_a_list_has_thirty_names() -> None:
    assert listed([]) == "none"
    assert listed(iter(["a", "b"])) == "a, b"
    assert listed(["a"] * 30) == ", ".join(["a"] * 30)
    assert listed(["a"] * 31) == ", ".join([*["a"] * 30, "…"])
    assert listed(["a" * 121]) == "a" * 119 + "…"
