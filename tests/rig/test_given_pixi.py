"""The pixi that PIXI_CONTAINER_PIXI names, in the place of the stand-in."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.rig import base
from tests.rig.base import rootfs
from tests.rig.errors import RigError
from tests.rig.folders import Folders

REPOSITORY = Path(__file__).parents[2]


def program(folder: Path, said: str = "pixi 9.9.9") -> Path:
    """A program that says no more than its name and version."""
    path = folder / "a pixi"
    path.write_text(f"#!/bin/sh\necho '{said}'\n", encoding="ascii")
    path.chmod(0o700)
    return path


def test_nothing_is_given_without_the_variable() -> None:
    assert base.given({}) is None
    assert base.given({"PIXI_CONTAINER_PIXI": ""}) is None


def test_the_version_is_what_the_program_says(tmp_path: Path) -> None:
    pixi = base.given({"PIXI_CONTAINER_PIXI": str(program(tmp_path))})
    assert pixi
    assert pixi.version == "9.9.9"
    assert str(pixi) == f"pixi 9.9.9 at {tmp_path}/a pixi"


@pytest.mark.parametrize(
    ("said", "message"),
    [("pixie 9.9.9", "says 'pixie 9.9.9'"), ("pixi", "says 'pixi'"), (None, "runs here: .*No such file")],
)
def test_what_is_no_pixi_is_refused(tmp_path: Path, said: str | None, message: str) -> None:
    path = program(tmp_path, said) if said else tmp_path / "absent"
    with pytest.raises(RigError, match=message):
        base.given({"PIXI_CONTAINER_PIXI": str(path)})


def test_each_program_has_a_layer_of_its_own_that_is_executable_by_all(tmp_path: Path) -> None:
    cache = Folders(state=tmp_path / "state", cache=tmp_path / "cache").cache
    path = program(tmp_path)
    for text in (path.read_text(), path.read_text() + "# another build of the same version\n"):
        path.write_text(text)
        pixi = base.given({"PIXI_CONTAINER_PIXI": str(path)})
        assert pixi
        with tarfile.open(rootfs.pixi(cache, pixi, print).path) as tar:
            files = [member for member in tar if member.isfile()]
            assert [(file.name, file.mode, file.uid) for file in files] == [("usr/local/bin/pixi", 0o555, 0)]
            packed = tar.extractfile(files[0])
            assert packed
            assert packed.read().decode() == text


def test_the_header_of_pytest_says_which_pixi_it_is(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider", __file__]
    for path, code, line in (
        (program(tmp_path), 0, f"pixi in the builder image: pixi 9.9.9 at {tmp_path}/a pixi"),
        ("/bin/true", 4, "PIXI_CONTAINER_PIXI has to name a pixi, and /bin/true --version says"),
    ):
        env = {**os.environ, "PIXI_CONTAINER_PIXI": str(path), "PIXI_CONTAINER_RIG_STATE": str(tmp_path / "none")}
        done = subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == code
        assert line in done.stdout + done.stderr
