from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pixi_container.tags import compute, default_tags
from tests.unit.tags.events import PUSH, SCHEDULE, branch, pull_request, tag

if TYPE_CHECKING:
    from pixi_container.tags import Facts


def names(facts: Facts, *, flavor: str = "", published: tuple[str, ...] | None = None) -> tuple[str, ...]:
    return compute(facts, images="", tags="# none\n\n", flavor=flavor, published=published).tag_names


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (branch("main"), ("main", "sha-860c190", "latest")),
        (branch("dev"), ("sha-860c190",)),
        (SCHEDULE, ("main", "sha-860c190", "latest")),
        (replace(branch("dev"), event_name="schedule"), ("sha-860c190",)),
        (replace(PUSH, event_name="workflow_dispatch"), ("main", "sha-860c190", "latest")),
        (replace(PUSH, default_branch=""), ("sha-860c190",)),
        (tag("v1.2.3"), ("1.2.3", "1.2", "sha-860c190", "latest")),
        (tag("1.2.3+build"), ("1.2.3", "1.2", "sha-860c190", "latest")),
        (tag("v2.0.0-beta.1"), ("2.0.0-beta.1", "sha-860c190")),
        (tag("2024.01"), ("2024.1", "sha-860c190", "latest")),
        (tag("v1.2rc1"), ("1.2rc1", "sha-860c190")),
        (tag("20240110"), ("sha-860c190",)),
        (tag("paper"), ("sha-860c190",)),
        (tag("latest"), ("sha-860c190",)),
        (replace(tag("v1.2.3"), event_name="release"), ("1.2.3", "1.2", "sha-860c190", "latest")),
        (pull_request(), ("pr-7",)),
        (pull_request(event_name="pull_request_target"), ("pr-7",)),
        (replace(PUSH, event_name="pull_request"), ()),
        (replace(PUSH, ref="refs/heads/gh-readonly-queue/main/pr-1", event_name="merge_group"), ("sha-860c190",)),
        (replace(PUSH, ref="", sha="", event_name="local"), ()),
    ],
)
def test_defaults(facts: Facts, expected: tuple[str, ...]) -> None:
    assert names(facts) == expected


def test_defaults_are_entries_that_a_user_could_write() -> None:
    text = default_tags(tag("v1.2.3"))
    assert compute(tag("v1.2.3"), images="", tags=text).tag_names == names(tag("v1.2.3"))


@pytest.mark.parametrize(
    ("flavor", "expected"),
    [
        ("latest=false", ("main", "sha-860c190")),
        ("suffix=-gpu,onlatest=true", ("main-gpu", "sha-860c190-gpu", "latest-gpu")),
    ],
)
def test_flavor_goes_for_defaults_too(flavor: str, expected: tuple[str, ...]) -> None:
    assert names(PUSH, flavor=flavor) == expected


@pytest.mark.parametrize(
    ("name", "published", "moves"),
    [
        ("v1.2.3", None, True),
        ("v1.2.3", (), True),
        ("v1.2.3", ("1.2.2", "1.2", "latest", "main"), True),
        ("v1.2.3", ("1.2.3",), True),
        ("v1.2.3", ("2.0.0", "latest"), False),
        ("v1.2.3", ("v1.10.0",), False),
        ("v1.2.3", ("2.0.0-rc.1",), True),
        ("v1.2.3", ("2.0.0-gpu",), True),
        ("v1.2.3", ("20240110", "sha-1234567"), True),
        ("2024.1", ("2024.2",), False),
        ("2024.2", ("2024.1", "2025", "20250101"), True),
        ("2024.1", ("2024.1.post1", "2024.2rc1"), True),
    ],
)
def test_a_maintenance_release_leaves_latest_alone(
    name: str, published: tuple[str, ...] | None, moves: bool
) -> None:
    assert ("latest" in names(tag(name), published=published)) is moves


def test_versions_are_compared_within_their_prefix_and_suffix() -> None:
    flavor = "suffix=-gpu,onlatest=true"
    assert "latest-gpu" in names(tag("v1.2.3"), flavor=flavor, published=("2.0.0",))
    assert "latest-gpu" not in names(tag("v1.2.3"), flavor=flavor, published=("2.0.0-gpu",))


def test_the_log_says_why_latest_stays() -> None:
    found = compute(tag("v1.2.3"), images="", tags="", published=("2.0.0",))
    assert found.notes == ("latest is not moved: the registry has a higher version, 2.0.0",)
    forced = compute(tag("v1.2.3"), images="", tags="", flavor="latest=true", published=("2.0.0",))
    assert "latest" in forced.tag_names
