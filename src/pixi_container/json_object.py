"""Read untrusted JSON values, any of which may have an unexpected type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def object_in(value: object) -> dict[str, Any]:
    """Return the value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def object_under(values: Mapping[str, Any], *path: str) -> dict[str, Any]:
    """Return the object at a path of keys, an empty one if there is none."""
    for key in path:
        values = object_in(values.get(key))
    return object_in(values)


def text_under(values: Mapping[str, Any], *path: str) -> str:
    """Return the text at a path of keys, empty if there is none."""
    *folders, key = path
    value = object_under(values, *folders).get(key)
    return value if isinstance(value, str) else ""
