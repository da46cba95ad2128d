"""Dockerfile instructions that a user adds to an image: their syntax, and the files of the context they read."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from itertools import takewhile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.image.dockerfile_syntax import parse_dockerfile
from pixi_container.paths import exists, is_in_context, read_own_file
from pixi_container.shortening import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tree_sitter import Node

    from pixi_container.image.dockerfile_syntax import DockerfileSyntax

_COPYING = {"COPY", "ADD"}
_SPECIAL = re.compile(r"[$*?\[\\\"']")
_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|git@", re.IGNORECASE)
_UNUSABLE = re.compile(r"[\x00\ud800-\udfff]")


@dataclass(frozen=True)
class Refusal:
    """Why an instruction cannot be used: ``problem`` completes a sentence that starts with its name."""

    problem: str
    hint: str


REFUSED_AT_THE_END: Mapping[str, Refusal] = {
    "FROM": Refusal(
        "starts another image, but the instructions belong to the last stage",
        "COPY --from=IMAGE takes files from another image.",
    ),
    "MAINTAINER": Refusal("is not supported any more", "Use the input 'labels'."),
}
"""Instructions that the end of an image cannot have."""


@dataclass(frozen=True)
class Instruction:
    """One instruction. ``line`` counts from 1.

    ``sources`` are the files and folders of the context that it copies or mounts, as they are written.
    """

    keyword: str
    line: int
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Origin:
    """Where instructions are written: in the input of this name, or in a ``file``, relative to ``context``."""

    name: str = ""
    context: str = ""
    file: str = ""

    def __str__(self) -> str:
        return self.file or f"input '{self.name}'"

    def error(self, problem: str, line: int = 0, hint: str = "") -> UserError:
        """Return the error for one of their lines, counted from 1, or for all of them."""
        place = f", line {line}:" if line else ""
        file = posixpath.join(self.context, self.file) if self.file else ""
        at = line if file and line else None
        return UserError(f"input '{self.name}'{place} {problem}", hint=hint, file=file, line=at)


@dataclass(frozen=True)
class Instructions:
    """The instructions that a user adds: their text, which ends with a line break, and what they are."""

    text: str = ""
    origin: Origin = Origin()
    parsed: tuple[Instruction, ...] = ()

    @property
    def keywords(self) -> frozenset[str]:
        """The names of the instructions."""
        return frozenset(instruction.keyword for instruction in self.parsed)

    @property
    def sets_shell(self) -> bool:
        """Whether there is an instruction SHELL, which counts for the instructions after them too."""
        return "SHELL" in self.keywords

    @property
    def file(self) -> str:
        """The file that they are in, relative to the context; empty where the input has the text itself."""
        return self.origin.file

    @property
    def context_paths(self) -> tuple[str, ...]:
        """The files and folders of the context that they read, and the folder of those that a pattern names."""
        return tuple(dict.fromkeys(context_path(source) for each in self.parsed for source in each.sources))


NO_INSTRUCTIONS = Instructions()


def is_path(value: str) -> bool:
    """Return whether an input's value is the path of a file with instructions: each of these has white space."""
    return bool(value) and not any(map(str.isspace, value))


def read_instructions(
    context: Path, value: str, name: str, refused: Mapping[str, Refusal] = REFUSED_AT_THE_END
) -> Instructions:
    """Return the instructions of the input ``name``: its text, or that of the file whose path it is.

    Raises ``UserError`` for a file that cannot be read, for a path that is not in the context, and for what
    ``parse_instructions`` refuses.
    """
    if not value:
        return NO_INSTRUCTIONS
    text, origin = value, Origin(name)
    if is_path(value):
        text, origin = read_own_file(context, value, name), Origin(name, str(context), str(PurePosixPath(value)))
    instructions = parse_instructions(text, origin, refused)
    _check_paths(context, instructions)
    return instructions


def _check_paths(context: Path, instructions: Instructions) -> None:
    """Raise ``UserError`` for a path that is not in the context; BuildKit would not say in which line it is."""
    for instruction in instructions.parsed:
        for path in map(context_path, instruction.sources):
            if not is_in_context(context, path):
                problem = "leads out of the context" if exists(context, path) else f"does not exist in '{context}'"
                raise instructions.origin.error(f"'{shortened(path)}' {problem}", instruction.line)


