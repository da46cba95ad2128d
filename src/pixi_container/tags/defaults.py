"""The tags of an image whose user asked for none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixi_container.tags.versions import scheme_of

if TYPE_CHECKING:
    from pixi_container.tags.facts import Facts


def default_tags(facts: Facts) -> str:
    """Return the entries that stand for an empty input ``tags``, in the same language.

    A pull request is ``pr-<n>``; a git tag that is a version is that version and ``major.minor``; the default
    branch is its name; all but pull requests are ``sha-<short>`` too. Stable versions are ``latest`` by the
    flavor's own rule, and the default branch by ``default_is_latest``.
    """
    if facts.is_pull_request:
        return "type=ref,event=pr"
    lines = []
    if scheme := scheme_of(facts.tag):
        lines += [
            f"type={scheme},pattern={{{{version}}}}",
            f"type={scheme},pattern={{{{major}}}}.{{{{minor}}}}",
        ]
    elif default_is_latest(facts):
        lines += ["type=ref,event=branch"]
    return "\n".join([*lines, "type=sha"])


def default_is_latest(facts: Facts) -> bool:
    """Whether an empty input ``tags`` makes a commit ``latest`` because it is on the default branch."""
    return bool(facts.branch) and facts.branch == facts.default_branch and not facts.is_pull_request
