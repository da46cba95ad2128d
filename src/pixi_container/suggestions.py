"""What a user may have meant by a name that there is not."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Comparing takes a time that grows with the product of the lengths; a time zone is one of six hundred.
_MOST_COMPARED = 1000
_LONGEST_COMPARED = 60


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?``, to go on with after what is wrong, empty where nothing known is like it."""
    from difflib import get_close_matches

    compared = {word.lower(): word for word in islice(known, _MOST_COMPARED) if len(word) <= _LONGEST_COMPARED}
    near = get_close_matches(name[:_LONGEST_COMPARED].lower(), compared, n=1)
    return f"; did you mean '{compared[near[0]]}'?" if near else ""
