from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rattler.package_streaming import extract

from tests.rig import conda_archive
from tests.rig.conda_archive import PREFIX_PLACEHOLDER, Package

if TYPE_CHECKING:
    from pathlib import Path


def _tree(root: Path) -> Path:
    (root / "bin").mkdir(parents=True)
    (root / "bin/script").write_text(f"#!{PREFIX_PLACEHOLDER}/bin/python\n")
    (root / "bin/program").write_bytes(b"\0" + PREFIX_PLACEHOLDER.encode() + b"\0")
    (root / "bin/link").symlink_to("script")
    return root


def test_equal_input_gives_equal_bytes_and_placeholders_are_declared(tmp_path: Path) -> None:
    package = Package(name="a", version="1", build="0", subdir="linux-64", license="MIT", summary="A")
    first = conda_archive.write(package, _tree(tmp_path / "1"), tmp_path / "x")
    second = conda_archive.write(package, _tree(tmp_path / "2"), tmp_path / "y")
    assert first.read_bytes() == second.read_bytes()
    extract(first, tmp_path / "out")
    entries = json.loads((tmp_path / "out/info/paths.json").read_text())["paths"]
    modes = {entry["_path"]: entry.get("file_mode", entry["path_type"]) for entry in entries}
    assert modes == {"bin/link": "softlink", "bin/program": "binary", "bin/script": "text"}
