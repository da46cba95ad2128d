"""Versions by Semantic Versioning and by PEP 440."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Version:
    """A version: the variables that a pattern may use, and what sorts it among others of its scheme.

    ``stable`` is false for pre-releases, and in PEP 440 for post- and development releases too.
    ``components`` counts the numbers that were written out.
    """

    variables: Mapping[str, str]
    stable: bool
    components: int
    order: Any


def semver_version(text: str) -> Version | None:
    """Read a version of https://semver.org, with one leading ``v`` allowed; None when it is none."""
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
    """Read a version of https://peps.python.org/pep-0440, which allows a leading ``v``; None when it is none."""
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
    """The scheme that a git tag's name is a version of, empty when it names no version.

    A lone number such as a date is no version here, although PEP 440 would take it.
    """
    for scheme, read in SCHEMES.items():
        version = read(text)
        if version and version.components > 1:
            return scheme
    return ""
