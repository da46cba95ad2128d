"""One automaton for all patterns of ``.dockerignore``; the bits of an integer are its active places.

Go matches a regular expression in linear time, which Python's ``re`` does not.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

from pixi_container.workspace.ignore_expressions import Assertion, chains
from pixi_container.workspace.ignore_patterns import printable

if TYPE_CHECKING:
    from pixi_container.workspace.ignore_expressions import Ranges
    from pixi_container.workspace.ignore_patterns import Pattern

_MOST_CACHED = 256

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_WORD = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True)
class Matcher:
    """One automaton for all patterns, with a place for each character and an end for each pattern.

    ``groups`` are runs of consecutive patterns that are all exceptions or all not, so it does not matter which of
    them matches. Each group has the ends of its patterns.
    """

    groups: tuple[tuple[bool, int], ...]
    start: int
    ends: int
    optional: int
    folders: int
    assertions: dict[Assertion, int]
    by_character: dict[int, list[int]]
    by_class: dict[Ranges, tuple[list[int], list[int]]]
    size: int
    _masks: dict[str, tuple[int, int]] = field(default_factory=dict)
    _decisions: dict[tuple[int, int], tuple[bool, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, patterns: tuple[Pattern, ...]) -> Matcher:
        """Return the automaton for the patterns. Raises ``BadPatternError``."""
        starts: list[int] = []
        optional: list[int] = []
        folders: list[int] = []
        asserted: defaultdict[Assertion, list[int]] = defaultdict(list)
        by_character: defaultdict[int, list[int]] = defaultdict(list)
        by_class: defaultdict[Ranges, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        ends_of_groups: list[tuple[bool, list[int]]] = []
        place = 0
        for is_exception, group in groupby(patterns, key=lambda pattern: pattern.is_exception):
            ends = []
            for steps in (steps for pattern in group for steps in chains(pattern.text)):
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
            start=_closure(_bits(starts, place), optional_bits | assertions.get(Assertion.BEGIN, 0)),
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
        looks_at_words = not self.assertions.keys() <= {Assertion.BEGIN, Assertion.END}
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
        """Return the ends that are active if the path ends here."""
        if self.assertions:
            active = self._past_assertions(active, path[-1:], "")
        return active & self.ends

    def decision(self, ends: int, above: int) -> tuple[bool, int]:
        """Return whether the path is excluded, and which groups matched it or, as in ``above``, its folder."""
        key = (ends, above)
        decision = self._decisions.get(key)
        if decision is None:
            is_hidden = False
            matched = 0
            for index, (is_exception, ends_of_group) in enumerate(self.groups):
                # Like the builder, skip a group that cannot change the decision: below, it counts as no match.
                if above >> index & 1 or (is_exception == is_hidden and ends & ends_of_group):
                    matched |= 1 << index
                    is_hidden = not is_exception
            decision = (is_hidden, matched)
            _remember(self._decisions, key, decision)
        return decision

    def _past_assertions(self, active: int, before: str, after: str) -> int:
        """Return the places that are active between these characters; empty means the path's begin or end."""
        boundary = (before in _WORD) != (after in _WORD)
        holds = {
            Assertion.BEGIN: not before,
            Assertion.END: not after,
            Assertion.WORD_BOUNDARY: boundary,
            Assertion.NO_WORD_BOUNDARY: not boundary,
        }
        passable = self.optional
        for assertion, places in self.assertions.items():
            if holds[assertion]:
                passable |= places
        # A folder that has begun must end; for one that has not, the next place is already active.
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
    """Return the active places and those after them that only passable places separate from them.

    The carry of an addition runs through consecutive passable places up to the first that is not passable.
    """
    return active | ((passable + (active & passable)) ^ passable)


def _bits(places: list[int], size: int) -> int:
    # Setting bits in an integer one by one would copy it for each bit.
    content = bytearray(size // 8 + 1)
    for place in places:
        content[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(content, "little")
