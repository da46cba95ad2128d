"""What is measured, each as rows of names and values."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from tests.bench.contestants import Contestant, Took, empty_engine
from tests.bench.workspaces import SMALL_PACKAGE
from tests.rig.synthetic import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.bench.workspaces import Workspace, Workspaces
    from tests.rig.rig import Rig

Row = dict[str, float | str]

TARGETS = {
    "nothing": (0.05, 0.0),
    "release tag": (0.05, 0.0),
    "one source file": (0.05, 0.001),
    "one small package": (0.60, 0.02),
    "first build": (0.90, 1.0),
}
"""What the ratios of seconds and of bytes are to be at most."""

LARGE = Shape(packages=120, files=40_000, megabytes=2_000)
SIZES = (Shape(20, 2_000, 100), Shape(60, 13_000, 600), LARGE)
BUMPS = (1, 3, 12, 48)

_PUSH = "pixi_container.plan.commands._PUSH"
_OWN_LAYER_BYTES = "pixi_container.image.layers.OWN_LAYER_BYTES"
_SHARED_LAYERS = "pixi_container.image.layers._SHARED_LAYERS"
_LEVELS: dict[str, tuple[dict[str, str], dict[str, object]]] = {
    f"{kind}, level {level}": (
        {"compression": kind},
        {_PUSH: f"type=registry,oci-mediatypes=true,compression-level={level}"},
    )
    for kind, level in (("gzip", 1), ("gzip", 7), ("gzip", 9), ("zstd", 1), ("zstd", 9))
}
CHOICES: dict[str, tuple[dict[str, str], dict[str, object]]] = {
    "as it is": ({}, {}),
    "one layer": ({"layers": "1"}, {}),
    "zstd": ({"compression": "zstd"}, {}),
    "zstd, one layer": ({"compression": "zstd", "layers": "1"}, {}),
    **_LEVELS,
    "own layers from 1 MB": ({}, {_OWN_LAYER_BYTES: 1_000_000}),
    "own layers from 10 MB": ({}, {_OWN_LAYER_BYTES: 10_000_000}),
    "4 shared layers": ({}, {_SHARED_LAYERS: 4}),
    "8 shared layers": ({}, {_SHARED_LAYERS: 8}),
}
"""What is measured: other inputs, and other values for what is no input."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What is measured on. ``builder`` is empty for the engine's own; ``data`` is on the disk of its data."""

    components: Rig
    workspaces: Workspaces
    builder: str
    data: Path

    def contestant(self, name: str, **more: object) -> Contestant:
        """Return the recipe or ours with an empty repository."""
        return Contestant(name=name, components=self.components, builder=self.builder, **more)  # type: ignore[arg-type]


def changes(bench: Bench, rounds: int) -> list[Row]:
    """Measure the table of changes, ours against the recipe; medians of all rounds."""
    found: defaultdict[tuple[str, str], list[Took]] = defaultdict(list)
    for number in range(1, rounds + 1):
        for name in ("recipe", "ours"):
            with bench.workspaces.analysis() as workspace:
                for change, took in _course(bench.contestant(name), workspace):
                    found[change, name].append(took)
                    _say(f"{number}/{rounds} {name:<7} {change:<18} {took.seconds:6.2f} s {took.pushed:>12,} B")
    return [_row(change, found[change, "ours"], found[change, "recipe"]) for change in TARGETS]


def _course(contestant: Contestant, workspace: Workspace) -> Iterator[tuple[str, Took]]:
    """Make the changes one after the other and measure each."""
    yield "first build", contestant.run(workspace)
    workspace.change_nothing()
    yield "nothing", contestant.run(workspace)
    yield "release tag", contestant.run(workspace, "v1.0.0")
    workspace.change_source()
    yield "one source file", contestant.run(workspace)
    _bump(workspace)
    yield "one small package", contestant.run(workspace)


def _bump(workspace: Workspace) -> None:
    name, old, new = SMALL_PACKAGE
    workspace.bump(name, old=old, new=new)


def _row(change: str, ours: list[Took], recipe: list[Took]) -> Row:
    row: Row = {"change": change}
    for name, runs in (("ours", ours), ("recipe", recipe)):
        row[f"{name}_s"] = round(statistics.median(took.seconds for took in runs), 2)
        row[f"{name}_bytes"] = round(statistics.median(took.pushed for took in runs))
    time_target, bytes_target = TARGETS[change]
    return row | {
        "time_ratio": round(float(row["ours_s"]) / float(row["recipe_s"]), 3),
        "time_target": time_target,
        "bytes_ratio": round(float(row["ours_bytes"]) / float(row["recipe_bytes"]), 5),
        "bytes_target": bytes_target,
    }


def pulls(bench: Bench) -> list[Row]:
    """Measure what a machine pulls that has nothing, and one that has the image before a bump."""
    rows: list[Row] = []
    for name in ("recipe", "ours"):
        contestant = bench.contestant(name, inputs={"tags": "type=raw,value=latest"} if name == "ours" else {})
        row: Row = {"who": name}
        before: set[str] = set()
        with bench.workspaces.analysis() as workspace:
            for step in ("first", "update"):
                if step == "update":
                    _bump(workspace)
                contestant.run(workspace)
                if step == "first":
                    empty_engine(contestant.env)
                layers = contestant.layers("latest")
                row[f"{step}_s"] = _pull(contestant)
                row[f"{step}_bytes"] = sum(size for digest, size in layers.items() if digest not in before)
                before |= layers.keys()
        empty_engine(contestant.env)
        rows.append(row)
        _say(str(row))
    return rows


