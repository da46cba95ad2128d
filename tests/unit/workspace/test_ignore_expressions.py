"""The expressions that the builder makes of patterns: which characters they match, and which it refuses."""

from __future__ import annotations

import string

import pytest

from pixi_container.workspace.ignore_expressions import Assertion, Step, chains
from pixi_container.workspace.ignore_patterns import BadPatternError, Pattern, pattern_in

LAST = 0x10FFFF
ASCII = {chr(code) for code in range(128)}
PUNCTUATION, DIGITS, LETTERS = set(string.punctuation), set(string.digits), set(string.ascii_letters)
WORD = DIGITS | LETTERS | {"_"}


def first_step(pattern: str) -> Step:
    """Return what the first place of a pattern matches; the star makes it an expression."""
    return chains(f"{pattern}*")[0][0]


def matched(pattern: str) -> set[str]:
    return {chr(code) for first, last in first_step(pattern).advances for code in range(first, min(last, 127) + 1)}


def refused(pattern: str) -> str:
    with pytest.raises(BadPatternError) as caught:
        chains(pattern)
    return str(caught.value)


CLASSES = {
    "[:alnum:]": DIGITS | LETTERS,
    "[:alpha:]": LETTERS,
    "[:ascii:]": ASCII,
    "[:blank:]": {" ", "\t"},
    "[:cntrl:]": {chr(code) for code in (*range(32), 127)},
    "[:digit:]": DIGITS,
    "[:graph:]": PUNCTUATION | DIGITS | LETTERS,
    "[:lower:]": set(string.ascii_lowercase),
    "[:print:]": PUNCTUATION | DIGITS | LETTERS | {" "},
    "[:punct:]": PUNCTUATION,
    "[:space:]": set(" \t\n\v\f\r"),
    "[:upper:]": set(string.ascii_uppercase),
    "[:word:]": WORD,
    "[:xdigit:]": set(string.hexdigits),
    "\\d": DIGITS,
    "\\s": set(" \t\n\f\r"),
    "\\w": WORD,
}


@pytest.mark.parametrize(("name", "characters"), CLASSES.items(), ids=CLASSES)
def test_a_class_has_the_characters_that_go_says(name: str, characters: set[str]) -> None:
    assert matched(f"[{name}]") == characters
    assert matched(f"[^{name}]") == ASCII - characters
    assert matched(f"[é{name}]") == characters
    assert first_step(f"[^{name}]").advances[-1][1] == LAST
    if name.startswith("\\"):
        assert matched(name) == characters
        assert matched(name.upper()) == matched(f"[{name.upper()}]") == ASCII - characters
    else:
        assert matched(f"[[:^{name[2:]}]") == ASCII - characters


@pytest.mark.parametrize(
    ("pattern", "characters"),
    [
        ("[b-d]", "bcd"),
        ("[b-b]", "b"),
        ("[b-]", "b-"),
        ("[]b]", "]b"),
        ("[a\\-c]", "a-c"),
        ("[\\]-^]", "]^"),
        ("[c-ea-b]", "abcde"),
        ("a", "a"),
        ("\\.", "."),
        ("?", "".join(sorted(ASCII - {"/"}))),
    ],
)
def test_brackets_have_ranges_and_characters(pattern: str, characters: str) -> None:
    assert matched(pattern) == set(characters)


def test_what_is_not_in_brackets_is_everything_else() -> None:
    assert first_step("[^b-d]").advances == ((0, ord("a")), (ord("e"), LAST))
    assert first_step("[^c-db-e\\x00]").advances == ((1, ord("a")), (ord("f"), LAST))
    assert first_step(f"[^a-{chr(LAST)}]").advances == ((0, ord("`")),)


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("[d-b]*", "has the invalid range 'd-b' in brackets"),
        ("[[:letters:]]*", "has the unknown character class '[:letters:]'"),
        ("[[:^letters:]]*", "has the unknown character class '[:^letters:]'"),
        ("[ab", "has a '[' without a ']'"),
        ("a\\y*", "has the unknown escape '\\y'; use '/' between folders"),
        ("*{2}", "has nothing to repeat before '{2}'"),
        ("a?{1001}*", "has the invalid repetition '{1001}'"),
        ("a?{2,1001}*", "has the invalid repetition '{2,1001}'"),
        ("a?{3,2}*", "has the invalid repetition '{3,2}'"),
    ],
)
def test_what_the_builder_cannot_compile_is_refused(pattern: str, problem: str) -> None:
    assert refused(pattern) == problem


