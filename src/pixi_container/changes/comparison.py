"""What changed: which two states an event compares, and whether a changed file matters to the image."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pixi_container.json_object import object_under, text_under

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pixi_container.runner.event import Event

_NOTHING = re.compile(r"0+")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two states to compare: ``base``, or the tip of ``base_branch``, or the first parent of ``head``.

    ``pull_request`` is the number of the one whose list of files GitHub has, and ``listed_files`` how many the
    payload says there are. With ``only_listed`` nothing of the head may be fetched.
    """

    head: str
    base: str = ""
    base_branch: str = ""
    pull_request: int | None = None
    pull_request_head: str = ""
    listed_files: int | None = None
    only_listed: bool = False


@dataclass(frozen=True, kw_only=True)
class Changes:
    """The answer. ``files`` are paths from the repository's root, both names of a renamed file.

    ``known`` tells that ``files`` is the whole truth; else everything counts as changed, for ``reason``.
    ``consulted`` tells whether the event asks at all. ``source`` is ``git``, ``github`` or ``none``. ``relevant``
    are those of the files that the image depends on, relative to the context.
    """

    known: bool
    consulted: bool
    reason: str
    base: str = ""
    head: str = ""
    source: str = "none"
    files: tuple[str, ...] = ()
    relevant: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "consulted": self.consulted,
            "known": self.known,
            "reason": self.reason,
            "base": self.base,
            "head": self.head,
            "source": self.source,
            "files": self.files,
        }


def not_consulted(reason: str) -> Changes:
    """Return the answer of an event that always ships."""
    return Changes(known=False, consulted=False, reason=reason)


def assumed(reason: str, *, base: str = "", head: str = "") -> Changes:
    """Return the answer where there is none: everything counts as changed."""
    return Changes(known=False, consulted=True, reason=reason, base=base, head=head)


def comparison_for(event: Event) -> Comparison | Changes:
    """Decide what an event compares, or that there is nothing to compare and why.

    A push compares what the branch was with what it is, and a new branch the default branch; a pull request the
    first parent of its merge commit with that commit, so that what the base branch got meanwhile does not count.
    """
    comparison = _comparison_for(event)
    if isinstance(comparison, Changes):
        return comparison
    if not _COMMIT.fullmatch(comparison.head) or (comparison.base and not _COMMIT.fullmatch(comparison.base)):
        return assumed("the event does not say which commits to compare")
    return comparison


def _comparison_for(event: Event) -> Comparison | Changes:
    if event.name in {"pull_request", "pull_request_target"}:
        return _of_pull_request(event)
    if event.name == "merge_group":
        base = text_under(event.payload, "merge_group", "base_sha")
        head = text_under(event.payload, "merge_group", "head_sha") or event.sha
        if not base:
            return assumed("the payload does not say what the merge group is based on", head=head)
        return Comparison(head=head, base=base)
    if event.name == "push" and not event.tag:
        return _of_push(event)
    if event.tag:
        return not_consulted(f"tag {event.tag} is always shipped")
    what = {"workflow_dispatch": "a manual run", "schedule": "a scheduled run", "local": "a run on this machine"}
    return not_consulted(f"{what.get(event.name, f'the event {event.name!r}')} does not ask what changed")


def _of_push(event: Event) -> Comparison | Changes:
    before, head = text_under(event.payload, "before"), text_under(event.payload, "after") or event.sha
    if before and not _NOTHING.fullmatch(before):
        return Comparison(head=head, base=before)
    if not before:
        return assumed("the payload does not say what the branch was before", head=head)
    if not event.default_branch or event.branch == event.default_branch:
        return assumed(f"this is the first push of branch {event.branch}", head=head)
    return Comparison(head=head, base_branch=event.default_branch)


def _of_pull_request(event: Event) -> Comparison | Changes:
    request = object_under(event.payload, "pull_request")
    head = text_under(request, "head", "sha")
    count = request.get("changed_files")
    comparison = Comparison(
        head=event.sha,
        pull_request=event.pull_request,
        pull_request_head=head,
        listed_files=count if isinstance(count, int) else None,
    )
    if event.name == "pull_request":
        return comparison
    if event.pull_request is None:
        return assumed("the payload does not say which pull request it is")
    return Comparison(
        head=head,
        base=text_under(request, "base", "sha"),
        pull_request=event.pull_request,
        pull_request_head=head,
        listed_files=comparison.listed_files,
        only_listed=True,
    )


@dataclass(frozen=True, kw_only=True)
class Relevance:
    """Which files matter to the image, relative to the workspace folder.

    ``paths`` are files and folders with all that is in them, ``patterns`` globs of which the last that matches
    decides, ``!`` in front of one excepts. ``workflow`` is the running workflow's file, from the repository's
    root, and ``prefix`` the workspace folder's path from there, empty or with a slash at its end.
    """

    paths: tuple[str, ...]
    patterns: tuple[str, ...] = ()
    prefix: str = ""
    workflow: str = ""

    def of(self, files: Iterable[str]) -> tuple[str, ...]:
        """Return those of ``files`` that matter, relative to the workspace folder, sorted."""
        relevant = set()
        for file in files:
            path = posixpath.relpath(file, self.prefix or ".")
            if file == self.workflow or self._is_named(path) or self._is_matched(path):
                relevant.add(path)
        return tuple(sorted(relevant))

    def _is_named(self, path: str) -> bool:
        # A changed submodule or symbolic link is one entry, and what we want may be inside of it.
        if set(path.split("/")) <= {".", ".."}:
            return True
        if path.startswith("../"):
            return False
        return any(wanted == "." or _within(path, wanted) or _within(wanted, path) for wanted in self.paths)

    def _is_matched(self, path: str) -> bool:
        """Return whether the last pattern that matches includes the path.

        The loop is our own, as an exclusion of wcmatch wins wherever it stands. ``DockerIgnore`` has another rule
        for each part: its patterns are Go's regular expressions, one that matches a folder decides on all below
        it, and an exception there may lie below a hidden folder.
        """
        from wcmatch import glob

        flags = glob.GLOBSTAR | glob.DOTGLOB
        matched = False
        for pattern in self.patterns:
            excepts = pattern.startswith("!")
            plain = posixpath.normpath(pattern.removeprefix("!"))
            below = "**" if plain == "." else f"{plain}/**"
            if glob.globmatch(path, [plain, below], flags=flags) or (
                not excepts and _within(_folder(plain), path)
            ):
                matched = not excepts
        return matched


def _folder(pattern: str) -> str:
    """Return the folder in which all that matches lies, empty where it is not named."""
    return posixpath.dirname(re.split(r"[*?\[\\]", pattern, maxsplit=1)[0])


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
