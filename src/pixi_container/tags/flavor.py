"""The input `flavor`: what goes for every tag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.tags.entries import Entry, accepted, entries
from pixi_container.tags.expressions import Template, template

if TYPE_CHECKING:
    from collections.abc import Collection

_EMPTY = Template(Entry("flavor", 0, ""), ())


@dataclass(frozen=True, kw_only=True)
class Flavor:
    """``latest`` is ``auto``, ``true`` or ``false``; by ``…_on_latest`` the affix goes on ``latest`` too."""

    latest: str = "auto"
    prefix: Template = _EMPTY
    suffix: Template = _EMPTY
    prefix_on_latest: bool = False
    suffix_on_latest: bool = False


def flavor_of(text: str) -> Flavor:
    """Read the input ``flavor``; what is not given keeps its default. Raises ``UserError`` when malformed."""
    latest = "auto"
    affixes = {"prefix": _EMPTY, "suffix": _EMPTY}
    on_latest = {"prefix": False, "suffix": False}
    for entry in entries(text, "flavor"):
        affix = ""
        for key, value in entry.attributes():
            if key == "latest":
                latest = _choice(key, value, ("auto", "true", "false"), entry)
            elif key in affixes:
                affix = key
                affixes[key] = template(value, entry)
            elif key == "onlatest":
                if not affix:
                    raise entry.error("onlatest must follow prefix or suffix", "Write prefix=x-,onlatest=true.")
                on_latest[affix] = _choice(key, value, ("true", "false"), entry) == "true"
            else:
                raise entry.error(
                    f"unknown flavor {key or value!r}",
                    accepted(key or value, ("latest=", "prefix=", "suffix=", "onlatest=")),
                )
    return Flavor(
        latest=latest,
        prefix=affixes["prefix"],
        suffix=affixes["suffix"],
        prefix_on_latest=on_latest["prefix"],
        suffix_on_latest=on_latest["suffix"],
    )


def _choice(key: str, value: str, choices: Collection[str], entry: Entry) -> str:
    if value not in choices:
        raise entry.error(f"{key} is {value!r}", accepted(value, choices))
    return value
