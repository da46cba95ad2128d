"""Typed access to a TOML document: a value of the wrong type is an error with file, line and key."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pixi_container.errors import UserError
from pixi_container.shortening import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_PARTS = 20
"""The limit of parts in a dotted key; Pixi's longest key has ten."""

_LONGEST_TEXT = 600

_KEY_PART = r"(?:\"[^\"\n]*\"|'[^'\n]*'|[A-Za-z0-9_-]+)"
_DOTTED = rf"{_KEY_PART}(?:\s*\.\s*{_KEY_PART}){{0,{MOST_PARTS - 1}}}"
_EXCESSIVE = re.compile(
    rf"(?<![A-Za-z0-9_-])(?:{_KEY_PART}[ \t]*\.[ \t]*){{{MOST_PARTS}}}"
    r"|(?<![A-Za-z0-9_])(?:0x[0-9A-Fa-f_]{65}|0o[0-7_]{65}|0b[01_]{65})"
)
_HEADER = re.compile(rf"\s*\[\[?\s*({_DOTTED})\s*\]\]?\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(rf"\s*({_DOTTED})\s*=")


@dataclass(frozen=True)
class TomlTable:
    """One table: its ``values``, the ``keys`` that lead to it, and the file and text they were read from."""

    values: Mapping[str, Any]
    file: str
    text: str = field(default="", repr=False, compare=False)
    keys: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.values)

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def table(self, key: str) -> TomlTable:
        """Return the table under ``key``, an empty one when there is none."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong_type(key, "a table")
        return TomlTable(value, self.file, self.text, (*self.keys, key))

    def string(self, key: str) -> str:
        """Return the string under ``key``, empty when there is none."""
        value = self.values.get(key, "")
        if not isinstance(value, str):
            raise self.wrong_type(key, "a string")
        return value

    def version(self, key: str) -> str:
        """Return the version under ``key`` as text, even if it is written as a number."""
        value = self.values.get(key, "")
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise self.wrong_type(key, "a version, written as a string")
        return str(value)

    def flag(self, key: str) -> bool:
        """Return the boolean under ``key``, false when there is none."""
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            raise self.wrong_type(key, "true or false")
        return value

    def items(self, key: str) -> list[Any]:
        """Return the list under ``key``, an empty one when there is none."""
        value = self.values.get(key, [])
        if not isinstance(value, list):
            raise self.wrong_type(key, "a list")
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        """Return the list of strings under ``key``, an empty one when there is none."""
        value = self.items(key)
        if not all(isinstance(item, str) for item in value):
            raise self.wrong_type(key, "a list of strings")
        return tuple(value)

    def wrong_type(self, key: str, expected: str) -> UserError:
        """Return the error for a value under ``key`` that is not ``expected``."""
        value = self.values[key]
        kind = f"{type_name(value)} with other types in it" if isinstance(value, list) else type_name(value)
        return self.error(f"'{shortened(self.dotted(key))}' must be {expected}, not {kind}", key)

    def error(self, message: str, *keys: str, hint: str = "") -> UserError:
        """Return an error at the line that sets ``keys`` below this table, if that line can be determined.

        Message and hint are shortened, as they may quote the document.
        """
        return UserError(
            shortened(message, _LONGEST_TEXT),
            hint=shortened(hint, _LONGEST_TEXT),
            file=self.file,
            line=self.line(*keys),
        )

    def line(self, *keys: str) -> int | None:
        """Return the line that sets ``keys`` below this table, or the nearest table around it, if known."""
        return _line_of(self.text, (*self.keys, *keys))

    def dotted(self, *keys: str) -> str:
        """Return the full dotted name of a key below this table."""
        return ".".join((*self.keys, *keys))


def parse_toml(text: str, file: str) -> TomlTable:
    """Return the parsed document. Raises ``UserError`` for invalid TOML, and for very long keys or integers.

    The parser's time and memory grow with the square of the parts of a key, and Python refuses to print integers
    with very many digits; TOML requires 64 bits (https://toml.io/en/v1.0.0#integer).
    """
    import tomli

    if excessive := _EXCESSIVE.search(text):
        raise UserError(
            f"a key of more than {MOST_PARTS} parts, or an integer of more than 64 bits, is not supported",
            file=file,
            line=text.count("\n", 0, excessive.start()) + 1,
        )
    try:
        return TomlTable(tomli.loads(text), file, text)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"not valid TOML: {shortened(str(error), _LONGEST_TEXT)}",
            file=file,
            line=getattr(error, "lineno", None),
        ) from error


def type_name(value: object) -> str:
    """Return the TOML type of ``value``, with its article, for a message."""
    names = {
        str: "a string",
        bool: "a boolean",
        int: "an integer",
        float: "a float",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), "a date or time")


def _line_of(text: str, keys: tuple[str, ...]) -> int | None:
    """Return the line that sets ``keys``, else that of the nearest enclosing table.

    The parser keeps no positions. Keys inside a multi-line value may be missed, which only makes the line less
    exact.
    """
    header: tuple[str, ...] = ()
    nearest: int | None = None
    depth = 0
    for number, line in enumerate(text.splitlines(), 1):
        if match := _HEADER.match(line):
            header = place = _parts(match[1])
        elif match := _ASSIGNMENT.match(line):
            place = (*header, *_parts(match[1]))
        else:
            continue
        if len(place) > depth and keys[: len(place)] == place:
            nearest, depth = number, len(place)
    return nearest


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_KEY_PART, dotted))
