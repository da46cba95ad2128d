"""Dockerfile instructions that a user adds to an image: their syntax, and the files of the context they need."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.paths import checked_path, exists, is_in_context, read_text
from pixi_container.shortening import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tree_sitter import Node

_COPYING = {"COPY", "ADD"}
_REFUSED = {
    "FROM": "starts another image; the instructions belong to the last stage",
    "MAINTAINER": "is not supported any more; use the input 'labels'",
}
_SPECIAL = re.compile(r"[$*?\[\\\"']")
_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|git@")


@dataclass(frozen=True)
class Instruction:
    """One instruction. ``line`` counts from 1, and ``flags`` are its options as they are written.

    ``words`` are the arguments of COPY and ADD, without texts that stand in the instructions themselves.
    """

    keyword: str
    line: int
    flags: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Instructions:
    """The instructions that a user adds: their text, which ends with a line break, and what they are.

    ``file`` is the file that they are in, relative to the context; empty where the input has the text itself.
    """

    text: str = ""
    file: str = ""
    parsed: tuple[Instruction, ...] = ()

    @property
    def keywords(self) -> frozenset[str]:
        """The names of the instructions."""
        return frozenset(instruction.keyword for instruction in self.parsed)

    @property
    def context_paths(self) -> tuple[str, ...]:
        """The files and folders of the context that they read, and the folder of those that a pattern names."""
        return tuple(dict.fromkeys(path for each in self.parsed for path in _paths_of(each)))


NO_INSTRUCTIONS = Instructions()


def read_instructions(context: Path, value: str, name: str) -> Instructions:
    """Return the instructions of an input: its text, or that of the file whose path is its only word.

    Raises ``UserError`` for a file that cannot be read, and for what is no instruction or may not stand here.
    """
    if not value:
        return NO_INSTRUCTIONS
    if len(value.split()) > 1:
        parsed = parse_instructions(value, f"input '{name}'")
        _check_paths(context, parsed, f"input '{name}'")
        return parsed
    path = checked_path(context, value, source=f"input '{name}'")
    text = read_text(context, path, what=f"input '{name}': '{path}'")
    if not text.strip():
        raise UserError(f"input '{name}': '{path}' is empty", file=str(context / path))
    parsed = parse_instructions(text, f"input '{name}'", str(context / path))
    _check_paths(context, parsed, path)
    return replace(parsed, file=path)


def _check_paths(context: Path, instructions: Instructions, source: str) -> None:
    """Raise ``UserError`` for a path that is not in the context; BuildKit would not say in which line it is."""
    for instruction in instructions.parsed:
        for path in _paths_of(instruction):
            if not is_in_context(context, path):
                problem = "leads out of the context" if exists(context, path) else f"does not exist in '{context}'"
                raise UserError(f"{source}, line {instruction.line}: '{shortened(path)}' {problem}")


def parse_instructions(text: str, source: str, file: str = "") -> Instructions:
    """Return the instructions of a text; ``source`` and ``file`` say in messages where it stands.

    Raises ``UserError``, with the line, for what BuildKit does not read or would read as something else: an
    unknown instruction, a text among them that does not end, and an instruction that is refused here.
    """
    text = text.replace("\r\n", "\n").rstrip() + "\n"
    root = _tree(text)
    parsed = []
    for node in root.named_children:
        if node.type == "comment":
            continue
        line = node.start_point[0] + 1
        keyword = _keyword(node)
        if node.type == "ERROR" or node.has_error:
            raise _unreadable(source, text, node, file)
        if keyword in _REFUSED:
            problem = f"{source}, line {line}: {keyword} {_REFUSED[keyword]}"
            raise UserError(problem, file=file, line=line if file else 0)
        parsed.append(Instruction(keyword, line, tuple(_flags(node)), tuple(_words(node))))
    if not parsed:
        raise UserError(f"{source} has no instruction", file=file)
    return Instructions(text, parsed=tuple(parsed))


def _tree(text: str) -> Node:
    import tree_sitter_containerfile
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_containerfile.language())).parse(text.encode()).root_node


def _unreadable(source: str, text: str, node: Node, file: str) -> UserError:
    broken = next((each for each in _below(node) if each.type == "ERROR" or each.is_missing), node)
    line = broken.start_point[0] + 1
    written = text.split("\n")[line - 1].strip()
    return UserError(
        f"{source}, line {line}: this is no instruction of a Dockerfile: {shortened(written)}",
        file=file,
        line=line if file else 0,
        hint="See https://docs.docker.com/reference/dockerfile/.",
    )


def _below(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _below(child)


def _keyword(node: Node) -> str:
    return _text(node.children[0]).upper() if node.children else ""


def _flags(node: Node) -> Iterator[str]:
    for child in node.named_children:
        if child.type in {"param", "mount_param"}:
            yield _text(child)


def _words(node: Node) -> Iterator[str]:
    if _keyword(node) not in _COPYING:
        return
    for child in node.named_children:
        if child.type == "path" and not any(inner.type == "heredoc_marker" for inner in child.named_children):
            yield _text(child)
        elif child.type == "json_string_array":
            yield from (_text(word)[1:-1] for word in child.named_children if word.type == "json_string")


def _text(node: Node) -> str:
    return (node.text or b"").decode()


def _paths_of(instruction: Instruction) -> Iterator[str]:
    """Yield what an instruction reads of the context; the whole context if that cannot be told."""
    options = [flag.removeprefix("--").partition("=")[::2] for flag in instruction.flags]
    if instruction.keyword in _COPYING and "from" not in dict(options):
        yield from (_place(word) for word in instruction.words[:-1] if not _REMOTE.match(word))
    for name, value in options:
        if name == "mount":
            yield from _mounted(value)


def _mounted(options: str) -> Iterator[str]:
    values = dict(option.strip().partition("=")[::2] for option in options.split(","))
    if values.get("type", "bind") == "bind" and "from" not in values:
        yield _place(values.get("source", values.get("src", ".")))


def _place(path: str) -> str:
    """Return a path of the context, without the parts that are variables or patterns, and what follows them."""
    plain = []
    for part in PurePosixPath(path.lstrip("/")).parts:
        if _SPECIAL.search(part) or part == "..":
            break
        plain.append(part)
    return "/".join(plain) or "."
