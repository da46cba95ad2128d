"""The reader: what a workspace says, and one clear error for what keeps it from becoming an image."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pixi_container.errors import UserError
from pixi_container.inputs import Inputs
from pixi_container.paths import checked_path
from pixi_container.workspace.manifest import read_manifest
from pixi_container.workspace.workspace import Workspace, read_workspace

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.conftest import Folder

AMD64 = "linux/amd64"


def read(folder: Folder, platform: str = AMD64, **inputs: object) -> Workspace:
    return read_workspace(replace(Inputs(context=str(folder.path)), **inputs), platform)  # type: ignore[arg-type]


def refused(folder: Folder, platform: str = AMD64, **inputs: object) -> UserError:
    with pytest.raises(UserError) as caught:
        read(folder, platform, **inputs)
    return caught.value


def test_the_default_environment_is_read_for_the_platform_asked_for(folder: Folder) -> None:
    workspace = read(folder, "linux/arm64")
    assert workspace.environment == "default"
    assert workspace.platform.subdir == "linux-aarch64"
    assert workspace.platform.conda_packages == 1
    assert workspace.platform.download_size == 29_000_000
    assert workspace.all_platforms == ("linux-64", "linux-aarch64", "osx-arm64")
    assert workspace.include == ("src",)
    assert workspace.install_files == ("pixi.toml", "pixi.lock")
    assert workspace.activation_env == (("STUDY_MODE", "fast"),)
    assert workspace.cuda == ""


def test_cuda_comes_from_the_input_then_the_manifest_then_the_lock(folder: Folder) -> None:
    assert read(folder, environment="gpu", cuda_version="12.9").cuda == "12.9"
    assert read(folder, environment="gpu").cuda == "12"
    folder.replace("pixi.toml", '[feature.gpu.system-requirements]\ncuda = "12"\n', "")
    assert read(folder, environment="gpu").cuda == ""
    package = "- conda: https://conda.anaconda.org/conda-forge/noarch/cuda-version-12.9-h4_0.conda\n  sha256"
    folder.replace("pixi.lock", package, package.replace("  sha256", "  depends:\n  - __cuda >=12.4\n  sha256"))
    assert read(folder, environment="gpu").cuda == "12.4"
    folder.replace("pixi.lock", "__cuda >=12.4", "__cuda")
    assert read(folder, environment="gpu").cuda == "12.9"


def test_a_wrong_environment_is_named_with_those_that_exist(folder: Folder) -> None:
    error = refused(folder, environment="gpus")
    assert "did you mean 'gpu'?" in error.message
    assert "default, gpu" in error.hint


@pytest.mark.parametrize(
    ("lock", "message"),
    [
        (None, "there is no pixi.lock"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        ("version: 6\nenvironments: [\n", "the lock cannot be read"),
        ("<<<<<<< HEAD\nversion: 6\n", "the lock cannot be read"),
    ],
)
def test_an_unusable_lock_is_one_clear_error(folder: Folder, lock: str | None, message: str) -> None:
    if lock is None:
        (folder.path / "pixi.lock").unlink()
    else:
        folder.write("pixi.lock", lock)
    error = refused(folder)
    assert message in error.message
    assert error.hint


def test_an_environment_that_the_lock_lacks(folder: Folder) -> None:
    folder.replace("pixi.toml", 'gpu = ["gpu"]', 'gpu = ["gpu"]\nlater = []')
    assert (
        "the lock has no environment 'later'; it has default, gpu" in refused(folder, environment="later").message
    )


def test_a_platform_that_is_not_locked(folder: Folder) -> None:
    error = refused(folder, "linux/arm64", environment="gpu")
    assert "not locked for linux/arm64; it is locked for linux/amd64" in error.message
    assert "linux-aarch64" in error.hint


def test_a_package_from_the_workspace_itself_is_told(folder: Folder) -> None:
    folder.replace(
        "pixi.lock",
        "python-3.11.9-h1_0.conda\n      linux-aarch64",
        "python-3.11.9-h1_0.conda\n      - pypi: ./\n      linux-aarch64",
    )
    folder.replace(
        "pixi.lock", "packages:\n- conda", "packages:\n- pypi: ./\n  name: study\n  version: 1.2.0\n- conda"
    )
    workspace = read(folder)
    assert [(package.name, package.kind, package.path) for package in workspace.own_source] == [
        ("study", "pypi-path", ".")
    ]
    assert read(folder, "linux/arm64").own_source == ()


def test_broken_toml_names_file_and_line(folder: Folder) -> None:
    folder.write("pixi.toml", "[workspace]\nname = 'x'\nplatforms = [\n\n]]\n")
    error = refused(folder)
    assert error.file.endswith("pixi.toml")
    assert error.line == 5


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"pixi.toml": "[workspace]", "pyproject.toml": "[tool.pixi.workspace]\nname='p'"}, "pyproject.toml"),
        ({"pixi.toml": "[workspace]\nname='x'", "pyproject.toml": "[tool.pixi.workspace]\nname='p'"}, "pixi.toml"),
        ({"pyproject.toml": "[project]\nname='p'", "mojoproject.toml": "[project]\nname='m'"}, "mojoproject.toml"),
        (
            {"pixi.toml": "[package]\nname='x'", "pyproject.toml": "[tool.pixi.project]\nname='p'"},
            "pyproject.toml",
        ),
        ({"pixi.toml": "workspace = {\n  name = 'x',  # TOML 1.1\n}"}, "pixi.toml"),
    ],
)
def test_the_manifest_is_found_in_pixis_order(tmp_path: Path, files: dict[str, str], found: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert read_manifest(tmp_path).file == found


def test_no_workspace_at_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no Pixi workspace"):
        read_manifest(tmp_path)
    with pytest.raises(UserError, match="not a folder"):
        read_manifest(tmp_path / "absent")


def test_activation_follows_pixis_order_of_features(folder: Folder) -> None:
    folder.write(
        "pixi.toml",
        """
        [workspace]
        name = "study"
        platforms = ["linux-64"]
        [activation]
        scripts = ["last.sh"]
        env = { A = "default", B = "default", C = "default" }
        [feature.one.activation.env]
        B = "one"
        [feature.one.target.linux-64.activation]
        scripts = ["one.sh"]
        env = { C = "one on linux-64" }
        [environments]
        gpu = ["one"]
        bare = { features = ["one"], no-default-feature = true }
        """,
    )
    manifest = read_manifest(folder.path)
    linux = ("linux-64",)
    assert manifest.activation_env("gpu", linux) == {"A": "default", "B": "one", "C": "one on linux-64"}
    assert manifest.activation_env("bare", linux) == {"B": "one", "C": "one on linux-64"}
    assert manifest.activation_scripts("gpu", linux) == ("one.sh", "last.sh")


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("../other", "leads out of the context"),
        ("/etc/passwd", "leads out of the context"),
        (".", "is the whole context"),
        ("absent", "does not exist"),
        (".git", "is never copied"),
        ("src/*.py", "contains a character"),
        ("$HOME", "contains a character"),
        ("src\nRUN x", "contains a character"),
        ("escape", "symbolic link"),
    ],
)
def test_a_path_stays_in_the_context_and_is_literal(folder: Folder, path: str, problem: str) -> None:
    (folder.path / "escape").symlink_to("/etc")
    (folder.path / ".git").mkdir()
    with pytest.raises(UserError, match=problem):
        checked_path(folder.path, path, source="input 'include'")


def test_include_takes_files_and_folders_and_none(folder: Folder) -> None:
    folder.write("data/table 1.csv", "")
    assert read(folder, include=("./src/", "data/table 1.csv")).include == ("src", "data/table 1.csv")
    assert read(folder, include=()).include == ()
