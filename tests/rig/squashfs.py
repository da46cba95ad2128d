"""The programs of squashfs-tools: the machine's own, or Debian's unpacked in the cache."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.rig import debian

PROGRAMS = ("sqfstar", "unsquashfs")
_PACKAGES = ("squashfs-tools", "liblzo2-2")
_SCRIPT = """#!/bin/sh
LD_LIBRARY_PATH={libraries} exec {program} "$@"
"""


def install(cache: Path, into: Path) -> Path:
    """A folder for PATH with the programs: that of the machine, or else `into` with a script for each."""
    own = [shutil.which(name) for name in PROGRAMS]
    if own[0] and all(own):
        return Path(own[0]).parent
    root = debian.unpacked(_PACKAGES, suite="bookworm", cache=cache)
    folders = sorted({str(library.parent) for library in root.rglob("liblzo2.so.*")})
    into.mkdir(parents=True, exist_ok=True)
    for name in PROGRAMS:
        script = into / name
        script.write_text(_SCRIPT.format(libraries=":".join(folders), program=root / "usr/bin" / name), "utf-8")
        script.chmod(0o755)
    return into
