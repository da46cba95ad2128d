"""Values that came as JSON from others, where any of them may be of another type than it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def object_in(value: object) -> dict[str, Any]:
    """Return a JSON object, an empty one where the value is something else."""
    return value if isinstance(value, dict) else {}


def object_under(values: Mapping[str, Any], *path: str) -> dict[str, Any]:
    """Return the object under a path of keys, an empty one when there is none."""
    for key in path:
        values = object_in(values.get(key))
    return object_in(values)


def text_under(values: Mapping[str, Any], *path: str) -> str:
    """Return the text under a path of keys, an empty one when there is none."""
    *folders, key = path
    value = object_under(values, *folders).get(key)
    return value if isinstance(value, str) else ""
