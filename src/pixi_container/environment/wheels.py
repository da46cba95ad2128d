"""What a wheel puts into an environment, as uv installs it for pixi, without running Python.

Follows uv's crates/uv-install-wheel (install.rs, wheel.rs, script.rs, record.rs) for Linux, and
https://packaging.python.org/en/latest/specifications/binary-distribution-format/
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import posixpath
import re
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.environment.clobbers import PathTable
from pixi_container.environment.entries import PART_BYTES, PathEntry
from pixi_container.environment.refusals import BrokenPackageError, NotDirectError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pixi_container.environment.package_metadata import Python

INSTALLER = "uv-pixi"
"""What stands in ``INSTALLER`` of packages that pixi installs."""

_METADATA_BYTES = 64 << 20
_LONGEST_SHEBANG = 127
_PLACEHOLDER = b"#!python"
_SCRIPT = re.compile(r"(?P<module>[\w.-]+)\s*:\s*(?P<function>[\w.-]+)\s*(\[.*\])?\s*")
_RESERVED = re.compile(r"(pythonw?|python3|graalpy|pypy[23]?|pythonw?3\.\d{1,3}t|python3\.\d{1,3})(\.py)?")
_LAUNCHER = """\
{shebang}
# -*- coding: utf-8 -*-
import sys
from {module} import {name}
if __name__ == "__main__":
    if sys.argv[0].endswith("-script.pyw"):
        sys.argv[0] = sys.argv[0][:-11]
    elif sys.argv[0].endswith(".exe"):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit({function}())
