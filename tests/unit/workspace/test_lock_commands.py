"""The commands that repair a lock, from the folder where the program was started."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixi_container.errors import UserError
from pixi_container.inputs import parse_inputs
from pixi_container.workspace.lock_commands import add_platform_commands, lock_command
from pixi_container.workspace.manifest import manifest_from
from pixi_container.workspace.toml_table import parse_toml
from pixi_container.workspace.workspace import read_workspace
from tests.unit.conftest import Folder

ADD = "pixi workspace platform add --no-install"
MANIFEST = """\
[workspace]
channels = []
platforms = ["osx-arm64", { name = "gpu-64", platform = "linux-64", cuda = "12" }]
[feature.mac]
platforms = ["osx-arm64"]
[feature.any]
[environments]
mac = ["mac", "any"]
"""


@pytest.mark.parametrize(
    ("folder", "command"),
    [
        (".", "pixi lock"),
        ("container", "pixi lock --manifest-path container"),
        ("a b", "pixi lock --manifest-path 'a b'"),
        ("$(x)", "pixi lock --manifest-path '$(x)'"),
    ],
)
def test_the_command_names_the_workspace_unless_it_is_here(folder: str, command: str) -> None:
    assert lock_command(Path(folder)) == command


@pytest.mark.parametrize(
    ("environment", "platform", "commands"),
    [
        ("default", "linux-64", []),
        ("default", "linux-aarch64", [f"{ADD} linux-aarch64"]),
        ("mac", "linux-64", [f"{ADD} --feature mac linux-64"]),
        ("mac", "linux-aarch64", [f"{ADD} linux-aarch64", f"{ADD} --feature mac linux-aarch64"]),
    ],
)
def test_a_platform_is_added_where_it_is_missing(environment: str, platform: str, commands: list[str]) -> None:
    manifest = manifest_from("pixi.toml", parse_toml(MANIFEST, "pixi.toml"))
    assert add_platform_commands(Path(), manifest, manifest.environment(environment), platform) == commands


def error_of(folder: Folder, environment: str = "default", platform: str = "linux/arm64") -> UserError:
    with pytest.raises(UserError) as caught:
        read_workspace(parse_inputs({"context": str(folder.path), "environment": environment}), platform)
    return caught.value


def test_a_missing_lock_and_one_without_the_environment_have_the_command(folder: Folder) -> None:
    command = f"`pixi lock --manifest-path '{folder.path}'`"
    folder.replace("pixi.lock", "  gpu:\n", "  gpu2:\n")
    assert error_of(folder, "gpu").hint == f"Run {command} and commit pixi.lock."
    (folder.path / "pixi.lock").unlink()
    assert error_of(folder).hint == f"Run {command} and commit pixi.lock: an image has what it locks."


def test_a_platform_that_is_not_locked_has_the_command_that_adds_it(folder: Folder) -> None:
    assert error_of(folder, "gpu").hint == (
        f"Its platforms in the manifest: linux-64-cuda-12. Run `{ADD} --manifest-path '{folder.path}' "
        "--feature gpu linux-aarch64`, and commit the manifest and pixi.lock."
    )


def test_a_platform_of_the_manifest_that_is_not_locked_has_the_command_that_locks_it(folder: Folder) -> None:
    folder.replace("pixi.lock", "      linux-aarch64:\n", "      linux-ppc64le:\n")
    folder.replace("pixi.toml", '"linux-aarch64", ', '"linux-aarch64", "linux-ppc64le", ')
    hint = error_of(folder).hint
    assert f"run `pixi lock --manifest-path '{folder.path}'` and commit pixi.lock." in hint
