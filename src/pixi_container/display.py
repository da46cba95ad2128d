"""Make untrusted text safe to show, to a person and to a runner that interprets commands in the log.

Names in a checkout, labels, and output of registries and child processes are untrusted. A carriage return starts a
new line for the runner (``ReadLine``), an escape sequence repaints a terminal, and a bidirectional control makes
text look different: https://trojansource.codes
"""

from __future__ import annotations

import json
import re

from pixi_container.shortening import shortened

# Complete terminal escape sequences, so that no visible part is left: ECMA-48, 5.4 and 5.6.
_SEQUENCE = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?")
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)

# `::name::` at the start of a line, after any white space, and `##[name]` anywhere:
# https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
_COMMAND = re.compile(r"(?m)^(\s*)::|##\[")
_LONGEST_LINE = 200
_MARKUP = re.compile(r"[!-,;<>?\[-`{-~]")


def without_controls(text: str) -> str:
    """Return the text with all control characters except line ends and tabs shown as escapes."""
    plain = _SEQUENCE.sub("", text.replace("\r\n", "\n"))
    return _CONTROL.sub(lambda control: control[0].encode("unicode_escape").decode(), plain)


def without_commands(text: str) -> str:
    """Return the text without control characters and with every runner command made harmless."""
    return _COMMAND.sub(lambda command: _broken(command[0]), without_controls(text))


def has_commands(text: str) -> bool:
    """Return whether a runner would interpret part of the text as a command."""
    return bool(_COMMAND.search(re.sub(r"\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", "\n", text)))


def shown_path(path: str) -> str:
    """Return a path for a line of a list, quoted as JSON if it could be misread."""
    return path if path.isprintable() and not has_commands(path) else json_text(path)


def json_text(value: object, *, indent: int | None = None) -> str:
    """Return the value as ASCII JSON that contains no runner command."""
    # No line of JSON starts with "::", but the older command syntax works anywhere in a line.
    return json.dumps(value, indent=indent).replace("##[", "##\\u005b")


def one_line(text: str) -> str:
    """Return the text as one line without control characters, shortened to 200 characters."""
    # Do not spend time on text far beyond the limit.
    return shortened(_folded(text[: 5 * _LONGEST_LINE]), _LONGEST_LINE)


def markdown_text(text: str) -> str:
    """Return the text escaped for a table cell or line of Markdown.

    Special characters become character references, which never start markup:
    https://spec.commonmark.org/0.31.2/#entity-and-numeric-character-references
    """
    return _MARKUP.sub(lambda character: f"&#{ord(character[0])};", _folded(text))


def markdown_code(text: str) -> str:
    """Return the text as inline code in Markdown."""
    return f"<code>{markdown_text(text)}</code>"


def markdown_block(text: str, language: str) -> str:
    """Return the text as a code block, with a fence longer than any in the text."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{without_controls(text).rstrip()}\n{fence}"


def _folded(text: str) -> str:
    return " ".join(without_controls(text).split())


def _broken(command: str) -> str:
    return "# #[" if command == "##[" else f"{command[:-2]}: :"
