"""The local checkout: what a laptop has in place of an event, the date of a commit, and two commits compared.

Git reads a copy of the checkout's refs with the checkout's objects beside them, and never its configuration:
https://git-scm.com/docs/gitrepository-layout
"""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.paths import read_bytes, read_text
from pixi_container.runner.checked_out import CheckedOut
from pixi_container.runner.event import LOCAL, Event
from pixi_container.runner.git import Git
from pixi_container.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_GITHUB_REMOTE = re.compile(r"(?:https://|ssh://git@|git@)github\.com[/:](?P<repository>[^/]+/[^/]+?)(?:\.git)?/?")
_ANY_REMOTE = re.compile(r"[/:](?P<repository>[^/:]+/[^/:]+?)(?:\.git)?/?$")
_COMMITTER = re.compile(
    r"^committer .*> (?P<seconds>[0-9]{1,11}) (?P<sign>[+-])(?P<hours>\d\d)(?P<minutes>\d\d)$", re.MULTILINE
)
_COMMIT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# How objects are named and refs are kept: https://git-scm.com/docs/git-config#Documentation/git-config.txt-extensions
_EXTENSION = re.compile(
    r"^\s*(objectformat|refstorage)\s*=\s*(sha1|sha256|files|reftable)\s*$", re.MULTILINE | re.IGNORECASE
)
_REFS_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Checkout:
    """A checkout: its folder ``root``, ``git_dir`` with its HEAD, and ``common_dir`` with refs and objects.

    The two differ in a worktree: https://git-scm.com/docs/gitrepository-layout#Documentation/gitrepository-layout.txt-commondir
    """

    root: Path
    git_dir: Path
    common_dir: Path


def checkout_around(folder: Path) -> Checkout | None:
    """Return the checkout that ``folder`` is in, None outside of one.

    Only a ``.git`` makes a checkout: a folder that looks like a bare repository is none.
    """
    try:
        place = folder.resolve()
        for root in (place, *place.parents):
            git = root / ".git"
            if git.is_dir():
                return Checkout(root, git, git)
            if git.is_file():
                git_dir = root / _line(git).removeprefix("gitdir:").strip()
                common = git_dir / _line(git_dir / "commondir") if (git_dir / "commondir").is_file() else git_dir
                return Checkout(root, git_dir.resolve(), common.resolve())
    except (OSError, RuntimeError, UserError, ValueError):
        return None
    return None


def checkout_prefix(folder: Path) -> str | None:
    """Return the path of ``folder`` from the root of the checkout around it, empty for the root, None outside."""
    checkout = checkout_around(folder)
    if checkout is None:
        return None
    path = folder.resolve().relative_to(checkout.root).as_posix()
    return "" if path == "." else path


def local_event(folder: Path, env: Mapping[str, str]) -> Event:
    """Return the state of the checkout around ``folder`` as an event: a tag on HEAD, else the branch.

    Outside of a checkout everything is empty.
    """
    sha = tag = branch = default = remote = ""
    checkout = checkout_around(folder)
    if checkout:
        with repository_of(checkout, env) as git:
            sha = git.read("rev-parse", "--verify", "--quiet", "HEAD")
            tag = git.read("describe", "--tags", "--exact-match", "HEAD") if sha else ""
            branch = git.read("symbolic-ref", "--quiet", "--short", "HEAD")
            default = git.read("symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD").partition("/")[2]
            configuration = _text(checkout.common_dir, "config")
            remote = git.read("config", "--file", "-", "--get", "remote.origin.url", given=configuration)
    named = _GITHUB_REMOTE.fullmatch(remote)
    return Event(
        name=LOCAL,
        ref=f"refs/tags/{tag}" if tag else f"refs/heads/{branch}" if branch else "",
        sha=sha,
        repository=named["repository"] if named else "",
        payload={"repository": {"default_branch": default or "main"}},
    )


