"""Wheels in site-packages, laid out and recorded as uv does in an environment of pixi.

Format: https://packaging.python.org/en/latest/specifications/binary-distribution-format/
"""

from __future__ import annotations

import base64
import configparser
import csv
import hashlib
import io
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from .manifest import normalised

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_INSTALLER = "uv-pixi"
_SCRIPT = """\
#!{python}
# -*- coding: utf-8 -*-
import sys
from {module} import {name}
if __name__ == "__main__":
    sys.argv[0] = sys.argv[0].removesuffix(".exe")
    sys.exit({call}())
"""


def installed(site_packages: Path) -> dict[str, Path]:
    """The .dist-info folders of the packages that pixi installed, by normalised name."""
    found = {}
    for dist_info in sorted(site_packages.glob("*.dist-info")):
        installer = dist_info / "INSTALLER"
        if installer.exists() and installer.read_text(encoding="utf-8").strip() == _INSTALLER:
            found[normalised(dist_info.name.split("-")[0])] = dist_info
    return found


def remove(dist_info: Path) -> None:
    """Removes what RECORD lists, and the folders that are empty then."""
    site_packages = dist_info.parent
    with (dist_info / "RECORD").open(encoding="utf-8", newline="") as file:
        paths = [(site_packages / row[0]).resolve() for row in csv.reader(file)]
    for path in paths:
        path.unlink(missing_ok=True)
    for folder in sorted({path.parent for path in paths}, reverse=True):
        while folder.is_relative_to(site_packages.resolve()) and folder.exists() and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent  # noqa: PLW2901 - upwards


def unpack(wheel: Path, site_packages: Path, python: Path, extra: Mapping[str, str] | None = None) -> None:
    """Installs a wheel file; `extra` are more files for its .dist-info."""
    prefix = python.parents[1]
    written: list[Path] = []
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            target = _target(PurePosixPath(member.filename), site_packages, prefix)
            if member.is_dir() or target is None:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            content = archive.read(member)
            is_script = target.parent == prefix / "bin"
            if is_script and content.startswith(b"#!python"):
                content = f"#!{python}".encode() + content.partition(b"#!python")[2]
            target.write_bytes(content)
            target.chmod(0o755 if is_script or member.external_attr >> 16 & 0o111 else 0o644)
            written.append(target)
        for name, text in _scripts(archive, python):
            target = prefix / "bin" / name
            target.write_text(text, encoding="utf-8")
            target.chmod(0o755)
            written.append(target)
        dist_info = (
            site_packages / next(n for n in archive.namelist() if n.endswith(".dist-info/RECORD")).split("/")[0]
        )
    for name, text in {"INSTALLER": _INSTALLER, "REQUESTED": "", **(extra or {})}.items():
        (dist_info / name).write_text(text, encoding="utf-8")
        written.append(dist_info / name)
    _record(dist_info, written)


def _target(path: PurePosixPath, site_packages: Path, prefix: Path) -> Path | None:
    """Where a file of a wheel goes; None for RECORD, which is written anew."""
    first, *rest = path.parts
    if first.endswith(".data") and len(rest) > 1:
        folders = {"scripts": prefix / "bin", "data": prefix, "headers": prefix / "include"}
        return folders.get(rest[0], site_packages).joinpath(*rest[1:])
    if first.endswith(".dist-info") and rest in (["RECORD"], ["RECORD.jws"]):
        return None
    return site_packages / path


def _scripts(wheel: zipfile.ZipFile, python: Path) -> Iterator[tuple[str, str]]:
    for member in wheel.namelist():
        if not member.endswith(".dist-info/entry_points.txt"):
            continue
        parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read_string(wheel.read(member).decode())
        for name, value in parser.items("console_scripts") if parser.has_section("console_scripts") else ():
            module, _, call = value.partition("[")[0].strip().partition(":")
            yield name, _SCRIPT.format(python=python, module=module, name=call.split(".")[0], call=call)


def _record(dist_info: Path, written: list[Path]) -> None:
    base = dist_info.parent
    rows = []
    for path in written:
        content = path.read_bytes()
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        up = PurePosixPath(*(".." for _ in base.relative_to(base.parents[2]).parts))
        inside = path.is_relative_to(base)
        name = path.relative_to(base) if inside else up / path.relative_to(base.parents[2])
        rows.append((name.as_posix(), f"sha256={digest}", len(content)))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(sorted(rows))
    writer.writerow(((dist_info / "RECORD").relative_to(base).as_posix(), "", ""))
    (dist_info / "RECORD").write_text(text.getvalue(), encoding="utf-8")
