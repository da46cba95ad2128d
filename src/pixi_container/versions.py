"""Order versions by conda's rules, which place a release candidate before its release.

Source: https://docs.conda.io/projects/conda/en/stable/user-guide/concepts/pkg-specs.html#version-ordering
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rattler import Version

VersionOrder = tuple[bool, "Version | str"]

# Anything longer, or with other characters, is not a version and would only cost the parser time.
_POSSIBLE = re.compile(r"[0-9A-Za-z.!+_-]{1,100}")


def version_order(text: str) -> VersionOrder:
    """Return the sort key of a version: ``12`` equals ``12.0``, and invalid versions sort first."""
    from rattler import Version
    from rattler.exceptions import InvalidVersionError

    if _POSSIBLE.fullmatch(text):
        try:
            return True, Version(text)
        except InvalidVersionError:
            pass
    return False, text
