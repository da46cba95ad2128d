"""What the name of a wheel says of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from packaging.tags import Tag

# Each part of the tag is a list with dots, and all combinations are tags.
_MOST_DOTS = 25
_LONGEST_NAME = 255


def is_wheel(location: str) -> bool:
    """Tell whether a path or a URL is that of a wheel."""
    return _file_name(location).endswith(".whl")


def wheel_tags(location: str) -> frozenset[Tag]:
    """Return the tags of the wheel at a path or a URL; none where its name is not a valid one.

    Source: https://packaging.python.org/en/latest/specifications/binary-distribution-format/#file-name-convention
    """
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    name = _file_name(location)
    if len(name) > _LONGEST_NAME or name.count(".") > _MOST_DOTS:
        return frozenset()
    try:
        return parse_wheel_filename(name)[3]
    except InvalidWheelFilename:
        return frozenset()


def _file_name(location: str) -> str:
    return unquote(re.split(r"[?#]", location, maxsplit=1)[0]).rpartition("/")[2]
