"""Labels and annotations: OCI's keys from the facts, overridden by user-supplied entries.

Source of the keys: https://github.com/opencontainers/image-spec/blob/main/annotations.md
"""

from __future__ import annotations

import re
from datetime import timezone
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.tags.entries import accepted, entries
from pixi_container.tags.expressions import template

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pixi_container.tags.facts import Facts

DESCRIPTION = "org.opencontainers.image.description"
LEVELS = ("manifest", "index", "manifest-descriptor", "index-descriptor")

_KEY = re.compile(r"[^\s\"'=\x00-\x1f\x7f]+")
_LEVEL = re.compile(r"(?P<name>[a-z-]+)(?:\[[a-z0-9]+(?:/[a-z0-9.]+){1,2}\])?")

# JavaScript's localeCompare order for the characters that occur in keys.
_COLLATION = "_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789abcdefghijklmnopqrstuvwxyz"


def labels_of(
    facts: Facts, version: str, text: str, name: str = "labels"
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the labels sorted by key, and notes; entries of the input ``name`` override the facts.

    Facts that are unknown, or contain only white space and control characters, produce no label. An entry without
    ``=`` produces a note instead of a label; docker/metadata-action drops it silently. Raises ``UserError`` for an
    invalid key.
    """
    repository = facts.repository
    known = {
        "title": repository.name,
        "description": repository.description,
        "url": repository.html_url,
        "source": repository.html_url,
        "created": _timestamp(facts),
        "revision": facts.revision,
        "licenses": repository.licence,
        "version": version,
    }
    # Anyone can write the payload's text, and each label is one line of an output.
    lines = {f"org.opencontainers.image.{key}": _one_line(value) for key, value in known.items()}
    labels = {key: value for key, value in lines.items() if value.strip()}
    notes: list[str] = []
    for entry in entries(text, name):
        key, separator, value = template(entry.text, entry).render(facts).partition("=")
        key = key.strip()
        if not separator:
            notes.append(f"input {name!r}, line {entry.line}: {entry.text!r} is not key=value and is ignored")
            continue
        if not _KEY.fullmatch(key):
            raise entry.error(f"{entry.text!r} is not key=value", "Write key=value; the value may be empty: key=.")
        labels[key] = value
    return {key: labels[key] for key in sorted(labels, key=_collation)}, tuple(notes)


def annotations_of(values: Mapping[str, str], levels: str) -> tuple[str, ...]:
    """Return ``level:key=value`` for each of the comma-separated levels in turn.

    Without levels, annotations are on the manifest; the description is also on the index, where ghcr.io reads it.

    A level is one of ``LEVELS``, optionally followed by ``[os/architecture]``; others raise ``UserError``.
    Source: https://docs.docker.com/build/metadata/annotations/#specify-annotation-level
    """
    if not levels.strip():
        description = {key: value for key, value in values.items() if key == DESCRIPTION}
        return (*annotations_of(values, "manifest"), *annotations_of(description, "index"))
    names = dict.fromkeys(level.strip() for level in levels.split(",") if level.strip())
    for level in names:
        match = _LEVEL.fullmatch(level)
        if not match or match["name"] not in LEVELS:
            raise UserError(f"unknown annotation level {level!r}", hint=accepted(level.partition("[")[0], LEVELS))
    return tuple(f"{level}:{key}={value}" for level in names for key, value in values.items())


def annotations_at(annotations: Iterable[str], level: str, platform: str = "") -> dict[str, str]:
    """Return the annotations of a level, by key: those for every platform, and those for ``platform``."""
    levels = {level, f"{level}[{platform}]"}
    pairs = (annotation.partition(":")[::2] for annotation in annotations)
    return {text.partition("=")[0]: text.partition("=")[2] for name, text in pairs if name in levels}


def _one_line(value: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+", " ", value)


def _timestamp(facts: Facts) -> str:
    when = facts.commit_date.astimezone(timezone.utc)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _collation(key: str) -> tuple[list[tuple[int, str]], str]:
    # Case only breaks ties, and lower case comes first.
    order = [
        (_COLLATION.find(char), char) if char in _COLLATION else (len(_COLLATION), char) for char in key.lower()
    ]
    return order, key.swapcase()
