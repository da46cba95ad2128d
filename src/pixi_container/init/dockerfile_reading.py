"""Read a Dockerfile: its stages, and each instruction with flags, words, pairs and the text of a shell command."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.image.dockerfile_syntax import parse_dockerfile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tree_sitter import Node

    from pixi_container.image.dockerfile_syntax import DockerfileSyntax

_MOST_INSTRUCTIONS = 1000
_LEFT_OUT = {"line_continuation", "comment"}
_FLAGS = {"param", "mount_param"}
_REFERENCE = re.compile(
    r"(?<!\\)\$(?:(?P<bare>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)(?::?-(?P<default>[^{}]*))?\})"
)


@dataclass(frozen=True)
class DockerfileInstruction:
    """One instruction: its line, counted from 1, its source text, and its parts.

    ``rest`` is what follows keyword and flags, on one line; of a heredoc, it is the content. ``words`` are those
    of a JSON list if ``is_json``, or paths and ports; ``pairs`` are those of ENV, LABEL and ARG, unquoted.
    """

    keyword: str
    line: int
    source: str
    flags: Mapping[str, str]
    rest: str
    words: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str | None], ...] = ()
    is_json: bool = False
    is_readable: bool = True

    @property
    def title(self) -> str:
        """The instruction without continued lines."""
        return self.source.split("\n", 1)[0].removesuffix("\\").rstrip() + (" …" if "\n" in self.source else "")


@dataclass(frozen=True)
class DockerfileStage:
    """A stage: its name, its base with the defaults of build arguments, and its instructions from FROM on."""

    name: str
    base: str
    instructions: tuple[DockerfileInstruction, ...]

    @property
    def is_of_pixi(self) -> bool:
        """Whether Pixi is used in it."""
        return any("pixi" in each.source for each in self.instructions)


def read_dockerfile(text: str) -> tuple[tuple[DockerfileInstruction, ...], tuple[DockerfileStage, ...]]:
    """Return the instructions before the first FROM, and the stages.

    Raises ``UserError`` for a file that is too large.
    """
    instructions = tuple(_instructions(text.replace("\r\n", "\n").rstrip() + "\n"))
    starts = [number for number, each in enumerate(instructions) if each.keyword == "FROM"]
    arguments = dict(pair for each in instructions[: starts[0] if starts else 0] for pair in each.pairs)
    stages = []
    for start, end in pairwise([*starts, len(instructions)]):
        base, _, name = re.sub(r"(?i)\s+as\s+", "\0", instructions[start].rest).partition("\0")
        stages.append(DockerfileStage(name.strip(), expanded(base.strip(), arguments), instructions[start:end]))
    return instructions[: starts[0] if starts else len(instructions)], tuple(stages)


def final_stages(stages: Sequence[DockerfileStage]) -> tuple[DockerfileStage, ...]:
    """Return the stages that make up the last one: those that it builds on come first."""
    chain = list(stages[-1:])
    while chain:
        before = stages[: stages.index(chain[0])]
        base = next((stage for stage in reversed(before) if stage.name and stage.name == chain[0].base), None)
        if not base:
            break
        chain.insert(0, base)
    return tuple(chain)


def expanded(text: str, variables: Mapping[str, str | None]) -> str:
    """Return the text with the values of those variables that are known."""

    def value(reference: re.Match[str]) -> str:
        known = variables.get(reference["bare"] or reference["braced"])
        return known if known is not None else reference["default"] or reference[0]

    return _REFERENCE.sub(value, text)


def has_variables(text: str) -> bool:
    """Return whether the text has references to variables."""
    return bool(_REFERENCE.search(text))


def _instructions(text: str) -> Iterator[DockerfileInstruction]:
    syntax = parse_dockerfile(text)
    root = syntax.root
    if root.named_child_count > _MOST_INSTRUCTIONS:
        raise UserError(f"a Dockerfile of more than {_MOST_INSTRUCTIONS} instructions is not read")
    for node in root.named_children:
        if node.type == "comment":
            continue
        source = syntax.text_of(node).rstrip()
        keyword = source.split(None, 1)[0].upper() if source else ""
        yield DockerfileInstruction(
            keyword,
            node.start_point[0] + 1,
            source,
            dict(_flag(syntax.text_of(child)) for child in node.named_children if child.type in _FLAGS),
            _rest(node, keyword, syntax),
            tuple(_words(node, syntax)),
            tuple(_pairs(node, syntax)),
            any(child.type == "json_string_array" for child in node.named_children),
            not node.has_error and node.type != "ERROR",
        )


def _flag(text: str) -> tuple[str, str]:
    name, _, value = text.removeprefix("--").partition("=")
    return name, value


def _rest(node: Node, keyword: str, syntax: DockerfileSyntax) -> str:
    content = [syntax.text_of(each) for each in _below(node) if each.type == "heredoc_content"]
    if content:
        return "".join(content)
    start, source = node.start_byte, syntax.content[node.start_byte : node.end_byte]
    for each in reversed([each for each in _below(node) if each.type in {*_LEFT_OUT, *_FLAGS}]):
        if each.type in _FLAGS and each.parent != node:
            continue
        source = source[: each.start_byte - start] + b" " + source[each.end_byte - start :]
    return " ".join(source.decode().split("\n")).strip()[len(keyword) :].strip()


def _words(node: Node, syntax: DockerfileSyntax) -> Iterator[str]:
    for child in node.named_children:
        if child.type == "json_string_array":
            yield from (_json_text(syntax.text_of(word)) for word in child.named_children)
        elif child.type in {"path", "expose_port"}:
            yield syntax.text_of(child)


def _json_text(text: str) -> str:
    try:
        return str(json.loads(text))
    except ValueError:
        return text[1:-1]


def _pairs(node: Node, syntax: DockerfileSyntax) -> Iterator[tuple[str, str | None]]:
    for child in node.named_children:
        if child.type in {"env_pair", "label_pair", "arg_pair"}:
            parts = [
                _unquoted(syntax.text_of(part)) for part in child.named_children if part.type not in _LEFT_OUT
            ]
            if parts:
                yield parts[0], parts[1] if len(parts) > 1 else "" if child.type != "arg_pair" else None


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == '"':
        return re.sub(r'\\(["\\])', r"\1", text[1:-1].replace("\\\n", ""))
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1]
    return re.sub(r"\\([ \"'\\])", r"\1", text)


def _below(node: Node) -> Iterator[Node]:
    """Yield all nodes below one, in the order of the text; nested ones may be deeper than Python can recurse."""
    waiting = list(reversed(node.children))
    while waiting:
        each = waiting.pop()
        yield each
        waiting += reversed(each.children)
