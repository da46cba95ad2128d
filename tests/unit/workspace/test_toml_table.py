"""Values of a document by type: what there is, what there is not, and what is something else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pixi_container.errors import UserError
from pixi_container.workspace.toml_table import TomlTable, parse_toml

DOCUMENT = """\
text = "a"
number = 1
real = 1.5
flag = true
list = ["a", "b"]
mixed = ["a", 1]

[outer.inner]
text = "b"
"""
READ: dict[str, tuple[Callable[[TomlTable, str], object], dict[str, object], object]] = {
    "string": (TomlTable.string, {"text": "a"}, ""),
    "version": (TomlTable.version, {"text": "a", "number": "1", "real": "1.5"}, ""),
    "flag": (TomlTable.flag, {"flag": True}, False),
    "items": (TomlTable.items, {"list": ["a", "b"], "mixed": ["a", 1]}, []),
    "strings": (TomlTable.strings, {"list": ("a", "b")}, ()),
}
EXPECTED = {
    "string": "a string",
    "version": "a version, written as a string",
    "flag": "true or false",
    "items": "a list",
    "strings": "a list",
}


@pytest.fixture(scope="module")
def document() -> TomlTable:
    return parse_toml(DOCUMENT, "pixi.toml")


@pytest.mark.parametrize("name", READ)
def test_a_value_has_its_type_or_is_an_error(document: TomlTable, name: str) -> None:
    read, values, absent = READ[name]
    assert read(document, "absent") == absent
    lines = DOCUMENT.split("\n")
    for key in ("text", "number", "real", "flag", "list", "mixed", "outer"):
        if key in values:
            assert read(document, key) == values[key]
            continue
        with pytest.raises(UserError) as caught:
            read(document, key)
        assert caught.value.message.startswith(f"'{key}' must be {EXPECTED[name]}")
        assert caught.value.file == "pixi.toml"
        if key != "outer":
            line = next(number for number, text in enumerate(lines, 1) if text.startswith(key))
            assert caught.value.line == line


def test_a_table_knows_its_keys(document: TomlTable) -> None:
    inner = document.table("outer").table("inner")
    assert (inner.values, inner.keys, inner.file) == ({"text": "b"}, ("outer", "inner"), "pixi.toml")
    assert inner.dotted("text") == "outer.inner.text"
    error = inner.error("w" * 601, "text", hint="h" * 601)
    assert (error.line, len(error.message), len(error.hint)) == (9, 600, 600)
    assert "text" in inner
    assert "other" not in inner
    assert inner
    assert not document.table("absent")
    with pytest.raises(UserError, match=r"'outer\.inner\.text' must be a table"):
        inner.table("text")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\n" + ".".join("b" * 21) + " = 1", 2),
        ("a = 0x" + "f" * 65, 1),
        ("a = 0o" + "7" * 65, 1),
        ("a = 0b" + "1" * 65, 1),
        ("a = 1\nb =\n", 2),
    ],
)
def test_a_document_that_costs_too_much_is_not_parsed(text: str, line: int) -> None:
    with pytest.raises(UserError) as caught:
        parse_toml(text, "pixi.toml")
    assert (caught.value.file, caught.value.line) == ("pixi.toml", line)


def test_a_key_has_twenty_parts() -> None:
    assert parse_toml(".".join("b" * 20) + " = 1", "pixi.toml")
    assert parse_toml("a = 0b" + "1" * 64, "pixi.toml").values == {"a": 2**64 - 1}


def test_a_table_is_what_it_has_wherever_it_stands() -> None:
    """The file around it is neither compared nor shown, where it could be long or have a secret."""
    one, other = (parse_toml(f"# {comment}\n[a]\nb = 1\n", "pixi.toml").table("a") for comment in ("long", "text"))
    assert one == other
    assert "long" not in repr(one)
