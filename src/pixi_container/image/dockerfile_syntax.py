"""The syntax of a Dockerfile as a tree, by the grammar that tree-sitter has of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node


@dataclass(frozen=True)
class DockerfileSyntax:
    """The tree of a text. Its nodes give places alone: ``text_of`` has what is written there."""

    content: bytes
    root: Node

    def text_of(self, node: Node) -> str:
        """Return the text of a node."""
        return self.content[node.start_byte : node.end_byte].decode()


def parse_dockerfile(text: str) -> DockerfileSyntax:
    """Return the tree of a Dockerfile or a part of it; what is no instruction is a node of the type ``ERROR``."""
    import tree_sitter_containerfile
    from tree_sitter import Language, Parser

    parser = Parser(Language(tree_sitter_containerfile.language()))
    return DockerfileSyntax(text.encode(), parser.parse(_with_real_comments(text).encode()).root_node)


def _with_real_comments(text: str) -> str:
    """Return the text with another character of the same size for each ``#`` in the midst of a line.

    There it is no comment to BuildKit, but in some instructions it is one to the parser, which then takes the next
    line as a part of them.
    Source: https://docs.docker.com/reference/dockerfile/#format
    """
    lines = text.split("\n")
    return "\n".join(line if line.lstrip().startswith("#") else line.replace("#", "_") for line in lines)
