"""Packages from the workspace's own source: what is left out first, what is mounted, what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pixi_container.base_images import DEFAULT_PIXI
from pixi_container.inputs import Inputs
from pixi_container.own_source import OwnSource
from pixi_container.problems import problems_of
from pixi_container.workspace import Workspace, read_workspace
from pixi_container.workspace_stage import workspace_stage
from tests.unit.conftest import Folder


@pytest.fixture
def workspace(folder: Folder) -> Workspace:
    """The workspace, in whose folder are packages that the tests add to its lock."""
    for path in (
        "packages/tools/pyproject.toml",
        "packages/other/pyproject.toml",
        "wheels/a.whl",
        "my package/setup.py",
    ):
        folder.write(path, "")
    return read_workspace(Inputs(context=str(folder.path)), "linux/amd64")


def with_own(workspace: Workspace, *packages: tuple[str, str, str], local: tuple[str, ...] = ()) -> Workspace:
    own = tuple(OwnSource(name=name, kind=kind, path=path, reason="test") for name, kind, path in packages)
    paths = tuple(sorted({package.path for package in own} | set(local)))
    return replace(workspace, own_source=own, local_paths=paths, lock_version=7)


def test_without_own_packages_there_is_no_stage(workspace: Workspace) -> None:
    assert workspace_stage(workspace, DEFAULT_PIXI) is None
    assert workspace_stage(with_own(workspace, ("a", "conda-file", "wheels/a.conda")), DEFAULT_PIXI) is None


def test_only_what_is_needed_is_mounted(workspace: Workspace) -> None:
    own = with_own(workspace, ("tools", "pypi-path", "packages/tools"), ("a", "wheel", "wheels/a.whl"))
    stage = workspace_stage(own, DEFAULT_PIXI)
    assert stage
    assert stage.skip == ("tools", "a")
    assert stage.mounts == ("packages/tools", "wheels/a.whl")
    assert stage.copies == ()
    assert stage.locked
    assert stage.skipped_records == 0
    assert stage.distributions == ("tools", "a")


def test_the_workspace_itself_needs_its_whole_folder_but_manifest_and_lock(workspace: Workspace) -> None:
    stage = workspace_stage(with_own(workspace, ("study", "pypi-path", ".")), DEFAULT_PIXI)
    assert stage
    assert stage.mounts == ("packages", "src", "wheels")


def test_the_check_of_the_lock_sees_the_metadata_of_other_environments_packages(workspace: Workspace) -> None:
    own = ("tools", "pypi-path", "packages/tools")
    inside = workspace_stage(with_own(workspace, own, local=("packages/other",)), DEFAULT_PIXI)
    outside = workspace_stage(with_own(workspace, own, local=("../elsewhere",)), DEFAULT_PIXI)
    assert inside
    assert inside.mounts == ("packages/other/pyproject.toml", "packages/tools")
    assert inside.locked
    assert outside
    assert not outside.locked


def test_editable_packages_are_released_where_pixi_allows_it(workspace: Workspace) -> None:
    own = with_own(workspace, ("tools", "pypi-editable", "packages/tools"))
    released, kept = workspace_stage(own, DEFAULT_PIXI), workspace_stage(own, "0.61.0")
    assert released
    assert (released.release_manifest, released.copies) == (True, ())
    assert kept
    assert (kept.release_manifest, kept.copies) == (False, ("packages/tools",))


def test_conda_source_packages_are_counted_out_of_the_first_install(workspace: Workspace) -> None:
    stage = workspace_stage(with_own(workspace, ("tools", "conda-source", "packages/tools")), DEFAULT_PIXI)
    assert stage
    assert (stage.skipped_records, stage.distributions) == (1, ())


@pytest.mark.parametrize(
    ("package", "message"),
    [
        (("tools", "pypi-path", "../tools"), "outside of the context"),
        (("tools", "pypi-path", "/abs/tools"), "outside of the context"),
        (("tools", "pypi-path", "packages/absent"), "does not exist"),
        (("tools", "pypi-path", "my package"), "cannot name in a mount"),
        (("tools --all", "pypi-path", "packages/tools"), "has a name that is none"),
    ],
)
def test_what_cannot_be_built_is_said_and_never_rendered(
    workspace: Workspace, package: tuple[str, str, str], message: str
) -> None:
    own = with_own(workspace, package)
    (problem,) = problems_of(own)
    assert message in problem.message
    assert problem.hint
    stage = workspace_stage(own, DEFAULT_PIXI)
    assert stage is None or all(".." not in path and " " not in path for path in (*stage.mounts, *stage.skip))


def test_an_old_lock_cannot_leave_out_what_conda_builds(workspace: Workspace) -> None:
    old = replace(with_own(workspace, ("tools", "conda-source", "packages/tools")), lock_version=6)
    (problem,) = problems_of(old)
    assert "version 6 of the lock is too old" in problem.message
    assert "pixi lock" in problem.hint


def test_a_file_that_the_manifest_insists_on(folder: Folder) -> None:
    folder.replace("pixi.toml", 'name = "study"', 'name = "study"\nreadme = "README.md"')
    (problem,) = problems_of(read_workspace(Inputs(context=str(folder.path)), "linux/amd64"))
    assert "the manifest names 'README.md', which does not exist" in problem.message
