"""``.dockerignore`` as the builder has it: its lines, what a pattern matches, and which folders are not walked.

BuildKit makes a regular expression of most patterns, with consequences that no documentation tells: ``[^a]``
matches a slash, and a backslash before a ``d`` makes a digit of it. Go matches it in linear time and
Python's ``re`` does not, so that all patterns together become one automaton here, whose set of active places is
the bits of one integer. What a folder's name led to is kept for what lies in it.

Sources: https://github.com/moby/patternmatcher, https://github.com/tonistiigi/fsutil/blob/master/filter.go
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from itertools import groupby
from typing import TypeVar

from pixi_container.errors import UserError
from pixi_container.shortening import shortened

_MOST_PATTERNS = 10_000
_LONGEST_PATTERN = 4096
_MOST_PLACES = 256 * 1024
_LONGEST_LINE_BYTES = 64 * 1024 - 1
_MOST_CACHED = 256

_BYTE_ORDER_MARK = "\ufeff"
_NOT_UTF8 = re.compile("[\ud800-\udfff]")

# https://pkg.go.dev/unicode#IsSpace
_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
    "\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
_Ranges = tuple[tuple[int, int], ...]

_LAST = 0x10FFFF
_ANY: _Ranges = ((0, _LAST),)
_NOTHING: _Ranges = ()
_SLASH: _Ranges = ((0x2F, 0x2F),)
_NOT_NEWLINE: _Ranges = ((0, 0x09), (0x0B, _LAST))

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
_WORD = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")

_FOLDERS_BEFORE = "(.*/)?"
_REPETITION = re.compile(r"\{(?P<least>0|[1-9][0-9]*)(?P<open>,(?P<most>0|[1-9][0-9]*)?)?\}")
_MOST_REPETITIONS = 1000


class _BadPatternError(Exception):
    """A pattern that stops the build; the message says why."""


class MatchKind(Enum):
    """How the builder compares a pattern with a path."""

    EXACT = auto()
    PREFIX = auto()
    SUFFIX = auto()
    EXPRESSION = auto()


class _Assertion(Enum):
    """What a regular expression demands between two characters."""

    BEGIN = auto()
    END = auto()
    WORD_BOUNDARY = auto()
    NO_WORD_BOUNDARY = auto()


@dataclass(frozen=True)
class _Step:
    """One place of an automaton: on which characters the next place becomes active, and this one remains so.

    The place after an ``optional`` one becomes active together with it, after an ``assertion`` where that holds.
    """

    advances: _Ranges = _NOTHING
    stays: _Ranges = _NOTHING
    optional: bool = False
    assertion: _Assertion | None = None


@dataclass(frozen=True)
class Pattern:
    """A pattern in the form that is compared, its exclamation mark apart, and the line that has it."""

    text: str
    is_exception: bool = False
    line: int = 0


@dataclass(frozen=True)
class Verdict:
    """What the patterns make of one path; the rest is what is needed for paths below it.

    ``matched`` has a bit for each group of patterns that matched this path or one above it.
    """

    path: str
    is_hidden: bool
    matched: int
    active: int


@dataclass(frozen=True)
class DockerIgnore:
    """What a ``.dockerignore`` keeps out of the build; ``patterns`` are in the file's order."""

    patterns: tuple[Pattern, ...] = ()
    _matcher: _Matcher = field(init=False, repr=False, compare=False)
    _exceptions: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _has_wild_exceptions: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        exceptions = [_without_glob(pattern.text) for pattern in self.patterns if pattern.is_exception]
        object.__setattr__(self, "_matcher", _Matcher.of(self.patterns))
        object.__setattr__(self, "_exceptions", tuple(sorted(f"{text}/" for text in exceptions)))
        object.__setattr__(self, "_has_wild_exceptions", any(set("*[]?^\\") & set(text) for text in exceptions))

    @classmethod
    def parse(cls, text: str, file: str = "") -> DockerIgnore:
        """Return the patterns of the file's text; ``file`` names it in errors.

        Raises ``UserError`` for a pattern that would stop the build, and for more or longer ones than are
        accepted. Source of the rules for lines:
        https://github.com/moby/patternmatcher/blob/main/ignorefile/ignorefile.go
        """
        patterns = []
        places = 0
        for number, line in enumerate(printable(text).removeprefix(_BYTE_ORDER_MARK).split("\n"), 1):
            try:
                pattern = _pattern_of(line, number)
                if pattern is None:
                    continue
                places += sum(len(steps) + 1 for steps in _chains(pattern.text))
            except _BadPatternError as error:
                raise UserError(
                    f"the pattern '{shortened(line.strip())}' {error}",
                    file=file,
                    line=number,
                    hint="Patterns: https://docs.docker.com/build/concepts/context/#dockerignore-files",
                ) from error
            patterns.append(pattern)
            if len(patterns) > _MOST_PATTERNS or places > _MOST_PLACES:
                raise UserError(
                    f"more than {_MOST_PATTERNS} patterns, or {_MOST_PLACES} characters of them, are not accepted",
                    file=file,
                    line=number,
                )
        return cls(tuple(patterns))

    def top(self) -> Verdict:
        """Return what holds for the context itself, where every path begins."""
        return Verdict("", is_hidden=False, matched=0, active=self._matcher.start)

    def below(self, folder: Verdict, name: str) -> Verdict:
        """Return what holds for ``name`` in a folder.

        A pattern that matched the folder also matches what lies in it; one that did not have to be asked there
        did not match. Source: ``MatchesUsingParentResults`` in
        https://github.com/moby/patternmatcher/blob/main/patternmatcher.go
        """
        path = f"{folder.path}/{name}" if folder.path else name
        if not self.patterns:
            return Verdict(path, is_hidden=False, matched=0, active=0)
        active = self._matcher.after(folder.active, path, len(folder.path))
        is_hidden, matched = self._matcher.decision(self._matcher.ended(active, path), folder.matched)
        return Verdict(path, is_hidden=is_hidden, matched=matched, active=active)

    def is_skipped(self, folder: Verdict) -> bool:
        """Return whether the builder does not even look into a hidden folder, as no exception can be in it.

        Source: ``Walk`` in https://github.com/tonistiigi/fsutil/blob/master/filter.go
        """
        if not folder.is_hidden or self._has_wild_exceptions:
            return False
        inside = f"{folder.path}/"
        nearest = bisect_left(self._exceptions, inside)
        return not any(text.startswith(inside) for text in self._exceptions[nearest : nearest + 1])


