"""Fingerprints as image labels, for finding and comparing images."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pixi_container.debian_packages import parse_installed
from pixi_container.json_object import object_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixi_container.image.base_definition import BaseDefinition
    from pixi_container.image.fingerprint import Fingerprint

IMAGE = "pixi-container.fingerprint"
ENVIRONMENT = "pixi-container.environment-fingerprint"
"""The labels with the full fingerprints."""

BASE = "pixi-container.base-fingerprint"
BASE_REFRESHED = "pixi-container.base-refreshed"
APT_PACKAGES = "pixi-container.apt-packages"
"""The labels of a base, which images on it inherit: its fingerprint, when it was last built anew, and the versions
of the packages that it was asked for, as JSON."""

PARTS = "pixi-container.fingerprint-parts"
"""The label with the shortened digests of the parts by name, as JSON."""

_PART_DIGITS = 16


def fingerprint_labels(environment: Fingerprint, image: Fingerprint | None = None) -> dict[str, str]:
    """Return the labels of an image, or of an environment image if ``image`` is None."""
    parts = short_parts(environment.as_json(), image.as_json() if image else {})
    labels = {ENVIRONMENT: environment.digest, PARTS: json.dumps(parts, sort_keys=True)}
    return {**labels, IMAGE: image.digest} if image else labels


def base_labels(base: BaseDefinition) -> dict[str, str]:
    """Return the labels of a base, apart from the versions of its packages, which are known once it is built."""
    return {BASE: base.fingerprint.digest, **({BASE_REFRESHED: base.refreshed} if base.refreshed else {})}


def installed_packages(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return names and versions of the packages that a base was asked for, as its labels tell; empty for none."""
    try:
        packages = json.loads(labels.get(APT_PACKAGES, "{}"))
    except (ValueError, RecursionError):
        return ()
    return parse_installed("".join(f"{name}\t{version}\n" for name, version in object_in(packages).items()))


def short_parts(*parts: Mapping[str, str]) -> dict[str, str]:
    """Return the parts' digests by name, shortened as in the label."""
    return {name: digest[:_PART_DIGITS] for digests in parts for name, digest in digests.items()}


def parts_in(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the parts' digests from an image's labels; empty if it has none."""
    try:
        parts = json.loads(labels.get(PARTS, "{}"))
    except ValueError:
        return {}
    return {str(name): str(digest) for name, digest in object_in(parts).items()}
