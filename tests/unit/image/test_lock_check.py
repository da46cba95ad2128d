"""Whether an environment without own packages is installed with `--locked`, whatever other environments have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pixi_container.image.lock_check import lock_check_without_source
from pixi_container.inputs import Inputs
from pixi_container.workspace.local_packages import SourcePlace
from pixi_container.workspace.workspace import read_workspace

if TYPE_CHECKING:
    from tests.unit.conftest import Folder


@pytest.mark.parametrize(
    ("places", "pixi", "folders"),
    [
        ([], "0.41.4", ()),
        ([("packages/tools", "pypi-folder"), ("wheels/tool.conda", "conda-file")], "0.77.0", ("packages/tools",)),
        ([("packages/tools", "pypi-folder")], "0.68.0", ("packages/tools",)),
        ([("packages/tools", "pypi-folder")], "0.67.2", None),
        ([(".", "pypi-folder"), ("scripts", "pypi-folder")], "0.77.0", ()),
        ([("../tools", "pypi-folder")], "0.77.0", None),
        ([("my packages/tools", "pypi-folder")], "0.77.0", None),
        ([("wheels/tool-1.0-py3-none-any.whl", "pypi-file")], "0.77.0", None),
        ([("recipes/tool", "conda-source")], "0.77.0", None),
        ([("git+https://example.org/tool", "conda-git")], "0.77.0", None),
    ],
)
def test_pixi_checks_the_lock_where_empty_folders_suffice(
    folder: Folder, places: list[tuple[str, str]], pixi: str, folders: tuple[str, ...] | None
) -> None:
    workspace = read_workspace(Inputs(context=str(folder.path)), "linux/amd64")
    workspace = replace(workspace, activation_scripts=("scripts/activate.sh",))
    check = lock_check_without_source(
        replace(workspace, source_places=tuple(SourcePlace(path, kind) for path, kind in places)), pixi
    )
    assert (check.folders if check else None) == folders


@pytest.mark.parametrize(
    "table", ["[dev]", "[feature.gpu.dev]", "[target.linux.dev]", "[feature.gpu.target.linux-64.dev]"]
)
def test_pixi_does_not_check_the_lock_of_packages_in_development(folder: Folder, table: str) -> None:
    manifest = (folder.path / "pixi.toml").read_text()
    folder.write("pixi.toml", f'{manifest}\n{table}\ntool = {{ path = "recipes/tool" }}\n')
    workspace = read_workspace(Inputs(context=str(folder.path)), "linux/amd64")
    assert lock_check_without_source(workspace, "0.77.0") is None
