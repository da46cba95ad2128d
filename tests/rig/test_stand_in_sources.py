"""The stand-in pixi with packages from Git and source distributions; with PIXI_CONTAINER_PIXI, pixi itself."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.forge import Forge, serving_forge
from tests.rig import solve
from tests.rig.base import rootfs
from tests.rig.folders import Folders
from tests.rig.test_stand_in_pixi import GIVEN, Workspace, locked, package_cache, workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["locked", "package_cache", "workspace"]

PROJECT = """\
[project]
name = "{name}"
version = "1.0"

[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
"""


def files(name: str) -> dict[str, str]:
    """Return a package's files."""
    return {"pyproject.toml": PROJECT.format(name=name), f"{name}.py": "ANSWER = 42\n"}


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    folder = tmp_path / "forge"
    folder.mkdir()
    with serving_forge("127.0.0.1", folder) as made:
        yield made


def test_source_from_elsewhere_is_skipped_and_then_added(
    workspace: Workspace, channel: str, forge: Forge, tmp_path: Path
) -> None:
    rev = forge.commit("tool", files("tool"))
    with tarfile.open(forge.folder / "made-1.0.tar.gz", "w:gz") as tar:
        for name, text in files("made").items():
            (tmp_path / name).write_text(text, encoding="utf-8")
            tar.add(tmp_path / name, f"made-1.0/{name}")
    tool = f'tool = {{ git = "{forge.url("tool/.git")}", rev = "{rev}" }}'
    made = f'made = {{ url = "{forge.url("made-1.0.tar.gz")}" }}'
    workspace.replace("[feature.gpu]", f"[pypi-dependencies]\n{tool}\n{made}\n\n[feature.gpu]")
    solve.lock(workspace.manifest, channel=channel)
    workspace.environment["PIXI_STAND_IN_BACKENDS"] = str(
        rootfs.backends(Folders.from_environment(os.environ).cache)
    )
    packages = workspace.prefix / "lib/python3.11/site-packages"
    workspace.pixi("install", "--frozen", "--skip", "tool", "--skip", "made")
    assert not list(packages.glob("tool*")) + list(packages.glob("made*"))
    records = {path.name: path.stat().st_mtime_ns for path in (workspace.prefix / "conda-meta").glob("*.json")}
    without_git = workspace.pixi("install", "--locked", code=1, PATH=str(tmp_path))
    assert "Git executable not found" in " ".join(without_git.stderr.split())
    workspace.pixi("install", "--locked")
    described = json.loads((packages / "tool-1.0.dist-info/direct_url.json").read_text(encoding="utf-8"))
    assert described["vcs_info"]["commit_id"] == rev
    assert (packages / "made.py").exists()
    after = {path.name: path.stat().st_mtime_ns for path in (workspace.prefix / "conda-meta").glob("*.json")}
    assert after == records
    # What is there at its commit is not fetched again.
    shutil.rmtree(forge.folder)
    if not GIVEN:
        workspace.pixi("install", "--locked", PATH=str(tmp_path))
