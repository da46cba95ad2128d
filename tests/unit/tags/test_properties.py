from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixi_container.errors import UserError
from pixi_container.tags import Facts, Metadata, compute
from tests.unit.tags.events import PUSH, pull_request

TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")

EVENTS = st.sampled_from(
    [
        "push",
        "release",
        "schedule",
        "workflow_dispatch",
        "merge_group",
        "create",
        "pull_request",
        "pull_request_target",
    ]
)
NAMES = st.one_of(
    st.sampled_from(
        ["main", "v1.2.3", "v2.0.0-rc.1", "1.2", "2024.01", "1.0.dev1", "latest", "a/b", ".x", "-x", "é"]
    ),
    st.from_regex(r"v?\d{1,3}(\.\d{1,3}){0,3}(-?(rc|b)\.?\d)?", fullmatch=True),
    st.text(min_size=1, max_size=140),
)
REFS = st.one_of(
    st.builds("{}{}".format, st.sampled_from(["refs/heads/", "refs/tags/"]), NAMES),
    st.builds("refs/pull/{}/merge".format, st.integers(1, 10**6)),
    st.just(""),
)
FACTS = st.builds(
    lambda event_name, ref, default_branch: replace(
        PUSH, event_name=event_name, ref=ref, default_branch=default_branch
    ),
    EVENTS,
    REFS,
    st.sampled_from(["main", "a/b", ""]),
)
ENTRIES = st.sampled_from(
    [
        "type=schedule",
        "type=schedule,pattern={{date 'YYYYMMDD-HHmm' tz='Asia/Tokyo'}}",
        "type=semver,pattern={{version}}",
        "type=semver,pattern={{major}}.{{minor}},value={{branch}}",
        "type=pep440,pattern={{version}},priority=50",
        "type=pep440,pattern={{raw}}",
        r"type=match,pattern=\d+(.*),group=1",
        "type=edge",
        "type=ref,event=branch",
        "type=ref,event=tag,suffix=-{{cuda}}",
        "type=ref,event=pr",
        "type=raw,value={{branch}}{{tag}}",
        "latest,enable={{is_default_branch}}",
        "latest",
        "type=sha",
        "type=sha,format=long,prefix={{base_ref}}",
        "# comment",
    ]
)
FLAVORS = st.sampled_from(
    ["", "latest=true", "latest=false", "prefix={{branch}}-", "suffix=-{{environment}},onlatest=true"]
)
LISTS = st.lists(st.one_of(ENTRIES, st.text(max_size=40)), max_size=6).map("\n".join)


def result(facts: Facts, tags: str, flavor: str) -> Metadata | str:
    try:
        return compute(
            facts, images="org/app\nghcr.io/lab/app", tags=tags, flavor=flavor, published=("1.0.0", "main")
        )
    except UserError as error:
        return str(error)


@pytest.mark.slow
@settings(deadline=None)
@given(FACTS, LISTS, FLAVORS)
def test_every_result_is_valid_without_repeats_and_the_same_again(facts: Facts, tags: str, flavor: str) -> None:
    found = result(facts, tags, flavor)
    assert result(facts, tags, flavor) == found
    if isinstance(found, Metadata):
        assert len(set(found.tags)) == len(found.tags) == 2 * len(found.tag_names)
        assert len(set(found.annotations)) == len(found.annotations)
        assert all(TAG.fullmatch(name) for name in found.tag_names)
        assert found.version == next(iter(found.tag_names), "")


@pytest.mark.slow
@settings(deadline=None)
@given(FACTS, st.integers(1, 10**6), st.sampled_from(["pull_request", "pull_request_target"]))
def test_a_pull_request_is_never_latest_by_default(facts: Facts, number: int, event_name: str) -> None:
    for candidate in (replace(facts, event_name=event_name), pull_request(number, event_name)):
        found = result(candidate, "", "")
        assert isinstance(found, str) or "latest" not in found.tag_names


@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60), st.text(max_size=20))
def test_any_text_gives_a_result_or_an_error_for_the_user(
    images: str, labels: str, annotations: str, levels: str
) -> None:
    try:
        compute(PUSH, images=images, tags="a", labels=labels, annotations=annotations, annotation_levels=levels)
    except UserError as error:
        assert error.message  # noqa: PT017
