"""A conda channel of made-up packages, for environments as large as those with CUDA are."""

from __future__ import annotations

import asyncio
import hashlib
import random
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rattler.index import index_fs

from tests.rig import conda_archive
from tests.rig.conda_archive import Package

BUMPED = 64
"""So many of the last packages have a version 1.1 beside 1.0."""

_TEXT = b"def function(argument):\n    return [value for value in argument if value is not None]\n\n"
_LARGE_BYTES = 1_000_000


@dataclass(frozen=True)
class Shape:
    """How large an environment is to be: packages, files and megabytes as installed.

    A tenth of the packages are large libraries, which have half of the bytes in few files; the others are of many
    small files. As in real ones, half of a large file and nothing of a small one looks random.
    """

    packages: int
    files: int
    megabytes: int

    @property
    def large(self) -> int:
        """How many packages are large libraries."""
        return max(1, self.packages // 10)

    def names(self) -> list[str]:
        """The packages' names, the large ones first."""
        return [f"{'large' if number < self.large else 'small'}-{number:03}" for number in range(self.packages)]


def channel(shape: Shape, cache: Path, subdirs: Sequence[str] = ("linux-64",)) -> Path:
    """The channel's folder in the cache, made if it is not there. Each subdir has all packages, of other bytes."""
    recipe = f"{shape}{subdirs}{Path(__file__).read_text(encoding='utf-8')}".encode()
    folder = cache / "synthetic" / hashlib.sha256(recipe).hexdigest()[:16]
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as name:
            work = Path(name)
            for left, package in zip(range(shape.packages, 0, -1), shape.names(), strict=True):
                for version in ("1.0", "1.1") if left <= BUMPED else ("1.0",):
                    for subdir in subdirs:
                        _write(shape, package, version, subdir, work)
            asyncio.run(index_fs(work / "channel", write_zst=False, write_shards=False))
            (work / "channel").rename(folder)
    return folder


def _write(shape: Shape, name: str, version: str, subdir: str, work: Path) -> None:
    tree = work / "tree"
    chance = random.Random(f"{name} {version}{'' if subdir == 'linux-64' else f' {subdir}'}")  # noqa: S311
    half = shape.megabytes * 1_000_000 // 2
    if name.startswith("large"):
        size = half // shape.large
        count = max(1, size // (20 * _LARGE_BYTES))
        for number in range(count):
            _file(tree / "lib" / f"lib{name}.so.{number}", size // count, chance, randomness=0.5)
    else:
        count = shape.files // (shape.packages - shape.large)
        size = half // (shape.packages - shape.large) // count
        for number in range(count):
            place = (
                tree / "lib" / "python3.11" / "site-packages" / name / f"part{number // 50}" / f"module{number}.py"
            )
            _file(place, size, chance, randomness=0.05)
    package = Package(
        name=name,
        version=version,
        build="0",
        subdir=subdir,
        license="BSD-3-Clause",
        summary="Made up for measuring",
    )
    conda_archive.write(package, tree, work / "channel")
    shutil.rmtree(tree)


def _file(path: Path, size: int, chance: random.Random, *, randomness: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = int(size * randomness)
    text = (_TEXT * (size // len(_TEXT) + 1))[: size - noise]
    path.write_bytes(chance.randbytes(noise) + text)
