from __future__ import annotations

import zoneinfo
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pixi_container.errors import UserError
from pixi_container.tags.entries import Entry
from pixi_container.tags.expressions import template
from tests.unit.tags.events import PUSH, branch, pull_request, tag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixi_container.tags import Facts

ENTRY = Entry("tags", 3, "…")


def render(text: str, facts: Facts = PUSH) -> str:
    return template(text, ENTRY).render(facts)


@pytest.fixture
def _no_system_zones() -> Iterator[None]:
    path = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=())
    zoneinfo.ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath(to=path)


@pytest.mark.parametrize(
    ("text", "facts", "expected"),
    [
        ("{{branch}}", branch("my/branch"), "my/branch"),
        ("{{branch}}", tag("v1"), ""),
        ("{{branch}}", pull_request(), ""),
        ("{{tag}}", tag("v1+a&b"), "v1+a&b"),
        ("{{tag}}", branch("x"), ""),
        ("{{sha}}", PUSH, "860c190"),
        ("{{base_ref}}", tag("v1"), "main"),
        ("{{base_ref}}", pull_request(), "main"),
        ("{{is_default_branch}}/{{is_not_default_branch}}", PUSH, "true/false"),
        ("{{is_default_branch}}/{{is_not_default_branch}}", branch("x"), "false/true"),
        ("{{ sha }}{{{branch}}}{{&branch}}", PUSH, "860c190mainmain"),
        ("{{environment}} {{cuda}} {{pixi}} {{base}} {{fingerprint}}", PUSH, "gpu 12.4 0.59.0 noble 0123abcd"),
        ("{{date 'YYYYMMDD'}}", PUSH, "20240309"),
        ('{{date "YYYY-[it\'s]" tz="UTC"}}', PUSH, "2024-it's"),
        ("{{commit_date 'YYYYMMDD-HHmm' tz='Asia/Tokyo'}}", PUSH, "20240301-0830"),
        ("{{date 'z Z' tz='america/new_york'}}", PUSH, "EST -05:00"),
        ("no { expression }} here", PUSH, "no { expression }} here"),
    ],
)  # fmt: skip
def test_values(text: str, facts: Facts, expected: str) -> None:
    assert render(text, facts) == expected


@pytest.mark.usefixtures("_no_system_zones")
def test_time_zones_need_no_system() -> None:
    assert render("{{date 'HH' tz='Europe/Berlin'}}") == "16"


@pytest.mark.parametrize(
    ("text", "problem", "hint"),
    [
        ("{{brnch}}", "unknown expression {{brnch}}", "'branch'"),
        ("{{version}}", "unknown expression {{version}}", "Accepted: branch"),
        ("{{branch", "malformed expression at '{{branch'", "{{name}}"),
        ("{{}}", "malformed expression", "{{name}}"),
        ("{{{branch}}", "malformed expression", "{{name}}"),
        ("{{#if tag}}x{{/if}}", "malformed expression", "{{name}}"),
        ("{{date YYYY}}", "malformed expression", "in quotes"),
        ("{{date 'YYYY}}", "malformed expression", "in quotes"),
        ("{{date}}", "{{date}} needs a format", "YYYYMMDD"),
        ("{{date 'YYYY' zone='UTC'}}", "{{date}} has no option 'zone'", "tz"),
        ("{{date 'YYYY' tz='Europe/Berln'}}", "unknown time zone 'Europe/Berln'", "'Europe/Berlin'"),
        ("{{date 'YYYY' tz='../etc/passwd'}}", "unknown time zone '../etc/passwd'", "IANA"),
        ("{{date 'YYYY' tz=''}}", "unknown time zone ''", "IANA"),
        ("{{sha 'x'}}", "{{sha}} takes no arguments", "{{sha}}"),
    ],
)
def test_errors(text: str, problem: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        render(text)
    assert caught.value.message.startswith(f"input 'tags', line 3: {problem}")
    assert hint in caught.value.hint


def test_an_own_expression_without_a_value_is_an_error_only_where_it_is_used() -> None:
    facts = replace(PUSH, expressions={"cuda": ""})
    assert render("x{{cuda}}", facts) == "x"
    with pytest.raises(UserError, match="fingerprint"):
        render("{{fingerprint}}", facts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("{{raw}}", True), ("{{ raw }}", True), ("{{raw}}x", False), ("{{version}}", False), ("raw", False)],
)
def test_raw_alone(text: str, expected: bool) -> None:
    assert template(text, ENTRY, ["raw", "version"]).is_raw is expected
