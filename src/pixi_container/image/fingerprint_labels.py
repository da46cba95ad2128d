"""Fingerprints as labels of an image, by which it is known again and compared."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pixi_container.json_object import object_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixi_container.image.fingerprint import Fingerprint

IMAGE = "pixi-container.fingerprint"
ENVIRONMENT = "pixi-container.environment-fingerprint"
"""The fingerprints in full."""

PARTS = "pixi-container.fingerprint-parts"
"""The first digits of the parts' digests by name, as JSON."""

_PART_DIGITS = 16


def fingerprint_labels(environment: Fingerprint, image: Fingerprint | None = None) -> dict[str, str]:
    """Return the labels of an image, or of an environment's image when there is no ``image``."""
    parts = short_parts(environment.as_json(), image.as_json() if image else {})
    labels = {ENVIRONMENT: environment.digest, PARTS: json.dumps(parts, sort_keys=True)}
    return {**labels, IMAGE: image.digest} if image else labels


def short_parts(*parts: Mapping[str, str]) -> dict[str, str]:
    """Return the parts' digests by name, as long as the label has them."""
    return {name: digest[:_PART_DIGITS] for digests in parts for name, digest in digests.items()}


def parts_in(labels: Mapping[str, str]) -> dict[str, str]:
    """Read the parts' digests back, nothing where an image has none of ours."""
    try:
        parts = json.loads(labels.get(PARTS, "{}"))
    except ValueError:
        return {}
    return {str(name): str(digest) for name, digest in object_in(parts).items()}
