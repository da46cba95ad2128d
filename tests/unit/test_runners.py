"""Which runner has the jobs for a platform, and what it runs itself."""

from __future__ import annotations

import pytest

from pixi_container.errors import UserError
from pixi_container.runners import Label, Runners, runners


def test_githubs_own_runners_have_the_jobs_unless_others_are_named() -> None:
    assert runners("") == Runners()
    labels = {name: Runners().label(name) for name in ("linux/amd64", "linux/arm64", "linux/ppc64le")}
    assert labels == {
        "linux/amd64": "ubuntu-24.04",
        "linux/arm64": "ubuntu-24.04-arm",
        "linux/ppc64le": "ubuntu-24.04",
    }


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("linux/arm64=big-arm", "big-arm"),
        ("# ours\n linux/arm64 = big arm/2 ", "big arm/2"),
        ('linux/arm64=["self-hosted", "arm64"]', ("self-hosted", "arm64")),
        ("linux/amd64=a\nlinux/arm64=b=c", "b=c"),
    ],
)
def test_a_label_is_text_or_several(text: str, label: Label) -> None:
    assert runners(text).label("linux/arm64") == label


NO_LABELS = (
    *("linux/arm64", "linux/arm64=", "arm64=big", "=big", '["linux/arm64=a"]', "linux/arm64=-x"),
    *(
        "linux/arm64=[]",
        "linux/arm64=[1]",
        'linux/arm64=["a"',
        'linux/arm64=["a", ["b"]]',
        'linux/arm64=["a\\nb"]',
    ),
    *("linux/arm64=${{ secrets.a }}", "linux/arm64=a\x1b[0m", f"linux/arm64={'a' * 201}"),
    f"linux/arm64={'[' * 10000}",
)


@pytest.mark.parametrize("text", NO_LABELS, ids=range(len(NO_LABELS)))
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="input 'runners' has an invalid value") as caught:
        runners(text)
    assert 'linux/arm64=["self-hosted","arm64"]' in caught.value.hint


def test_a_platform_has_one_runner() -> None:
    with pytest.raises(UserError, match="has 'linux/arm64' twice"):
        runners("linux/arm64=a\nlinux/arm64=b")


def test_a_runner_is_of_its_platform_but_for_that_of_ppc64le_which_github_lacks() -> None:
    platforms = ("linux/amd64", "linux/arm64", "linux/ppc64le")
    assert [Runners().native_platform(name) for name in platforms] == [*platforms[:2], "linux/amd64"]
    own = runners("linux/ppc64le=power")
    assert own.native_platform("linux/ppc64le") == "linux/ppc64le"
