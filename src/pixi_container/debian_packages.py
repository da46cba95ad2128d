"""Debian packages as ``apt-get install`` names them, and the versions that it installed.

Sources: https://www.debian.org/doc/debian-policy/ch-controlfields.html#source (names) and #version; apt-get(8).
"""

from __future__ import annotations

import re

from pixi_container.errors import UserError
from pixi_container.shortening import shortened

# A hyphen at the end would have apt-get remove the package. A version may end with an asterisk, as apt-get allows.
_PACKAGE = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9+.-]*[a-z0-9+.])"
    r"(?::(?P<architecture>[a-z0-9][a-z0-9-]*))?"
    r"(?:=(?P<version>[0-9][A-Za-z0-9.+~:-]*\*?)|/(?P<release>[A-Za-z0-9][A-Za-z0-9.-]*))?"
)
_INSTALLED = re.compile(r"(?P<name>[a-z0-9][a-z0-9+.-]+)\t(?P<version>[0-9A-Za-z][A-Za-z0-9.+~:-]*)")


def parse_packages(text: str) -> tuple[str, ...]:
    """Return the packages, each once, from a text with white space, commas and ``#`` comments between them.

    Raises ``UserError`` for what is no package.
    """
    words = (word for line in text.splitlines() for word in line.partition("#")[0].replace(",", " ").split())
    packages = tuple(dict.fromkeys(words))
    for package in packages:
        if not _PACKAGE.fullmatch(package):
            raise UserError(
                f"input 'apt-packages' has an invalid package: {shortened(package)!r}",
                hint="Accepted: name, name=version, name/release or name:architecture, such as tini=0.19.0.",
            )
    return packages


def package_name(package: str) -> str:
    """Return the name in a package as ``parse_packages`` returns it."""
    return re.split(r"[:=/]", package, maxsplit=1)[0]


def parse_installed(text: str) -> tuple[tuple[str, str], ...]:
    """Return names and versions from lines of a name, a tab and a version; other lines are left out.

    ``dpkg-query`` leaves the version empty of a package that is known and not installed.
    """
    lines = (_INSTALLED.fullmatch(line) for line in text.splitlines())
    return tuple(sorted({line["name"]: line["version"] for line in lines if line}.items()))
