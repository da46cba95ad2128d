"""Which pixi the builder image has: the program that PIXI_CONTAINER_PIXI names, or the stand-in."""

from __future__ import annotations

import hashlib
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.rig.base.stand_in import VERSION
from tests.rig.errors import RigError

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "PIXI_CONTAINER_PIXI"
_SAYS_SECONDS = 20


@dataclass(frozen=True)
class Pixi:
    """A version of pixi and its program; `program` is None for the stand-in, as is `sha256`."""

    version: str
    program: Path | None = None
    sha256: str | None = None

    def __str__(self) -> str:
        """`pixi 0.77.0 at /opt/pixi`, or that it is the stand-in."""
        return f"pixi {self.version} at {self.program}" if self.program else f"stand-in for pixi {self.version}"


STAND_IN = Pixi(VERSION)


def given(environ: Mapping[str, str]) -> Pixi | None:
    """The program that the variable names, by what it says of itself; None where the variable is empty.

    Raises RigError for one that does not run or does not name its version as pixi does.
    """
    if not environ.get(VARIABLE):
        return None
    program = Path(environ[VARIABLE]).absolute()
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=True, timeout=_SAYS_SECONDS
        )
        content = program.read_bytes()
    except (OSError, subprocess.SubprocessError) as error:
        msg = f"{VARIABLE} has to name a pixi that runs here: {error}"
        raise RigError(msg) from error
    said = re.fullmatch(r"pixi (\d+\.\d+\.\d+)", done.stdout.strip())
    if not said:
        msg = f"{VARIABLE} has to name a pixi, and {program} --version says {done.stdout.strip()!r}"
        raise RigError(msg)
    return Pixi(said[1], program, hashlib.sha256(content).hexdigest())
