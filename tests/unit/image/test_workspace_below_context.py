"""The image of a workspace below the build context: Dockerfile, activation, fingerprints and tags."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pixi_container.environment.activation import (
    activation_entries,
    hook_text,
    shell_entries,
    workspace_activation,
)
from pixi_container.image.base_images import DEFAULT_PIXI
from pixi_container.image.definition import environment_name
from pixi_container.image.dockerfile import ImageSettings, render_dockerfile
from pixi_container.image.files import read_image_files, relevant_paths
from pixi_container.image.workspace_stage import workspace_stage
from pixi_container.inputs import Inputs, parse_inputs
from pixi_container.registry.reference import parse_reference
from pixi_container.workspace.local_packages import OwnSource, SourcePlace
from pixi_container.workspace.workspace import Workspace, read_workspace
from tests.unit.conftest import LOCK, MANIFEST, Folder

BASE = parse_reference("ghcr.io/prefix-dev/pixi:0.77.0-noble", source="test")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A repository with a workspace in ``container`` and code in its root."""
    made = Folder(tmp_path / "repository")
    made.write(
        "container/pixi.toml",
        MANIFEST.replace("[activation.env]", '[activation]\nscripts = ["../up.sh"]\n[activation.env]'),
    )
    made.write("container/pixi.lock", LOCK)
    for path in ("src/main.py", "up.sh", "libs/b/pyproject.toml", "pyproject.toml", "container/run.py"):
        made.write(path, "")
    return made


@pytest.fixture
def inputs(folder: Folder) -> Inputs:
    return parse_inputs({"context": str(folder.path), "manifest-path": "container/pixi.toml"})


@pytest.fixture
def workspace(inputs: Inputs) -> Workspace:
    return read_workspace(inputs, "linux/amd64")


def with_own(workspace: Workspace, *paths: str) -> Workspace:
    own = tuple(OwnSource(name="b", kind="pypi-editable", path=path, reason="test") for path in paths)
    places = tuple(SourcePlace(path, "pypi-folder") for path in paths)
    return replace(workspace, own_source=own, source_places=places, lock_version=7)


def rendered(workspace: Workspace, **settings: Any) -> str:  # noqa: ANN401
    return render_dockerfile(
        workspace,
        builder_image=BASE,
        runtime_image=BASE,
        settings=ImageSettings(inputs=Inputs(**settings)),
    )


