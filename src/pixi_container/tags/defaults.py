"""The default tags, for an empty input ``tags``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixi_container.tags.versions import scheme_of

if TYPE_CHECKING:
    from pixi_container.tags.facts import Facts


def default_tags(facts: Facts) -> str:
    """Return the entries that replace an empty input ``tags``, in the same syntax.

    A pull request gets ``pr-<n>``. A Git tag that is a version gets that version and ``major.minor``; the default
    branch gets its name. Everything except a pull request also gets ``sha-<short>``. Stable versions get
    ``latest`` by the flavor's own rule, the default branch by ``default_is_latest``.
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
    """Return whether an empty input ``tags`` gives a commit ``latest`` because it is on the default branch."""
    return bool(facts.branch) and facts.branch == facts.default_branch and not facts.is_pull_request
