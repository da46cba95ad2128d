"""Squashfs from an image's layers, by the program that this machine has for it."""

from __future__ import annotations

import io
import shutil
import tarfile
from typing import IO, TYPE_CHECKING

from pixi_container.child_environment import child_environment
from pixi_container.errors import BuildFailedError, ToolUnavailableError
from pixi_container.processes import feed
from pixi_container.shortening import shortened
from pixi_container.sif.layer_entries import FILE, FOLDER, HARD_LINK, read_contents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pixi_container.sif.layer_entries import LayerEntry
    from pixi_container.sif.merged_layers import Inode

_PROGRAMS = ("sqfstar", "tar2sqfs")
"""Programs that read a tar: of squashfs-tools since 4.5, and of squashfs-tools-ng."""

_INSTALL = "Install it in a step before: `sudo apt-get update && sudo apt-get install -y squashfs-tools`."
_TAR_BLOCK = 1 << 20
_MEMORY = "256M"
"""What the program may use for its buffers; otherwise it takes a quarter of the machine's."""

_ROOT_MODE = 0o755


def squashfs_program(env: Mapping[str, str]) -> str:
    """Return the path of a program that makes squashfs. Raises ``ToolUnavailableError`` if there is none."""
    path = child_environment("sqfstar", env).get("PATH", "")
    for name in _PROGRAMS:
        if program := shutil.which(name, path=path):
            return program
    raise ToolUnavailableError(
        "'sif' needs the program 'sqfstar' of squashfs-tools 4.5 or newer, which is not on PATH", hint=_INSTALL
    )


def write_squashfs(
    program: str,
    file: Path,
    inodes: Sequence[Inode],
    contents: Callable[[int, Sequence[LayerEntry]], Iterator[tuple[int, IO[bytes]]]],
    *,
    created: int,
    env: Mapping[str, str],
) -> None:
    """Write the file system to ``file``; gzip is what every kernel and version of Apptainer can read.

    ``contents`` yields numbers and contents of files of a layer, in their order. ``created`` is in seconds since
    1970. The same image gives the same bytes, but for the root's time with squashfs-tools 4.5. Raises
    ``BuildFailedError`` if the program fails.
    """
    done = feed(
        _command(program, file, created, root=inodes[0].entry),
        env=env,
        write=lambda out: write_tar(out, inodes, contents),
    )
    if done.code:
        raise BuildFailedError(
            f"'{program}' cannot make the file system of the SIF: {shortened(done.output.strip())}"
        )


def write_tar(
    out: IO[bytes],
    inodes: Sequence[Inode],
    contents: Callable[[int, Sequence[LayerEntry]], Iterator[tuple[int, IO[bytes]]]],
) -> None:
    """Write everything as one tar, in the order given, in which the files of a layer are together."""
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.GNU_FORMAT, bufsize=_TAR_BLOCK) as tar:
        layers: dict[int, list[Inode]] = {}
        for inode in inodes:
            if inode.entry.kind == FILE:
                layers.setdefault(inode.layer, []).append(inode)
            else:
                _add(tar, inode)
        for layer, files in sorted(layers.items()):
            by_number = {inode.entry.number: inode for inode in files}
            for number, content in contents(layer, [inode.entry for inode in files]):
                _add(tar, by_number[number], content)


def layer_contents(
    parts: Iterator[bytes], media_type: str, entries: Sequence[LayerEntry]
) -> Iterator[tuple[int, IO[bytes]]]:
    """Yield numbers and contents of the files of a layer, reading it to the last of them."""
    yield from read_contents(parts, media_type, {entry.number for entry in entries})


def own_contents(contents: Sequence[bytes], entries: Sequence[LayerEntry]) -> Iterator[tuple[int, IO[bytes]]]:
    """Yield numbers and contents of files in memory; ``contents`` are by number."""
    for entry in entries:
        yield entry.number, io.BytesIO(contents[entry.number])


def _command(program: str, file: Path, created: int, *, root: LayerEntry) -> list[str]:
    if program.endswith("tar2sqfs"):
        return [
            program,
            "--quiet",
            "--compressor",
            "gzip",
            "--no-xattr",
            "--defaults",
            f"mtime={created}",
            str(file),
        ]
    # sqfstar takes the root's attributes from nowhere else.
    return [
        program,
        *("-comp", "gzip", "-no-xattrs", "-no-progress", "-quiet", "-exit-on-error"),
        *("-mem", _MEMORY, "-mkfs-time", str(created), "-root-time", str(created)),
        *("-root-mode", f"{root.mode or _ROOT_MODE:o}", "-root-uid", str(root.uid), "-root-gid", str(root.gid)),
        str(file),
    ]


def _add(tar: tarfile.TarFile, inode: Inode, content: IO[bytes] | None = None) -> None:
    entry, (first, *others) = inode.entry, inode.paths
    if not first:
        return
    info = tarfile.TarInfo(first + ("/" if entry.kind == FOLDER else ""))
    info.type, info.mode, info.size, info.linkname = entry.kind, entry.mode, entry.size, entry.target
    info.uid, info.gid, info.mtime = entry.uid, entry.gid, entry.mtime
    info.devmajor, info.devminor = entry.device
    tar.addfile(info, content)
    for other in others:
        link = tarfile.TarInfo(other)
        link.type, link.linkname, link.mode = HARD_LINK, first, entry.mode
        tar.addfile(link)
    # Otherwise it keeps everything that it has written.
    tar.members = []  # type: ignore[attr-defined]
