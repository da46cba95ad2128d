"""Which environments and platforms get an image."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_container.addresses import EMULATION_IMAGE
from pixi_container.errors import UserError
from pixi_container.image_choice import (
    chosen_environments,
    emulation,
    environment_patterns,
    platforms,
    told_apart,
)

NAMES = ("default", "cpu", "gpu-11", "gpu-12", "gpu-12-dev", "docs")


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("*", NAMES),
        ("cpu", ("cpu",)),
        ("gpu-* cpu", ("cpu", "gpu-11", "gpu-12", "gpu-12-dev")),
        ("cpu gpu-* !*-dev", ("cpu", "gpu-11", "gpu-12")),
        ("gpu-1[12]", ("gpu-11", "gpu-12")),
        ("!*-dev, !docs", ("default", "cpu", "gpu-11", "gpu-12")),
        ("* !gpu-* gpu-12", ("default", "cpu", "gpu-12", "docs")),
        ("# all of them\n*\n!nothing-*", NAMES),
    ],
)
def test_the_last_pattern_that_matches_decides(text: str, chosen: tuple[str, ...]) -> None:
    assert chosen_environments(environment_patterns(text), NAMES) == chosen


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gup-12", "'gup-12' matches no environment; did you mean 'gpu-12'?"),
        ("cpu test-*", "'test-*' matches no environment"),
        ("cpu !*", "excludes every environment"),
    ],
)
def test_a_choice_of_nothing_is_an_error_that_names_what_there_is(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        chosen_environments(environment_patterns(text), NAMES)
    assert message in caught.value.message
    assert "gpu-12-dev" in caught.value.hint


@pytest.mark.parametrize("text", ["!", "GPU", "a/b", "${{ x }}", "a;b", "!!cpu gpu_1"])
def test_what_no_name_has_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="input 'environments' has an invalid value"):
        environment_patterns(text)


@given(st.lists(st.sampled_from([*NAMES, "*", "gpu-*", "*-dev"]).flatmap(lambda p: st.sampled_from([p, f"!{p}"]))))
def test_what_is_chosen_are_names_in_their_order(patterns: list[str]) -> None:
    try:
        chosen = chosen_environments(patterns, NAMES)
    except UserError:
        return
    assert list(chosen) == [name for name in NAMES if name in chosen]
    for name in NAMES:
        if f"!{name}" in patterns[-1:]:
            assert name not in chosen
        if name in patterns[-1:]:
            assert name in chosen


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        ("auto", ("auto",)),
        ("linux/arm64,linux/amd64", ("linux/arm64", "linux/amd64")),
        ("linux/amd64\nlinux/ppc64le linux/amd64", ("linux/amd64", "linux/ppc64le")),
    ],
)
def test_platforms_are_docker_s_names(text: str, names: tuple[str, ...]) -> None:
    assert platforms(text) == names


@pytest.mark.parametrize("text", ["linux-64", "linux/arm64/v8", "auto linux/amd64", "windows/amd64", "amd64"])
def test_another_platform_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="input 'platforms' has an invalid value") as caught:
        platforms(text)
    assert "linux/ppc64le" in caught.value.hint


def test_emulation_is_an_image_that_is_pinned_unless_it_is_named() -> None:
    assert emulation("false") == ""
    assert emulation("true") == EMULATION_IMAGE
    assert "@sha256:" in EMULATION_IMAGE
    assert emulation("quay.io/lab/binfmt:1") == "quay.io/lab/binfmt:1"
    with pytest.raises(UserError, match="input 'emulation'"):
        emulation("--privileged x")


@pytest.mark.parametrize(
    ("texts", "flavor"),
    [
        ({}, "suffix=-{{environment}},onlatest=true"),
        ({"tags": "type=sha"}, "suffix=-{{environment}},onlatest=true"),
        ({"images": "ghcr.io/lab/{{ environment }}"}, None),
        ({"tags": "type=raw,value={{environment}}"}, None),
        ({"flavor": "latest=false"}, "latest=false"),
    ],
)
def test_the_tags_of_environments_are_told_apart(texts: dict[str, str], flavor: str | None) -> None:
    assert told_apart(texts) == {**texts, **({"flavor": flavor} if flavor else {})}
