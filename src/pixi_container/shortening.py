"""Shorten untrusted names and lists for messages: a name may have a megabyte, and a list thousands of names."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST = 120
_MOST = 30


def shortened(text: str, longest: int = _LONGEST) -> str:
    """Return the text, cut to ``longest`` characters including an ellipsis."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def listed(names: Iterable[str]) -> str:
    """Return the names separated by commas, only the first of very many; ``none`` if there are none."""
    first = list(islice(names, _MOST + 1))
    return ", ".join([*map(shortened, first[:_MOST]), *(["…"] if len(first) > _MOST else [])]) or "none"
