"""Which program makes the file system, what it is given, and what is told when it fails."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import pytest

from pixi_container.errors import BuildFailedError, ToolUnavailableError
from pixi_container.sif.layer_entries import FILE, FOLDER, HARD_LINK, SYMLINK, LayerEntry
from pixi_container.sif.merged_layers import Inode, MergedLayers
from pixi_container.sif.squashfs import own_contents, squashfs_program, write_squashfs, write_tar


def program(folder: Path, name: str, script: str = "cat > /dev/null") -> Path:
    """Put a program into a folder."""
    folder.mkdir(exist_ok=True)
    place = folder / name
    place.write_text(f"#!/bin/sh\n{script}\n")
    place.chmod(0o755)
    return place


def test_a_program_is_looked_for_on_path_and_never_in_the_checkout(tmp_path: Path) -> None:
    checkout, tools = tmp_path / "checkout", tmp_path / "tools"
    checkout.mkdir()
    program(checkout / "bin", "sqfstar")
    env = {"PATH": f"{checkout}/bin:bin:{tools}", "GITHUB_WORKSPACE": str(checkout)}
    with pytest.raises(ToolUnavailableError, match="'sif' needs the program 'sqfstar'") as caught:
        squashfs_program(env)
    assert "apt-get install -y squashfs-tools" in caught.value.hint
    other = program(tools, "tar2sqfs")
    assert squashfs_program(env) == str(other)
    first = program(tools, "sqfstar")
    assert squashfs_program(env) == str(first)


def image() -> list[Inode]:
    """Return an image of two layers."""
    merged = MergedLayers()
    merged.add([LayerEntry("d/b", FILE, 0o640, 0, uid=7, gid=8, mtime=9, size=1), LayerEntry("a", FILE, 0o644, 1)])
    merged.add(
        [LayerEntry("l", SYMLINK, 0o777, 0, target="d"), LayerEntry("z", HARD_LINK, 0o644, 1, target="d/b")]
    )
    merged.add([LayerEntry("", FOLDER, 0o700, 0, uid=3, gid=4), LayerEntry("e", FILE, 0o600, 2, size=2)])
    return merged.inodes()


def contents(layer: int, entries: Sequence[LayerEntry]) -> Iterator[tuple[int, IO[bytes]]]:
    """Yield contents, which name the layer."""
    yield from own_contents([str(layer).encode() * entry.size for entry in entries for _ in range(3)], entries)


def test_the_tar_has_everything_once_and_folders_first() -> None:
    out = io.BytesIO()
    write_tar(out, image(), contents)
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        members = [(member.name, member.type, member.linkname) for member in tar]
        assert members == [
            ("d", FOLDER, ""),
            ("l", SYMLINK, "d"),
            ("d/b", FILE, ""),
            ("z", HARD_LINK, "d/b"),
            ("a", FILE, ""),
            ("e", FILE, ""),
        ]
        file = tar.getmember("d/b")
        assert (file.mode, file.uid, file.gid, file.mtime) == (0o640, 7, 8, 9)
        opened = tar.extractfile("e")
        assert opened
        assert opened.read() == b"22"


def test_the_program_gets_the_attributes_of_the_root(tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    sqfstar = program(tmp_path / "tools", "sqfstar", f'echo "$@" > {shown}; cat > {tmp_path}/tar')
    write_squashfs(str(sqfstar), tmp_path / "out", image(), contents, created=5, env={"PATH": "/usr/bin:/bin"})
    words = shown.read_text().split()
    assert words[-1] == str(tmp_path / "out")
    for option, value in {
        "-comp": "gzip",
        "-mkfs-time": "5",
        "-root-mode": "700",
        "-root-uid": "3",
        "-root-gid": "4",
    }.items():
        assert words[words.index(option) + 1] == value
    assert tarfile.is_tarfile(tmp_path / "tar")


@pytest.mark.parametrize("script", ["echo no room; exit 1", "cat > /dev/null; echo no room >&2; exit 1"])
def test_a_program_that_fails_is_quoted(tmp_path: Path, script: str) -> None:
    sqfstar = program(tmp_path / "tools", "sqfstar", script)
    with pytest.raises(BuildFailedError, match="no room"):
        write_squashfs(str(sqfstar), tmp_path / "out", image(), contents, created=5, env={"PATH": "/usr/bin:/bin"})
