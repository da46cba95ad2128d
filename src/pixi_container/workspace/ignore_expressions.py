r"""The regular expressions of ``.dockerignore`` patterns as rows of places for an automaton.

BuildKit turns most patterns into regular expressions, with undocumented consequences: ``[^a]`` matches a slash,
and ``\d`` matches a digit. Go matches them in linear time, but Python's ``re`` does not.
Source: https://pkg.go.dev/regexp/syntax
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum, auto

from pixi_container.workspace.ignore_patterns import FOLDERS_BEFORE, BadPatternError, MatchKind, expression_of

Ranges = tuple[tuple[int, int], ...]

_LAST = 0x10FFFF
_ANY: Ranges = ((0, _LAST),)
_NOTHING: Ranges = ()
_SLASH: Ranges = ((0x2F, 0x2F),)
_NOT_NEWLINE: Ranges = ((0, 0x09), (0x0B, _LAST))

# https://pkg.go.dev/regexp/syntax#hdr-Syntax, as first and last characters
_PERL_CLASSES = {"d": "09", "s": "\t\n\f\r  ", "w": "09AZ__az"}
_NAMED_CLASSES = {
    "alnum": "09AZaz",
    "alpha": "AZaz",
    "ascii": "\x00\x7f",
    "blank": "\t\t  ",
    "cntrl": "\x00\x1f\x7f\x7f",
    "digit": "09",
    "graph": "!~",
    "lower": "az",
    "print": " ~",
    "punct": "!/:@[`{~",
    "space": "\t\r  ",
    "upper": "AZ",
    "word": "09AZ__az",
    "xdigit": "09AFaf",
}
_CONTROL_CHARACTERS = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_OCTAL = re.compile(r"0[0-7]{0,2}|[1-7][0-7]{1,2}")
_HEXADECIMAL = re.compile(r"x([0-9A-Fa-f]{2})")
_REPETITION = re.compile(r"\{(?P<least>0|[1-9][0-9]*)(?P<open>,(?P<most>0|[1-9][0-9]*)?)?\}")
_MOST_REPETITIONS = 1000


class Assertion(Enum):
    """A condition of a regular expression between two characters."""

    BEGIN = auto()
    END = auto()
    WORD_BOUNDARY = auto()
    NO_WORD_BOUNDARY = auto()


@dataclass(frozen=True)
class Step:
    """One place of an automaton: the characters that activate the next place, and those that keep this one active.

    The place after an ``optional`` one becomes active together with it, the place after an ``assertion`` if it
    holds.
    """

    advances: Ranges = _NOTHING
    stays: Ranges = _NOTHING
    optional: bool = False
    assertion: Assertion | None = None


def chains(pattern: str) -> list[list[Step]]:
    """Return a pattern's automaton: one row of places, without its end, for each alternative.

    Raises ``BadPatternError``.
    """
    kind, expression = expression_of(pattern)
    if kind is MatchKind.EXPRESSION:
        return [_anchored(steps) for steps in _alternatives(expression)]
    if kind is MatchKind.EXACT:
        return [_literally(pattern)]
    if kind is MatchKind.PREFIX:
        return [[*_literally(pattern[:-2]), _many(_ANY)]]
    # The builder cuts off two bytes, which are not the stars if a byte order mark precedes them.
    suffix = pattern.encode()[2:].decode(errors="surrogateescape")
    if suffix.startswith("/"):
        return [[_folders(_ANY), *_literally(suffix[1:])]]
    return [[_many(_ANY), *_literally(suffix)]]


def _literally(text: str) -> list[Step]:
    return [Step(advances=_single(ord(character))) for character in text]


def _single(code: int) -> Ranges:
    return ((code, code),)


def _many(ranges: Ranges) -> Step:
    return Step(advances=ranges, stays=ranges, optional=True)


def _folders(ranges: Ranges) -> Step:
    """Return the place that matches nothing, or characters that end in a slash."""
    return Step(advances=_SLASH, stays=ranges, optional=True)


def _anchored(steps: list[Step]) -> list[Step]:
    """Return places that match a whole path, made from those of an expression that may match a part."""
    from_begin = bool(steps) and steps[0].assertion is Assertion.BEGIN
    to_end = bool(steps) and steps[-1].assertion is Assertion.END
    inner = steps[1 if from_begin else 0 : -1 if to_end else None]
    return [*([] if from_begin else [_many(_ANY)]), *inner, *([] if to_end else [_many(_ANY)])]


def _alternatives(expression: str) -> list[list[Step]]:
    r"""Return the places for an expression from ``expression_of``: https://pkg.go.dev/regexp/syntax.

    The final dollar sign may lose its meaning: after a backslash at the pattern's end, or inside ``\Q``.
    """
    steps: list[Step] = []
    alternatives = [steps]
    is_repeatable = False
    at = 0
    while at < len(expression):
        repetition = _REPETITION.match(expression, at)
        if repetition:
            if not is_repeatable:
                raise BadPatternError(f"has nothing to repeat before '{repetition[0]}'")
            steps += _repeated(steps.pop(), repetition)
            is_repeatable = False
            at = repetition.end()
        elif expression[at] == "|":
            steps = []
            alternatives.append(steps)
            is_repeatable = False
            at += 1
        elif expression.startswith(FOLDERS_BEFORE, at):
            steps.append(_folders(_NOT_NEWLINE))
            is_repeatable = False
            at += len(FOLDERS_BEFORE)
        elif expression.startswith("\\Q", at):
            text, _, rest = expression[at + 2 :].partition("\\E")
            steps += _literally(text)
            is_repeatable = is_repeatable or bool(text)
            at = len(expression) - len(rest)
        elif (assertion := _assertion(expression, at)) is not None:
            steps.append(Step(assertion=assertion))
            is_repeatable = True
            at += 2 if expression[at] == "\\" else 1
        else:
            ranges, at = _atom(expression, at)
            has_star = expression.startswith("*", at)
            steps.append(_many(ranges) if has_star else Step(advances=ranges))
            is_repeatable = not has_star
            at += has_star
    return alternatives


def _repeated(step: Step, repetition: re.Match[str]) -> list[Step]:
    least = int(repetition["least"])
    most = int(repetition["most"]) if repetition["most"] else None if repetition["open"] else least
    if max(least, most or 0) > _MOST_REPETITIONS or (most is not None and most < least):
        raise BadPatternError(f"has the invalid repetition '{repetition[0]}'")
    if step.assertion:
        return [step] if least else []
    more = [_many(step.advances)] if most is None else [replace(step, optional=True)] * (most - least)
    return [step] * least + more


def _assertion(expression: str, at: int) -> Assertion | None:
    if expression[at] == "\\":
        return {
            "A": Assertion.BEGIN,
            "z": Assertion.END,
            "b": Assertion.WORD_BOUNDARY,
            "B": Assertion.NO_WORD_BOUNDARY,
        }.get(expression[at + 1])
    return {"^": Assertion.BEGIN, "$": Assertion.END}.get(expression[at])


def _atom(expression: str, at: int) -> tuple[Ranges, int]:
    """Return the characters that match one place, and the position of the next."""
    if expression[at] == "[":
        return _class(expression, at + 1)
    if expression[at] == ".":
        return _NOT_NEWLINE, at + 1
    if expression[at] == "\\":
        perl = _perl_class(expression, at)
        if perl is not None:
            return perl, at + 2
    code, at = _code(expression, at)
    return _single(code), at


def _class(expression: str, at: int) -> tuple[Ranges, int]:
    is_negated = expression.startswith("^", at)
    at += is_negated
    ranges: list[tuple[int, int]] = []
    is_first = True
    while is_first or not expression.startswith("]", at):
        is_first = False
        name_end = expression.find(":]", at + 2) if expression.startswith("[:", at) else -1
        perl = _perl_class(expression, at)
        if name_end >= 0:
            ranges += _named_class(expression[at + 2 : name_end])
            at = name_end + 2
        elif perl is not None:
            ranges += perl
            at += 2
        else:
            first, at = _code(expression, at)
            last = first
            if (
                expression.startswith("-", at)
                and not expression.startswith("]", at + 1)
                and at + 1 < len(expression)
            ):
                last, at = _code(expression, at + 1)
            if last < first:
                raise BadPatternError(f"has the invalid range '{chr(first)}-{chr(last)}' in brackets")
            ranges.append((first, last))
    return (_others(ranges) if is_negated else tuple(ranges)), at + 1


def _named_class(name: str) -> Ranges:
    letters = _NAMED_CLASSES.get(name.removeprefix("^"))
    if letters is None:
        raise BadPatternError(f"has the unknown character class '[:{name}:]'")
    return _others(_pairs(letters)) if name.startswith("^") else _pairs(letters)


def _perl_class(expression: str, at: int) -> Ranges | None:
    letter = expression[at + 1 : at + 2] if expression.startswith("\\", at) else ""
    letters = _PERL_CLASSES.get(letter.lower())
    if letters is None:
        return None
    return _others(_pairs(letters)) if letter.isupper() else _pairs(letters)


def _pairs(letters: str) -> Ranges:
    return tuple((ord(first), ord(last)) for first, last in zip(letters[::2], letters[1::2], strict=True))


def _others(ranges: Ranges | list[tuple[int, int]]) -> Ranges:
    others = []
    begin = 0
    for first, last in sorted(ranges):
        if first > begin:
            others.append((begin, first - 1))
        begin = max(begin, last + 1)
    return (*others, (begin, _LAST)) if begin <= _LAST else tuple(others)


def _code(expression: str, at: int) -> tuple[int, int]:
    """Return the character at a position of an expression, and the position of the next."""
    if at >= len(expression):
        raise BadPatternError("has a '[' without a ']'")
    if expression[at] != "\\":
        return ord(expression[at]), at + 1
    at += 1
    letter = expression[at : at + 1]
    if letter and letter.isascii() and not letter.isalnum():
        return ord(letter), at + 1
    if letter in _CONTROL_CHARACTERS:
        return _CONTROL_CHARACTERS[letter], at + 1
    if octal := _OCTAL.match(expression, at):
        return int(octal[0], 8), octal.end()
    if hexadecimal := _HEXADECIMAL.match(expression, at):
        return int(hexadecimal[1], 16), hexadecimal.end()
    raise BadPatternError(f"has the unknown escape '\\{letter}'; use '/' between folders")
