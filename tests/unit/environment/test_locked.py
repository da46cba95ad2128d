"""What of a lock is installed from archives, and what pixi would note of it."""

from __future__ import annotations

from pixi_container.environment.locked import installation, locked_environment
from pixi_container.environment.prefix_files import FILTERED
from pixi_container.inputs import parse_inputs
from pixi_container.workspace.lock import read_lock
from pixi_container.workspace.workspace import Workspace, read_workspace
from tests.unit.conftest import Folder

WHEEL = "https://files.pythonhosted.org/packages/six-1.0-py3-none-any.whl"
SOURCE = "https://files.pythonhosted.org/packages/own-1.0.tar.gz"


def read(folder: Folder, environment: str = "default") -> Workspace:
    return read_workspace(parse_inputs({"context": str(folder.path), "environment": environment}))


def with_pypi(folder: Folder, *places: str) -> None:
    listed = "".join(f"      - pypi: {place}\n" for place in places)
    package = "- pypi: {place}\n  name: {name}\n  version: '1.0'\n  sha256: {digest}\n"
    python = "python-3.11.9-h1_0.conda\n"
    folder.replace("pixi.lock", f"{python}      linux-aarch64", f"{python}{listed}      linux-aarch64")
    text = (folder.path / "pixi.lock").read_text()
    for place in places:
        name = place.rpartition("/")[2].partition("-")[0]
        text += package.format(place=place, name=name, digest="ab" * 32)
    folder.write("pixi.lock", text)


def test_conda_packages_come_with_dependencies_first(folder: Folder) -> None:
    lock = folder.path / "pixi.lock"
    text = lock.read_text().replace("size: 20000", "depends:\n  - python\n  size: 20000")
    lock.write_text(text)
    locked = locked_environment(read_lock(folder.path), read(folder, "gpu"))
    assert list(locked.records) == ["python", "cuda-version"]
    assert [package.name for package in locked.packages] == ["cuda-version", "python"]
    assert locked.others == ()
    assert locked.records["python"].path == "conda-meta/python-3.11.9-h1_0.json"
    assert locked.lock_hash not in {"", FILTERED}


def test_wheels_belong_to_it(folder: Folder) -> None:
    with_pypi(folder, WHEEL)
    locked = locked_environment(read_lock(folder.path), read(folder))
    assert [package.name for package in locked.packages] == ["python", "six"]
    assert list(locked.records) == ["python"]
    assert locked.others == ()


def test_what_has_to_be_built_is_left_out_and_pixi_will_see_that(folder: Folder) -> None:
    with_pypi(folder, WHEEL, SOURCE)
    workspace = read(folder)
    locked = locked_environment(read_lock(folder.path), workspace)
    assert [package.name for package in locked.packages] == ["python", "six"]
    assert [package.name for package in locked.others] == ["own"]
    noted = installation(locked, workspace, "/app", "0.77.0")
    assert noted.lock_hash == FILTERED
    assert (noted.manifest, noted.environment, noted.subdir) == ("/app/pixi.toml", "default", "linux-64")
    assert noted.requirements == ("__glibc >=2.17,<3.0.a0",)
