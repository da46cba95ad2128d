"""Whether an environment without own packages is installed with `--locked`, whatever other environments have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pixi_container.image.lock_check import LockCheck, lock_check_with_source, lock_check_without_source
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


@pytest.mark.parametrize(
    ("places", "written", "check"),
    [
        *(
            ([("packages/a", "pypi-folder")], [f"packages/a/{name}"], LockCheck(files=(f"packages/a/{name}",)))
            for name in ("pyproject.toml", "setup.py", "setup.cfg")
        ),
        ([("packages/a", "pypi-folder")], ["packages/a/README.md"], LockCheck(folders=("packages/a",))),
        ([("packages/here", "pypi-folder")], ["packages/here/setup.py"], LockCheck()),
        ([("wheels/a.whl", "pypi-file")], ["wheels/a.whl"], LockCheck(files=("wheels/a.whl",))),
        ([("wheels/a.whl", "pypi-file")], [], None),
        ([("wheels/a.conda", "conda-file")], [], LockCheck()),
        ([("recipes/a", "conda-source")], ["recipes/a/recipe.yaml"], None),
    ],
)
def test_a_build_with_sources_adds_what_the_check_looks_at(
    folder: Folder, places: list[tuple[str, str]], written: list[str], check: LockCheck | None
) -> None:
    for name in written:
        folder.write(name, "")
    workspace = read_workspace(Inputs(context=str(folder.path)), "linux/amd64")
    workspace = replace(workspace, source_places=tuple(SourcePlace(path, kind) for path, kind in places))
    assert lock_check_with_source({"packages/here"}, workspace) == check
