"""Read the stages of a Dockerfile, which may come from a user-supplied template."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import StringIO
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FROM = re.compile(r"FROM\s+(?:--\S+\s+)*(?P<base>\S+)(?:\s+AS\s+(?P<name>\S+))?\s*", re.IGNORECASE)
_HEREDOC = re.compile(r"(?:^|\s)\d*<<-?(?P<quote>[\"']?)(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P=quote)")
_COPY = re.compile(r"\s*(?:COPY|ADD)\b(?!.*(?:--from=|<<))", re.IGNORECASE)
_MOUNT = re.compile(r"--mount=(\S+)")
_TAKES_HEREDOC = re.compile(r"(?:ONBUILD\s+)?(?:RUN|COPY|ADD)\b", re.IGNORECASE)
_DIRECTIVE = re.compile(r"#\s*(?P<name>[a-z]+)\s*=\s*(?P<value>\S+)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Stage:
    """The lines of a stage from its FROM on; lines before the first FROM form a stage without name and base."""

    name: str
    base: str
    lines: tuple[str, ...]


def read_stages(dockerfile: str) -> tuple[Stage, ...]:
    """Return the stages in order; their lines together are the whole Dockerfile.

    The content of a heredoc is text, even if it looks like an instruction.
    Source: https://docs.docker.com/reference/dockerfile/#here-documents
    """
    stages: list[tuple[str, str, list[str]]] = [("", "", [])]
    heredocs: list[str] = []
    for line in StringIO(dockerfile):
        heading = None if heredocs else _FROM.fullmatch(line)
        if heading:
            stages.append((heading["name"] or "", heading["base"], []))
        stages[-1][2].append(line)
        if heredocs:
            if line.strip() == heredocs[0]:
                heredocs.pop(0)
        elif not line.lstrip().startswith("#"):
            heredocs = [heredoc["name"] for heredoc in _HEREDOC.finditer(line)]
    return tuple(Stage(name, base, tuple(lines)) for name, base, lines in stages)


def instruction_lines(dockerfile: str) -> Iterator[str]:
    """Yield each instruction on one line: without line continuations, comments and the content of heredocs.

    Source: https://docs.docker.com/reference/dockerfile/#parser-directives
    """
    lines = dockerfile.splitlines()
    sign = _escape_sign(lines)
    heredocs: list[str] = []
    instruction = ""
    for line in lines:
        if heredocs:
            if line.strip() == heredocs[0]:
                heredocs.pop(0)
            continue
        text = line.strip()
        # Comments and empty lines are left out even within an instruction.
        if not text or text.startswith("#"):
            continue
        instruction += text.removesuffix(sign) + " "
        if text.endswith(sign):
            continue
        if _TAKES_HEREDOC.match(instruction):
            heredocs = [heredoc["name"] for heredoc in _HEREDOC.finditer(instruction)]
        yield instruction.strip()
        instruction = ""
    if instruction.strip():
        yield instruction.strip()


def _escape_sign(lines: Iterable[str]) -> str:
    """Return the sign that continues a line, which a directive in the first lines may change."""
    for line in lines:
        directive = _DIRECTIVE.fullmatch(line.strip())
        if not directive:
            break
        if directive["name"].lower() == "escape" and directive["value"] == "`":
            return "`"
    return "\\"


def environment_stages(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    """Return the stages before those that are for the image alone; all stages if there are none."""
    return tuple(takewhile(lambda stage: not _is_for_the_image_alone(stage), stages))


def _is_for_the_image_alone(stage: Stage) -> bool:
    """Tell whether a stage builds on ``environment``, or is what the one that does so has its scripts from."""
    builds_on_it = stage.base == "environment" and stage.name in {"workspace", "production"}
    return builds_on_it or stage.name == "own-source"


def text_of(stages: Iterable[Stage]) -> str:
    """Return the lines of the stages as one text."""
    return "".join(line for stage in stages for line in stage.lines)


def context_copies(stages: Iterable[Stage]) -> frozenset[str]:
    """Return the lines that read the build context by COPY, ADD or mount; if in doubt, a line is included."""
    return frozenset(
        line.strip()
        for stage in stages
        for line in stage.lines
        if _COPY.match(line) or any(_mounts_context(mount) for mount in _MOUNT.findall(line))
    )


def _mounts_context(options: str) -> bool:
    values = dict(option.partition("=")[::2] for option in options.split(","))
    return values.get("type", "bind") == "bind" and "from" not in values
