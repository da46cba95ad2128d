"""Check the text of a lock before it is parsed: text that Pixi never writes could cost unlimited time and memory.

Pixi writes a lock with serde_yaml in one fixed form: indented mappings and lists, one scalar per line, quoted if
necessary, and multi-line text as a block. With other YAML, the parser's time grows with the square of the depth of
a flow collection such as ``[[[[``, an alias doubles what it names, and a marker of ``requires_dist`` may need
memory that grows exponentially (https://docs.rs/pep508_rs, ``marker::algebra``).
"""

from __future__ import annotations

import re
from pathlib import Path

from pixi_container.errors import UserError
from pixi_container.workspace.lock_commands import lock_command

MOST_ENTRIES = 300_000
"""The limit of lines, and of keys, items and commas, in a lock; the largest public ones have half as many."""

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
# Printable characters must not be escaped, as that could hide a marker.
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
    """Raise ``UserError`` with file and line for text that Pixi would not write, or that is too large."""
    _check_size(text, file)
    has_blocks = ": |" in text or ": >" in text
    lines = _BLOCK_TEXT.sub(_without_text, f"{text}\n") if has_blocks else text
    if other := _OTHER_LINE.search(lines):
        raise UserError(
            "the lock cannot be read: Pixi would not write this line",
            file=file,
            line=lines.count("\n", 0, other.start()) + 1,
            hint=f"Was it edited or merged by hand? Run `{lock_command(Path(file).parent)}` and commit it.",
        )


def _check_size(text: str, file: str) -> None:
    """Raise ``UserError`` if lines, entries or markers exceed several times those of the largest real locks."""
    entries = sum(text.count(sign) for sign in ("- ", ": ", ","))
    if max(entries, text.count("\n")) > MOST_ENTRIES:
        raise UserError(f"the lock has more than {MOST_ENTRIES} lines or entries", file=file)
    if text.count("\n- ") > _MOST_PACKAGES:
        raise UserError(f"the lock has more than {_MOST_PACKAGES} packages", file=file)
    platforms = _PLATFORMS.search(text)
    if platforms and platforms[0].count("\n- ") > _MOST_PLATFORMS:
        # For each environment, the parser searches this list once per platform.
        raise UserError(f"the lock has more than {_MOST_PLATFORMS} platforms", file=file)
    left = float(_MARKER_BUDGET)
    seen: set[str] = set()
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > _LONGEST_LINE:
            raise UserError(
                f"the lock cannot be read: a line has {len(line)} characters; the limit is {_LONGEST_LINE}",
                file=file,
                line=number,
            )
        _, has_marker, marker = line.partition(";")
        if has_marker and marker not in seen:
            seen.add(marker)
            # Every two comparisons may double the size of a marker's decision diagram.
            left -= 2 ** (min(len(_MARKER_STEP.findall(marker)), 100) / 2)
        if left < 0:
            raise UserError(
                "the lock cannot be read: its dependencies have too many conditions to evaluate",
                file=file,
                line=number,
            )


def _without_text(block: re.Match[str]) -> str:
    """Return a block of text with all lines but the first made empty, so line numbers stay the same."""
    first, _, rest = block[0].partition("\n")
    return f"{first}\n" + "\n" * rest.count("\n")
