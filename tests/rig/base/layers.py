"""Image layers as files: reproducible, compressed once, kept with their digests."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Callable

CREATED = 1_736_899_200
"""Seconds since 1970 (2025-01-15): the time of every file and of every image."""


@dataclass(frozen=True)
class Layer:
    """A gzip-compressed tar. `digest` is of the file, `diff_id` of the tar in it; both as `sha256:…`."""

    path: Path
    digest: str
    diff_id: str
    size: int


def cached(folder: Path, name: str, make: Callable[[IO[bytes]], None]) -> Layer:
    """The layer `name` in `folder`; when it is not there, `make` writes its uncompressed tar to the given file."""
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / f"{name}.json"
    with (folder / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not record.exists():
            with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder) as work:
                with Path(work, "layer.tar").open("w+b") as tar:
                    make(tar)
                    tar.flush()
                    tar.seek(0)
                    layer = _compress(tar, Path(work, "layer.tar.gz"))
                layer.path.replace(folder / f"{name}.tar.gz")
                written = Path(work, "record.json")
                written.write_text(json.dumps({**asdict(layer), "path": f"{name}.tar.gz"}), encoding="ascii")
                written.replace(record)
    return Layer(**{**(found := json.loads(record.read_text(encoding="ascii"))), "path": folder / found["path"]})


def add_tree(tar: tarfile.TarFile, tree: Path) -> None:
    """Adds everything below `tree`, owned by root and at one time, in a stable order."""
    for path in sorted(tree.rglob("*")):
        tar.add(path, arcname=path.relative_to(tree).as_posix(), recursive=False, filter=_normalised)


def _normalised(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = CREATED
    return info


def _compress(tar: IO[bytes], target: Path) -> Layer:
    plain, packed = hashlib.sha256(), hashlib.sha256()
    with (
        target.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=1, mtime=0) as out,
    ):
        while chunk := tar.read(1 << 20):
            plain.update(chunk)
            out.write(chunk)
    with target.open("rb") as file:
        while chunk := file.read(1 << 20):
            packed.update(chunk)
    return Layer(target, f"sha256:{packed.hexdigest()}", f"sha256:{plain.hexdigest()}", target.stat().st_size)
