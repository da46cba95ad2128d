"""Which environments can be in one image, and what it requires of a machine."""

from __future__ import annotations

import pytest

from pixi_container.errors import UserError
from pixi_container.inputs import parse_inputs
from pixi_container.workspace.workspace import Workspace, read_workspace
from tests.unit.conftest import Folder


def read(folder: Folder, environment: str, **given: str) -> Workspace:
    return read_workspace(parse_inputs({"context": str(folder.path), "environment": environment, **given}))


def test_it_is_the_first_one_with_the_others(folder: Folder) -> None:
    both = read(folder, "default gpu")
    assert both.environment_names == ("default", "gpu")
    assert [each.environment for each in both.more] == ["gpu"]
    assert read(folder, "default").more == ()


@pytest.mark.parametrize("names", ["default gpu", "gpu default"])
def test_the_cuda_version_is_that_of_the_one_that_has_one(folder: Folder, names: str) -> None:
    both = read(folder, names)
    assert (both.cuda, both.cuda_source) == ("12", read(folder, "gpu").cuda_source)
    assert [each.cuda for each in both.more] == ["12" if both.more[0].environment == "gpu" else ""]
    assert both.glibc == "2.17"


def newer(folder: Folder) -> None:
    """Add an environment for a newer CUDA."""
    folder.replace(
        "pixi.toml", "[environments]", '[feature.new.system-requirements]\ncuda = "13"\n\n[environments]'
    )
    folder.replace("pixi.toml", 'gpu = ["gpu"]', 'gpu = ["gpu"]\nnew = ["new"]')
    text = (folder.path / "pixi.lock").read_text()
    start, end = text.index("  gpu:\n"), text.index("packages:\n- conda")
    folder.write("pixi.lock", text[:end] + text[start:end].replace("  gpu:\n", "  new:\n") + text[end:])


def test_the_first_ones_cuda_version_counts_unless_another_needs_more(folder: Folder) -> None:
    newer(folder)
    both = read(folder, "new gpu")
    assert (both.cuda, both.more[0].cuda) == ("13", "13")
    with pytest.raises(
        UserError, match="'new' is for CUDA 13 or newer, and 'gpu', the first of the image, for 12"
    ):
        read(folder, "gpu new")
    assert read(folder, "gpu new", **{"cuda-version": "13.1"}).cuda == "13.1"


def test_each_has_to_be_there_and_locked(folder: Folder) -> None:
    with pytest.raises(UserError, match="there is no environment 'gpus'"):
        read(folder, "default gpus")
    inputs = parse_inputs({"context": str(folder.path), "environment": "default gpu"})
    with pytest.raises(UserError, match="'gpu' is not locked for linux/arm64"):
        read_workspace(inputs, "linux/arm64")


def test_packages_from_source_may_only_be_in_the_first(folder: Folder) -> None:
    folder.write("own/pyproject.toml", '[project]\nname = "own"\nversion = "1"\n')
    package = "      - conda: https://conda.anaconda.org/conda-forge/noarch/cuda-version-12.9-h4_0.conda\n"
    folder.replace("pixi.lock", package, f"{package}      - pypi: ./own\n")
    folder.write(
        "pixi.lock", (folder.path / "pixi.lock").read_text() + "- pypi: ./own\n  name: own\n  version: '1'\n"
    )
    assert read(folder, "gpu default").environment == "gpu"
    with pytest.raises(UserError, match="'gpu' has packages that are built from source: own") as caught:
        read(folder, "default gpu")
    assert "Name it first in 'environment'" in caught.value.hint
