"""The names of wheels: what they are for, and that no name stops or slows a run."""

from __future__ import annotations

import pytest

from pixi_container.workspace.wheels import is_wheel, wheel_tags


@pytest.mark.parametrize(
    ("location", "tags"),
    [
        ("https://x/w-1-py3-none-any.whl", {"py3-none-any"}),
        ("https://x/w-1%2Bcu-cp312-abi3-manylinux2014_x86_64.whl#sha256=ab", {"cp312-abi3-manylinux2014_x86_64"}),
        ("./wheels/w-1-2-py2.py3-none-any.whl", {"py2-none-any", "py3-none-any"}),
        ("w-1-py3-none-any.tar.gz", set()),
        ("w-none-any.whl", set()),
        ("w-no.version-py3-none-any.whl", set()),
        ("--.whl", set()),
        (f"{'w' * 5000}-1-py3-none-any.whl", set()),
        # As many tags as the product of the three lists.
        (f"w-1-{'.'.join(['a'] * 300)}-{'.'.join(['b'] * 300)}-{'.'.join(['c'] * 300)}.whl", set()),
    ],
)
def test_the_tags_of_a_wheel(location: str, tags: set[str]) -> None:
    assert {str(tag) for tag in wheel_tags(location)} == tags


def test_what_is_a_wheel() -> None:
    assert is_wheel("https://x/odd.whl?a=b.zip")
    assert not is_wheel("https://x/w-1.tar.gz?a=b.whl")


def test_the_name_of_a_wheel_has_limits() -> None:
    long = f"{'w' * 236}-1-py3-none-any.whl"
    assert len(long) == 255
    assert wheel_tags(long)
    assert not wheel_tags(f"w{long}")
    dotted = f"w-1-{'.'.join(f'a{number}' for number in range(25))}-none-any.whl"
    assert len(wheel_tags(dotted)) == 25
    assert not wheel_tags(dotted.replace("none", "none.abi3"))
