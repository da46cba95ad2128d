"""Variables of an image and of its builds: each name with its value."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pixi_container.image.dockerfile import ImageSettings, _build_variables, activation_variables
from pixi_container.inputs import Inputs
from pixi_container.workspace.workspace import Workspace, read_workspace
from tests.unit.conftest import Folder


@pytest.fixture
def workspace(folder: Folder) -> Workspace:
    return read_workspace(Inputs(context=str(folder.path), environment="gpu"), "linux/amd64")


def test_the_activation_sets_what_pixi_sets(workspace: Workspace) -> None:
    assert activation_variables(workspace, "/app", "/app/.pixi/envs/gpu") == [
        ("CONDA_DEFAULT_ENV", "study:gpu"),
        ("CONDA_PREFIX", "/app/.pixi/envs/gpu"),
        ("CONDA_SHLVL", "1"),
        ("PIXI_ENVIRONMENT_NAME", "gpu"),
        ("PIXI_ENVIRONMENT_PLATFORMS", "linux-64-cuda-12"),
        ("PIXI_IN_SHELL", "1"),
        ("PIXI_PROJECT_MANIFEST", "/app/pixi.toml"),
        ("PIXI_PROJECT_NAME", "study"),
        ("PIXI_PROJECT_ROOT", "/app"),
    ]
    default = dict(activation_variables(replace(workspace, environment="default"), "/app", "/p"))
    assert default["CONDA_DEFAULT_ENV"] == "study"
    nameless = dict(activation_variables(replace(workspace, all_platforms=()), "/app", "/p"))
    assert "PIXI_ENVIRONMENT_PLATFORMS" not in nameless


def test_builds_are_told_the_version_that_they_would_ask_git_for(workspace: Workspace) -> None:
    asking = replace(workspace, scm_versioned=True)
    assert _build_variables(asking, ImageSettings(source_version="1.2.3")) == [
        ("SETUPTOOLS_SCM_PRETEND_VERSION", "1.2.3"),
        ("PDM_BUILD_SCM_VERSION", "1.2.3"),
        ("POETRY_DYNAMIC_VERSIONING_BYPASS", "1.2.3"),
    ]
    assert _build_variables(asking, ImageSettings()) == []
    assert _build_variables(workspace, ImageSettings(source_version="1.2.3")) == []
