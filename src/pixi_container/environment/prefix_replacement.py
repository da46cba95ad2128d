"""What stands in packaged files for the environment's path, replaced by that path, part by part.

Follows rattler's crates/rattler/src/install/link.rs for Linux.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LONGEST_SHEBANG = 127
"""The most bytes that Linux reads of a first line; as rattler counts, in bytes of UTF-8."""

_SHEBANG = re.compile(r"#! *(/(?:\\ |[^ \n\r\t])*)([^\n]*)")
_PYTHON = re.compile(r"python(\d+(\.\d+)?)?", re.ASCII)


def replaced_text(parts: Iterable[bytes], old: str, new: str) -> Iterator[bytes]:
    """Yield a text with ``new`` for ``old``; a first line that names a program stays one that Linux can start."""
    rest = iter(parts)
    first = next(rest, b"")
    if first.startswith(b"#!"):
        line, newline, after = first.partition(b"\n")
        yield _replaced_shebang(line.decode("utf-8", "replace"), old, new).encode()
        first = newline + after
    search, kept = old.encode(), first
    overlap = len(search) - 1
    for part in rest:
        pieces = kept.split(search)
        # The last bytes may be the start of what is looked for.
        kept = pieces.pop()
        ready = max(0, len(kept) - overlap)
        yield new.encode().join((*pieces, kept[:ready]))
        kept = kept[ready:] + part
    yield kept.replace(search, new.encode())


def replaced_strings(parts: Iterable[bytes], old: str, new: str) -> Iterator[bytes]:
    """Yield a binary with ``new`` for ``old`` in its C strings, each filled up with zeros to its old length.

    Raises ``ValueError`` where ``new`` is the longer one.
    """
    search, replacement = old.encode(), new.encode()
    gained = len(search) - len(replacement)
    if gained < 0:
        raise ValueError(new)
    kept, missing, in_string = b"", 0, False
    for part in parts:
        kept += part
        ready: list[bytes] = []
        start = 0
        while True:
            at = kept.find(search, start)
            end = kept.find(b"\0", start, at if at >= 0 else None) if in_string else -1
            if end >= 0:
                ready += [kept[start:end], bytes(missing)]
                start, missing, in_string = end, 0, False
            elif at >= 0:
                ready += [kept[start:at], replacement]
                start, missing, in_string = at + len(search), missing + gained, True
            else:
                break
        # The last bytes may be the start of what is looked for.
        last = max(start, len(kept) - len(search) + 1)
        yield b"".join((*ready, kept[start:last]))
        kept = kept[last:]
    yield kept + bytes(missing)


def _replaced_shebang(line: str, old: str, new: str) -> str:
    if " " in new:
        return _by_env(line).replace(old, new) if old in line else line
    line = line.replace(old, new)
    return line if len(line.encode()) <= _LONGEST_SHEBANG else _by_env(line)


def _by_env(line: str) -> str:
    """Have the program of a first line started by another one, for which its path may be long or have spaces."""
    match = _SHEBANG.fullmatch(line)
    if match is None:
        return line
    program, flags = match.groups()
    name = program.rpartition("/")[2]
    if _PYTHON.fullmatch(name):
        return f"#!/bin/sh\n'''exec' \"{program}\"{flags} \"$0\" \"$@\" #'''"
    return f"#!/usr/bin/env {name}{flags}"