def instructions(text: str) -> list[str]:
    """Return the instructions, each in one line, without the texts of scripts."""
    text = re.sub(r'<<"(\w+)".*?^\1$', "", text, flags=re.DOTALL | re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_the_context_is_at_workdir_and_the_environment_beside_the_manifest(workspace: Workspace) -> None:
    lines = instructions(rendered(workspace))
    assert 'ENTRYPOINT ["/app/entrypoint.sh"]' in lines
    assert [line for line in lines if line.startswith("WORKDIR")] == ["WORKDIR /app/container", "WORKDIR /app"]
    (environment,) = (
        line for line in lines if line.startswith('ENV PATH="/app/container/.pixi/envs/default/bin:$PATH"')
    )
    for variable in (
        "CONDA_PREFIX=/app/container/.pixi/envs/default",
        "PIXI_PROJECT_MANIFEST=/app/container/pixi.toml",
        "PIXI_PROJECT_ROOT=/app/container",
        "BASH_ENV=/app/container/.pixi/activate.sh",
    ):
        assert variable in environment.replace('"', "")
    assert 'COPY ["container/pixi.toml", "container/pixi.lock", "/app/container/"]' in lines
    assert 'COPY ["up.sh", "/app/"]' in lines
    assert 'COPY --link ["src", "/app/src"]' in lines
    (install,) = (line for line in lines if "finish.sh" in line)
    assert "WORKDIR=/app/container ENVIRONMENT=default" in install
    assert install.endswith("finish.sh ../up.sh && bash /pixi-container/lift.sh /app/container /app /image")


@pytest.mark.parametrize("workdir", ["/app", "/srv/study"])
def test_a_workspace_in_the_context_has_no_step_more(folder: Folder, workdir: str) -> None:
    for name in ("pixi.toml", "pixi.lock"):
        folder.write(name, (folder.path / "container" / name).read_text().replace("../up.sh", "up.sh"))
    text = rendered(read_workspace(Inputs(context=str(folder.path)), "linux/amd64"), workdir=workdir)
    assert "lift.sh" not in text
    assert "container" not in "".join(re.findall(r"WORKDIR.*", text)).replace("/pixi-container", "")
    assert "docker build --file THIS_FILE WORKSPACE_FOLDER" in text


@pytest.mark.parametrize(
    ("paths", "mounts", "swept"),
    [
        (("libs/b",), ("libs/b",), ()),
        (("container",), ("container/run.py",), ()),
        ((".",), ("container/run.py", "libs", "pyproject.toml", "src", "up.sh"), (".",)),
        (("container", "libs/b"), ("container/run.py", "libs/b"), ()),
    ],
)
def test_packages_of_siblings_and_of_folders_above(
    workspace: Workspace, paths: tuple[str, ...], mounts: tuple[str, ...], swept: tuple[str, ...]
) -> None:
    own = with_own(workspace, *paths)
    stage = workspace_stage(own, DEFAULT_PIXI)
    assert stage
    assert (stage.mounts, stage.swept, stage.locked) == (mounts, swept, True)
    (line,) = (
        line for line in instructions(rendered(own)) if "workspace.sh" in line and line.startswith("RUN --mount")
    )
    for path in mounts:
        assert f"--mount=type=bind,source={path},target=/app/{path},rw" in line
    assert "cd /app/container && WORKDIR=/app/container" in line
    assert 'RELEASE="pixi.toml"' in line
    assert ("rm -rf /app/build /app/dist /app/*.egg-info" in line) == bool(swept)


def test_sources_of_editable_packages_stay_with_an_old_pixi_and_leave_the_environment_visible(
    workspace: Workspace,
) -> None:
    stage = workspace_stage(with_own(workspace, ".", "libs/b"), "0.61.0")
    assert stage
    assert stage.copies == (
        *("container/pixi.lock", "container/pixi.toml", "container/run.py"),
        *("libs", "libs/b", "pyproject.toml", "src", "up.sh"),
    )


def test_a_conda_package_beside_the_workspace_is_there_for_the_first_install(
    folder: Folder, workspace: Workspace
) -> None:
    folder.write("channel/noarch/a-1-0.conda", "")
    own = OwnSource(name="a", kind="conda-file", path="channel/noarch/a-1-0.conda", reason="test")
    lines = instructions(rendered(replace(workspace, own_source=(own,))))
    assert 'COPY ["channel/noarch/a-1-0.conda", "/app/channel/noarch/a-1-0.conda"]' in lines


def test_a_uv_workspace_may_be_above(folder: Folder, inputs: Inputs) -> None:
    assert read_workspace(inputs).uv_workspaces == ()
    folder.write("pyproject.toml", '[tool.uv.workspace]\nmembers = ["libs/*"]\n')
    workspace = read_workspace(inputs)
    assert workspace.uv_workspaces == ("pyproject.toml",)
    stage = workspace_stage(with_own(workspace, "libs/b"), DEFAULT_PIXI)
    assert stage
    assert stage.mounts == ("libs/b", "pyproject.toml")


def test_files_that_activate_straight_from_the_lock(workspace: Workspace) -> None:
    activation = workspace_activation(workspace, "/app")
    assert activation.prefix == "/app/container/.pixi/envs/default"
    hook = hook_text(activation, {})
    assert ". /app/container/../up.sh\n" in hook
    entries = {entry.path: b"".join(entry.content).decode() for entry in activation_entries(activation, hook, ())}
    own = "container/.pixi"
    assert list(entries) == [
        f"{own}/activate.sh",
        f"{own}/hook.sh",
        f"{own}/task-cache-v0",
        "entrypoint.sh",
        "up.sh",
    ]
    assert ". /app/container/.pixi/activate.sh\n" in entries["entrypoint.sh"]
    shells = {entry.path: b"".join(entry.content).decode() for entry in shell_entries(None, activation)}
    assert shells["etc/bash.bashrc"] == ". /app/container/.pixi/activate.sh\n"
    assert "/app/container/.pixi/activate.sh" in shells["etc/profile.d/pixi-container.sh"]
    assert "app/container" in shells


def test_files_of_both_folders_count(folder: Folder, inputs: Inputs, workspace: Workspace) -> None:
    paths = relevant_paths(workspace, inputs, DEFAULT_PIXI)
    assert {
        *("container/pixi.toml", "container/pixi.lock", "container/.pixi/config.toml", "container/src"),
        *(".dockerignore", "src", "up.sh"),
    } <= set(paths)
    assert not {"pixi.toml", "pixi.lock"} & set(paths)
    before = read_image_files(workspace, inputs, DEFAULT_PIXI).digests
    for path, part in (
        ("container/pixi.lock", "manifest and lock"),
        ("src/main.py", "included files"),
        ("up.sh", "activation scripts"),
    ):
        (folder.path / path).write_text((folder.path / path).read_text() + "# changed\n")
        after = read_image_files(workspace, inputs, DEFAULT_PIXI).digests
        assert [name for name in after if after[name] != before[name]] == [part]
        before = after


@pytest.mark.parametrize(
    ("environment", "folder", "name"),
    [
        ("default", ".", "default"),
        ("a" * 90, ".", "a" * 80),
        ("default", "container", "container.default"),
        ("gpu", "services/a", "services.a.gpu"),
        ("gpu", ".devcontainer", r"\.devcontainer\.gpu\.[0-9a-f]{8}"),
        ("gpu", "services.a", r"services\.a\.gpu\.[0-9a-f]{8}"),
        ("gpu", "a" * 100, r"a{71}\.[0-9a-f]{8}"),
    ],
)
def test_the_name_of_an_environment_in_tags(environment: str, folder: str, name: str) -> None:
    made = environment_name(environment, folder)
    assert re.fullmatch(name, made)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", f"env-{made}-{'0' * 16}-paths")
