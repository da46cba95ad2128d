"""Locks of the rig: what pixi itself writes for the same workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.test_layers import WHEELS
from tests.rig import solve
from tests.rig.errors import RigError

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """\
[workspace]
channels = ["conda-forge"]
platforms = ["linux-64"]

[dependencies]
python = "3.11.*"
numpy = "*"

[feature.own.pypi-dependencies]
study = { path = "." }
tools = { path = "packages/tools", editable = true }

[environments]
own = ["own"]
"""
STUDY = """\
[project]
name = "study"
version = "1.0"
requires-python = "<4,>=3.10"
dependencies = ["Numpy <3,>=1", "core"]

[project.optional-dependencies]
plot = ["matplotlib>=3", "tqdm; python_version < '3.12'"]

[tool.uv.sources]
core = { path = "packages/core" }
"""
TOOLS = """\
[project]
name = "tools"
version = "1.0"
dependencies = ["core"]

[tool.uv.sources]
core = { path = "../core", editable = true }
"""
OWN = """\
- pypi: .
  name: study
  requires_dist:
  - numpy>=1,<3
  - core @ ./packages/core
  - matplotlib>=3 ; extra == 'plot'
  - tqdm ; python_full_version < '3.12' and extra == 'plot'
  requires_python: '>=3.10,<4'
- pypi: ./packages/core
  name: core
- pypi: ./packages/tools
  name: tools
  requires_dist:
  - core @ ./packages/core
"""


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder / "pixi.toml"


def locked(manifest: Path, channel: str) -> str:
    solve.lock(manifest, channel=channel)
    return (manifest.parent / "pixi.lock").read_text(encoding="utf-8")


def test_own_packages_and_those_that_they_name_by_path(channel: str, tmp_path: Path) -> None:
    files = {"pixi.toml": MANIFEST, "pyproject.toml": STUDY, "packages/tools/pyproject.toml": TOOLS}
    text = locked(write(tmp_path, files), channel)
    assert text[text.index("- pypi: .\n  name") :] == OWN
    default, own = text.partition("packages:\n- ")[0].split("  own:\n")
    assert "indexes" not in default
    assert "/\n    indexes:\n    - https://pypi.org/simple\n    packages:\n" in own
    assert own.count("- pypi: ") == 3


def test_a_wheel_by_its_url_has_what_its_metadata_says(channel: str, tmp_path: Path) -> None:
    wheel = next(name for name in WHEELS if name.startswith("pygments"))
    url = f"https://conda.anaconda.org/conda-forge/wheels/{wheel}"
    own = MANIFEST.replace('study = { path = "." }', f'pygments = {{ url = "{url}" }}')
    text = locked(write(tmp_path, {"pixi.toml": own.replace("tools =", "core =")}), channel)
    version = wheel.split("-")[1]
    entry = f"- pypi: direct+{url}\n  name: pygments\n  version: {version}\n  requires_dist:\n"
    assert f"{entry}  - colorama>=0.4.6 ; extra == 'windows-terminal'\n  requires_python: '>=3." in text
    assert f"      - pypi: direct+{url}\n" in text


def test_what_would_come_from_pypi_is_refused(channel: str, tmp_path: Path) -> None:
    files = {"pixi.toml": MANIFEST, "pyproject.toml": STUDY.replace('"core"]', '"core", "requests"]')}
    with pytest.raises(RigError, match="study needs requests, which comes from PyPI"):
        locked(write(tmp_path, files), channel)
