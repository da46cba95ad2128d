"""A workspace without a lock, which only a Dockerfile of one's own can make an image of."""

from __future__ import annotations

import pytest

from pixi_container.errors import UserError
from pixi_container.inputs import Inputs, parse_inputs
from pixi_container.workspace.workspace import Workspace, read_workspace
from tests.unit.conftest import Folder


@pytest.fixture
def unlocked(folder: Folder) -> Folder:
    (folder.path / "pixi.lock").unlink()
    return folder


def read(folder: Folder, platform: str = "", **texts: str) -> Workspace:
    return read_workspace(workspace_inputs(folder, **texts), platform)


def workspace_inputs(folder: Folder, **texts: str) -> Inputs:
    given = {name.replace("_", "-"): text for name, text in texts.items()}
    return parse_inputs({"context": str(folder.path), "dockerfile": "Dockerfile", **given})


def test_the_manifest_says_what_it_can(unlocked: Folder) -> None:
    workspace = read(unlocked, "linux/amd64", environment="gpu")
    assert not workspace.is_locked
    assert (workspace.environment, workspace.platform.docker) == ("gpu", "linux/amd64")
    assert workspace.platform.packages == ()
    assert (workspace.cuda, workspace.lock_version) == ("12", 0)
    assert read(unlocked, environment="gpu", cuda_version="12.9").cuda == "12.9"
    assert read(unlocked, "linux/arm64").platform.docker == "linux/arm64"


def test_a_folder_without_a_workspace_has_the_name_of_the_environment(unlocked: Folder) -> None:
    (unlocked.path / "pixi.toml").unlink()
    assert read(unlocked, environment="anything").environment == "anything"
    unlocked.write("pyproject.toml", '[project]\nname = "other"\n')
    assert read(unlocked).manifest.requires_pixi == ""
    assert read(unlocked).install_files == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[workspace\n", "pixi.toml"),
        ("[tasks]\n", "no Pixi workspace"),
        (None, "no environment 'none'"),
    ],
)
def test_a_manifest_that_is_there_is_right(unlocked: Folder, text: str | None, message: str) -> None:
    if text:
        unlocked.write("pixi.toml", text)
    with pytest.raises(UserError) as caught:
        read(unlocked, environment="none")
    assert message in str(caught.value)


def test_only_platforms_of_pixi_are_supported(unlocked: Folder) -> None:
    with pytest.raises(UserError, match="images for linux/s390x are not supported"):
        read(unlocked, "linux/s390x")


def test_whoever_needs_the_environment_needs_the_lock(unlocked: Folder) -> None:
    with pytest.raises(UserError, match=r"there is no pixi\.lock"):
        read_workspace(Inputs(context=str(unlocked.path)))
    with pytest.raises(UserError, match=r"there is no pixi\.lock"):
        read_workspace(Inputs(context=str(unlocked.path), dockerfile="a"), needs_environment=True)


def test_the_lock_is_beside_a_manifest_below_the_context(folder: Folder) -> None:
    (folder.path / "container").mkdir()
    for name in ("pixi.toml", "pixi.lock"):
        (folder.path / name).rename(folder.path / "container" / name)
    below = {"manifest_path": "container/pixi.toml"}
    assert read(folder, **below).is_locked
    (folder.path / "container/pixi.lock").rename(folder.path / "pixi.lock")
    workspace = read(folder, **below, environment="gpu")
    assert (workspace.is_locked, workspace.folder, workspace.environment) == (False, "container", "gpu")
    assert workspace.include == ()
    with pytest.raises(UserError, match=r"there is no pixi\.lock"):
        read_workspace(workspace_inputs(folder, **below), needs_environment=True)


def test_a_lock_that_is_there_is_read(folder: Folder) -> None:
    assert read(folder).is_locked
    folder.replace("pixi.lock", "version: 6", "version: 99")
    with pytest.raises(UserError, match="the lock has version 99"):
        read(folder)
