"""One .conda archive from a folder that holds what the package installs.

Format: https://github.com/conda/schemas and CEP 27 (index.json, paths.json, link.json inside a .conda).
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from conda_package_streaming.create import conda_builder

if TYPE_CHECKING:
    import tarfile

PREFIX_PLACEHOLDER = "/opt/rig/" + "placehold_" * 24 + "placehold"
"""What stands in packaged files for the environment's path; as long as real ones, for real prefixes to fit."""

BUILT = 1_736_899_200
"""Seconds since 1970 (2025-01-15): the build time of every package, so that a rebuild is bit-identical."""

_COMPRESSION_LEVEL = 5
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class Package:
    """What a package says of itself; the field names are those of index.json, about.json and link.json."""

    name: str
    version: str
    build: str
    subdir: str
    license: str
    summary: str
    build_number: int = 0
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    noarch: str | None = None
    entry_points: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """The file name of its archive, without the extension."""
        return f"{self.name}-{self.version}-{self.build}"


def write(package: Package, tree: Path, channel: Path) -> Path:
    """The archive of `package` in `channel`, from the files below `tree`.

    Licence texts are the files below `tree`/info/licenses. Bit-identical for identical input.
    """
    folder = channel / package.subdir
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in _metadata(package, tree).items():
        path = tree / "info" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    with conda_builder(package.stem, folder, compression_level=_COMPRESSION_LEVEL, compression_threads=0) as tar:
        for path in _files(tree):
            tar.add(path, arcname=path.relative_to(tree).as_posix(), recursive=False, filter=_normalised)
    archive = folder / f"{package.stem}.conda"
    _fix_dates(archive)
    return archive


def _metadata(package: Package, tree: Path) -> dict[str, dict[str, object]]:
    arch = {"linux-64": "x86_64", "linux-aarch64": "aarch64"}.get(package.subdir)
    index: dict[str, object] = {
        "arch": arch,
        "build": package.build,
        "build_number": package.build_number,
        "constrains": list(package.constrains),
        "depends": list(package.depends),
        "license": package.license,
        "name": package.name,
        "platform": "linux" if arch else None,
        "subdir": package.subdir,
        "timestamp": BUILT * 1000,
        "version": package.version,
    }
    if package.noarch:
        index["noarch"] = package.noarch
    found: dict[str, dict[str, object]] = {
        "index.json": index,
        "about.json": {"license": package.license, "summary": package.summary},
        "paths.json": {
            "paths": [
                _path_entry(path, tree) for path in _files(tree) if path.relative_to(tree).parts[0] != "info"
            ],
            "paths_version": 1,
        },
    }
    if package.noarch:
        noarch: dict[str, object] = {"type": package.noarch}
        if package.entry_points:
            noarch["entry_points"] = list(package.entry_points)
        found["link.json"] = {"noarch": noarch, "package_metadata_version": 1}
    return found


def _path_entry(path: Path, tree: Path) -> dict[str, object]:
    content = path.read_bytes() if path.is_file() else b""
    entry: dict[str, object] = {"_path": path.relative_to(tree).as_posix()}
    if path.is_symlink():
        entry["path_type"] = "softlink"
    else:
        entry["path_type"] = "hardlink"
        if PREFIX_PLACEHOLDER.encode() in content:
            entry["prefix_placeholder"] = PREFIX_PLACEHOLDER
            entry["file_mode"] = "binary" if b"\0" in content else "text"
    return entry | {"sha256": hashlib.sha256(content).hexdigest(), "size_in_bytes": len(content)}


def _files(tree: Path) -> list[Path]:
    found = []
    for folder, folders, files in os.walk(tree):
        base = Path(folder)
        found += [base / name for name in files + folders if name in files or (base / name).is_symlink()]
    return sorted(found)


def _normalised(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = BUILT
    info.mode = 0o755 if info.mode & 0o111 else 0o644
    return info


def _fix_dates(archive: Path) -> None:
    fixed = archive.with_suffix(".fixed")
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(fixed, "w", zipfile.ZIP_STORED) as new:
        for member in old.infolist():
            new.writestr(zipfile.ZipInfo(member.filename, _ZIP_DATE), old.read(member))
    fixed.replace(archive)
