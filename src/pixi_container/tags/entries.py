"""Lists of entries: one a line, each a CSV record of attributes, with the line known for errors."""

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
    """One entry of an input: the text without its wrapping quotes, and the line it starts on, from one."""

    input: str
    line: int
    text: str

    def error(self, problem: str, hint: str = "") -> UserError:
        """Name the place of a problem: which line of which input."""
        return UserError(f"input {self.input!r}, line {self.line}: {problem}\n  {self.text}", hint=hint)

    def attributes(self) -> list[tuple[str, str]]:
        r"""Split into names and values; a field without a name has an empty one.

        Names are lower-cased, both sides are stripped, a value may itself hold ``=``. A value with a comma
        must be quoted as CSV has it: ``"pattern=v(\d{1,3})"``. Raises ``UserError`` for malformed quotes.
        """
        fields = _record(self, [self.text])[0]
        attributes = []
        for text in fields:
            match = _ATTRIBUTE.fullmatch(text)
            name, value = (match["name"].lower(), match["value"]) if match else ("", text)
            attributes.append((name, value.strip()))
        return attributes


def entries(text: str, name: str) -> list[Entry]:
    """Read the list that the input ``name`` gives, leaving out blank lines and lines that start with ``#``.

    An entry that is quoted as a whole may hold line breaks. Raises ``UserError`` for a quote without an end.
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
    """Say what is accepted instead of ``word``, and what is most like it."""
    return f"Accepted: {', '.join(words)}{did_you_mean(word, words) or '.'}"


def _record(entry: Entry, lines: list[str]) -> tuple[list[str], int]:
    reader = csv.reader(lines, skipinitialspace=True, strict=True)
    try:
        return next(reader), reader.line_num
    except csv.Error as error:
        raise entry.error(
            f"malformed quotes ({error})",
            'Quote a whole attribute, and double the quotes inside: "pattern=a,""b""".',
        ) from error
