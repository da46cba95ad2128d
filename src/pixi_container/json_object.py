"""Values that came as JSON from others, where any of them may be of another type than it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def object_under(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the object under ``key``, an empty one when there is none."""
    value = values.get(key)
    return value if isinstance(value, dict) else {}
