"""The user's own Dockerfile instructions for the base: what they are, and what they read of the build context."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.shortening import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

_INPUT = "input 'base-instructions'"
_FOR_THE_IMAGE = "The image's own entrypoint and command take its place: use the inputs for them."
_REFUSED = {
    "FROM": "The base is 'runtime-image'; COPY --from=IMAGE takes files from another image.",
    "CMD": _FOR_THE_IMAGE,
    "ENTRYPOINT": _FOR_THE_IMAGE,
    "ONBUILD": "Nothing else is built on the base. Write the instruction itself.",
}
"""Instructions that a base cannot have, with what to do instead."""

_NAME_THE_FILES = "Name the files or folders that the base needs, so that no other change builds it again."
_GLOB = re.compile(r"[*?\[]")
_UNCLEAR = re.compile(r"[$\"'\\]")
_REMOTE = re.compile(r"[a-z+]+://|git@", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class BaseInstructions:
    """Instructions, complete lines, and the paths in the context that they read.

    ``file`` is the file that has them, empty for the input itself. ``sets_shell`` tells of a SHELL instruction.
    """

    text: str
    file: str = ""
    reads: tuple[str, ...] = ()
    sets_shell: bool = False


def parse_base_instructions(text: str, file: str = "") -> BaseInstructions:
    """Return the instructions of a text. A path with a pattern counts as the folder above it.

    Raises ``UserError``, with the line, for what is no instruction, for one that a base cannot have, and for a
    COPY, ADD or mount from the context whose files cannot be named.
    """
    import tree_sitter
    import tree_sitter_containerfile

    lines = text.replace("\r\n", "\n").rstrip() + "\n"
    if "\0" in lines:
        raise _error(1, "contains a NUL character", "Remove it.", file)
    if lines.endswith("\\\n"):
        raise _error(
            lines.count("\n"), "ends with a backslash", "Nothing continues the last line: remove it.", file
        )
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_containerfile.language()))
    root = parser.parse(lines.encode("utf-8", "surrogatepass")).root_node
    if root.has_error:
        raise _error(_first_error(root), "is no Dockerfile instruction", "See docs/template.md.", file)
    nodes = [node for node in root.named_children if node.type.endswith("_instruction")]
    if not nodes:
        raise UserError(f"{_INPUT} has no instruction", file=file)
    for node in nodes:
        if hint := _REFUSED.get(_keyword(node)):
            raise _error(_line(node), f"has {_keyword(node)}, which a base cannot have", hint, file)
    return BaseInstructions(
        text=lines,
        file=file,
        reads=tuple(dict.fromkeys(path for node in nodes for path in _reads(node, file))),
        sets_shell=any(_keyword(node) == "SHELL" for node in nodes),
    )


def _reads(node: Node, file: str) -> Iterator[str]:
    """Yield the paths in the context that an instruction reads."""
    flags = [_text(child) for child in node.named_children if child.type in {"param", "mount_param"}]
    if _keyword(node) in {"COPY", "ADD"} and not any(flag.startswith("--from=") for flag in flags):
        for source in _sources(node, file):
            yield _checked(source, node, file)
    for flag in flags if _keyword(node) == "RUN" else ():
        options = dict(option.partition("=")[::2] for option in flag.removeprefix("--mount=").split(","))
        if flag.startswith("--mount=") and options.get("type", "bind") == "bind" and "from" not in options:
            yield _checked(options.get("source", options.get("src", ".")), node, file)


def _sources(node: Node, file: str) -> Iterator[str]:
    """Yield the sources of a COPY or ADD that are paths; the last word is the destination."""
    for child in node.named_children:
        if child.type == "json_string_array":
            words = [_text(word)[1:-1] for word in child.named_children]
            break
    else:
        paths = [child for child in node.named_children if child.type == "path"]
        words = ["" if _has_heredoc(path) else _text(path) for path in paths]
    for word in words[:-1]:
        if _UNCLEAR.search(word):
            raise _error(
                _line(node),
                f"has the source {shortened(word)!r}, whose files cannot be told",
                "Write the path without variables, quotes and backslashes; a JSON list can have white space.",
                file,
            )
        if word and not _REMOTE.match(word):
            yield word


def _checked(path: str, node: Node, file: str) -> str:
    """Return the path, or the folder above the first part with a pattern, in normal form."""
    parts = [part for part in PurePosixPath(path).parts if part != "/"]
    fixed = parts[: next((place for place, part in enumerate(parts) if _GLOB.search(part)), len(parts))]
    if not fixed:
        raise _error(_line(node), "reads the whole context", _NAME_THE_FILES, file)
    return str(PurePosixPath(*fixed))


def _has_heredoc(path: Node) -> bool:
    return any(child.type == "heredoc_marker" for child in path.named_children)


def _keyword(node: Node) -> str:
    return node.type.removesuffix("_instruction").upper()


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "surrogatepass")


def _line(node: Node) -> int:
    return node.start_point[0] + 1


def _first_error(node: Node) -> int:
    """Return the line of the first node that the parser could not read."""
    broken: Node | None = node
    while broken and broken.type != "ERROR" and not broken.is_missing:
        node = broken
        broken = next((child for child in node.children if child.has_error or child.is_missing), None)
    return _line(broken or node)


def _error(line: int, problem: str, hint: str, file: str) -> UserError:
    return UserError(f"{_INPUT}: line {line} {problem}", hint=hint, file=file, line=line if file else None)