"""


@dataclass(frozen=True)
class _Row:
    """A line of ``RECORD``; ``digest`` and ``size`` are empty where it has none."""

    path: str
    digest: str = ""
    size: str = ""

    @property
    def order(self) -> tuple[bytes, bytes, int]:
        """What uv sorts by."""
        return self.path.encode(), self.digest.encode(), int(self.size or -1)


@dataclass(frozen=True)
class _WheelMember:
    """A file of the wheel: its name there, and where it goes below the prefix."""

    info: zipfile.ZipInfo
    path: str
    is_script: bool


@contextmanager
def open_wheel(path: Path, python: Python) -> Iterator[Wheel]:
    """Open a wheel, and read what it will install. Raises ``BrokenPackageError`` and ``NotDirectError``."""
    with ExitStack() as resources:
        with _broken_wheel(path.name):
            archive = resources.enter_context(zipfile.ZipFile(path))
            wheel = Wheel(path.name, archive, python)
        yield wheel


class Wheel:
    """An open wheel, and what it will install."""

    def __init__(self, name: str, archive: zipfile.ZipFile, python: Python) -> None:
        self.name = name
        self._archive = archive
        self._python = python
        infos = archive.infolist()
        self._read([info for info in infos if not info.is_dir()])
        folders = (self._place(info.filename.rstrip("/"))[1] for info in infos if info.is_dir())
        self._folders = tuple(folder for folder in folders if folder)

    def paths(self, package: str) -> PathTable:
        """Return the paths that it will install for the package of this name."""
        rows = {row.path: row.digest for row in self._rows}
        contents = {
            member.path: "" if member.is_script else rows.get(member.info.filename, "") for member in self._members
        }
        own = (f"bin/{name}" for name in self._scripts)
        contents |= dict.fromkeys((*own, *self._own_metadata), "")
        return PathTable(f"pypi:{package}", tuple(sorted(contents)), contents=contents)

    def entries(self, prefix: str, direct_url: str = "", installer: str = INSTALLER) -> Iterator[PathEntry]:
        """Yield every path that it installs; each entry's content is to be read before the next is asked for.

        ``direct_url`` is where the wheel comes from when that is no index.
        """
        shebang = _shebang(f"{prefix}/{self._python.program}")
        rows = {row.path: row for row in self._rows}
        for folder in self._folders:
            yield PathEntry(folder, "directory", 0o755)
        for member in self._members:
            yield from self._installed(member, shebang, rows)
        texts = {f"bin/{name}": (0o755, text.format(shebang=shebang)) for name, text in self._scripts.items()}
        texts[f"{self._metadata_place}/REQUESTED"] = 0o644, ""
        if direct_url:
            origin = json.dumps({"url": direct_url, "archive_info": {}}, separators=(",", ":"), ensure_ascii=False)
            texts[f"{self._metadata_place}/direct_url.json"] = 0o644, origin
        texts[f"{self._metadata_place}/INSTALLER"] = 0o644, installer
        made = []
        for path, (mode, text) in texts.items():
            content = text.encode()
            made.append(_Row(self._relative(path), _digest(hashlib.sha256(content)), str(len(content))))
            yield PathEntry(path, mode=mode, size=len(content), content=(content,))
        record = io.StringIO()
        everything = sorted((*rows.values(), *made), key=lambda row: row.order)
        csv.writer(record, lineterminator="\n").writerows((row.path, row.digest, row.size) for row in everything)
        content = record.getvalue().encode()
        yield PathEntry(f"{self._metadata_place}/RECORD", size=len(content), content=(content,))

    def _read(self, infos: list[zipfile.ZipInfo]) -> None:
        names = [info.filename for info in infos]
        if len(set(names)) < len(names):
            raise BrokenPackageError(self.name, "it has a file twice")
        folders = {name.partition("/")[0] for name in names if "/" in name}
        metadata = sorted(folder for folder in folders if folder.endswith(".dist-info"))
        if len(metadata) != 1:
            raise BrokenPackageError(self.name, f"it has {len(metadata)} folders of metadata, not one")
        self._metadata = metadata[0]
        self._metadata_place = f"{self._python.site_packages}/{self._metadata}"
        version = _field(self._text("WHEEL"), "Wheel-Version")
        if not re.fullmatch(r"1\.\d+|0\.1", version):
            raise BrokenPackageError(self.name, f"its form has version {version!r}, and 1.0 is the known one")
        self._distribution = re.sub(r"[-_.]+", "-", _field(self._text("METADATA"), "Name")).lower()
        self._scripts = self._entry_points() if f"{self._metadata}/entry_points.txt" in names else {}
        self._rows = _healed(_rows(self.name, self._text("RECORD")), infos, self._metadata)
        members = [self._member(info) for info in infos]
        self._members = tuple(member for member in members if member is not None)
        self._check_paths()

    def _member(self, info: zipfile.ZipInfo) -> _WheelMember | None:
        """Return where a file goes, None for one that is not installed as it is."""
        if info.filename == f"{self._metadata}/RECORD":
            return None
        kind, path = self._place(info.filename)
        name = path.removeprefix("bin/")
        if not path or (kind == "scripts" and "/" in name):
            raise BrokenPackageError(self.name, f"it has {info.filename}, which goes nowhere")
        # A launcher that is made for the environment takes the place of one that is packaged.
        if kind == "scripts" and re.sub(r"(\.exe|-script\.py|\.pya)$", "", name) in self._scripts:
            return None
        return _WheelMember(info, path, kind == "scripts")

    def _place(self, name: str) -> tuple[str, str]:
        """Return what kind of a file or folder it is, and its path below the prefix, empty where it has none."""
        site_packages = self._python.site_packages
        folder, _, inside = name.partition("/")
        if folder != f"{self._metadata.removesuffix('.dist-info')}.data":
            return "", self._inside(site_packages, name)
        include = posixpath.basename(posixpath.dirname(site_packages))
        places = {
            "scripts": "bin",
            "data": "",
            "headers": f"include/{include}/{self._distribution}",
            "purelib": site_packages,
            "platlib": site_packages,
        }
        kind, _, rest = inside.partition("/")
        return kind, self._inside(places[kind], rest) if rest and kind in places else ""

    def _inside(self, folder: str, path: str) -> str:
        parts = path.split("/")
        if path.startswith("/") or {"", ".", ".."} & set(parts) or "\\" in path or "\0" in path:
            raise BrokenPackageError(self.name, f"its path {path!r} leads out of the environment")
        return posixpath.join(folder, path)

    def _check_paths(self) -> None:
        commands = (f"bin/{name}" for name in self._scripts)
        paths = [*(member.path for member in self._members), *commands, *self._own_metadata]
        if len(set(paths)) < len(paths):
            raise NotDirectError(self.name, "has two files for one place")
        for path in paths:
            folder, _, name = path.rpartition("/")
            if folder == "bin" and _RESERVED.fullmatch(name.lower().removesuffix(".exe")):
                raise BrokenPackageError(self.name, f"it has the command {name}, which is Python's own")
            if path.startswith(("conda-meta/", "__clobbers__/")) or path == "CACHEDIR.TAG":
                raise NotDirectError(self.name, f"has {path}, which is pixi's own to write")

    def _entry_points(self) -> dict[str, str]:
        """Return the launchers by name, with a place for the first line."""
        scripts: dict[str, dict[str, tuple[str, str]]] = {"console_scripts": {}, "gui_scripts": {}}
        for section, name, value in _ini(self._text("entry_points.txt")):
            if section not in scripts:
                continue
            match = _SCRIPT.fullmatch(value)
            if not match or not name or name in {".", ".."} or re.search(r"[/\\\0]", name):
                raise NotDirectError(self.name, f"has the command {name!r} = {value!r}, which is not understood")
            scripts[section][name] = match["module"], match["function"]
        console = scripts["console_scripts"]
        # pip has a launcher for the Python that it was built with, which uv makes one for this Python.
        console = {name: place for name, place in console.items() if not re.fullmatch(r"pip3\.\d{1,3}", name)}
        if "pip3" in console:
            console[f"pip{self._python.version}"] = console["pip3"]
        if console.keys() & scripts["gui_scripts"].keys():
            raise NotDirectError(self.name, "has a command twice")
        return {
            name: _LAUNCHER.format(
                shebang="{shebang}", module=module, name=function.partition(".")[0], function=function
            )
            for name, (module, function) in (console | scripts["gui_scripts"]).items()
        }

    def _installed(self, member: _WheelMember, shebang: str, rows: dict[str, _Row]) -> Iterator[PathEntry]:
        """Yield a file, and note in ``rows`` where it went and what is in it now."""
        info = member.info
        is_program = bool(info.external_attr >> 16 & 0o111)
        mode = 0o755 if member.is_script or is_program else 0o644
        row = rows.get(info.filename)
        first = self._start(info) if member.is_script else b""
        if first.startswith(_PLACEHOLDER):
            changed = shebang.encode() + b"\n"
            line = re.search(rb"\r\n|\r|\n", first)
            skipped = line.end() if line else len(first)
            digested = _Digested((changed, *self._parts(info, skipped)))
            size = len(changed) + info.file_size - skipped
            yield PathEntry(member.path, mode=mode, size=size, content=digested)
            row = row and _Row(row.path, digested.digest(), str(size))
        else:
            content = self._parts(info)
            yield PathEntry(member.path, mode=mode, size=info.file_size, content=content, packaged=info.filename)
        if row and not member.path.endswith(f"/{info.filename}"):
            row = _Row(self._relative(member.path), row.digest, row.size)
        if row:
            rows[info.filename] = row

    @property
    def _own_metadata(self) -> tuple[str, ...]:
        """The files that the installer writes, as far as they are there for every wheel."""
        return tuple(f"{self._metadata_place}/{name}" for name in ("INSTALLER", "RECORD", "REQUESTED"))

    def _relative(self, path: str) -> str:
        return posixpath.relpath(path, self._python.site_packages)

    def _start(self, info: zipfile.ZipInfo) -> bytes:
        with _broken_wheel(self.name), self._archive.open(info) as file:
            return file.read(PART_BYTES)

    def _parts(self, info: zipfile.ZipInfo, skipped: int = 0) -> Iterator[bytes]:
        with _broken_wheel(self.name), self._archive.open(info) as file:
            file.read(skipped)
            while part := file.read(PART_BYTES):
                yield part

    def _text(self, name: str) -> str:
        info = self._archive.getinfo(f"{self._metadata}/{name}")
        if info.file_size > _METADATA_BYTES:
            raise BrokenPackageError(self.name, f"{info.filename} has {info.file_size} bytes")
        return self._archive.read(info).decode()


@contextmanager
def _broken_wheel(name: str) -> Iterator[None]:
    """Have what the library says of a damaged wheel raised as an error that names it."""
    damage = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError, ValueError)
    try:
        yield
    except damage as error:
        raise BrokenPackageError(name, f"it cannot be unpacked: {error}") from error


class _Digested:
    """Parts of a content, and its digest in the form of ``RECORD`` once they have been read."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = iter(parts)
        self._hash = hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            self._hash.update(part)
            yield part

    def digest(self) -> str:
        """Return the digest, of all parts even when nobody has read them."""
        for _ in self:
            pass
        return _digest(self._hash)


