"""Names that a registry takes: image names and tags.

Source of the rules: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
and the grammar in https://pkg.go.dev/github.com/distribution/reference
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pixi_container.registry.reference import is_image_name
from pixi_container.tags.entries import accepted, entries

if TYPE_CHECKING:
    from pixi_container.tags.entries import Entry

MAX_TAG = 128
MAX_NAME = 255

_FOREIGN = re.compile(r"[^a-zA-Z0-9._-]+")


def image_names(text: str) -> tuple[str, ...]:
    """Read the input ``images``: names, lower-cased, without repeats and without those with ``enable=false``.

    An entry is one or more names, or ``name=…,enable=…``. Raises ``UserError`` for what no registry takes.
    """
    names: dict[str, None] = {}
    for entry in entries(text, "images"):
        names.update(dict.fromkeys(_enabled(entry)))
    return tuple(names)


def sanitised(tag: str) -> str:
    """Put one ``-`` in place of every run of characters that no tag may have."""
    return _FOREIGN.sub("-", tag)


def tag_problem(tag: str) -> str:
    """Say why a registry would refuse a sanitised tag; empty when it would not."""
    if not tag:
        return "is empty"
    if tag[0] in ".-":
        return f"starts with {tag[0]!r}"
    if len(tag) > MAX_TAG:
        return f"has {len(tag)} characters, more than {MAX_TAG}"
    return ""


def _enabled(entry: Entry) -> list[str]:
    bare: list[str] = []
    given: dict[str, str] = {}
    for key, value in entry.attributes():
        if not key:
            bare.append(value)
        elif key not in {"name", "enable"}:
            raise entry.error(f"unknown image attribute {key!r}", accepted(key, ["name", "enable"]))
        elif key in given:
            raise entry.error(f"attribute {key!r} is given twice", "Write one image a line.")
        else:
            given[key] = value
    if bare and "name" in given:
        raise entry.error("the image is named twice", "Write one image a line.")
    if given.get("enable", "true") not in {"true", "false"}:
        raise entry.error(f"enable is {given['enable']!r}", accepted(given["enable"], ["true", "false"]))
    names = bare or [given.get("name", "")]
    checked = [_checked(name.lower(), entry) for name in names]
    return checked if given.get("enable", "true") == "true" else []


def _checked(name: str, entry: Entry) -> str:
    if not name:
        raise entry.error("the image has no name", "Write ghcr.io/owner/name.")
    if is_image_name(name):
        return name
    last = name.rpartition("/")[2]
    if "@" in last or (":" in last and is_image_name(name.rpartition(":")[0])):
        raise entry.error(f"{name!r} has a tag or digest", "Give the name alone; tags come from the input 'tags'.")
    raise entry.error(
        f"{name!r} is no image name",
        f"A name is [registry/]part[/part…] of at most {MAX_NAME} characters; a part has letters, digits and,"
        " between them, single '.', one or two '_', or '-'.",
    )