def parse_instructions(
    text: str, origin: Origin, refused: Mapping[str, Refusal] = REFUSED_AT_THE_END
) -> Instructions:
    """Return the instructions of a text that is written at ``origin``.

    Raises ``UserError``, with the line, for what BuildKit does not read or would read as something else: an
    unknown instruction, a text among them that does not end, a last line that the next instruction would
    continue, and an instruction that is ``refused``.
    """
    text = text.replace("\r\n", "\n").rstrip() + "\n"
    if unusable := _UNUSABLE.search(text):
        what = "is a NUL character" if unusable[0] == "\0" else "are bytes that are not UTF-8"
        raise origin.error(f"there {what}", text.count("\n", 0, unusable.start()) + 1, "Remove it.")
    if text.endswith("\\\n"):
        problem = "the last line ends with a backslash"
        raise origin.error(problem, text.count("\n"), "Nothing continues it: remove the backslash.")
    syntax = parse_dockerfile(text)
    root = syntax.root
    if root.has_error:
        line = _first_error(root)
        written = text.split("\n")[line - 1].strip()
        problem = f"this is no instruction of a Dockerfile: {shortened(written)}"
        raise origin.error(problem, line, "See https://docs.docker.com/reference/dockerfile/.")
    nodes = [node for node in root.named_children if node.type.endswith("_instruction")]
    if not nodes:
        raise origin.error("has no instruction")
    parsed = tuple(Instruction(_keyword(node), _line(node), tuple(_sources(node, syntax))) for node in nodes)
    for instruction in parsed:
        if refusal := refused.get(instruction.keyword):
            raise origin.error(f"{instruction.keyword} {refusal.problem}", instruction.line, refusal.hint)
    return Instructions(text, origin, parsed)


def context_path(source: str) -> str:
    """Return which path of the context a source names, as BuildKit normalises it; ``.`` is the whole context.

    The parts that are variables or patterns are left out, with what follows them.
    """
    parts = posixpath.normpath("/" + source.lstrip("/"))[1:].split("/")
    return "/".join(takewhile(lambda part: not _SPECIAL.search(part), parts)) or "."


def _first_error(node: Node) -> int:
    """Return the line of the first node that the parser could not read."""
    broken: Node | None = node
    while broken and broken.type != "ERROR" and not broken.is_missing:
        node = broken
        broken = next((child for child in node.children if child.has_error or child.is_missing), None)
    return _line(broken or node)


def _line(node: Node) -> int:
    return node.start_point[0] + 1


def _keyword(node: Node) -> str:
    return (node.children[0].text or b"").decode().upper()


def _sources(node: Node, syntax: DockerfileSyntax) -> Iterator[str]:
    """Yield what an instruction reads of the context, as it is written."""
    flags = [syntax.text_of(child) for child in node.named_children if child.type in {"param", "mount_param"}]
    options = [flag.removeprefix("--").partition("=")[::2] for flag in flags]
    if _keyword(node) in _COPYING and "from" not in dict(options):
        # The last word is the destination.
        yield from (word for word in list(_words(node, syntax))[:-1] if not _REMOTE.match(word))
    for name, value in options:
        if name == "mount":
            yield from _mounted(value)


def _words(node: Node, syntax: DockerfileSyntax) -> Iterator[str]:
    """Yield the arguments of COPY and ADD, without texts that stand in the instructions themselves."""
    for child in node.named_children:
        if child.type == "path" and not any(inner.type == "heredoc_marker" for inner in child.named_children):
            yield syntax.text_of(child)
        elif child.type == "json_string_array":
            strings = (word for word in child.named_children if word.type == "json_string")
            yield from (syntax.text_of(word)[1:-1] for word in strings)


def _mounted(options: str) -> Iterator[str]:
    pairs = (option.strip().partition("=")[::2] for option in options.split(","))
    values = {name.lower(): value for name, value in pairs}
    if values.get("type", "bind").lower() == "bind" and "from" not in values:
        yield values.get("source", values.get("src", "."))
