"""The text of a lock before a parser has it: what no pixi writes is refused, as it may cost any time and memory.

Pixi writes a lock with serde_yaml in one fixed form: mappings and lists by indentation, one scalar a line, quoted
where it would mean something else, text of several lines as a block. A flow collection such as ``[[[[`` costs
its parser a time that grows with the square of the depth, an alias doubles what it names, and a marker of
``requires_dist`` may need a memory that grows exponentially (https://docs.rs/pep508_rs, ``marker::algebra``).
"""

from __future__ import annotations

import re

from pixi_container.errors import UserError

MOST_ENTRIES = 300_000
"""The most lines, and the most keys, items and commas, of a lock; the largest of public workspaces have half."""

_MOST_PACKAGES = 50_000
_MOST_PLATFORMS = 1000
_LONGEST_LINE = 4096
_MARKER_BUDGET = 10_000

# YAML 1.2.2, 7.3: the styles of scalars, as far as they fit on one line without a character that is not printed.
_BLANK = r"\x00-\x20\x7f-\x9f\u2028\u2029\ufeff"
_INSIDE = rf"[^{_BLANK}:#]*"
_PLAIN = (
    rf"(?:[^{_BLANK}\-?:,\[\]{{}}#&*!|>'\"%@`]|[-?:](?=[^{_BLANK}]))"
    rf"{_INSIDE}(?:(?::(?=[^{_BLANK}])|(?<! )#| +(?=[^{_BLANK}#])){_INSIDE})*"
)
_IN_QUOTES = _BLANK.replace(r"\x20", r"\x1f")
_SINGLE = rf"'[^'{_IN_QUOTES}]*(?:''[^'{_IN_QUOTES}]*)*'"
# Nothing that can be printed is written as an escape, which would hide a marker.
_ESCAPE = rf"\\(?!x[2-7]|u00[2-7]|U000000[2-7])[^{_IN_QUOTES}]"
_DOUBLE = rf"\"[^\"\\{_IN_QUOTES}]*(?:{_ESCAPE}[^\"\\{_IN_QUOTES}]*)*\""
_SCALAR = rf"(?:{_PLAIN}|{_SINGLE}|{_DOUBLE})"
_TEXT = rf"[^{_IN_QUOTES}]*"
_BLOCK = r"[|>][-+0-9]{0,2}"
_LINE = (
    rf"(?!---|\.\.\.) {{0,16}}(?:(?:- ){{0,3}}{_SCALAR}:(?: (?:{_SCALAR}|\[\]|\{{\}}|{_BLOCK}))?"
    rf"|(?:- ){{1,3}}(?:{_SCALAR}|\[\]|\{{\}})|)(?:(?:^| )#{_TEXT})? *"
)
_OTHER_LINE = re.compile(rf"^(?!{_LINE}$).*$", re.MULTILINE)
_BLOCK_TEXT = re.compile(rf"^( *){_SCALAR}: {_BLOCK}\n\n*(\1 +)(?! ){_TEXT}\n(?:\2{_TEXT}\n|\n)*", re.MULTILINE)

_PLATFORMS = re.compile(r"^platforms:(?:\n[- ].*)*", re.MULTILINE)
_MARKER_STEP = re.compile(r"\b(?:and|or)\b|\(")


def check_lock_text(text: str, file: str) -> None:
    """Raise ``UserError`` with file and line for a text that pixi does not write, or that is too large to read."""
    _check_size(text, file)
    has_blocks = ": |" in text or ": >" in text
    lines = _BLOCK_TEXT.sub(_without_text, f"{text}\n") if has_blocks else text
    if other := _OTHER_LINE.search(lines):
        raise UserError(
            "the lock cannot be read: this line is nothing that pixi writes there",
            file=file,
            line=lines.count("\n", 0, other.start()) + 1,
            hint="Was it edited or merged by hand? Run `pixi lock` and commit the result.",
        )


def _check_size(text: str, file: str) -> None:
    """Keep lines, entries and markers within what the largest of real locks have, several times over."""
    entries = sum(text.count(sign) for sign in ("- ", ": ", ","))
    if max(entries, text.count("\n")) > MOST_ENTRIES:
        raise UserError(f"the lock has more than {MOST_ENTRIES} lines or entries", file=file)
    if text.count("\n- ") > _MOST_PACKAGES:
        raise UserError(f"the lock has more than {_MOST_PACKAGES} packages", file=file)
    platforms = _PLATFORMS.search(text)
    if platforms and platforms[0].count("\n- ") > _MOST_PLATFORMS:
        # Each environment's are looked up one by one in this list.
        raise UserError(f"the lock has more than {_MOST_PLATFORMS} platforms", file=file)
    left = float(_MARKER_BUDGET)
    seen: set[str] = set()
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > _LONGEST_LINE:
            raise UserError(
                f"the lock cannot be read: a line is {len(line)} characters long, {_LONGEST_LINE} are accepted",
                file=file,
                line=number,
            )
        _, has_marker, marker = line.partition(";")
        if has_marker and marker not in seen:
            seen.add(marker)
            # Each two comparisons may double what a marker's decision diagram has.
            left -= 2 ** (min(len(_MARKER_STEP.findall(marker)), 100) / 2)
        if left < 0:
            raise UserError(
                "the lock cannot be read: its dependencies have more conditions than can be evaluated",
                file=file,
                line=number,
            )


def _without_text(block: re.Match[str]) -> str:
    """Keep the first line of a block of text, and the number of the others."""
    first, _, rest = block[0].partition("\n")
    return f"{first}\n" + "\n" * rest.count("\n")