def printable(text: str) -> str:
    """Return the text as the builder passes it on: each byte that is not UTF-8 became U+FFFD.

    Source: https://pkg.go.dev/encoding/json#Marshal
    """
    return _NOT_UTF8.sub("\ufffd", text)


def expression_of(pattern: str) -> tuple[MatchKind, str]:
    """Return how a pattern is compared, and the regular expression of one that is compared by one.

    Source: ``compile`` in https://github.com/moby/patternmatcher/blob/main/patternmatcher.go
    """
    kind = MatchKind.EXACT
    expression = ["^"]
    # Go's scanner drops the mark, but comparing without an expression does not.
    rest = pattern.removeprefix(_BYTE_ORDER_MARK)
    is_first = True
    while rest:
        if rest.startswith("**"):
            rest = rest[2:].removeprefix("/")
            if rest:
                expression.append(_FOLDERS_BEFORE)
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
            # The builder means to do so with { | } as well, but its table of them has no room for these.
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


@dataclass(frozen=True)
class _Matcher:
    """One automaton for all patterns, with a place for each character and an end for each pattern.

    ``groups`` are the patterns that follow each other and are all exceptions, or all none: of these, whichever
    matches decides the same. Each has the ends of its patterns.
    """

    groups: tuple[tuple[bool, int], ...]
    start: int
    ends: int
    optional: int
    folders: int
    assertions: dict[_Assertion, int]
    by_character: dict[int, list[int]]
    by_class: dict[_Ranges, tuple[list[int], list[int]]]
    size: int
    _masks: dict[str, tuple[int, int]] = field(default_factory=dict)
    _decisions: dict[tuple[int, int], tuple[bool, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, patterns: tuple[Pattern, ...]) -> _Matcher:
        starts: list[int] = []
        optional: list[int] = []
        folders: list[int] = []
        asserted: defaultdict[_Assertion, list[int]] = defaultdict(list)
        by_character: defaultdict[int, list[int]] = defaultdict(list)
        by_class: defaultdict[_Ranges, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        ends_of_groups: list[tuple[bool, list[int]]] = []
        place = 0
        for is_exception, group in groupby(patterns, key=lambda pattern: pattern.is_exception):
            ends = []
            for steps in (steps for pattern in group for steps in _chains(pattern.text)):
                starts.append(place)
                for step in steps:
                    if len(step.advances) == 1 and step.advances[0][0] == step.advances[0][1]:
                        by_character[step.advances[0][0]].append(place)
                    elif step.advances:
                        by_class[step.advances][0].append(place)
                    if step.stays:
                        by_class[step.stays][1].append(place)
                    if step.optional:
                        optional.append(place)
                    if step.stays and step.stays != step.advances:
                        folders.append(place)
                    if step.assertion:
                        asserted[step.assertion].append(place)
                    place += 1
                ends.append(place)
                place += 1
            ends_of_groups.append((is_exception, ends))
        assertions = {assertion: _bits(places, place) for assertion, places in asserted.items()}
        optional_bits = _bits(optional, place)
        return cls(
            groups=tuple((is_exception, _bits(ends, place)) for is_exception, ends in ends_of_groups),
            start=_closure(_bits(starts, place), optional_bits | assertions.get(_Assertion.BEGIN, 0)),
            ends=_bits([end for _, ends in ends_of_groups for end in ends], place),
            optional=optional_bits,
            folders=_bits(folders, place),
            assertions=assertions,
            by_character=dict(by_character),
            by_class=dict(by_class),
            size=place,
        )

    def after(self, active: int, path: str, begin: int) -> int:
        """Return the places that are active after the characters of ``path`` from ``begin`` on."""
        looks_at_words = not self.assertions.keys() <= {_Assertion.BEGIN, _Assertion.END}
        for at in range(begin, len(path)):
            if not active:
                return 0
            character = path[at]
            if looks_at_words:
                active = self._past_assertions(active, path[at - 1 : at] if at else "", character)
            advances, stays = self._masks.get(character) or self._masks_of(character)
            reached = (active & advances) << 1
            active = (active & stays) | (_closure(reached, self.optional) if reached else 0)
        return active

    def ended(self, active: int, path: str) -> int:
        """Return the ends that are active when the path ends here."""
        if self.assertions:
            active = self._past_assertions(active, path[-1:], "")
        return active & self.ends

    def decision(self, ends: int, above: int) -> tuple[bool, int]:
        """Return whether the path is hidden, and which groups matched it or, as in ``above``, its folder."""
        key = (ends, above)
        decision = self._decisions.get(key)
        if decision is None:
            is_hidden = False
            matched = 0
            for index, (is_exception, ends_of_group) in enumerate(self.groups):
                # What cannot change the decision is not compared, and counts as no match for what lies below.
                if above >> index & 1 or (is_exception == is_hidden and ends & ends_of_group):
                    matched |= 1 << index
                    is_hidden = not is_exception
            decision = (is_hidden, matched)
            _remember(self._decisions, key, decision)
        return decision

    def _past_assertions(self, active: int, before: str, after: str) -> int:
        """Return the places that are active where these characters follow each other; empty is no character."""
        boundary = (before in _WORD) != (after in _WORD)
        holds = {
            _Assertion.BEGIN: not before,
            _Assertion.END: not after,
            _Assertion.WORD_BOUNDARY: boundary,
            _Assertion.NO_WORD_BOUNDARY: not boundary,
        }
        passable = self.optional
        for assertion, places in self.assertions.items():
            if holds[assertion]:
                passable |= places
        # Folders that were begun have to end; for those that were not, the next place is active already.
        return active | _closure(active & ~self.folders, passable)

    def _masks_of(self, character: str) -> tuple[int, int]:
        code = ord(printable(character))
        advances = list(self.by_character.get(code, ()))
        stays: list[int] = []
        for ranges, (advancing, staying) in self.by_class.items():
            if any(first <= code <= last for first, last in ranges):
                advances += advancing
                stays += staying
        masks = (_bits(advances, self.size), _bits(stays, self.size))
        _remember(self._masks, character, masks)
        return masks


def _remember(cache: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    if len(cache) >= _MOST_CACHED:
        cache.clear()
    cache[key] = value


def _closure(active: int, passable: int) -> int:
    """Return the active places and those behind them that are reached over passable ones only.

    The carry of an addition runs through a row of passable places up to the first that is not.
    """
    return active | ((passable + (active & passable)) ^ passable)


def _bits(places: list[int], size: int) -> int:
    # An integer that is built bit by bit is copied for each of them.
    content = bytearray(size // 8 + 1)
    for place in places:
        content[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(content, "little")


def _pattern_of(line: str, number: int) -> Pattern | None:
    """Return the pattern that a line has, or nothing; raises ``_BadPatternError``.

    The builder cleans a pattern twice, when it reads the file and when it compiles, so that a leading slash also
    protects no exclamation mark.
    """
    if len(line.encode()) > _LONGEST_LINE_BYTES:
        raise _BadPatternError("is in a line that is longer than the builder reads")
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
        raise _BadPatternError("has nothing after the exclamation mark")
    if len(text) > _LONGEST_PATTERN:
        raise _BadPatternError(f"is longer than the {_LONGEST_PATTERN} characters that are accepted")
    pattern = Pattern(text.removeprefix("!"), is_exception=text.startswith("!"), line=number)
    _check_glob(pattern.text)
    return pattern


def _clean(path: str) -> str:
    """Return a path without what leads nowhere: https://pkg.go.dev/path#Clean.

    ``posixpath.normpath`` keeps two slashes at the beginning.
    """
    names: list[str] = []
    for name in path.split("/"):
        if name == ".." and names and names[-1] != "..":
            names.pop()
        elif name not in ("", ".") and not (name == ".." and path.startswith("/") and not names):
            names.append(name)
    return f"{'/' if path.startswith('/') else ''}{'/'.join(names)}" or "."


def _without_glob(text: str) -> str:
    return text.removesuffix("/**").removesuffix("/*")


def _check_glob(pattern: str) -> None:
    """Raise ``_BadPatternError`` when Go's ``filepath.Match`` refuses to compare the pattern with a dot.

    It reads no further than it has to: up to the second star, or the third behind what matches a dot.
    Source: https://cs.opensource.google/go/go/+/master:src/path/filepath/match.go
    """
    chunk, rest = _chunk(pattern.lstrip("*"))
    if _check_chunk(chunk):
        _check_chunk(_chunk(rest.lstrip("*"))[0])


def _chunk(pattern: str) -> tuple[str, str]:
    """Return what stands before the first star that is in no brackets, and the rest."""
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
    """Return whether the chunk, without stars, matches one dot; raises ``_BadPatternError``."""
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
                raise _BadPatternError("ends with a backslash")
        elif chunk[at] == "?":
            at += 1
            continue
        matches = matches and chunk[at] == "."
        at += 1
    return matches and length == 1


def _character(chunk: str, at: int) -> tuple[str, int]:
    """Return a character in brackets and where the next one is; there has to be a next one."""
    if chunk[at : at + 1] in ("-", "]"):
        raise _BadPatternError(f"has '{chunk[at]}' in brackets where a character is expected; put '\\' before it")
    at += chunk.startswith("\\", at)
    if at + 1 >= len(chunk):
        raise _BadPatternError("has a '[' without a ']'")
    return chunk[at], at + 1


def _chains(pattern: str) -> list[list[_Step]]:
    """Return a pattern's automaton: rows of places, each without its end, one for each alternative.

    Raises ``_BadPatternError``.
    """
    kind, expression = expression_of(pattern)
    if kind is MatchKind.EXPRESSION:
        return [_anchored(steps) for steps in _alternatives(expression)]
    if kind is MatchKind.EXACT:
        return [_literally(pattern)]
    if kind is MatchKind.PREFIX:
        return [[*_literally(pattern[:-2]), _many(_ANY)]]
    # The builder cuts two bytes off, which are no stars behind a byte order mark.
    suffix = pattern.encode()[2:].decode(errors="surrogateescape")
    if suffix.startswith("/"):
        return [[_folders(_ANY), *_literally(suffix[1:])]]
    return [[_many(_ANY), *_literally(suffix)]]


def _literally(text: str) -> list[_Step]:
    return [_Step(advances=_single(ord(character))) for character in text]


def _single(code: int) -> _Ranges:
    return ((code, code),)


def _many(ranges: _Ranges) -> _Step:
    return _Step(advances=ranges, stays=ranges, optional=True)


def _folders(ranges: _Ranges) -> _Step:
    """Return the place for nothing, or for characters of which the last is a slash."""
    return _Step(advances=_SLASH, stays=ranges, optional=True)


def _anchored(steps: list[_Step]) -> list[_Step]:
    """Return the places that match a whole path, for those of an expression that may match a part of it."""
    from_begin = bool(steps) and steps[0].assertion is _Assertion.BEGIN
    to_end = bool(steps) and steps[-1].assertion is _Assertion.END
    inner = steps[1 if from_begin else 0 : -1 if to_end else None]
    return [*([] if from_begin else [_many(_ANY)]), *inner, *([] if to_end else [_many(_ANY)])]


def _alternatives(expression: str) -> list[list[_Step]]:
    """Return the places for what ``expression_of`` makes: https://pkg.go.dev/regexp/syntax.

    The ends count: a backslash at a pattern's end takes the meaning from the dollar sign, a quotation its place.
    """
    steps: list[_Step] = []
    alternatives = [steps]
    is_repeatable = False
    at = 0
    while at < len(expression):
        repetition = _REPETITION.match(expression, at)
        if repetition:
            if not is_repeatable:
                raise _BadPatternError(f"has nothing before '{repetition[0]}' that can be repeated")
            steps += _repeated(steps.pop(), repetition)
            is_repeatable = False
            at = repetition.end()
        elif expression[at] == "|":
            steps = []
            alternatives.append(steps)
            is_repeatable = False
            at += 1
        elif expression.startswith(_FOLDERS_BEFORE, at):
            steps.append(_folders(_NOT_NEWLINE))
            is_repeatable = False
            at += len(_FOLDERS_BEFORE)
        elif expression.startswith("\\Q", at):
            text, _, rest = expression[at + 2 :].partition("\\E")
            steps += _literally(text)
            is_repeatable = is_repeatable or bool(text)
            at = len(expression) - len(rest)
        elif (assertion := _assertion(expression, at)) is not None:
            steps.append(_Step(assertion=assertion))
            is_repeatable = True
            at += 2 if expression[at] == "\\" else 1
        else:
            ranges, at = _atom(expression, at)
            has_star = expression.startswith("*", at)
            steps.append(_many(ranges) if has_star else _Step(advances=ranges))
            is_repeatable = not has_star
            at += has_star
    return alternatives


def _repeated(step: _Step, repetition: re.Match[str]) -> list[_Step]:
    least = int(repetition["least"])
    most = int(repetition["most"]) if repetition["most"] else None if repetition["open"] else least
    if max(least, most or 0) > _MOST_REPETITIONS or (most is not None and most < least):
        raise _BadPatternError(f"has '{repetition[0]}', which is no number of repetitions")
    if step.assertion:
        return [step] if least else []
    more = [_many(step.advances)] if most is None else [replace(step, optional=True)] * (most - least)
    return [step] * least + more


def _assertion(expression: str, at: int) -> _Assertion | None:
    if expression[at] == "\\":
        return {
            "A": _Assertion.BEGIN,
            "z": _Assertion.END,
            "b": _Assertion.WORD_BOUNDARY,
            "B": _Assertion.NO_WORD_BOUNDARY,
        }.get(expression[at + 1])
    return {"^": _Assertion.BEGIN, "$": _Assertion.END}.get(expression[at])


def _atom(expression: str, at: int) -> tuple[_Ranges, int]:
    """Return the characters that match one place, and where the next begins."""
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


def _class(expression: str, at: int) -> tuple[_Ranges, int]:
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
                raise _BadPatternError(f"has brackets in which '{chr(first)}-{chr(last)}' is no range")
            ranges.append((first, last))
    return (_others(ranges) if is_negated else tuple(ranges)), at + 1


def _named_class(name: str) -> _Ranges:
    letters = _NAMED_CLASSES.get(name.removeprefix("^"))
    if letters is None:
        raise _BadPatternError(f"has no class of characters '[:{name}:]'")
    return _others(_pairs(letters)) if name.startswith("^") else _pairs(letters)


def _perl_class(expression: str, at: int) -> _Ranges | None:
    letter = expression[at + 1 : at + 2] if expression.startswith("\\", at) else ""
    letters = _PERL_CLASSES.get(letter.lower())
    if letters is None:
        return None
    return _others(_pairs(letters)) if letter.isupper() else _pairs(letters)


def _pairs(letters: str) -> _Ranges:
    return tuple((ord(first), ord(last)) for first, last in zip(letters[::2], letters[1::2], strict=True))


def _others(ranges: _Ranges | list[tuple[int, int]]) -> _Ranges:
    others = []
    begin = 0
    for first, last in sorted(ranges):
        if first > begin:
            others.append((begin, first - 1))
        begin = max(begin, last + 1)
    return (*others, (begin, _LAST)) if begin <= _LAST else tuple(others)


def _code(expression: str, at: int) -> tuple[int, int]:
    """Return the character at a place of an expression, and where the next begins."""
    if at >= len(expression):
        raise _BadPatternError("has a '[' without a ']'")
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
    raise _BadPatternError(f"has '\\' before '{letter}'; folders are separated by '/'")