def choices(bench: Bench) -> list[Row]:
    """Measure ours with other compression and other layers: a first build, a bump, and a pull of each."""
    rows: list[Row] = []
    for choice, (inputs, constants) in CHOICES.items():
        contestant = bench.contestant(
            "ours", inputs={"tags": "type=raw,value=latest", **inputs}, constants=constants
        )
        with bench.workspaces.analysis() as workspace:
            first = contestant.run(workspace)
            layers = len(contestant.layers("latest"))
            empty_engine(contestant.env)
            pulled = _pull(contestant)
            empty_engine(contestant.env)
            _bump(workspace)
            bump = contestant.run(workspace)
        row: Row = {"choice": choice, "layers": layers, **_took("first", first), **_took("bump", bump)}
        rows.append(row | {"pull_s": pulled})
        _say(str(rows[-1]))
    return rows


def large(bench: Bench) -> list[Row]:
    """Measure one large environment: first build, a bump, and the disk that the first build takes."""
    rows: list[Row] = []
    for name in ("recipe", "ours"):
        row, disk = _first_and_bump(bench, name, LARGE)
        rows.append({"who": name, **row, "disk_bytes": disk})
        _say(str(rows[-1]))
    return rows


def sizes(bench: Bench) -> list[Row]:
    """Measure first builds and bumps of environments of several sizes."""
    rows: list[Row] = []
    for shape in SIZES:
        row, _ = _first_and_bump(bench, "ours", shape)
        rows.append({"megabytes": shape.megabytes, "files": shape.files, "packages": shape.packages, **row})
        _say(str(rows[-1]))
    return rows


def _first_and_bump(bench: Bench, name: str, shape: Shape) -> tuple[Row, int]:
    """Build a made-up environment, then bump one package; the bytes of disk are those of the first build."""
    contestant = bench.contestant(name)
    with bench.workspaces.synthetic(shape) as workspace:
        contestant.empty()
        with _peak(bench.data) as peak:
            first = contestant.run(workspace)
        workspace.bump(shape.names()[-1], old="1.0", new="1.1")
        bump = contestant.run(workspace)
    # What was pushed lies on the same disk.
    return {**_took("first", first), **_took("bump", bump)}, peak[0] - first.pushed


def bumps(bench: Bench) -> list[Row]:
    """Measure bumps of several packages at once in the large environment."""
    rows: list[Row] = []
    contestant = bench.contestant("ours")
    with bench.workspaces.synthetic(LARGE) as workspace:
        contestant.run(workspace)
        names = iter(LARGE.names()[::-1])
        for count in BUMPS:
            workspace.bump(*islice(names, count), old="1.0", new="1.1")
            rows.append({"packages": count, **_took("bump", contestant.run(workspace))})
            _say(str(rows[-1]))
    return rows


def start_up(bench: Bench) -> list[Row]:
    """Measure commands that only say something, from process start to end."""
    rows: list[Row] = []
    contestant = bench.contestant("ours")
    with bench.workspaces.synthetic(LARGE) as workspace:
        for command in ("--version", "tags", "plan --offline"):
            given = () if command == "--version" else ("--images", "localhost/a", "--tags", "a")
            argv = [sys.executable, "-m", "pixi_container", *command.split(), *given]
            seconds = []
            for _ in range(5):
                start = time.monotonic()
                subprocess.run(argv, cwd=workspace.folder, env=contestant.env, check=True, capture_output=True)
                seconds.append(time.monotonic() - start)
            rows.append({"command": command, "s": round(statistics.median(seconds), 2)})
            _say(str(rows[-1]))
    return rows


def _pull(contestant: Contestant) -> float:
    """Pull the image into the engine; the seconds."""
    start = time.monotonic()
    pull = ["docker", "pull", "--quiet", f"{contestant.reference}:latest"]
    subprocess.run(pull, env=contestant.env, check=True, capture_output=True)
    return round(time.monotonic() - start, 2)


SECTIONS = {
    "pulls": pulls,
    "large": large,
    "sizes": sizes,
    "bumps": bumps,
    "choices": choices,
    "start_up": start_up,
}
"""What is measured beside the changes."""


def _took(what: str, took: Took) -> Row:
    return {f"{what}_s": round(took.seconds, 1), f"{what}_bytes": took.pushed}


@contextmanager
def _peak(folder: Path) -> Iterator[list[int]]:
    """Watch how many bytes more of the folder's disk are used than before."""
    stop = threading.Event()
    before = shutil.disk_usage(folder).used
    peak = [0]

    def watch() -> None:
        while not stop.wait(0.2):
            peak[0] = max(peak[0], shutil.disk_usage(folder).used - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def _say(text: str) -> None:
    print(f"  {text}", flush=True)
