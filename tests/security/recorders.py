"""Stand-ins on the PATH that write down what a child process gets, and then are the real program, or fail."""

from __future__ import annotations

import base64
import json
import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

SECRETS = {
    "password": "marker-password-9f2c",
    "registry-auth": "registry=other.example,username=me,password=marker-registry-77aa",
    "conda-auth": json.dumps({"*.example": {"BearerToken": "marker-conda-auth-51d0"}}, indent=2),
    "git-auth": "https://me:marker-git-auth-e07b@git.example",
    "github-token": "marker-github-token-c3e8",
}
BUILD_SECRETS = {
    "dockerfile": "Dockerfile",
    "secrets": 'token=marker-build-secret-4e6b\n"key=first line\nmarker-build-key-a90f\nlast line"',
}
"""The secrets of a build of one's own Dockerfile, which has no effect without one."""
MARKERS = (
    "marker-build-secret-4e6b",
    "marker-build-key-a90f",
    "marker-secret-file-d13c",
    "marker-password-9f2c",
    "marker-registry-77aa",
    "marker-conda-auth-51d0",
    "marker-git-auth-e07b",
    "marker-github-token-c3e8",
    "marker-of-the-job-0b1d",
)

_RECORDER = """\
import json, os, sys
record = {{"argv": [{name!r}, *sys.argv[1:]], "env": dict(os.environ), "cwd": os.getcwd()}}
with open({records!r}, "a") as file:
    file.write(json.dumps(record) + "\\n")
if {real!r}:
    os.execv({real!r}, [{real!r}, *sys.argv[1:]])
sys.exit("there is no {name}")
"""


@dataclass(frozen=True)
class Call:
    """One start of a program."""

    argv: list[str]
    env: dict[str, str]
    cwd: str


@dataclass(frozen=True)
class Recorders:
    """A folder for the PATH, and the file of what was recorded."""

    folder: Path
    records: Path

    def calls(self) -> list[Call]:
        """Return every start so far."""
        lines = self.records.read_text().splitlines() if self.records.exists() else []
        return [Call(**json.loads(line)) for line in lines]

    @property
    def path(self) -> str:
        """The PATH with the recorders first."""
        return f"{self.folder}{os.pathsep}{os.environ['PATH']}"


def recorders(folder: Path, *, real: tuple[str, ...] = ()) -> Recorders:
    """Make recorders of docker and git; those in `real` go on as the real program."""
    made = Recorders(folder / "bin", folder / "records")
    made.folder.mkdir(parents=True)
    for name in ("docker", "git"):
        target = shutil.which(name) if name in real else ""
        script = folder / f"{name}.py"
        script.write_text(_RECORDER.format(name=name, records=str(made.records), real=target or ""))
        program = made.folder / name
        program.write_text(
            f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -I -S {shlex.quote(str(script))} "$@"\n'
        )
        program.chmod(0o755)
    return made


def markers_in(text: str) -> list[str]:
    """Return the markers that the text has, plainly or in base64 at any offset."""
    return [marker for marker in MARKERS if marker in text or any(form in text for form in _base64(marker))]


def _base64(marker: str) -> list[str]:
    """The parts of a marker's base64 that do not depend on what stands before and after it."""
    forms = []
    for offset in range(3):
        encoded = base64.b64encode(b"x" * offset + marker.encode()).decode().rstrip("=")
        forms.append(encoded[4 if offset else 0 : -4])
    return forms
