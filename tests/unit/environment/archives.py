"""Conda packages and wheels as small archives, sound ones and odd ones."""

from __future__ import annotations

import base64
import bz2
import csv
import hashlib
import io
import json
import tarfile
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import zstandard

PLACEHOLDER = "/opt/placehold_" + "placehold_" * 20
BUILT = 1_736_899_200


@dataclass(frozen=True)
class Item:
    """A member of a package's tar, and its row in ``paths.json``, which ``row`` amends; None has no row."""

    path: str
    content: bytes = b""
    kind: bytes = tarfile.REGTYPE
    mode: int = 0o644
    mtime: int = BUILT
    target: str = ""
    row: dict[str, Any] | None = field(default_factory=dict)
    size: int | None = None


def text(path: str, content: str, mode: int = 0o644) -> Item:
    """A text in which the environment's path stands."""
    row = {"prefix_placeholder": PLACEHOLDER, "file_mode": "text"}
    return Item(path, content.encode(), mode=mode, row=row)


def binary(path: str, content: bytes, mode: int = 0o755) -> Item:
    """A binary in which the environment's path stands."""
    return Item(path, content, mode=mode, row={"prefix_placeholder": PLACEHOLDER, "file_mode": "binary"})


def soft(path: str, target: str, row: dict[str, Any] | None = None) -> Item:
    """A symbolic link."""
    return Item(path, kind=tarfile.SYMTYPE, target=target, mode=0o777, row=row or {})


def hard(path: str, first: Item) -> Item:
    """A second name of an earlier member."""
    return replace(first, path=path, kind=tarfile.LNKTYPE, target=first.path)


@dataclass(frozen=True)
class Made:
    """A package as an archive, with its ``index.json`` beside it."""

    archive: Path
    index: Path
    name: str


def package(folder: Path, name: str, items: list[Item], *, suffix: str = ".conda", **index: Any) -> Made:  # noqa: ANN401
    """Write a package; what is given beyond its files amends ``index.json``."""
    extra = {key: index.pop(key) for key in ("entry_points", "info", "about_mtime") if key in index}
    table = {
        "name": name,
        "version": "1.0",
        "build": "0",
        "build_number": 0,
        "depends": [],
        "subdir": "linux-64",
        "timestamp": BUILT * 1000,
        **index,
    }
    documents: dict[str, object] = {
        "index.json": table,
        "paths.json": {"paths": [_row(item) for item in items if item.row is not None], "paths_version": 1},
        "about.json": {"summary": "made for a test"},
    }
    if table.get("noarch") == "python":
        documents["link.json"] = {
            "noarch": {"type": "python", "entry_points": extra.get("entry_points", [])},
            "package_metadata_version": 1,
        }
    documents |= extra.get("info", {})
    info = [
        Item(
            f"info/{file}",
            content if isinstance(content, bytes) else json.dumps(content).encode(),
            mtime=extra.get("about_mtime", BUILT) if file == "about.json" else BUILT,
        )
        for file, content in documents.items()
        if content is not None
    ]
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{name}-{table['version']}-{table['build']}"
    archive = folder / f"{stem}{suffix}"
    if suffix == ".conda":
        write_conda(archive, tar(info), tar(items))
    else:
        archive.write_bytes(bz2.compress(tar([*items, *info]), 1))
    index_file = folder / f"{stem}.index.json"
    index_file.write_text(json.dumps(table), "utf-8")
    return Made(archive, index_file, name)


def write_conda(archive: Path, info: bytes, payload: bytes) -> None:
    stem = archive.name.removesuffix(".conda")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        file.writestr("metadata.json", '{"conda_pkg_format_version": 2}')
        file.writestr(f"pkg-{stem}.tar.zst", zstandard.compress(payload))
        file.writestr(f"info-{stem}.tar.zst", zstandard.compress(info))


def tar(items: list[Item]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as file:
        for item in items:
            info = tarfile.TarInfo(item.path)
            info.type, info.mode, info.mtime, info.linkname = item.kind, item.mode, item.mtime, item.target
            info.size = len(item.content) if item.kind == tarfile.REGTYPE else 0
            if item.size is not None:
                info.size = item.size
            file.addfile(info, io.BytesIO(item.content))
    return out.getvalue()


def _row(item: Item) -> dict[str, Any]:
    kind = {tarfile.SYMTYPE: "softlink", tarfile.DIRTYPE: "directory"}.get(item.kind, "hardlink")
    row = {
        "_path": item.path,
        "path_type": kind,
        "sha256": hashlib.sha256(item.content).hexdigest(),
        "size_in_bytes": len(item.content),
        **(item.row or {}),
    }
    return {name: value for name, value in row.items() if value is not None}


def wheel(folder: Path, name: str, files: dict[str, bytes | str], **more: Any) -> Path:  # noqa: ANN401
    """Write a wheel; ``record`` replaces its RECORD, ``programs`` are the files that may be started."""
    metadata, project = more.get("metadata", f"{name}-1.0.dist-info"), more.get("project", name)
    contents = {path: text if isinstance(text, bytes) else text.encode() for path, text in files.items()}
    contents |= {
        f"{metadata}/METADATA": f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.0\n".encode(),
        f"{metadata}/WHEEL": more.get(
            "wheel_file", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ).encode(),
    }
    rows = io.StringIO()
    csv.writer(rows, lineterminator="\n").writerows(
        [
            *((path, _wheel_digest(text), len(text)) for path, text in contents.items()),
            (f"{metadata}/RECORD", "", ""),
        ]
    )
    contents[f"{metadata}/RECORD"] = more.get("record", rows.getvalue()).encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for member, text in contents.items():
            info = zipfile.ZipInfo(member)
            info.external_attr = (0o100755 if member in more.get("programs", ()) else 0o100644) << 16
            file.writestr(info, text)
    return path


def _wheel_digest(content: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
