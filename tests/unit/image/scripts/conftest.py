"""The scripts of the image, run in a folder that stands for the root of a builder, with a stand-in for pixi."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pixi_container.image import dockerfile
from pixi_container.image.base_images import DEFAULT_PIXI

SCRIPTS = Path(dockerfile.__file__).parent / "scripts"
EARLIEST = 315532800

PIXI = """\
#!/bin/bash
# A stand-in for pixi: it answers as the files beside it say, and notes its arguments and variables.
here=${BASH_SOURCE[0]%/*}
if [ "$1" = --version ]; then cat "$here/version"; exit; fi
echo "$*" >> "$here/arguments"
env -0 > "$here/environment"
case $1 in
  shell-hook) cat "$here/hook" ;;
  install) cat "$here/output"; exit "$(cat "$here/code")" ;;
esac
"""


def write(file: Path, text: str = "", mode: int = 0o644, seconds: int | None = None) -> Path:
    """Write a file, with a time if one is given, and the folders above it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)
    if seconds is not None:
        os.utime(file, (seconds, seconds))
    return file


def shellcheck(*arguments: str) -> str:
    """Return what shellcheck has to say."""
    argv = [str(Path(sys.executable).with_name("shellcheck")), "--format=gcc", *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@dataclass
class Pixi:
    """The stand-in in a folder."""

    folder: Path

    def __post_init__(self) -> None:
        write(self.folder / "pixi", PIXI, 0o755)
        self.answer()

    def answer(self, version: str = DEFAULT_PIXI, hook: str = "", output: str = "", code: int = 0) -> None:
        """Set what it says of itself, the activation and an install."""
        answers = {"version": f"pixi {version}\n", "hook": hook, "output": output, "code": str(code)}
        for name, text in answers.items():
            write(self.folder / name, text)

    @property
    def calls(self) -> list[str]:
        """The arguments of each call but for ``--version``."""
        file = self.folder / "arguments"
        return file.read_text().splitlines() if file.exists() else []

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the last call, without those that bash sets by itself."""
        entries = (self.folder / "environment").read_text().split("\0")
        variables = dict(entry.split("=", 1) for entry in entries if entry)
        return {name: value for name, value in variables.items() if name not in {"PWD", "SHLVL", "_", "OLDPWD"}}


@dataclass
class Builder:
    """A folder with the scripts, pixi, and a workspace whose environment is ``default``."""

    root: Path
    pixi: Pixi = field(init=False)

    def __post_init__(self) -> None:
        shutil.copytree(SCRIPTS, self.scripts)
        self.pixi = Pixi(self.root / "usr/local/bin")
        (self.prefix / "conda-meta").mkdir(parents=True)
        (self.root / "tmp").mkdir()

    @property
    def scripts(self) -> Path:
        """The folder of the scripts and of what they note."""
        return self.root / "pixi-container"

    @property
    def workdir(self) -> Path:
        """The workspace's folder."""
        return self.root / "app"

    @property
    def prefix(self) -> Path:
        """The environment's folder."""
        return self.workdir / ".pixi/envs/default"

    @property
    def path(self) -> str:
        """A value for PATH that has pixi."""
        return f"{self.pixi.folder}:/usr/bin:/bin"

    def run(self, script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a script by its shell in the workspace's folder."""
        shell = "sh" if (self.scripts / script).read_text().startswith("#!/bin/sh") else "bash"
        argv = [shell, str(self.scripts / script), *arguments]
        return self.shell(*argv, **variables)

    def shell(self, *argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the workspace's folder, with these variables and few others."""
        env: Mapping[str, str] = {
            "PATH": self.path,
            "TMPDIR": str(self.root / "tmp"),
            "HOME": "/root",
            **variables,
        }
        return subprocess.run(argv, cwd=self.workdir, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(tmp_path / "root")
