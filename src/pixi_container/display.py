"""Text as it may be shown, to a person or to a runner that reads it for commands, wherever the text comes from.

Names in a checkout, labels, and what registries and child processes say are written by others. A carriage return
starts a line for the runner (``ReadLine``), an escape sequence repaints a terminal, a bidirectional control shows
other text than there is: https://trojansource.codes
"""

from __future__ import annotations

import json
import re

from pixi_container.shortening import shortened

# Escape sequences of terminals whole, so that nothing of them is left to read: ECMA-48, 5.4 and 5.6.
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
    """Return the text with line ends and tabs as the only control characters; others are shown as escapes."""
    plain = _SEQUENCE.sub("", text.replace("\r\n", "\n"))
    return _CONTROL.sub(lambda control: control[0].encode("unicode_escape").decode(), plain)


def without_commands(text: str) -> str:
    """Return the text with no line in it that a runner takes for a command, and no control character."""
    return _COMMAND.sub(lambda command: _broken(command[0]), without_controls(text))


def has_commands(text: str) -> bool:
    """Return whether a runner that reads the text would take something in it for a command."""
    return bool(_COMMAND.search(re.sub(r"\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", "\n", text)))


def shown_path(path: str) -> str:
    """Return a path as a line of a list may show it: in JSON's quotes where it could be misread."""
    return path if path.isprintable() and not has_commands(path) else json_text(path)


def json_text(value: object, *, indent: int | None = None) -> str:
    """Return JSON in ASCII in which nothing is a runner's command; it says the same as it would anyway."""
    # Lines of JSON never begin with a colon; the older form of commands can be anywhere in a line.
    return json.dumps(value, indent=indent).replace("##[", "##\\u005b")


def one_line(text: str) -> str:
    """Return the text as one line without control characters, of a longer one the first characters."""
    # What is far beyond that need not be looked at.
    return shortened(_folded(text[: 5 * _LONGEST_LINE]), _LONGEST_LINE)


def markdown_text(text: str) -> str:
    """Return the text for a table cell or line of Markdown, in which nothing of it is markup.

    Characters with a meaning become references, which never begin markup:
    https://spec.commonmark.org/0.31.2/#entity-and-numeric-character-references
    """
    return _MARKUP.sub(lambda character: f"&#{ord(character[0])};", _folded(text))


def markdown_code(text: str) -> str:
    """Return the text as code within a line of Markdown."""
    return f"<code>{markdown_text(text)}</code>"


def markdown_block(text: str, language: str) -> str:
    """Return the text as a block of code, with a fence longer than any in the text."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{without_controls(text).rstrip()}\n{fence}"


def _folded(text: str) -> str:
    return " ".join(without_controls(text).split())


def _broken(command: str) -> str:
    return "# #[" if command == "##[" else f"{command[:-2]}: :"
