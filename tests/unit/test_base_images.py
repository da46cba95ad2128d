"""Which pixi builds: the default where it fits, else the newest that does, never one that is too old."""

from __future__ import annotations

import pytest

from pixi_container.base_images import DEFAULT_PIXI, choose_pixi
from pixi_container.errors import UserError

PUBLISHED = ("latest", "noble", "0.78.0-noble", "0.79.1-noble", "0.79.1-jammy", "0.60.0-noble", "0.45.0-noble")


def choose(requires: str = "", lock: int = 6, asked: str = "", *, rich: bool = False, online: bool = True) -> str:
    published = (lambda: PUBLISHED) if online else None
    return choose_pixi(
        requires_pixi=requires, lock_version=lock, rich_platforms=rich, asked=asked, published=published
    )[0]


@pytest.mark.parametrize(
    ("requires", "lock", "chosen"),
    [
        ("", 4, DEFAULT_PIXI),
        ("", 6, DEFAULT_PIXI),
        ("", 7, DEFAULT_PIXI),
        (">=0.50", 6, DEFAULT_PIXI),
        (">=0.70,<0.80", 7, DEFAULT_PIXI),
        (">=0.77", 7, "0.79.1"),
        (">=0.77,<0.79", 7, "0.78.0"),
        ("<0.70", 6, "0.60.0"),
    ],
)
def test_the_version_fits_lock_and_manifest(requires: str, lock: int, chosen: str) -> None:
    assert choose(requires, lock) == chosen


def test_without_a_registry_a_version_that_the_manifest_names_is_taken() -> None:
    assert choose(">=0.77.2", online=False) == "0.77.2"
    assert choose(">=0.77", online=False) == "0.77.0"


def test_a_chosen_version_is_checked_against_the_lock() -> None:
    assert choose(lock=7, asked="0.68.0") == "0.68.0"
    with pytest.raises(UserError, match="lock version 7") as caught:
        choose(lock=7, asked="0.67.2")
    assert "0.68.0 or newer" in caught.value.hint
    with pytest.raises(UserError, match="platforms given as tables"):
        choose(lock=7, asked="0.70.0", rich=True)


@pytest.mark.parametrize("requires", ["<0.30", ">=99"])
def test_nothing_fits(requires: str) -> None:
    with pytest.raises(UserError, match="no known release of pixi fits"):
        choose(requires, lock=7)


def test_a_requirement_that_is_none() -> None:
    with pytest.raises(UserError, match="no version specification"):
        choose(">=>1")
