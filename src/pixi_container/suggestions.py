"""Suggest what a user may have meant by an unknown name."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# The time of a comparison grows with the product of the lengths. There are 600 time zones to compare with.
_MOST_COMPARED = 1000
_LONGEST_COMPARED = 60


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` to append to a message, empty if no known name is similar."""
    from difflib import get_close_matches

    compared = {word.lower(): word for word in islice(known, _MOST_COMPARED) if len(word) <= _LONGEST_COMPARED}
    near = get_close_matches(name[:_LONGEST_COMPARED].lower(), compared, n=1)
    return f"; did you mean '{compared[near[0]]}'?" if near else ""
