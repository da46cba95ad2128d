"""The workspaces of one repository: which manifests globs choose, whatever the folders are called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pixi_container.errors import UserError
from pixi_container.image_choice import manifest_globs
from pixi_container.workspace.several import chosen_manifests


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout with several manifests, and a folder outside of it."""
    root, outside = tmp_path / "checkout", tmp_path / "outside"
    below = [root / name for name in (".", "api", "libs/core", "old", ".git", "api/.pixi")]
    for folder in (*below, outside):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pixi.toml").touch()
    (root / "libs/core/pyproject.toml").touch()
    (root / "api/other.toml").touch()
    (root / "linked").symlink_to(outside)
    return root


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("*/pixi.toml", ("api/pixi.toml", "old/pixi.toml")),
        ("**/pixi.toml", ("api/pixi.toml", "libs/core/pixi.toml", "old/pixi.toml", "pixi.toml")),
        ("**/pixi.toml !old/pixi.toml", ("api/pixi.toml", "libs/core/pixi.toml", "pixi.toml")),
        ("!**/pyproject.toml\n!old/pixi.toml", ("api/pixi.toml", "libs/core/pixi.toml", "pixi.toml")),
        ("**/pyproject.toml", ("libs/core/pyproject.toml",)),
        ("pixi.toml", ("pixi.toml",)),
        ("!**/pixi.toml api/pixi.toml", ("api/pixi.toml", "libs/core/pyproject.toml")),
    ],
)
def test_the_last_glob_decides(tree: Path, text: str, chosen: tuple[str, ...]) -> None:
    assert chosen_manifests(tree, manifest_globs(text)) == chosen


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("new/pixi.toml", "'new/pixi.toml' matches no file below"),
        ("linked/pixi.toml", "'linked/pixi.toml' matches no file below"),
        ("api/.pixi/pixi.toml", "matches no file below"),
        ("*/pixi.toml !*/pixi.toml", "excludes every manifest"),
    ],
)
def test_what_chooses_nothing_is_an_error(tree: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message.replace("*", r"\*")):
        chosen_manifests(tree, manifest_globs(text))


@pytest.mark.parametrize(
    "text",
    [
        "../pixi.toml",
        "/etc/pixi.toml",
        "api",
        "*.toml",
        "api/",
        "a/./pixi.toml",
        "a//pixi.toml",
        "!",
        "a/../pixi.toml",
    ],
)
def test_a_glob_is_of_manifests_below_the_context(text: str) -> None:
    with pytest.raises(UserError, match="input 'contexts' has an invalid value"):
        manifest_globs(text)


@pytest.mark.parametrize("name", ["a\nb", "::error::x\r", "a\x1b[31mb", os.fsdecode(b"\xff"), "a\u202eb"])
def test_a_path_that_cannot_be_shown_is_refused_unless_it_is_excluded(tree: Path, name: str) -> None:
    (tree / name).mkdir()
    (tree / name / "pixi.toml").touch()
    with pytest.raises(UserError, match="a character that cannot be shown") as caught:
        chosen_manifests(tree, ("*/pixi.toml",))
    assert caught.value.message.isprintable()
    assert chosen_manifests(tree, ("*/pixi.toml", "!a*/pixi.toml", "!:*/pixi.toml", "!\udcff/pixi.toml"))


@pytest.mark.parametrize("name", ["a b", "$(touch mark)", "${{ github.token }}", "-x", "ü", "a;b"])
def test_any_other_name_is_a_name(tree: Path, name: str) -> None:
    (tree / name).mkdir()
    (tree / name / "pixi.toml").touch()
    assert f"{name}/pixi.toml" in chosen_manifests(tree, ("*/pixi.toml",))


def test_a_context_that_is_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a folder"):
        chosen_manifests(tmp_path / "absent", ("*/pixi.toml",))
