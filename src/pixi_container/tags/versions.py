"""Versions according to Semantic Versioning and PEP 440."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Version:
    """A version: the variables that a pattern may use, and ``order``, which sorts it within its scheme.

    ``stable`` is false for pre-releases and, in PEP 440, for post-releases and development releases.
    ``components`` is how many numbers the version has: three for ``1.2.0``.
    """

    variables: Mapping[str, str]
    stable: bool
    components: int
    order: Any


def semver_version(text: str) -> Version | None:
    """Parse a version as in https://semver.org, with an optional leading ``v``; return None if it is not one."""
    import semver

    try:
        version = semver.Version.parse(text.strip().removeprefix("v"))
    except ValueError:
        return None
    variables = {
        "raw": text,
        "version": str(version.replace(build=None)),
        "major": str(version.major),
        "minor": str(version.minor),
        "patch": str(version.patch),
        "prerelease": version.prerelease or "",
        "build": version.build or "",
    }
    return Version(variables, not version.prerelease, 3, version)


def pep440_version(text: str) -> Version | None:
    """Parse a version as in https://peps.python.org/pep-0440, also with a leading ``v``; None if it is not one."""
    from packaging.version import Version as Pep440

    try:
        version = Pep440(text)
    except ValueError:
        return None
    variables = {
        "raw": text,
        "version": str(version),
        "major": str(version.major),
        "minor": str(version.minor),
        "patch": str(version.micro),
    }
    stable = not (version.is_prerelease or version.is_postrelease)
    return Version(variables, stable, len(version.release), version)


SCHEMES: Mapping[str, Callable[[str], Version | None]] = {"semver": semver_version, "pep440": pep440_version}

VARIABLES = {
    "semver": ("raw", "version", "major", "minor", "patch", "prerelease", "build"),
    "pep440": ("raw", "version", "major", "minor", "patch"),
}


def scheme_of(text: str) -> str:
    """Return the version scheme that a Git tag's name follows, empty if the name is not a version.

    A single number, such as a date, does not count as a version here, although PEP 440 accepts it.
    """
    for scheme, read in SCHEMES.items():
        version = read(text)
        if version and version.components > 1:
            return scheme
    return ""
