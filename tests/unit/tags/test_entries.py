from __future__ import annotations

import pytest

from pixi_container.errors import UserError
from pixi_container.tags.entries import Entry, accepted, entries


def test_lists_keep_their_line_numbers() -> None:
    text = "\n# comment\n  a  \r\n\n   # another\nb # no comment\n"
    assert entries(text, "tags") == [Entry("tags", 3, "a"), Entry("tags", 6, "b # no comment")]
    assert entries("", "tags") == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("foo", [("", "foo")]),
        ("type=raw, Value = a=b ", [("type", "raw"), ("value", "a=b")]),
        (r'"pattern=v(\d{1,3})",group=1', [("pattern", r"v(\d{1,3})"), ("group", "1")]),
        (r'"type=match,""pattern=v(\d{1,3})"""', [("type", "match"), ("pattern", r"v(\d{1,3})")]),
        ('type=raw, "value=a,b"', [("type", "raw"), ("value", "a,b")]),
        ('"type=raw","value=a,b"', [("type", "raw"), ("value", "a,b")]),
        ('suffix=-{{date "ddd"}}', [("suffix", '-{{date "ddd"}}')]),
        ("{{date 'YYYY' tz='UTC'}}", [("", "{{date 'YYYY' tz='UTC'}}")]),
        ("prefix=", [("prefix", "")]),
        ('value=say "hi"', [("value", 'say "hi"')]),
    ],
)  # fmt: skip
def test_attributes(line: str, expected: list[tuple[str, str]]) -> None:
    (entry,) = entries(line, "tags")
    assert entry.attributes() == expected


def test_an_entry_quoted_as_a_whole_may_hold_line_breaks() -> None:
    assert entries('"a=one\n  two"\nb=three', "labels") == [
        Entry("labels", 1, "a=one\ntwo"),
        Entry("labels", 3, "b=three"),
    ]


@pytest.mark.parametrize("text", ['\n"a=b', '\ntype=raw,"value=a', '\ntype=raw,"value=a"b'])
def test_malformed_quotes(text: str) -> None:
    with pytest.raises(UserError, match=r"input 'tags', line 2: malformed quotes"):
        [entry.attributes() for entry in entries(text, "tags")]


def test_the_likely_word_is_suggested() -> None:
    assert accepted("semvr", ["raw", "semver"]) == "Accepted: raw, semver; did you mean 'semver'?"
    assert accepted("x", ["raw", "semver"]) == "Accepted: raw, semver."
