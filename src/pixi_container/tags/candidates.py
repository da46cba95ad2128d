"""What each type of rule makes of the facts, before prefix and suffix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.tags.versions import SCHEMES
from pixi_container.time_limit import TimeLimitError, time_limit

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixi_container.tags.facts import Facts
    from pixi_container.tags.patterns import Search
    from pixi_container.tags.rules import Rule
    from pixi_container.tags.versions import Version

_PATTERN_SECONDS = 2


@dataclass(frozen=True)
class Candidate:
    """A tag in the making.

    ``value`` is empty when the rule does not fire, ``latest`` says whether ``latest=auto`` means yes, and
    ``note`` tells why a rule that was meant to fire gave nothing.
    """

    value: str = ""
    latest: bool = False
    version: Version | None = None
    note: str = ""


def candidate(rule: Rule, facts: Facts) -> Candidate:
    """Apply an enabled rule to the facts."""
    return _TYPES[rule.type](rule, facts)


def _schedule(rule: Rule, facts: Facts) -> Candidate:
    return Candidate(rule.pattern.render(facts) if "schedule" in facts.event_name else "")


def _subject(rule: Rule, facts: Facts) -> str | None:
    return rule.value.render(facts) if rule.attributes["value"] else facts.tag or None


def _version(rule: Rule, facts: Facts) -> Candidate:
    text = _subject(rule, facts)
    if text is None:
        return Candidate()
    note = ""
    if rule.search:
        groups = _groups(rule, rule.search, text)
        if groups:
            text = next((group for group in groups[1:2] if group is not None), groups[0] or "")
        else:
            note = f"{rule.search.source!r} does not match {text!r}, which is taken as it is"
    version = SCHEMES[rule.type](text.replace("/", "-"))
    if version is None:
        return Candidate(note=f"{text!r} is no {rule.type} version")
    if version.stable or rule.pattern.is_raw:
        return Candidate(rule.pattern.render(facts, version.variables), version.stable, version, note)
    return Candidate(version.variables["version"], latest=False, version=version, note=note)


def _match(rule: Rule, facts: Facts) -> Candidate:
    text = _subject(rule, facts)
    if text is None or rule.search is None:
        return Candidate()
    groups = _groups(rule, rule.search, text)
    if not groups:
        return Candidate(note=f"{rule.search.source!r} does not match {text!r}")
    group = groups[rule.group] if rule.group < len(groups) else None
    if group is None:
        return Candidate(note=f"{rule.search.source!r} has no group {rule.group} in {text!r}")
    return Candidate(group, latest=True)


def _groups(rule: Rule, search: Search, text: str) -> list[str | None]:
    try:
        with time_limit(_PATTERN_SECONDS):
            return search.groups(text)
    except TimeLimitError as error:
        raise rule.entry.error(
            f"the pattern {search.source!r} takes more than {_PATTERN_SECONDS} s on {text!r}",
            "Take out repetitions of repetitions, such as (a+)+.",
        ) from error


def _edge(rule: Rule, facts: Facts) -> Candidate:
    wanted = rule.attributes["branch"] or facts.default_branch
    return Candidate("edge" if facts.branch and facts.branch == wanted else "")


def _ref(rule: Rule, facts: Facts) -> Candidate:
    event = rule.attributes["event"]
    value = {"branch": facts.branch, "tag": facts.tag, "pr": facts.pull_request_name}[event]
    return Candidate(value, latest=event == "tag")


def _raw(rule: Rule, facts: Facts) -> Candidate:
    return Candidate(rule.value.render(facts))


def _sha(rule: Rule, facts: Facts) -> Candidate:
    return Candidate(facts.short_sha if rule.attributes["format"] == "short" else facts.revision)


_TYPES: dict[str, Callable[[Rule, Facts], Candidate]] = {
    "schedule": _schedule,
    "semver": _version,
    "pep440": _version,
    "match": _match,
    "edge": _edge,
    "ref": _ref,
    "raw": _raw,
    "sha": _sha,
}
