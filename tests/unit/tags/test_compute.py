from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pixi_container
from pixi_container.errors import UserError
from pixi_container.tags import compute
from tests.unit.tags.events import PUSH, SCHEDULE, SHA, branch, pull_request, tag

if TYPE_CHECKING:
    from pixi_container.tags import Facts

SEMVER = "type=semver,pattern={{version}}\ntype=semver,pattern={{major}}.{{minor}}\ntype=semver,pattern=v{{major}}"
PEP440 = "type=pep440,pattern={{version}}\ntype=pep440,pattern={{major}}.{{minor}}\ntype=pep440,pattern={{raw}}"


@pytest.mark.parametrize(
    ("facts", "tags", "flavor", "expected"),
    [
        # schedule
        (SCHEDULE, "type=schedule", "", ["nightly"]),
        (SCHEDULE, "type=schedule,pattern={{date 'YYYYMMDD'}}", "", ["20240309"]),
        (PUSH, "type=schedule", "", []),
        # semver
        (tag("v1.2.3"), SEMVER, "", ["1.2.3", "1.2", "v1", "latest"]),
        (tag("v0.1.2"), "type=semver,pattern={{major}}", "", ["0", "latest"]),
        (tag("1.2.3+build.5"), "type=semver,pattern={{version}}", "", ["1.2.3", "latest"]),
        (tag("1.2.3+build.5"), "type=semver,pattern={{raw}}", "", ["1.2.3-build.5", "latest"]),
        (tag("v2.0.8-beta.67"), SEMVER, "", ["2.0.8-beta.67"]),
        (tag("v2.0.8-beta.67"), "type=semver,pattern={{raw}}", "", ["v2.0.8-beta.67"]),
        (tag("v2.0.8-beta.67"), "type=semver,pattern={{raw}}x", "", ["2.0.8-beta.67"]),
        (tag("v1.2"), SEMVER, "", []),
        (PUSH, SEMVER, "", []),
        (PUSH, "type=semver,pattern={{version}},value=v3.2.1", "", ["3.2.1", "latest"]),
        (tag("p1/v1.2.3"), r"type=semver,pattern={{version}},match=v(\d.\d.\d)$", "", ["1.2.3", "latest"]),
        (tag("p1/v1.2.3"), r"type=semver,pattern={{version}},match=\d.\d.\d$", "", ["1.2.3", "latest"]),
        (tag("v1.2.3"), r"type=semver,pattern={{version}},match=p1/v(.*)", "", ["1.2.3", "latest"]),
        (tag("v1.2.3"), "type=semver,pattern={{version}}-cuda{{cuda}}", "", ["1.2.3-cuda12.4", "latest"]),
        # pep440
        (tag("1.2.3"), PEP440, "", ["1.2.3", "1.2", "latest"]),
        (tag("v1.2.3rc2"), PEP440, "", ["1.2.3rc2", "v1.2.3rc2"]),
        (tag("1.2post1"), PEP440, "", ["1.2.post1", "1.2post1"]),
        (tag("1.0dev4"), "type=pep440,pattern={{major}}", "", ["1.0.dev4"]),
        (tag("1!1.2.3"), "type=pep440,pattern={{version}}", "", ["1-1.2.3", "latest"]),
        (tag("5"), "type=pep440,pattern={{major}}.{{minor}}.{{patch}}", "", ["5.0.0", "latest"]),
        (tag("nothing"), PEP440, "", []),
        # match
        (tag("v2.0.8-beta.67"), r"type=match,pattern=\d.\d", "", ["2.0", "latest"]),
        (tag("v2.0.8"), r'type=match,"pattern=v(\d{1,3}).(\d)",group=1', "", ["2", "latest"]),
        (tag("V2"), "type=match,pattern=/v(.)/i,group=1", "", ["2", "latest"]),
        (tag("v2"), "type=match,pattern=v(.),group=2", "", []),
        (tag("x"), "type=match,pattern=v", "", []),
        (PUSH, "type=match,pattern=.*", "", []),
        (PUSH, "type=match,pattern=a,value=bab", "", ["a", "latest"]),
        # edge
        (PUSH, "type=edge", "", ["edge"]),
        (branch("dev"), "type=edge", "", []),
        (branch("dev"), "type=edge,branch=dev", "", ["edge"]),
        (tag("main"), "type=edge", "", []),
        (replace(branch("dev"), default_branch=""), "type=edge", "", []),
        # ref
        (branch("my/branch"), "type=ref,event=branch\ntype=ref,event=tag\ntype=ref,event=pr", "", ["my-branch"]),
        (tag("v2.0.8-beta.67"), "type=ref,event=branch\ntype=ref,event=tag", "", ["v2.0.8-beta.67", "latest"]),
        (pull_request(), "type=ref,event=pr", "", ["pr-7"]),
        # raw
        (PUSH, "foo\ntype=raw,bar\ntype=raw,value=baz", "", ["foo", "bar", "baz"]),
        (pull_request(), "type=raw,value=latest", "", ["latest"]),
        (PUSH, "type=raw,value={{tag}}", "", []),
        (PUSH, "{{environment}}-{{sha}}", "", ["gpu-860c190"]),
        # sha
        (PUSH, "type=sha\ntype=sha,format=long,prefix=", "", ["sha-860c190", SHA]),
        (replace(PUSH, sha=""), "type=sha", "", []),
        # enable, priority, prefix, suffix
        (PUSH, "a,enable=false\nb,enable={{is_default_branch}}\nc,enable={{is_not_default_branch}}", "", ["b"]),
        (tag("v1.0.0"), "type=raw,x,priority=1000\ntype=semver,pattern={{version}}", "", ["x", "1.0.0"]),
        (PUSH, "a,prefix={{branch}}-,suffix=-{{sha}}", "", ["main-a-860c190"]),
        # flavor
        (PUSH, "a", "prefix=p-\nsuffix=-s", ["p-a-s"]),
        (PUSH, "a,prefix=,suffix=", "prefix=p-\nsuffix=-s", ["a"]),
        (PUSH, "type=sha", "prefix=p-\nsuffix=-s", ["sha-860c190-s"]),
        (PUSH, "a", "latest=true", ["a", "latest"]),
        (tag("v1.0.0"), "type=ref,event=tag", "latest=false", ["v1.0.0"]),
        (tag("v1.0.0"), "type=ref,event=tag", "suffix=-s", ["v1.0.0-s", "latest"]),
        (tag("v1.0.0"), "type=ref,event=tag", "suffix=-{{cuda}},onlatest=true", ["v1.0.0-12.4", "latest-12.4"]),
        (tag("v1.0.0"), "type=raw,value=latest\ntype=semver,pattern={{version}}", "", ["1.0.0", "latest"]),
        (tag("v1+a&b"), "{{tag}}", "", ["v1-a-b"]),
    ],
)  # fmt: skip
def test_tags(facts: Facts, tags: str, flavor: str, expected: list[str]) -> None:
    found = compute(facts, images="", tags=tags, flavor=flavor)
    assert list(found.tag_names) == expected
    assert found.tags == found.tag_names
    assert found.version == (expected[0] if expected else "")


