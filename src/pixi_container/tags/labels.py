"""Labels and annotations: OCI's keys from the facts, and the user's own over them.

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
    from collections.abc import Mapping

    from pixi_container.tags.facts import Facts

DESCRIPTION = "org.opencontainers.image.description"
LEVELS = ("manifest", "index", "manifest-descriptor", "index-descriptor")

_KEY = re.compile(r"[^\s\"'=\x00-\x1f\x7f]+")
_LEVEL = re.compile(r"(?P<name>[a-z-]+)(?:\[[a-z0-9]+(?:/[a-z0-9.]+){1,2}\])?")

# The order of JavaScript's localeCompare among the characters that keys are made of.
_COLLATION = "_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789abcdefghijklmnopqrstuvwxyz"


def labels_of(
    facts: Facts, version: str, text: str, name: str = "labels"
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the labels by key, sorted, and notes; entries of the input ``name`` win over what the facts say.

    Facts that are not known, or of white space and control characters alone, give no label. An entry without
    ``=`` gives none either, and a note: the original drops it in silence. Raises ``UserError`` for a key that no
    label can have.
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
    # A payload's text is anybody's, and a label is a line of an output.
    lines = {f"org.opencontainers.image.{key}": _one_line(value) for key, value in known.items()}
    labels = {key: value for key, value in lines.items() if value.strip()}
    notes: list[str] = []
    for entry in entries(text, name):
        key, separator, value = template(entry.text, entry).render(facts).partition("=")
        key = key.strip()
        if not separator:
            notes.append(f"input {name!r}, line {entry.line}: {entry.text!r} is not key=value and gives nothing")
            continue
        if not _KEY.fullmatch(key):
            raise entry.error(f"{entry.text!r} is not key=value", "Write key=value; the value may be empty: key=.")
        labels[key] = value
    return {key: labels[key] for key in sorted(labels, key=_collation)}, tuple(notes)


def annotations_of(values: Mapping[str, str], levels: str) -> tuple[str, ...]:
    """Return ``level:key=value`` for each of the comma-separated levels in turn.

    Without levels it is ``manifest``, and the description on the index too, where ghcr.io reads it.

    A level is one of ``LEVELS``, which may end in ``[os/architecture]``; others raise ``UserError``.
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


def _one_line(value: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+", " ", value)


def _timestamp(facts: Facts) -> str:
    when = facts.commit_date.astimezone(timezone.utc)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _collation(key: str) -> tuple[list[tuple[int, str]], str]:
    # Small and capital letters differ only where nothing else does, and then the small ones come first.
    order = [
        (_COLLATION.find(char), char) if char in _COLLATION else (len(_COLLATION), char) for char in key.lower()
    ]
    return order, key.swapcase()
