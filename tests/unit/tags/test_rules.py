from __future__ import annotations

import pytest

from pixi_container.errors import UserError
from pixi_container.tags.rules import TYPES, rules


@pytest.mark.parametrize(
    ("line", "kind", "attributes"),
    [
        ("foo", "raw", {"value": "foo", "priority": "200"}),
        ("type=schedule", "schedule", {"pattern": "nightly", "priority": "1000"}),
        ("type=semver,pattern=x", "semver", {"pattern": "x", "value": "", "match": "", "priority": "900"}),
        ("type=match,pattern=a,group=2", "match", {"pattern": "a", "group": "2", "value": "", "priority": "800"}),
        ("TYPE=edge,Branch=Dev", "edge", {"branch": "Dev", "priority": "700"}),
        ("type=ref,event=pr", "ref", {"event": "pr", "prefix": "pr-", "priority": "600"}),
        ("type=ref,event=pr,prefix=", "ref", {"event": "pr", "prefix": "", "priority": "600"}),
        ("type=sha", "sha", {"format": "short", "prefix": "sha-", "priority": "100"}),
        ("type=sha,format=long,priority=5,enable=false,suffix=x", "sha",
         {"format": "long", "prefix": "sha-", "priority": "5", "enable": "false", "suffix": "x"}),
    ],
)  # fmt: skip
def test_attributes_and_their_defaults(line: str, kind: str, attributes: dict[str, str]) -> None:
    (rule,) = rules(line)
    assert rule.type == kind
    assert rule.attributes == {"enable": "true", **attributes}


def test_the_highest_priority_comes_first_and_equals_keep_their_order() -> None:
    ordered = rules("type=sha\na\nb,priority=200.5\nc\ntype=schedule,priority=-1")
    assert [rule.entry.line for rule in ordered] == [3, 2, 4, 1, 5]


@pytest.mark.parametrize(
    ("line", "problem", "hint"),
    [
        ("type=semvr,pattern=x", "unknown type 'semvr'", "did you mean 'semver'?"),
        ("type=", "unknown type ''", "Accepted: schedule"),
        ("type=semver", "type=semver needs pattern=…", "pattern"),
        ("type=pep440,pattern=", "type=pep440 needs pattern=…", "pattern"),
        ("type=match", "type=match needs pattern=…", "pattern"),
        ("type=ref", "type=ref needs event=…", "branch, tag, pr"),
        ("type=raw", "type=raw needs value=…", "value"),
        ("type=ref,event=push", "event is 'push'", "Accepted: branch, tag, pr."),
        ("type=sha,format=Short", "format is 'Short'", "did you mean 'short'?"),
        ("type=match,pattern=a,group=x", "group is 'x'", "number"),
        ("type=match,pattern=a,group=-1", "group is '-1'", "number"),
        ("a,priority=high", "priority is 'high'", "number"),
        ("a,priority=nan", "priority is 'nan'", "number"),
        ("type=ref,event=branch,brunch=main", "type=ref has no attribute 'brunch'", "event"),
        ("type=sha,prefx=x", "type=sha has no attribute 'prefx'", "did you mean 'prefix'?"),
        (r"type=match,pattern=\d{1,3}", "'3}' is no attribute", "quote a value with a comma"),
        ("type=raw,a,b", "attribute 'value' is given twice", "one tag a line"),
        ("type=raw,type=sha,a", "attribute 'type' is given twice", "one tag a line"),
        ("type=semver,pattern={{verson}}", "unknown expression {{verson}}", "'version'"),
        ("type=semver,pattern={{version}},match=(", "the pattern '(' cannot be used", "Quote"),
        ("a,enable=false,prefix={{x", "malformed expression", "{{name}}"),
    ],
)
def test_errors(line: str, problem: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        rules(f"type=sha\n\n{line}")
    assert caught.value.message.startswith(f"input 'tags', line 3: {problem}")
    assert caught.value.message.endswith(line)
    assert hint in caught.value.hint


def test_every_type_has_its_own_priority_range() -> None:
    priorities = [kind.priority for kind in TYPES.values()]
    assert priorities == sorted(priorities, reverse=True)