def test_every_image_has_every_tag() -> None:
    found = compute(tag("v1.2.3"), images="org/app\nghcr.io/Lab/App\nx/y,enable=false", tags="a\nb")
    assert found.tags == ("org/app:a", "org/app:b", "ghcr.io/lab/app:a", "ghcr.io/lab/app:b")
    assert found.tag_names == ("a", "b")


def test_images_that_are_all_disabled_leave_no_bare_tags() -> None:
    found = compute(PUSH, images="org/app,enable=false", tags="a")
    assert (found.tag_names, found.tags) == (("a",), ())


def test_json() -> None:
    found = compute(PUSH, images="org/app", tags="a", annotations="x=y", annotation_levels="index")
    printed = json.loads(json.dumps(found.as_json()))
    assert list(printed) == ["version", "tags", "tag-names", "labels", "annotations", "json"]
    assert (printed["version"], printed["tags"], printed["tag-names"]) == ("a", ["org/app:a"], ["a"])
    assert printed["labels"]["org.opencontainers.image.version"] == "a"
    assert "x" not in printed["labels"]
    assert "index:x=y" in printed["annotations"]
    assert printed["json"] == {key: printed[key] for key in ("tags", "tag-names", "labels", "annotations")}


def test_annotations_stand_on_manifest_and_index() -> None:
    found = compute(PUSH, images="", tags="a").annotations
    for level in ("manifest", "index"):
        assert f"{level}:org.opencontainers.image.description=An analysis" in found


@pytest.mark.parametrize(
    ("tags", "note"),
    [
        ("type=semver,pattern={{version}}", "input 'tags', line 1: 'sometag' is not a valid semver version"),
        ("type=match,pattern=x", "input 'tags', line 1: 'x' does not match 'sometag'"),
        ("type=match,pattern=s,group=1", "input 'tags', line 1: group 1 of 's' matches nothing in 'sometag'"),
    ],
)
def test_a_rule_that_was_meant_to_fire_says_why_it_did_not(tags: str, note: str) -> None:
    assert compute(tag("sometag"), images="", tags=tags).notes == (note,)


@pytest.mark.parametrize(
    ("facts", "tags", "flavor", "problem"),
    [
        (
            tag("v1"),
            "\ntype=sha,prefix={{branch}}-",
            "",
            "input 'tags', line 2: the tag '-860c190' starts with '-'",
        ),
        (PUSH, "\n.foo", "", "input 'tags', line 2: the tag '.foo' starts with '.'"),
        (PUSH, "\n" + "a" * 129, "", "has 129 characters, more than 128"),
        (PUSH, "\na,enable=TRUE", "", "input 'tags', line 2: enable is 'TRUE'"),
        (PUSH, "\na,enable={{branch}}", "", "input 'tags', line 2: enable is 'main'"),
        (PUSH, "a", "latest=true,prefix=.,onlatest=true", "the tag '.a' starts with '.'"),
        (
            PUSH,
            "a,prefix=",
            "latest=true,prefix=.,onlatest=true",
            "input 'flavor': the tag '.latest' starts with '.'",
        ),
    ],
)
def test_tags_that_a_registry_would_refuse(facts: Facts, tags: str, flavor: str, problem: str) -> None:
    with pytest.raises(UserError) as caught:
        compute(facts, images="org/app", tags=tags, flavor=flavor)
    assert problem in caught.value.message
    assert caught.value.hint


def test_start_is_cheap() -> None:
    script = """
import sys, time
from datetime import datetime, timezone
from pixi_container.tags import Facts, compute
now = datetime.now(timezone.utc)
facts = Facts(event_name="push", ref="refs/tags/v1.2.3", sha="a" * 40, commit_date=now, now=now)
assert compute(facts, images="org/app", tags="").version == "1.2.3"
print(time.process_time(), *(name for name in ("github", "httpx", "requests", "packaging") if name in sys.modules))
"""
    package = str(Path(pixi_container.__file__).parents[1])
    printed = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, env={"PYTHONPATH": package}
    ).stdout
    seconds, *modules = printed.split()
    assert modules == []
    assert float(seconds) < 0.15
