"""Parse the errors that pixi prints, which miette draws as a block, into plain text.

The format is that of miette's ``GraphicalReportHandler``; it quotes the errors of uv, which pixi embeds. Pixi
takes a build step for a terminal of 80 columns and folds the lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_BEGIN = re.compile(r"Error: +× (.*)")
_BEGIN_OF_OLD = re.compile(r" {2}× (.*)")
_CAUSE = re.compile(r" {2}[├╰]─▶ (?: *× )?(.*)")
_MORE = re.compile(r" {2}[│ ](?: {0,3}(.*))?")
_HELP = re.compile(r" +help: (.*)")
_SNIPPET = re.compile(r"[ │]*╭─+\[(.*)\]")
_SNIPPET_END = re.compile(r"[ │]*╰─+$")
# The prefix of a folded line in a nested report.
_BAR = re.compile(r"^ *│")
# Folded after a hyphen or a slash within a word, as in a URL.
_WITHIN_A_WORD = re.compile(r"\w-$|\S/$")
# A log line of tracing without colors and time: level, spans, module. The module's name differs between releases.
_REASON = re.compile(
    r" ?INFO .*?\b((?:(?:the (?:pypi )?dependencies of )?(?:environment|solve group) '[^']*' .*?"
    r"(?:is|are) out of date because|the locked (?:conda|pypi) packages in solve group .* are not consistent).*)"
)


@dataclass(frozen=True)
class PixiReport:
    """An error of pixi: its message with the causes, the quoted lines of other tools, and pixi's help.

    ``after`` holds the lines that the step printed after the report.
    """

    message: str
    quoted: tuple[str, ...] = ()
    help: str = ""
    after: tuple[str, ...] = ()


def pixi_report(lines: Sequence[str]) -> PixiReport | None:
    """Return the last error of pixi in the lines of a build step, or None."""
    for begin in (_BEGIN, _BEGIN_OF_OLD):
        starts = [number for number, line in enumerate(lines) if begin.match(line)]
        if starts:
            match = begin.match(lines[starts[-1]])
            return _report(match[1] if match else "", lines[starts[-1] + 1 :])
    return None


def outdated_reasons(lines: Iterable[str]) -> tuple[str, ...]:
    """Return why the lock is out of date, as ``pixi install -v`` logs it, each reason once.

    Source: crates/pixi_core/src/lock_file/outdated.rs
    """
    return tuple(dict.fromkeys(match[1].rstrip(".") for line in lines if (match := _REASON.match(line))))


def _report(begin: str, lines: Sequence[str]) -> PixiReport:
    parts: list[list[str]] = [[begin]]
    advice: list[str] = []
    place = ""
    in_snippet = False
    current = parts[0]
    after = len(lines)
    for number, line in enumerate(lines):
        if in_snippet:
            in_snippet = not _SNIPPET_END.match(line)
        elif snippet := _SNIPPET.match(line):
            in_snippet, place = True, place or snippet[1]
        elif match := _CAUSE.match(line):
            current = [match[1]]
            parts.append(current)
        elif match := _HELP.match(line):
            current = advice
            advice.append(match[1])
        elif not line or (match := _MORE.fullmatch(line)):
            current.append((match[1] or "") if line and match else "")
        else:
            after = number
            break
    texts: list[str] = []
    quoted: list[str] = []
    for part in parts:
        paragraph = list(takewhile(str.strip, part))
        quoted += part[len(paragraph) :]
        text = _unfolded(paragraph)
        # Some errors repeat the text of their cause.
        if text and not any(text in earlier for earlier in texts):
            texts.append(text)
    message = ": ".join(texts) + (f" ({place})" if place else "")
    return PixiReport(message, tuple(filter(None, quoted)), _unfolded(advice), tuple(lines[after:]))


def _unfolded(lines: Iterable[str]) -> str:
    text = ""
    for line in lines:
        words = _BAR.sub("", line).strip()
        text += words if not text or _WITHIN_A_WORD.search(text) else f" {words}"
    return text.strip()
