"""Lists of entries, one per line; each is a CSV record of attributes and knows its line number for errors."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection

_ATTRIBUTE = re.compile(r"\s*(?P<name>[A-Za-z][\w-]*)\s*=(?P<value>.*)", re.DOTALL | re.ASCII)


@dataclass(frozen=True)
class Entry:
    """One entry of an input: its text without enclosing quotes, and the line it starts on, counted from one."""

    input: str
    line: int
    text: str

    def error(self, problem: str, hint: str = "") -> UserError:
        """Return the error for a problem in this entry; it names the input and the line."""
        return UserError(f"input {self.input!r}, line {self.line}: {problem}\n  {self.text}", hint=hint)

    def attributes(self) -> list[tuple[str, str]]:
        r"""Return the attributes as names and values; a field without ``name=`` has an empty name.

        Names are lower-cased, names and values are stripped, and a value may contain ``=``. A value with a comma
        must be quoted as in CSV: ``"pattern=v(\d{1,3})"``. Raises ``UserError`` for malformed quotes.
        """
        fields = _record(self, [self.text])[0]
        attributes = []
        for text in fields:
            match = _ATTRIBUTE.fullmatch(text)
            name, value = (match["name"].lower(), match["value"]) if match else ("", text)
            attributes.append((name, value.strip()))
        return attributes


def entries(text: str, name: str) -> list[Entry]:
    """Return the entries of the input ``name``, without blank lines and lines that start with ``#``.

    An entry in quotes may contain line breaks. Raises ``UserError`` for an unterminated quote.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    listed = []
    number = 0
    while number < len(lines):
        stripped = lines[number].strip()
        entry = Entry(name, number + 1, stripped)
        taken = 1
        if stripped.startswith('"'):
            fields, taken = _record(entry, [line.strip() + "\n" for line in lines[number:]])
            if len(fields) == 1:
                entry = Entry(name, number + 1, fields[0].strip())
        if entry.text and not stripped.startswith("#"):
            listed.append(entry)
        number += taken
    return listed


def accepted(word: str, words: Collection[str]) -> str:
    """Return a hint that lists the accepted words and suggests the one closest to ``word``."""
    return f"Accepted: {', '.join(words)}{did_you_mean(word, words) or '.'}"


def _record(entry: Entry, lines: list[str]) -> tuple[list[str], int]:
    reader = csv.reader(lines, skipinitialspace=True, strict=True)
    try:
        return next(reader), reader.line_num
    except csv.Error as error:
        raise entry.error(
            f"malformed quotes ({error})",
            'Quote the whole attribute and double any quotes inside it: "pattern=a,""b""".',
        ) from error
