"""What the build says of scripts that packages want to be run, as it stands in the Dockerfile."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from pixi_container.docker.engine import NOTE
from pixi_container.image.dockerfile import TEMPLATE

ROOT = Path(__file__).parents[3]


def noted(tmp_path: Path, *files: str, config: str = "") -> str:
    """Run the part of the step on an environment that has the files, and give what it notes."""
    found = re.search(
        r"^# Pixi runs scripts of packages.*?\n\n", (ROOT / TEMPLATE).read_text(), re.MULTILINE | re.DOTALL
    )
    assert found
    prefix = tmp_path / ".pixi/envs/default"
    for file in (".pixi/config.toml", *(f".pixi/envs/default/{name}" for name in files)):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(config)
    notes = tmp_path / "notes"
    script = found[0].replace("{{ prefix }}", str(prefix)).replace("{{ workdir }}", str(tmp_path))
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace("/split/notes", str(notes))],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        check=True,
    )
    return notes.read_text()


def test_packages_whose_post_link_scripts_pixi_leaves_out_are_named(tmp_path: Path) -> None:
    scripts = (
        "bin/.bioconductor-go.db-post-link.sh",
        "bin/.fonts-post-link.sh",
        "bin/.fonts-pre-unlink.sh",
        "bin/R",
    )
    note = noted(tmp_path, *scripts)
    assert "not run: the post-link scripts of bioconductor-go.db fonts. " in note
    assert "run-post-link-scripts insecure" in note
    assert NOTE.fullmatch(f"#23 0.575 {note.rstrip()}"), "it becomes a warning"


@pytest.mark.parametrize("files", [(), ("bin/R",), ("bin/.fonts-pre-unlink.sh",)])
def test_without_such_scripts_nothing_is_said(tmp_path: Path, files: tuple[str, ...]) -> None:
    assert noted(tmp_path, *files) == ""


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ('run-post-link-scripts = "insecure"\n', False),
        ("tls-no-verify = false\nrun-post-link-scripts='insecure'\n", False),
        ('run-post-link-scripts = "false"\n', True),
        ('# run-post-link-scripts = "insecure"\n', True),
    ],
)
def test_scripts_that_the_configuration_has_run_are_no_news(tmp_path: Path, config: str, *, says: bool) -> None:
    assert bool(noted(tmp_path, "bin/.fonts-post-link.sh", config=config)) == says
