"""Entries of the input `tags`, read and checked: the types, their attributes and priorities."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.tags.entries import accepted, entries
from pixi_container.tags.expressions import template
from pixi_container.tags.patterns import search
from pixi_container.tags.versions import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixi_container.tags.entries import Entry
    from pixi_container.tags.expressions import Template
    from pixi_container.tags.patterns import Search

_REQUIRED = None


@dataclass(frozen=True)
class _Type:
    """A type's priority and its own attributes with their defaults."""

    priority: int
    attributes: Mapping[str, str | None]


TYPES: Mapping[str, _Type] = {
    "schedule": _Type(1000, {"pattern": "nightly"}),
    "semver": _Type(900, {"pattern": _REQUIRED, "value": "", "match": ""}),
    "pep440": _Type(900, {"pattern": _REQUIRED, "value": "", "match": ""}),
    "match": _Type(800, {"pattern": _REQUIRED, "group": "0", "value": ""}),
    "edge": _Type(700, {"branch": ""}),
    "ref": _Type(600, {"event": _REQUIRED}),
    "raw": _Type(200, {"value": _REQUIRED}),
    "sha": _Type(100, {"prefix": "sha-", "format": "short"}),
}
_COMMON = ("enable", "priority", "prefix", "suffix")
_CHOICES = {"event": ("branch", "tag", "pr"), "format": ("short", "long")}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One entry of the input ``tags``.

    ``attributes`` has every attribute with its default, as text; the other fields are what was read from it.
    A prefix or suffix of None leaves it to the flavor, an empty one wins over it. ``search`` is the regular
    expression of ``match`` or, of the type ``match``, of ``pattern``.
    """

    entry: Entry
    type: str
    attributes: Mapping[str, str]
    priority: float
    enable: Template
    prefix: Template | None
    suffix: Template | None
    value: Template
    pattern: Template
    search: Search | None
    group: int


def rules(text: str, name: str = "tags") -> list[Rule]:
    """Read the rules, highest priority first, and in the order written where priorities are equal.

    Raises ``UserError`` for whatever is malformed, whether or not the entry is enabled.
    """
    return sorted((rule(entry) for entry in entries(text, name)), key=lambda parsed: -parsed.priority)


def rule(entry: Entry) -> Rule:
    """Read one entry."""
    kind, attributes = _attributes(entry)
    # The pattern of `match` is a regular expression; of the others it is a template.
    pattern = "" if kind == "match" else attributes.get("pattern", "")
    regex = attributes["pattern"] if kind == "match" else attributes.get("match", "")
    return Rule(
        entry=entry,
        type=kind,
        attributes=attributes,
        priority=_priority(attributes["priority"], entry),
        enable=template(attributes["enable"], entry),
        prefix=template(attributes["prefix"], entry) if "prefix" in attributes else None,
        suffix=template(attributes["suffix"], entry) if "suffix" in attributes else None,
        value=template(attributes.get("value", ""), entry),
        pattern=template(pattern, entry, VARIABLES.get(kind, ())),
        search=search(regex, entry, slashes=kind == "match") if regex else None,
        group=_group(attributes.get("group", "0"), entry),
    )


def _attributes(entry: Entry) -> tuple[str, dict[str, str]]:
    """Return the type and all its attributes, defaults filled in."""
    fields = entry.attributes()
    kind = next((value for key, value in fields if key == "type"), "raw")
    if kind not in TYPES:
        raise entry.error(f"unknown type {kind!r}", accepted(kind, TYPES))
    own = TYPES[kind].attributes
    names = tuple(dict.fromkeys((*own, *_COMMON)))
    given = _given(fields, kind, names, entry)
    for name in own:
        if own[name] is _REQUIRED and not given.get(name):
            raise entry.error(f"type={kind} needs {name}=…", accepted("", _CHOICES.get(name, names)))
    for name, choices in _CHOICES.items():
        if name in given and given[name] not in choices:
            raise entry.error(f"{name} is {given[name]!r}", accepted(given[name], choices))
    defaults = {name: default for name, default in own.items() if default is not None}
    if given.get("event") == "pr":
        defaults["prefix"] = "pr-"
    return kind, {"enable": "true", "priority": str(TYPES[kind].priority), **defaults, **given}


def _given(fields: list[tuple[str, str]], kind: str, names: tuple[str, ...], entry: Entry) -> dict[str, str]:
    given: dict[str, str] = {}
    for key, value in fields:
        if not key and kind != "raw":
            raise entry.error(
                f"{value!r} is no attribute",
                f'Write name=value, and quote a value with a comma: "pattern=a,b". {accepted("", names)}',
            )
        name = key or "value"
        if name not in {"type", *names}:
            # People write attributes of one type on another, where the original ignores them.
            if any(name in other.attributes for other in TYPES.values()):
                continue
            raise entry.error(f"type={kind} has no attribute {name!r}", accepted(name, names))
        if name in given:
            raise entry.error(
                f"attribute {name!r} is given twice",
                'Write one tag a line, and quote a value with a comma: "value=a,b".',
            )
        given[name] = value
    given.pop("type", None)
    return given


def _priority(text: str, entry: Entry) -> float:
    try:
        priority = float(text)
    except ValueError:
        priority = math.nan
    if not math.isfinite(priority):
        raise entry.error(f"priority is {text!r}", "Accepted: a number; the highest comes first.")
    return priority


def _group(text: str, entry: Entry) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 4):
        raise entry.error(f"group is {text!r}", "Accepted: the number of a group; 0 is the whole match.")
    return int(text)
