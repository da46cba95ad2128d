"""A process, and the most memory and temporary disk that it has at once."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_EVERY_SECONDS = 0.05
_RARELY = 5
_HIGHEST = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)
_PROPORTIONAL = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)
_BLOCK = 512


@dataclass(frozen=True)
class Watched:
    """How a process ended.

    ``memory`` is the most that it had resident itself, ``memory_of_all`` the most that it had together with the
    processes that it started, what they share counted once, and ``disk`` is the most that was used below its
    folder for temporary files, all in bytes.
    """

    code: int
    output: str
    seconds: float
    memory: int
    disk: int
    memory_of_all: int = 0


def run_watched(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], temporary: Path) -> Watched:
    """Run a process to its end, and look at it twenty times a second, at its folder ``temporary`` four times."""
    memory = of_all = disk = 0
    turns = count()
    stop = threading.Event()
    with tempfile.TemporaryFile("w+") as output:
        start = time.monotonic()
        process = subprocess.Popen(argv, cwd=cwd, env=env, stdout=output, stderr=subprocess.STDOUT)

        def watch() -> None:
            nonlocal memory, of_all, disk
            while not stop.wait(_EVERY_SECONDS):
                memory = max(memory, _resident(process.pid))
                # These take long enough to be felt by what is measured.
                if next(turns) % _RARELY == 0:
                    of_all = max(of_all, sum(map(_proportional, [process.pid, *_started_by(process.pid)])))
                    disk = max(disk, used_below(temporary))

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            # Without a time limit this returns at once when the process ends; with one it would look now and then.
            code = process.wait()
            seconds = time.monotonic() - start
        finally:
            stop.set()
            thread.join()
        output.seek(0)
        return Watched(code, output.read(), seconds, memory, disk, of_all)


def used_below(folder: Path) -> int:
    """Return the bytes of disk that a folder takes with all that is in it; 0 without one.

    A file counts once, whatever the number of its names.
    """
    used: dict[tuple[int, int], int] = {}
    for place, _, names in os.walk(folder):
        for name in ("", *names):
            with suppress(FileNotFoundError):
                status = os.lstat(os.path.join(place, name))  # noqa: PTH118 - a path object takes ten times as long
                used[status.st_dev, status.st_ino] = status.st_blocks * _BLOCK
    return sum(used.values())


def _started_by(pid: int) -> set[int]:
    """Return the processes that a process has started, and those that these have."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(status.parent.name)] = int(status.read_text("utf-8").rpartition(")")[2].split()[1])
    below: set[int] = set()
    while more := {child for child, parent in parents.items() if parent in {pid, *below}} - below:
        below |= more
    return below


def _proportional(pid: int) -> int:
    """Return the memory of a process, of which what it shares with others counts in part; 0 when it has ended."""
    try:
        match = _PROPORTIONAL.search(Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8"))
    except OSError:
        return 0
    return int(match[1]) * 1024 if match else 0


def _resident(pid: int) -> int:
    """Return the most memory that a process ever had resident; 0 when it has ended."""
    try:
        match = _HIGHEST.search(Path(f"/proc/{pid}/status").read_text("utf-8"))
    except OSError:
        return 0
    return int(match[1]) * 1024 if match else 0
