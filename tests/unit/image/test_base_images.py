"""Which pixi builds: the default where it fits, else the newest that does, never one that is too old."""

from __future__ import annotations

import pytest

from pixi_container.errors import UserError
from pixi_container.image.base_images import (
    DEFAULT_PIXI,
    LOCK_NEEDS,
    OLDEST_PIXI,
    RICH_PLATFORMS_NEED,
    choose_base_images,
    choose_pixi,
)
from pixi_container.inputs import Inputs
from pixi_container.workspace.workspace import Workspace, read_workspace
from tests.unit.conftest import Folder

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
        (">=0.78", 7, "0.79.1"),
        (">=0.78,<0.79", 7, "0.78.0"),
        ("<0.70", 6, "0.60.0"),
    ],
)
def test_the_version_fits_lock_and_manifest(requires: str, lock: int, chosen: str) -> None:
    assert choose(requires, lock) == chosen


def test_without_a_registry_a_version_that_the_manifest_names_is_taken() -> None:
    assert choose(">=0.78.2", online=False) == "0.78.2"
    assert choose(">=0.78", online=False) == "0.78.0"


def test_a_chosen_version_is_checked_against_the_lock() -> None:
    assert choose(lock=7, asked="0.68.0") == "0.68.0"
    with pytest.raises(UserError, match="lock version 7") as caught:
        choose(lock=7, asked="0.67.2")
    assert "0.68.0 or newer" in caught.value.hint
    with pytest.raises(UserError, match="platforms given as tables"):
        choose(lock=7, asked="0.70.0", rich=True)


@pytest.mark.parametrize("requires", ["<0.30", "<0.50", ">=99"])
def test_nothing_fits(requires: str) -> None:
    with pytest.raises(UserError, match="no known release of pixi fits") as caught:
        choose(requires, lock=6)
    assert OLDEST_PIXI in caught.value.hint


def test_no_version_that_lacks_options_of_the_dockerfile() -> None:
    assert choose(lock=4, asked=OLDEST_PIXI) == OLDEST_PIXI
    for asked in ("0.40.0", "0.52.0"):
        with pytest.raises(UserError, match=f"pixi {asked} is too old: {OLDEST_PIXI} is the oldest") as caught:
            choose(lock=4, asked=asked)
        assert f"'pixi-version' to {OLDEST_PIXI} or newer" in caught.value.hint


@pytest.fixture
def workspace(folder: Folder) -> Workspace:
    """A workspace with nothing special."""
    return read_workspace(Inputs(context=str(folder.path)))


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("ghcr.io/prefix-dev/pixi:0.70.0", "0.70.0"),
        ("ghcr.io/prefix-dev/pixi:0.70.0-noble-cuda-12.9.1", "0.70.0"),
        ("mirror.example:5000/hub/prefix-dev/pixi:0.70.0-bookworm", "0.70.0"),
        ("ghcr.io/prefix-dev/pixi:noble", DEFAULT_PIXI),
        ("ghcr.io/lab/builder:1.2.3", DEFAULT_PIXI),
    ],
)
def test_the_tag_of_a_chosen_image_tells_its_version(workspace: Workspace, image: str, version: str) -> None:
    chosen = choose_base_images(Inputs(pixi_image=image), workspace)
    assert (str(chosen.builder), chosen.pixi_version) == (image, version)


def test_a_chosen_image_that_is_too_old(workspace: Workspace) -> None:
    with pytest.raises(UserError, match="is too old") as caught:
        choose_base_images(Inputs(pixi_image="ghcr.io/prefix-dev/pixi:0.40.0-noble"), workspace)
    assert "'pixi-image'" in caught.value.hint


def test_a_dockerfile_of_ones_own_may_use_an_older_one(workspace: Workspace) -> None:
    inputs = Inputs(pixi_version="0.40.0", dockerfile="Dockerfile")
    assert choose_base_images(inputs, workspace).pixi_version == "0.40.0"


def test_a_requirement_that_is_none() -> None:
    with pytest.raises(UserError, match="is not a valid version specification"):
        choose(">=>1")


def test_a_requirement_has_200_characters() -> None:
    longest = ">=0.50" + ",>=0.50" * 27 + ",>0.5"
    assert len(longest) == 200
    assert choose(longest) == DEFAULT_PIXI
    with pytest.raises(UserError) as caught:
        choose_pixi(requires_pixi=f"{longest}0", lock_version=6, rich_platforms=False, manifest="pixi.toml")
    assert caught.value.message == "'requires-pixi' is 201 characters long; the maximum is 200"
    assert caught.value.file == "pixi.toml"


@pytest.mark.parametrize(
    ("requires", "lock", "asked", "reason"),
    [
        ("", 6, "", "the default, which fits lock version 6"),
        (">=0.70", 7, "", "the default, which fits lock version 7, requires-pixi >=0.70"),
        (">=0.78", 7, "", "lock version 7, requires-pixi >=0.78"),
        ("", 6, "0.70.0", "input 'pixi-version'"),
    ],
)
def test_the_reason_for_a_version(requires: str, lock: int, asked: str, reason: str) -> None:
    chosen = choose_pixi(
        requires_pixi=requires,
        lock_version=lock,
        rich_platforms=False,
        asked=asked,
        published=lambda: PUBLISHED,
    )
    assert chosen[1] == reason


def test_the_oldest_versions_are_what_the_documentation_says() -> None:
    assert OLDEST_PIXI == "0.53.0"
    assert LOCK_NEEDS == {6: "0.39.0", 7: "0.68.0"}
    assert RICH_PLATFORMS_NEED == "0.71.0"
    assert choose(lock=7, asked="0.71.0", rich=True) == "0.71.0"