def repeated(pattern: str) -> list[Step]:
    """Return the places of a repeated character, without the star at the end."""
    return chains(f"{pattern}*")[0][:-1]


def test_a_repetition_is_as_many_places() -> None:
    b = ((ord("b"), ord("b")),)
    one, perhaps, more = (
        Step(advances=b),
        Step(advances=b, optional=True),
        Step(advances=b, stays=b, optional=True),
    )
    assert repeated("b{0}") == []
    assert repeated("b{1}") == repeated("b{1,1}") == [one]
    assert repeated("b{2,4}") == [one, one, perhaps, perhaps]
    assert repeated("b{1,}") == [one, more]
    assert repeated("b{0,}") == [more]
    assert len(repeated("b{1000}")) == 1000
    assert len(repeated("b{0,1000}")) == 1000
    assert repeated("b{01}") == [Step(advances=((ord(c), ord(c)),)) for c in "b{01}"]


def test_alternatives_are_rows_of_their_own() -> None:
    first, second = chains("a?|b?")
    assert [step.advances for step in first][:1] == [((ord("a"), ord("a")),)]
    assert second[1].advances == ((ord("b"), ord("b")),)


def test_conditions_stand_between_characters() -> None:
    assert [step.assertion for step in repeated("a\\b-\\B")] == [
        None,
        Assertion.WORD_BOUNDARY,
        None,
        Assertion.NO_WORD_BOUNDARY,
    ]
    assert [step.assertion for step in repeated("a\\A\\z")] == [None, Assertion.BEGIN, Assertion.END]
    assert repeated("a\\b{0}") == repeated("a")
    assert repeated("a\\b{3}") == repeated("a\\b")


@pytest.mark.parametrize(
    ("line", "pattern"),
    [
        ("a", Pattern("a", line=7)),
        ("/", Pattern("/", line=7)),
        ("/a", Pattern("a", line=7)),
        ("//a", Pattern("a", line=7)),
        ("!/a", Pattern("a", is_exception=True, line=7)),
        ("! a", Pattern("a", is_exception=True, line=7)),
        (".", Pattern(".", line=7)),
        ("#a", None),
        (" ", None),
        ("a" * 4096, Pattern("a" * 4096, line=7)),
        ("!" + "a" * 4095, Pattern("a" * 4095, is_exception=True, line=7)),
    ],
)
def test_a_line_is_a_pattern_or_nothing(line: str, pattern: Pattern | None) -> None:
    assert pattern_in(line, 7) == pattern


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("a" * 4097, "is longer than the limit of 4096 characters"),
        ("#" + "a" * 65535, "is in a line that is too long for the builder"),
        ("!", "has nothing after the exclamation mark"),
        ("a\\", "ends with a backslash"),
        ("[a", "has a '[' without a ']'"),
        ("[-a]", "has '-' in brackets where a character is expected; put '\\' before it"),
        ("[]a]", "has ']' in brackets where a character is expected; put '\\' before it"),
        ("*[", "has a '[' without a ']'"),
        ("*.*[", "has a '[' without a ']'"),
        (".*[", "has a '[' without a ']'"),
        ("?*[", "has a '[' without a ']'"),
        ("[.-/]*[", "has a '[' without a ']'"),
        ("[^a]*[", "has a '[' without a ']'"),
        ("\\.*[", "has a '[' without a ']'"),
    ],
)
def test_a_line_that_stops_the_builder(line: str, problem: str) -> None:
    with pytest.raises(BadPatternError) as caught:
        pattern_in(line, 1)
    assert str(caught.value) == problem


@pytest.mark.parametrize("line", ["..*[", "a*[", "[a-b]*[", "[^.]*[", "??*[", "\\a*["])
def test_go_reads_no_further_than_it_has_to(line: str) -> None:
    with pytest.raises(BadPatternError, match="has a '\\[' without a ']'"):
        chains(pattern_text(line))


def pattern_text(line: str) -> str:
    pattern = pattern_in(line, 1)
    assert pattern
    return pattern.text
