"""ENTRYPOINT and CMD without the parts that only activate the environment."""

from __future__ import annotations

import posixpath
import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pixi_container.init.dockerfile_reading import DockerfileInstruction

_OF_A_SHELL = re.compile(r"[$&|;<>*?`()#]")
ACTIVATES = re.compile(r"entrypoint|shell[-_]hook|activate", re.IGNORECASE)
"""What the name of a script has whose purpose is to activate the environment."""

SHELLS = {"bash", "sh"}
_OPTIONS_WITH_VALUE = {"-e", "--environment", "--manifest-path", "-m", "-v"}


def as_words(instruction: DockerfileInstruction) -> tuple[str, ...]:
    """Return the words of a command; one that needs a shell gets it, as Docker does."""
    if instruction.is_json:
        return instruction.words
    text = instruction.rest.removeprefix("exec ").strip()
    return plain_words(text) or ("/bin/sh", "-c", text)


def plain_words(text: str) -> tuple[str, ...]:
    """Return the words of a command that needs no shell; empty for any other."""
    try:
        return () if _OF_A_SHELL.search(text) else tuple(shlex.split(text))
    except ValueError:
        return ()


def of_entrypoint(words: Sequence[str], tasks: Collection[str], files: Collection[str]) -> tuple[str, ...]:
    """Return the entrypoint that is left; empty if all that it does is to activate the environment.

    A script of that purpose is one that the repository, whose ``files`` are given, does not have.
    """
    if (
        len(words) > 1
        and posixpath.basename(words[0]) in SHELLS
        and ACTIVATES.search(posixpath.basename(words[1]))
    ):
        words = words[1:]
    if words and ACTIVATES.search(posixpath.basename(words[0])):
        name = posixpath.basename(words[0])
        if not any(posixpath.basename(file) == name for file in files):
            words = words[1:]
    after = _after_pixi_run(words)
    if after is None:
        return tuple(words)
    return ("pixi", "run", *after) if after and after[0] in tasks else after


def of_command(words: Sequence[str], entrypoint: Sequence[str], tasks: Collection[str]) -> tuple[str, ...]:
    """Return the command that is left; empty if it is the default, a shell."""
    after = _after_pixi_run(words)
    by_pixi = after is not None or _after_pixi_run(entrypoint) == ()
    words = tuple(words if after is None else after)
    if by_pixi and words and words[0] in tasks:
        return ("pixi", "run", *words)
    return () if len(words) == 1 and posixpath.basename(words[0]) in SHELLS else words


def _after_pixi_run(words: Sequence[str]) -> tuple[str, ...] | None:
    """Return what follows ``pixi run`` and its options; None for another command."""
    if len(words) < 2 or posixpath.basename(words[0]) != "pixi" or words[1] != "run":
        return None
    rest = list(words[2:])
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option in _OPTIONS_WITH_VALUE and rest:
            rest.pop(0)
    return tuple(rest)
