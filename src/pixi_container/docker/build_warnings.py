"""What a builder says of single lines of a Dockerfile: the findings of its checks, and the line that failed.

Source: https://docs.docker.com/reference/build-checks/.
"""

from __future__ import annotations

import re
from base64 import b64decode
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pixi_container.json_object import object_in, object_under, text_under
from pixi_container.shortening import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixi_container.image.own_lines import OwnLines

WITH_WARNINGS = {"BUILDX_METADATA_WARNINGS": "true"}
"""Variables with which buildx, from 0.16 on, writes the warnings into the metadata of a build.

Source: https://docs.docker.com/build/building/variables/#buildx_metadata_warnings
"""

# What a build step prints has its number in front, so that no step can print such a line.
_FAILED = re.compile(r"^(?:[^\n#]*/)?[A-Za-z0-9._-]+:(?P<line>[0-9]{1,6})$\n^-{20}$", re.MULTILINE)
_LONGEST_WARNING = 300


def warnings_about(own_lines: tuple[OwnLines, ...], metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the warnings about the user's own lines, each once and in order, with the place where they wrote it.

    ``metadata`` is that of a build, in which buildx writes warnings as BuildKit's ``VertexWarning``, with texts in
    base64: https://github.com/moby/buildkit/blob/master/client/graph.go.
    """
    warnings: list[tuple[int, str]] = []
    for warning in metadata.get("buildx.build.warnings") or ():
        with suppress(ValueError, LookupError, TypeError):
            line = object_under(object_in(object_in(warning)["range"][0]), "start")["line"]
            text = b64decode(text_under(object_in(warning), "short"), validate=True).decode("utf-8", "replace")
            if isinstance(line, int):
                # The number in the text is that of the rendered Dockerfile.
                warnings.append((line, text.removesuffix(f" (line {line})")))
    return tuple(
        f"{place}: {shortened(text, _LONGEST_WARNING)}"
        for line, text in sorted(set(warnings))
        if (place := _place(own_lines, line))
    )


def failed_instruction(own_lines: tuple[OwnLines, ...], output: str) -> str:
    """Return the place of the instruction that failed; empty if it is not the user's, or buildx does not say."""
    failures = _FAILED.findall(output)
    return _place(own_lines, int(failures[-1])) if failures else ""


def _place(own_lines: tuple[OwnLines, ...], line: int) -> str:
    return next((place for lines in own_lines if (place := lines.place(line))), "")