def _rows(name: str, text: str) -> list[_Row]:
    rows = []
    for line in csv.reader(io.StringIO(text, newline="")):
        if not line:
            continue
        if len(line) != 3 or not re.fullmatch(r"\d{0,18}", line[2]):
            raise BrokenPackageError(name, f"its RECORD has the line {line}")
        rows.append(_Row(line[0].lstrip("/"), line[1], line[2]))
    return rows


def _healed(rows: list[_Row], infos: list[zipfile.ZipInfo], metadata: str) -> list[_Row]:
    """Return what RECORD should say: lines of files that are not there go, and files without a line get one."""
    missing = {info.filename: info for info in infos}
    kept = []
    for row in rows:
        path = row.path if row.path in missing else posixpath.normpath(row.path)
        if missing.pop(path, None) is not None:
            kept.append(row)
    for signature in ("RECORD.jws", "RECORD.p7s"):
        missing.pop(f"{metadata}/{signature}", None)
    return [*kept, *(_Row(path, size=str(info.file_size)) for path, info in missing.items())]


def _ini(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield section, name and value of each line. One that goes on from the line before has no name."""
    section = ""
    for line in text.splitlines():
        content = line.strip()
        if content.startswith("["):
            section = content.strip("[]").strip()
        elif content and content[0] not in ";#":
            name, equals, value = (part.strip() for part in content.partition("="))
            yield section, name if equals and not line[0].isspace() else "", value


def _field(headers: str, name: str) -> str:
    match = re.search(rf"^{name}:[ \t]*(.*?)\s*$", headers, re.MULTILINE)
    return match[1] if match else ""


def _shebang(program: str) -> str:
    """Return a first line for Linux, by way of a shell where a path is too long or has spaces."""
    if len(program.encode()) + 3 > _LONGEST_SHEBANG or " " in program:
        quoted = program.replace("'", "'\"'\"'")
        return f"#!/bin/sh\n'''exec' '{quoted}' \"$0\" \"$@\"\n' '''"
    return f"#!{program}"


def _digest(content: hashlib._Hash) -> str:
    return f"sha256={base64.urlsafe_b64encode(content.digest()).rstrip(b'=').decode()}"
