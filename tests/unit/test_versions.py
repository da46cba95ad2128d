"""Versions in their order."""

from __future__ import annotations

import pytest

from pixi_container.versions import version_order


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("12", "12.4"),
        ("12.9", "12.10"),
        ("2.17", "2.28"),
        ("9", "10"),
        ("0.77.0rc1", "0.77.0"),
        ("0.77.0-rc.1", "0.77.0"),
        ("0.76.9", "0.77.0rc1"),
        ("0.77.0rc1", "0.77.0rc2"),
        ("5.10.0-34-generic", "5.11"),
        ("", "0.1"),
        ("no version", "0"),
        ("9" * 1000, "0"),
    ],
)
def test_versions_are_ordered_as_conda_does(lower: str, higher: str) -> None:
    assert version_order(lower) < version_order(higher)
    assert not version_order(higher) < version_order(lower)


@pytest.mark.parametrize("version", ["12", "12.4", "0.77"])
def test_zeros_at_the_end_do_not_count(version: str) -> None:
    assert version_order(version) == version_order(f"{version}.0.0")
    assert hash(version_order(version)) == hash(version_order(f"{version}.0.0"))


@pytest.mark.parametrize("text", ["", "1 2", "1." * 50 + "1", "1..2", "no version", "$"])
def test_what_is_no_version_comes_first_by_its_text(text: str) -> None:
    assert version_order(text) == (False, text)
    assert version_order(text) < version_order("0")
    assert version_order("1." * 49 + "11")[0] is True
