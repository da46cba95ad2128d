"""Credentials for Git hosts, in the form of Git's own credential file: one URL with user and password a line.

Source: https://git-scm.com/docs/git-credential-store#_storage_format
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from pixi_container.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

_ENCODED = re.compile(r"(?:[A-Za-z0-9._~!$&()*+,;=-]|%[0-9A-Fa-f]{2})+")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?")


def parse_git_auth(lines: Iterable[str]) -> str:
    """Return the text of a credential file, empty without a line.

    Raises ``UserError``, which shows nothing of the line, for one that is not such a URL.
    """
    return "".join(f"{_checked(line, number)}\n" for number, line in enumerate(lines, 1))


def secrets_in(git_auth: str) -> tuple[str, ...]:
    """Return what must not appear in a log: each URL, and its password as written and as sent."""
    secrets = []
    for line in git_auth.splitlines():
        password = urlsplit(line).password or ""
        secrets += [line, password, unquote(password)]
    return tuple(secrets)


def _checked(line: str, number: int) -> str:
    url = _split(line)
    user, host = url.netloc.rpartition("@")[::2]
    name, _, password = user.partition(":")
    if (
        url.scheme not in {"http", "https"}
        or not _HOST.fullmatch(host)
        or not _ENCODED.fullmatch(name)
        or not _ENCODED.fullmatch(password)
        or url.path not in {"", "/"}
        or url.query
        or url.fragment
    ):
        raise UserError(
            f"input 'git-auth': entry {number} cannot be read (not shown: it may hold a secret)",
            hint="Accepted: one URL per host, https://USER:TOKEN@HOST, with special characters of both as %XX. "
            "For github.com, USER is x-access-token.",
        )
    return f"{url.scheme}://{url.netloc}"


def _split(line: str) -> SplitResult:
    try:
        return urlsplit(line)
    except ValueError:
        return SplitResult("", "", "", "", "")
