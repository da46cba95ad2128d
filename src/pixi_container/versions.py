"""Versions in their order, by conda's rules, which place a release candidate before its release.

Source: https://docs.conda.io/projects/conda/en/stable/user-guide/concepts/pkg-specs.html#version-ordering
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rattler import Version

VersionOrder = tuple[bool, "Version | str"]

# Longer ones nobody writes; what is in none would only cost the parser's time.
_POSSIBLE = re.compile(r"[0-9A-Za-z.!+_-]{1,100}")


def version_order(text: str) -> VersionOrder:
    """Return what sorts a version among others: ``12`` equals ``12.0``, what is no version comes before all."""
    from rattler import Version
    from rattler.exceptions import InvalidVersionError

    if _POSSIBLE.fullmatch(text):
        try:
            return True, Version(text)
        except InvalidVersionError:
            pass
    return False, text
