"""Expressions: the part of Handlebars that tags, labels and annotations are written with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timezone
from typing import TYPE_CHECKING

from pixi_container.suggestions import did_you_mean
from pixi_container.tags.entries import accepted
from pixi_container.tags.moment import moment

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import tzinfo

    from pixi_container.errors import UserError
    from pixi_container.tags.entries import Entry
    from pixi_container.tags.facts import Facts

DATES = ("date", "commit_date")
OURS = ("environment", "cuda", "pixi", "base", "fingerprint")
GLOBAL = (
    "branch", "tag", "sha", "base_ref", "is_default_branch", "is_not_default_branch", *DATES, *OURS,
)  # fmt: skip

_STRING = r"""'(?:\\'|[^'])*'|"(?:\\"|[^"])*\""""
_EXPRESSION = re.compile(
    rf"""\{{\{{(?:(?P<triple>\{{)|&)?\s*
         (?P<name>[A-Za-z_]\w*)
         (?:\s+(?P<argument>{_STRING}))?
         (?P<options>(?:\s+[A-Za-z_]\w*\s*=\s*(?:{_STRING}))*)
         \s*(?(triple)\}})\}}\}}""",
    re.VERBOSE | re.ASCII,
)
_OPTION = re.compile(rf"([A-Za-z_]\w*)\s*=\s*({_STRING})", re.ASCII)


@dataclass(frozen=True)
class Expression:
    """One ``{{name}}``; of a date, with its moment.js format and time zone."""

    name: str
    form: str = ""
    zone: tzinfo = timezone.utc


@dataclass(frozen=True)
class Template:
    """Text with expressions in it, read and checked."""

    entry: Entry
    parts: tuple[str | Expression, ...]

    @property
    def is_raw(self) -> bool:
        """Whether it is ``{{raw}}`` and nothing else."""
        return self.parts == (Expression("raw"),)

    def render(self, facts: Facts, variables: Mapping[str, str] | None = None) -> str:
        """Fill in the facts, and first of all ``variables``. Nothing is escaped.

        Raises ``UserError`` for an expression of this action whose value is not known here.
        """
        variables = variables or {}
        text = ""
        for part in self.parts:
            if isinstance(part, str):
                text += part
            elif part.name in variables:
                text += variables[part.name]
            else:
                text += _value(part, facts, self.entry)
        return text


def template(text: str, entry: Entry, variables: Collection[str] = ()) -> Template:
    """Read a text that may use the global expressions and ``variables``.

    Raises ``UserError`` for a malformed or unknown expression and for an unknown time zone.
    """
    parts: list[str | Expression] = []
    position = 0
    while (start := text.find("{{", position)) >= 0:
        match = _EXPRESSION.match(text, start)
        if not match:
            raise entry.error(
                f"malformed expression at {text[start:]!r}",
                "An expression is {{name}}, or {{date 'format' tz='zone'}} with its values in quotes.",
            )
        parts += [text[position:start]] if start > position else []
        parts.append(_expression(match, entry, (*variables, *GLOBAL)))
        position = match.end()
    parts += [text[position:]] if position < len(text) else []
    return Template(entry, tuple(parts))


def _expression(match: re.Match[str], entry: Entry, names: Collection[str]) -> Expression:
    name, argument = match["name"], match["argument"]
    options = {key: _unquoted(value) for key, value in _OPTION.findall(match["options"])}
    if name not in names:
        raise entry.error(f"unknown expression {{{{{name}}}}}", accepted(name, names))
    if name not in DATES:
        if argument or options:
            raise entry.error(f"{{{{{name}}}}} takes no arguments", f"Write {{{{{name}}}}}.")
        return Expression(name)
    if not argument:
        raise entry.error(f"{{{{{name}}}}} needs a format", f"For example {{{{{name} 'YYYYMMDD'}}}}.")
    for option in options:
        if option != "tz":
            raise entry.error(f"{{{{{name}}}}} has no option {option!r}", accepted(option, ["tz"]))
    return Expression(name, _unquoted(argument), _zone(options.get("tz", "UTC"), entry))


def _unquoted(text: str) -> str:
    quote = text[0]
    return text[1:-1].replace(f"\\{quote}", quote)


def _zone(name: str, entry: Entry) -> tzinfo:
    if name.upper() == "UTC":
        return timezone.utc
    from zoneinfo import ZoneInfo, available_timezones

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        zones = {zone.lower(): zone for zone in available_timezones()}
    if name.lower() in zones:
        return ZoneInfo(zones[name.lower()])
    raise entry.error(
        f"unknown time zone {name!r}{did_you_mean(name, zones.values())}",
        "Accepted: the names of the IANA time zone database, such as 'Europe/Berlin'.",
    )


def _value(expression: Expression, facts: Facts, entry: Entry) -> str:
    name = expression.name
    if name in OURS:
        if name not in facts.expressions:
            raise _unknown_here(name, entry)
        return facts.expressions[name]
    if name in DATES:
        when = facts.now if name == "date" else facts.commit_date
        return moment(when.astimezone(expression.zone), expression.form)
    return {
        "branch": facts.branch,
        "tag": facts.tag,
        "sha": facts.short_sha,
        "base_ref": facts.base_ref,
        "is_default_branch": str(facts.is_default_branch).lower(),
        "is_not_default_branch": str(not facts.is_default_branch).lower(),
    }[name]


def _unknown_here(name: str, entry: Entry) -> UserError:
    return entry.error(
        f"the value of {{{{{name}}}}} is not known here",
        "It comes from the workspace's lock: run this where pixi.toml and pixi.lock are.",
    )
