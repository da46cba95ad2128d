"""What others wrote is shown as it is, but never as a runner's command, a terminal's order or markup."""

from __future__ import annotations

import json

import pytest

from pixi_container.display import (
    has_commands,
    json_text,
    markdown_block,
    markdown_code,
    markdown_text,
    one_line,
    shown_path,
    without_commands,
    without_controls,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\nand more", "plain\ttext\nand more"),
        ("a\r\nb", "a\nb"),
        ("a\rb", "a\\rb"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b1;31mred", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]0;title\x1b\\text", "text"),
        ("a\x00b\x1bc\x7fd", "a\\x00b\\x1bc\\x7fd"),
        ("a\u202eb\u2066c\ufeffd", "a\\u202eb\\u2066c\\ufeffd"),
        ("a\ud800b", "a\\ud800b"),
        ("é 📦", "é 📦"),
    ],
)
def test_controls_are_seen_and_do_nothing(text: str, shown: str) -> None:
    assert without_controls(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error::x", ": :error::x"),
        ("  ::error::x", "  : :error::x"),
        ("a ::error::x", "a ::error::x"),
        ("a\n::error::x", "a\n: :error::x"),
        ("a ##[error]x", "a # #[error]x"),
        ("a\r::error::x", "a\\r::error::x"),
        ("std::string", "std::string"),
    ],
)
def test_no_line_is_a_command(text: str, shown: str) -> None:
    assert without_commands(text) == shown


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("::a::", True),
        (" \t::a::", True),
        ("x\r::a::", True),
        ("x\r\n::a::", True),
        ("x\u2028::a::", True),
        ("x\x0b::a::", True),
        ("x ##[a]", True),
        ("x ::a::", False),
        ("FROM a\nRUN b::c", False),
        ("", False),
    ],
)
def test_a_command_is_known_however_the_line_begins(text: str, has: bool) -> None:
    assert has_commands(text) is has


@pytest.mark.parametrize(
    ("path", "shown"),
    [("src/é.py", "src/é.py"), ("a\nb", '"a\\nb"'), ("::x", '"::x"'), ("a\u202eb", '"a\\u202eb"')],
)
def test_a_path_is_quoted_where_it_could_be_misread(path: str, shown: str) -> None:
    assert shown_path(path) == shown


def test_json_says_the_same_and_is_no_command() -> None:
    value = {"a": ["##[error]x", "é\n::b"]}
    assert json.loads(json_text(value)) == value
    assert not has_commands(json_text(value, indent=2))
    assert json_text({"a": 1}, indent=2) == '{\n  "a": 1\n}'
    assert json_text("é") == '"\\u00e9"'


def test_one_line_is_short() -> None:
    assert one_line("  a\n\tb\r\nc\x1b[1m ") == "a b c"
    assert one_line("x" * 200) == "x" * 200
    assert one_line("x" * 201) == "x" * 199 + "…"
    assert one_line(" " * 999 + "xyz") == "x"


def test_nothing_is_markup() -> None:
    assert markdown_text("a|b\n<i>*c*</i> [e](f)") == (
        "a&#124;b &#60;i&#62;&#42;c&#42;&#60;/i&#62; &#91;e&#93;&#40;f&#41;"
    )
    assert markdown_code("<b>") == "<code>&#60;b&#62;</code>"


@pytest.mark.parametrize(
    ("text", "fence"), [("a", "```"), ("a ` b", "```"), ("a `` b", "```"), ("```", "````"), ("`````\nx", "``````")]
)
def test_a_block_cannot_be_closed_from_within(text: str, fence: str) -> None:
    assert markdown_block(f"{text}\x07\n\n", "sh") == f"{fence}sh\n{text}\\x07\n{fence}"
