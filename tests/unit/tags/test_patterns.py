from __future__ import annotations

import pytest

from pixi_container.errors import UserError
from pixi_container.tags.entries import Entry
from pixi_container.tags.patterns import search

ENTRY = Entry("tags", 1, "…")


@pytest.mark.parametrize(
    ("pattern", "text", "groups"),
    [
        (r"v(\d.\d)", "v2.0.8", ["v2.0", "2.0"]),
        (r"\d{1,2}", "v123", ["12"]),
        (r"/^V(\d)/i", "v1", ["v1", "1"]),
        (r"/\d/g", "v1.2", ["1", "2"]),
        (r"/\d/y", "v1", []),
        (r"/1/y", "1", ["1"]),
        (r"/a.b/s", "a\nb", ["a\nb"]),
        (r"/^b/m", "a\nb", ["b"]),
        (r"/\d/du", "1", ["1"]),
        (r"/a", "x/a", ["/a"]),
        (r"(?<major>\d)\.\k<major>", "1.1", ["1.1", "1"]),
        (r"(?<=v)\d(?!\d)", "v12 v3", ["3"]),
        (r"[^]+", "a\nb", ["a\nb"]),
        (r"a[]|b", "ab", ["b"]),
        (r"[[a]+", "[a", ["[a"]),
        (r"[a\]]+", "a]", ["a]"]),
        (r"\A\Z", "AZ", ["AZ"]),
        (r"\++", "1++", ["++"]),
        (r"x{,2}", "xx{,2}", ["x{,2}"]),
        (r"\/(\w+)", "p/\u00e9", []),
        (r"(a)|(b)", "b", ["b", None, "b"]),
    ],
)
def test_groups(pattern: str, text: str, groups: list[str | None]) -> None:
    assert search(pattern, ENTRY, slashes=True).groups(text) == groups


@pytest.mark.parametrize(
    "pattern",
    [
        "(", "[a", "*a", r"\p{L}", r"\k<x>", "(?P<a>b)", "(?#c)", "(?>a)", "(?i)a", "a*+", "a{1}+", "(?<=a+)b",
        "/a/v", "/a/I", "/a/b/c",
    ],
)  # fmt: skip
def test_what_is_no_pattern_here_is_an_error(pattern: str) -> None:
    with pytest.raises(UserError, match=r"input 'tags', line 1: .*pattern"):
        search(pattern, ENTRY, slashes=True)


def test_slashes_are_text_where_flags_are_not_allowed() -> None:
    assert search("/a/i", ENTRY).groups("x/a/i") == ["/a/i"]
