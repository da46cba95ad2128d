"""Which images a run makes: of the environments that names and globs choose, for the platforms that are listed.

Of several workspaces, globs choose the manifests.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pixi_container.addresses import EMULATION_IMAGE
from pixi_container.errors import UserError
from pixi_container.input_values import environment_names, lines_of, malformed
from pixi_container.registry.reference import parse_reference
from pixi_container.shortening import listed, shortened
from pixi_container.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

EVERY_PLATFORM = "auto"
"""The value of ``platforms`` for all that the lock has for the environment, and that the runtime image has."""

ENVIRONMENT_EXPRESSION = re.compile(r"\{\{\s*environment\s*\}\}")
"""What stands for the environment's name."""

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/ppc64le")
"""Docker's names of the platforms that an image can have, the usual one first."""

MANIFEST_NAMES = ("pixi.toml", "pyproject.toml", "mojoproject.toml")
"""The names that Pixi looks for in a folder, in this order (docs/reference/pixi_manifest.md of Pixi)."""

_PATTERN_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-*?[]!")


def environment_patterns(text: str) -> tuple[str, ...]:
    """Return the names and globs of ``environments``. Raises ``UserError`` for what no environment's name has."""
    patterns = environment_names(text)
    for pattern in patterns:
        if not pattern.removeprefix("!") or not _PATTERN_CHARACTERS.issuperset(pattern):
            raise malformed("environments", pattern, "names of environments and globs, such as gpu-* or !*-dev")
    return patterns


def chosen_environments(patterns: Collection[str], names: Collection[str]) -> tuple[str, ...]:
    """Return the environments, in the order of ``names``, whose last matching pattern has no ``!`` in front.

    Patterns that begin with an exclusion choose among all. Raises ``UserError`` if a pattern without ``!`` matches
    no environment, or if none is left.
    """
    chosen = {name: next(iter(patterns), "").startswith("!") for name in names}
    for pattern in patterns:
        glob = pattern.removeprefix("!")
        matching = [name for name in names if fnmatchcase(name, glob)]
        if not matching and glob == pattern:
            raise UserError(
                f"input 'environments': '{shortened(pattern)}' matches no environment"
                f"{did_you_mean(pattern, names)}",
                hint=f"Environments of this workspace: {listed(names)}.",
            )
        chosen |= dict.fromkeys(matching, glob == pattern)
    if not any(chosen.values()):
        raise UserError(
            "input 'environments' excludes every environment",
            hint=f"Environments of this workspace: {listed(names)}.",
        )
    return tuple(name for name, is_chosen in chosen.items() if is_chosen)


def told_apart(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the texts of inputs with a flavor that keeps environments' tags apart, unless something does."""
    names = ("images", "tags", "flavor")
    if texts.get("flavor") or any(ENVIRONMENT_EXPRESSION.search(texts.get(name, "")) for name in names):
        return dict(texts)
    return {**texts, "flavor": "suffix=-{{environment}},onlatest=true"}


def manifest_globs(text: str) -> tuple[str, ...]:
    """Return the globs of ``contexts``. Raises ``UserError`` for one that is not of manifests below it."""
    globs = tuple(word for line in lines_of(text) for word in line.split())
    for glob in globs:
        parts = glob.removeprefix("!").split("/")
        if parts[-1] not in MANIFEST_NAMES or {"", ".", ".."} & set(parts):
            accepted = f"globs of {listed(MANIFEST_NAMES)} below 'context', such as */pixi.toml or !old/pixi.toml"
            raise malformed("contexts", glob, accepted)
    return globs


def platforms(text: str) -> tuple[str, ...]:
    """Return the platforms of ``platforms``, or ``auto`` alone; empty for a blank text."""
    names = environment_names(text)
    if names == (EVERY_PLATFORM,):
        return names
    if unknown := next((name for name in names if name not in PLATFORMS), ""):
        raise malformed("platforms", unknown, f"{EVERY_PLATFORM} alone, or any of {', '.join(PLATFORMS)}")
    return tuple(dict.fromkeys(names))


def emulation(text: str) -> str:
    """Return the image that registers QEMU; empty for no emulation. Raises ``UserError`` for a malformed one."""
    if text in {"true", "false"}:
        return EMULATION_IMAGE if text == "true" else ""
    return str(parse_reference(text, source="input 'emulation'"))
