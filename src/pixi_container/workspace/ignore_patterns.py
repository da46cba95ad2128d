"""The lines and patterns of ``.dockerignore``, read and refused as the builder does.

Sources: https://github.com/moby/patternmatcher and, for globs, Go's ``path/filepath``
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

_LONGEST_PATTERN = 4096
_LONGEST_LINE_BYTES = 64 * 1024 - 1

BYTE_ORDER_MARK = "\ufeff"
FOLDERS_BEFORE = "(.*/)?"
"""What ``expression_of`` has for ``**/``."""

_NOT_UTF8 = re.compile("[\ud800-\udfff]")

# https://pkg.go.dev/unicode#IsSpace
_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
    "\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)


class BadPatternError(Exception):
    """A pattern that stops the build; the message says why."""


class MatchKind(Enum):
    """How the builder compares a pattern with a path."""

    EXACT = auto()
    PREFIX = auto()
    SUFFIX = auto()
    EXPRESSION = auto()


@dataclass(frozen=True)
class Pattern:
    """A pattern in the form in which it is compared, without its exclamation mark, and its line number."""

    text: str
    is_exception: bool = False
    line: int = 0


def printable(text: str) -> str:
    """Return the text as the builder passes it on: with U+FFFD for each byte that is not UTF-8.

    Source: https://pkg.go.dev/encoding/json#Marshal
    """
    return _NOT_UTF8.sub("\ufffd", text)


def pattern_in(line: str, number: int) -> Pattern | None:
    """Return the pattern in a line, or None. Raises ``BadPatternError``.

    The builder cleans a pattern twice, when it reads the file and when it compiles the pattern. Therefore a
    leading slash does not protect an exclamation mark.
    """
    if len(line.encode()) > _LONGEST_LINE_BYTES:
        raise BadPatternError("is in a line that is too long for the builder")
    text = "" if line.startswith("#") else line.strip(_SPACE)
    if not text:
        return None
    mark = "!" if text.startswith("!") else ""
    text = text.removeprefix("!").strip(_SPACE)
    if text:
        text = _clean(text)
        text = text[1:] if len(text) > 1 and text.startswith("/") else text
    text = f"{mark}{text}".strip(_SPACE)
    if not text:
        return None
    text = _clean(text)
    if text == "!":
        raise BadPatternError("has nothing after the exclamation mark")
    if len(text) > _LONGEST_PATTERN:
        raise BadPatternError(f"is longer than the limit of {_LONGEST_PATTERN} characters")
    pattern = Pattern(text.removeprefix("!"), is_exception=text.startswith("!"), line=number)
    _check_glob(pattern.text)
    return pattern


def _clean(path: str) -> str:
    """Return the path as Go cleans it: https://pkg.go.dev/path#Clean.

    ``posixpath.normpath`` differs: it keeps two leading slashes.
    """
    names: list[str] = []
    for name in path.split("/"):
        if name == ".." and names and names[-1] != "..":
            names.pop()
        elif name not in ("", ".") and not (name == ".." and path.startswith("/") and not names):
            names.append(name)
    return f"{'/' if path.startswith('/') else ''}{'/'.join(names)}" or "."


def without_glob(text: str) -> str:
    """Return a pattern without the glob at its end that matches everything in a folder."""
    return text.removesuffix("/**").removesuffix("/*")


def _check_glob(pattern: str) -> None:
    """Raise ``BadPatternError`` if Go's ``filepath.Match`` refuses to compare the pattern with a dot.

    Go reads no further than necessary: up to the second star, or the third after a part that matches a dot.
    Source: https://cs.opensource.google/go/go/+/master:src/path/filepath/match.go
    """
    chunk, rest = _chunk(pattern.lstrip("*"))
    if _check_chunk(chunk):
        _check_chunk(_chunk(rest.lstrip("*"))[0])


def _chunk(pattern: str) -> tuple[str, str]:
    """Return the part before the first star outside of brackets, and the rest."""
    in_brackets = False
    at = 0
    while at < len(pattern):
        if pattern[at] == "\\":
            at += 1
        elif pattern[at] in "[]":
            in_brackets = pattern[at] == "["
        elif pattern[at] == "*" and not in_brackets:
            break
        at += 1
    return pattern[:at], pattern[at:]


def _check_chunk(chunk: str) -> bool:
    """Return whether the chunk, which has no stars, matches one dot. Raises ``BadPatternError``."""
    matches = True
    length = 0
    at = 0
    while at < len(chunk):
        length += 1
        if chunk[at] == "[":
            is_negated = chunk.startswith("^", at + 1)
            at += 2 if is_negated else 1
            ranges: list[tuple[str, str]] = []
            while not (ranges and chunk.startswith("]", at)):
                first, at = _character(chunk, at)
                last = first
                if chunk[at] == "-":
                    last, at = _character(chunk, at + 1)
                ranges.append((first, last))
            at += 1
            matches = matches and any(first <= "." <= last for first, last in ranges) != is_negated
            continue
        if chunk[at] == "\\":
            at += 1
            if at == len(chunk):
                raise BadPatternError("ends with a backslash")
        elif chunk[at] == "?":
            at += 1
            continue
        matches = matches and chunk[at] == "."
        at += 1
    return matches and length == 1


def _character(chunk: str, at: int) -> tuple[str, int]:
    """Return a character in brackets and the position of the next one, which must exist."""
    if chunk[at : at + 1] in ("-", "]"):
        raise BadPatternError(f"has '{chunk[at]}' in brackets where a character is expected; put '\\' before it")
    at += chunk.startswith("\\", at)
    if at + 1 >= len(chunk):
        raise BadPatternError("has a '[' without a ']'")
    return chunk[at], at + 1


def expression_of(pattern: str) -> tuple[MatchKind, str]:
    """Return how a pattern is compared, and its regular expression, empty if it does not need one.

    Source: ``compile`` in https://github.com/moby/patternmatcher/blob/main/patternmatcher.go
    """
    kind = MatchKind.EXACT
    expression = ["^"]
    # Go's scanner drops the byte order mark, but a comparison without an expression does not.
    rest = pattern.removeprefix(BYTE_ORDER_MARK)
    is_first = True
    while rest:
        if rest.startswith("**"):
            rest = rest[2:].removeprefix("/")
            if rest:
                expression.append(FOLDERS_BEFORE)
                kind = MatchKind.EXPRESSION
            elif kind is MatchKind.EXACT:
                kind = MatchKind.PREFIX
            else:
                expression.append(".*")
                kind = MatchKind.EXPRESSION
            kind = MatchKind.SUFFIX if is_first else kind
            is_first = False
            continue
        character, rest = rest[0], rest[1:]
        is_first = False
        if character in "*?":
            expression.append("[^/]*" if character == "*" else "[^/]")
        elif character in ".+()$":
            # The builder is meant to escape { | } as well, but a bug in its table leaves them out.
            expression.append(f"\\{character}")
            continue
        elif character == "\\":
            expression.append(f"\\{rest[:1]}")
            if not rest:
                continue
            rest = rest[1:]
        else:
            expression.append(character)
            if character not in "[]":
                continue
        kind = MatchKind.EXPRESSION
    return kind, "".join([*expression, "$"]) if kind is MatchKind.EXPRESSION else ""
