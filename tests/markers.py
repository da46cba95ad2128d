"""Generated parts of documents, which stand between a pair of comments."""

from __future__ import annotations


def between(text: str, marker: str, lines: list[str]) -> str:
    """Put lines between the markers of this name, where there are any."""
    first, last = f"<!-- {marker} -->\n", f"<!-- /{marker} -->"
    before, found, rest = text.partition(first)
    return before + first + "\n".join(lines) + "\n" + last + rest.partition(last)[2] if found else text
