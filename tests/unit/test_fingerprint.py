"""The environment's fingerprint: what changes it, and what must not."""

from __future__ import annotations

import pytest

from pixi_container.base_images import choose_base_images
from pixi_container.dockerfile import ImageSettings, render_dockerfile
from pixi_container.fingerprint import environment_fingerprint
from pixi_container.inputs import parse_inputs
from pixi_container.workspace import read_workspace
from tests.unit.conftest import Folder


def fingerprint(folder: Folder, platform: str = "linux/amd64", **texts: str) -> str:
    inputs = parse_inputs(
        {"context": str(folder.path), **{key.replace("_", "-"): text for key, text in texts.items()}}
    )
    workspace = read_workspace(inputs, platform)
    bases = choose_base_images(inputs, workspace)
    settings = ImageSettings(workdir=inputs.workdir, expose=inputs.expose, command=inputs.command)


XX


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("src/main.py", "hello", "goodbye"),
        ("pixi.toml", 'version = "1.2.0"', 'version = "1.3.0"'),
        ("pixi.toml", "[dependencies]", '[tasks]\nrun = "python src/main.py"\n\n[dependencies]'),
        ("pixi.toml", "[dependencies]", "# a comment\n[dependencies]"),
        ("pixi.toml", "[environments]", '[feature.gpu.tasks]\nrun = "true"\n\n[environments]'),
        ("pixi.lock", "python-3.11.9-h3_0", "python-3.11.9-h9_0"),
        ("pixi.lock", "cuda-version-12.9-h4_0", "cuda-version-12.9-h9_0"),
    ],
)  # fmt: skip
def test_what_leaves_the_environment_alone(folder: Folder, file: str, old: str, new: str) -> None:
    before = fingerprint(folder)
    folder.replace(file, old, new)
    assert fingerprint(folder) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (
            "pixi.lock",
            "sha256: 0000000000000000000000000000000000000000000000000000000000000001",
            "sha256: " + "a" * 64,
        ),
        ("pixi.lock", "python-3.11.9-h1_0", "python-3.11.9-h9_0"),
        ("pixi.toml", 'python = "3.11.*"', 'python = ">=3.11"'),
        ("pixi.toml", 'STUDY_MODE = "fast"', 'STUDY_MODE = "slow"'),
        ("pixi.toml", 'name = "study"', 'name = "other"'),
        ("pixi.toml", 'channels = ["conda-forge"]', 'channels = ["bioconda", "conda-forge"]'),
    ],
)
def test_what_changes_the_environment(folder: Folder, file: str, old: str, new: str) -> None:
    before = fingerprint(folder)
    folder.replace(file, old, new)
    assert fingerprint(folder) != before


def test_each_choice_of_the_user_counts_that_the_environment_depends_on(folder: Folder) -> None:
    base = fingerprint(folder)
    others = [
        fingerprint(folder, environment="gpu"),
        fingerprint(folder, "linux/arm64"),
        fingerprint(folder, workdir="/opt/work"),
        fingerprint(folder, pixi_version="0.77.0"),
        fingerprint(folder, runtime_image="debian:bookworm-slim"),
    ]
    assert len({base, *others}) == 6
    assert fingerprint(folder, expose="8000", command="python", include="none") == base


def test_the_text_of_an_activation_script_counts(folder: Folder) -> None:
    folder.replace("pixi.toml", "[activation.env]", '[activation]\nscripts = ["env.sh"]\n\n[activation.env]')
    folder.write("env.sh", "export A=1\n")
    before = fingerprint(folder)
    folder.write("env.sh", "export A=2\n")
    assert fingerprint(folder) != before
