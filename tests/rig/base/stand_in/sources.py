"""Source of PyPI packages from elsewhere: a Git repository at a commit, or an archive with a URL."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit, urlunsplit

from .errors import NotProvidedError, PixiError

if TYPE_CHECKING:
    from pathlib import Path


def from_git(location: str, into: Path) -> Path:
    """The folder of the package in a new checkout. Raises PixiError with the sentences of uv and git."""
    parts = urlsplit(location.removeprefix("git+"))
    url, commit = urlunsplit(parts._replace(query="", fragment="")), parts.fragment
    git = shutil.which("git")
    if git is None:
        raise PixiError(
            "Git operation failed", "Git executable not found. Ensure that Git is installed and available."
        )
    commands = (
        ["init", "--quiet", "."],
        ["fetch", "--force", url, commit],
        ["reset", "--hard", commit],
        ["submodule", "update", "--recursive", "--init"],
    )
    for arguments in commands:
        done = subprocess.run(
            [git, *arguments],
            cwd=into,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            failed = (
                f"process didn't exit successfully: `git {' '.join(arguments)}` (exit status: {done.returncode})"
            )
            raise PixiError(
                "Git operation failed", f"failed to fetch commit `{commit}`", failed, done.stderr.strip()
            )
    return into / parse_qs(parts.query).get("subdirectory", [""])[0]


def description(location: str) -> dict[str, object]:
    """What `direct_url.json` says of it (https://packaging.python.org/specifications/direct-url-data-structure/)."""
    if not location.startswith("git+"):
        return {"url": location.removeprefix("direct+").partition("#")[0], "archive_info": {}}
    parts = urlsplit(location.removeprefix("git+"))
    query = parse_qs(parts.query)
    asked = next((query[name][0] for name in ("rev", "tag", "branch") if name in query), "")
    info = {"vcs": "git", "commit_id": parts.fragment, **({"requested_revision": asked} if asked else {})}
    return {"url": urlunsplit(parts._replace(query="", fragment="")), "vcs_info": info}


def from_archive(content: bytes, into: Path) -> Path:
    """The only folder of a source distribution."""
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            archive.extractall(into)  # noqa: S202 - the tests have made it
    except tarfile.TarError as error:
        raise NotProvidedError(f"a source distribution that is no tar: {error}") from None
    (folder,) = into.iterdir()
    return folder