def what_is_checked_out(folder: Path, event: Event, env: Mapping[str, str]) -> CheckedOut:
    """Return the commit that is checked out around ``folder``, and what it is to the event's.

    A commit that a job made itself, before this step, descends from the event's.
    """
    checkout = checkout_around(folder)
    if checkout is None or not _COMMIT_ID.fullmatch(event.sha):
        return CheckedOut()
    with repository_of(checkout, env) as git:
        sha = git.read("rev-parse", "--verify", "--quiet", "HEAD")
        is_later = sha != event.sha and git.read("merge-base", event.sha, sha) == event.sha
        configuration = _text(checkout.common_dir, "config")
        remote = git.read("config", "--file", "-", "--get", "remote.origin.url", given=configuration)
    named = _ANY_REMOTE.search(remote)
    return CheckedOut(sha, named["repository"] if named else "", is_later=is_later)


def commit_date(folder: Path, sha: str, env: Mapping[str, str]) -> datetime | None:
    """Return the committer's date of ``sha``, or None when the checkout does not have it."""
    checkout = checkout_around(folder)
    if checkout is None or not _COMMIT_ID.fullmatch(sha):
        return None
    with repository_of(checkout, env) as git:
        header = git.read("cat-file", "commit", sha).partition("\n\n")[0]
    committer = _COMMITTER.search(header)
    if not committer:
        return None
    offset = timedelta(hours=int(committer["hours"]), minutes=int(committer["minutes"]))
    try:
        zone = timezone(-offset if committer["sign"] == "-" else offset)
        return datetime.fromtimestamp(int(committer["seconds"]), zone)
    except (ValueError, OverflowError, OSError):
        return None


def source_version(folder: Path, env: Mapping[str, str]) -> str:
    """Return the checkout's version for Python packages: ``1.2.3``, ``1.2.3.post4+g0123456``, or empty."""
    checkout = checkout_around(folder)
    if checkout is None:
        return ""
    with repository_of(checkout, env) as git:
        described = git.read("describe", "--tags", "--long", "--match", "*[0-9]*")
        version = re.fullmatch(r".*?(\d+(?:\.\d+)*)-(\d+)-(g[0-9a-f]+)", described)
        if version:
            return version[1] if version[2] == "0" else f"{version[1]}.post{version[2]}+{version[3]}"
        sha = git.read("rev-parse", "--short", "HEAD")
    return f"0.0.0+g{sha}" if sha else ""


@contextmanager
def repository_of(checkout: Checkout, env: Mapping[str, str]) -> Iterator[Git]:
    """Yield git on a repository of our own with the checkout's refs and objects.

    What the objects' folder says of alternates is left out, as they may lie anywhere.
    """
    with temporary_folder(env) as folder:
        # Of what cannot be read git says that it is not there.
        with suppress(OSError):
            _lay_out(folder, checkout)
        yield Git(str(folder), env)


def _lay_out(folder: Path, checkout: Checkout) -> None:
    extensions = {name: value.lower() for name, value in _EXTENSION.findall(_text(checkout.common_dir, "config"))}
    lines = "".join(f"{name} = {value}\n" for name, value in extensions.items())
    version = 1 if extensions else 0
    (folder / "config").write_text(
        f"[core]\nrepositoryFormatVersion = {version}\nbare = true\n[extensions]\n{lines}"
    )
    (folder / "HEAD").write_bytes(_content(checkout.git_dir, "HEAD"))
    for name in ("packed-refs", "shallow"):
        if content := _content(checkout.common_dir, name):
            (folder / name).write_bytes(content)
    for name in ("refs", "reftable"):
        if (checkout.common_dir / name).is_dir():
            (folder / name).symlink_to(checkout.common_dir / name)
    (folder / "objects").mkdir()
    for entry in (checkout.common_dir / "objects").iterdir():
        if re.fullmatch(r"[0-9a-f]{2}|pack", entry.name) and entry.is_dir() and not entry.is_symlink():
            (folder / "objects" / entry.name).symlink_to(entry)


def _line(file: Path) -> str:
    return read_text(file, "", what=f"the file '{file.name}' of Git").strip()


def _text(folder: Path, name: str) -> str:
    return _content(folder, name).decode(errors="surrogateescape")


def _content(folder: Path, name: str) -> bytes:
    """Return one of git's own files, whose names of refs are any bytes; empty where none can be read."""
    try:
        return read_bytes(folder, name, what=f"the file '{name}' of Git", limit=_REFS_BYTES)
    except (OSError, UserError):
        return b""
