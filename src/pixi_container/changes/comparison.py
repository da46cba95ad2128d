"""Decide which two commits an event compares, and which changed files are relevant to the image."""

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
    """Two commits to compare: ``head`` with ``base``, the tip of ``base_branch``, or the first parent of ``head``.

    ``pull_request`` is the number of the pull request whose changed files GitHub lists, and ``listed_files`` their
    count in the payload. If ``only_listed`` is true, nothing of the head may be fetched.
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
    """The changes of an event. ``files`` are relative to the repository's root, with both names of a renamed file.

    If ``known`` is false, everything counts as changed, for ``reason``; if it is true, ``files`` is complete.
    ``consulted`` is false for an event that compares nothing. ``source`` is ``git``, ``github`` or ``none``.
    ``relevant`` are the files that the image depends on, relative to the context.
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
        """Return the changes as JSON values."""
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
    """Return the changes of an event that is always shipped, whatever changed."""
    return Changes(known=False, consulted=False, reason=reason)


def assumed(reason: str, *, base: str = "", head: str = "") -> Changes:
    """Return changes that could not be determined: everything counts as changed."""
    return Changes(known=False, consulted=True, reason=reason, base=base, head=head)


def comparison_for(event: Event) -> Comparison | Changes:
    """Return what an event compares, or ``Changes`` that say why it compares nothing.

    A push compares the branch before and after it; the first push of a branch compares with the default branch. A
    pull request compares its merge commit with that commit's first parent, so later commits on the base branch do
    not count.
    """
    comparison = _comparison_for(event)
    if isinstance(comparison, Changes):
        return comparison
    if not _COMMIT.fullmatch(comparison.head) or (comparison.base and not _COMMIT.fullmatch(comparison.base)):
        return assumed("the event does not name the commits to compare")
    return comparison


def _comparison_for(event: Event) -> Comparison | Changes:
    if event.name in {"pull_request", "pull_request_target"}:
        return _of_pull_request(event)
    if event.name == "merge_group":
        base = text_under(event.payload, "merge_group", "base_sha")
        head = text_under(event.payload, "merge_group", "head_sha") or event.sha
        if not base:
            return assumed("the event payload does not name the merge group's base commit", head=head)
        return Comparison(head=head, base=base)
    if event.name == "push" and not event.tag:
        return _of_push(event)
    if event.tag:
        return not_consulted(f"tag {event.tag} is always shipped")
    what = {"workflow_dispatch": "a manual run", "schedule": "a scheduled run", "local": "a run on this machine"}
    return not_consulted(f"{what.get(event.name, f'the event {event.name!r}')} does not compare changes")


def _of_push(event: Event) -> Comparison | Changes:
    before, head = text_under(event.payload, "before"), text_under(event.payload, "after") or event.sha
    if before and not _NOTHING.fullmatch(before):
        return Comparison(head=head, base=before)
    if not before:
        return assumed("the event payload does not name the branch's previous commit", head=head)
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
        return assumed("the event payload does not name the pull request")
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
    """Which files are relevant to the image.

    ``paths`` are files, and folders with everything in them; ``patterns`` are globs, of which the last match
    decides and a leading ``!`` excludes. Both are relative to the build context. ``workflow`` is the running
    workflow's file and ``prefix`` the build context, empty or with a trailing slash, relative to the repository's
    root, as are ``folders``: with everything in them, wherever they are.
    """

    paths: tuple[str, ...]
    patterns: tuple[str, ...] = ()
    prefix: str = ""
    workflow: str = ""
    folders: tuple[str, ...] = ()

    def of(self, files: Iterable[str]) -> tuple[str, ...]:
        """Return the relevant ones of ``files``, relative to the build context, sorted."""
        relevant = set()
        for file in files:
            path = posixpath.relpath(file, self.prefix or ".")
            named = file == self.workflow or self._is_in_folder(file) or self._is_named(path)
            if named or self._is_matched(path):
                relevant.add(path)
        return tuple(sorted(relevant))

    def _is_in_folder(self, file: str) -> bool:
        return any(not folder or _within(file, folder) or _within(folder, file) for folder in self.folders)

    def _is_named(self, path: str) -> bool:
        # A changed submodule or symbolic link is one entry, and a relevant path may be inside it.
        if set(path.split("/")) <= {".", ".."}:
            return True
        if path.startswith("../"):
            return False
        return any(wanted == "." or _within(path, wanted) or _within(wanted, path) for wanted in self.paths)

    def _is_matched(self, path: str) -> bool:
        """Return whether the last matching pattern includes the path.

        wcmatch alone would let an exclusion win wherever it stands. ``DockerIgnore`` follows different rules: its
        patterns become Go regular expressions, a pattern that matches a folder covers everything below it, and an
        exception may be below a hidden folder.
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
    """Return the folder that contains everything a pattern matches, empty if the pattern names none."""
    return posixpath.dirname(re.split(r"[*?\[\\]", pattern, maxsplit=1)[0])


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
