"""JavaScript's regular expressions, as `type=match` and `match=` take them, on Python's engine."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixi_container.tags.entries import Entry

_SLASHED = re.compile(r"/(?P<body>.+)/(?P<flags>.*)", re.DOTALL)
_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "d": 0, "g": 0, "u": 0, "y": 0}

# Where the two grammars part. Escapes and classes are taken whole, so that nothing in them is misread.
_DIFFERENCES = re.compile(
    r"""\\k<(?P<reference>\w+)>
      | \\(?P<letter>[AZ])
      | \\.
      | (?P<anything>\[\^\])
      | (?P<nothing>\[\])
      | \[(?:\\.|[^\]\\])*\]
      | (?P<named>\(\?<(?![=!]))
      | (?P<foreign>\(\?(?![:=!<]) | (?:[*+?] | \{\d+(?:,\d*)?\})\+)
      | (?P<braces>\{,\d+\})""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Search:
    """A compiled pattern, with what of its flags Python has no word for."""

    source: str
    compiled: re.Pattern[str]
    every: bool = False
    sticky: bool = False

    def groups(self, text: str) -> list[str | None]:
        """Return what ``text.match(pattern)`` does: the match and its groups, or with flag ``g`` every match."""
        if self.every:
            return [match[0] for match in self.compiled.finditer(text)]
        match = self.compiled.match(text) if self.sticky else self.compiled.search(text)
        return [match[0], *match.groups()] if match else []


def search(text: str, entry: Entry, *, slashes: bool = False) -> Search:
    """Read a pattern; with ``slashes`` also the form ``/pattern/flags``.

    Raises ``UserError`` for what is no pattern or cannot be said to Python's engine.
    """
    slashed = _SLASHED.fullmatch(text) if slashes else None
    body, flags = (slashed["body"], slashed["flags"]) if slashed else (text, "")
    for flag in flags:
        if flag not in _FLAGS:
            raise entry.error(f"unknown flag {flag!r} in pattern {text!r}", f"Accepted: {', '.join(_FLAGS)}.")
    # JavaScript's \d, \w and \b know only ASCII.
    options = re.ASCII
    for flag in flags:
        options |= _FLAGS[flag]
    try:
        with warnings.catch_warnings():
            # A future Python may read "[[" as a nested set; JavaScript and today's Python do not.
            warnings.simplefilter("ignore", FutureWarning)
            compiled = re.compile(_DIFFERENCES.sub(_translate, body), options)
    except (re.error, ValueError, OverflowError, RecursionError) as error:
        raise entry.error(
            f"the pattern {body!r} cannot be used: {error}",
            'Quote a pattern with a comma as a whole: "pattern=v(\\d{1,3})".',
        ) from error
    return Search(text, compiled, every="g" in flags, sticky="y" in flags)


def _translate(token: re.Match[str]) -> str:
    kind, text = token.lastgroup, token[0]
    if kind == "foreign":
        raise ValueError(f"{text!r} is no JavaScript regular expression")
    return {
        "reference": f"(?P={token['reference']})",
        "letter": token["letter"] or "",
        "anything": r"[\s\S]",
        "nothing": "(?!)",
        "named": "(?P<",
        "braces": f"\\{text}",
    }.get(kind or "", text)
