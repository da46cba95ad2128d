"""What explains the figures, measured once each: pulls, sizes, bumps, other choices, and start-up."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from itertools import islice
from typing import TYPE_CHECKING

from tests.bench.contestants import empty_engine
from tests.bench.measurements import LARGE, bump_of, bump_small_package, say
from tests.rig.synthetic import Shape

if TYPE_CHECKING:
    from tests.bench.contestants import Contestant, Took
    from tests.bench.measurements import Bench, Row

SIZES = (Shape(20, 2_000, 100), Shape(60, 13_000, 600), LARGE)
BUMPS = (1, 3, 12, 48)

_GZIP = "pixi_container.environment.layer_tar._GZIP_LEVEL"
_ZSTD = "pixi_container.environment.layer_tar._ZSTD_LEVEL"
_OWN_LAYER_BYTES = "pixi_container.image.layers.OWN_LAYER_BYTES"
_SHARED_LAYERS = "pixi_container.image.layers._SHARED_LAYERS"
CHOICES: dict[str, tuple[dict[str, str], dict[str, object]]] = {
    "as it is": ({}, {}),
    "one layer": ({"layers": "1"}, {}),
    "zstd": ({"compression": "zstd"}, {}),
    "zstd, one layer": ({"compression": "zstd", "layers": "1"}, {}),
    **{f"gzip, level {level}": ({}, {_GZIP: level}) for level in (1, 3, 9)},
    **{f"zstd, level {level}": ({"compression": "zstd"}, {_ZSTD: level}) for level in (1, 9)},
    "own layers from 1 MB": ({}, {_OWN_LAYER_BYTES: 1_000_000}),
    "own layers from 10 MB": ({}, {_OWN_LAYER_BYTES: 10_000_000}),
    "4 shared layers": ({}, {_SHARED_LAYERS: 4}),
    "8 shared layers": ({}, {_SHARED_LAYERS: 8}),
    "installed by Pixi in the build": ({"environment-builder": "docker"}, {}),
}
"""What is measured: other inputs, and other values for what is no input."""


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
                    bump_small_package(workspace)
                contestant.run(workspace)
                if step == "first":
                    empty_engine(contestant.env)
                layers = contestant.layers("latest")
                row[f"{step}_s"] = _pull(contestant)
                row[f"{step}_bytes"] = sum(size for digest, size in layers.items() if digest not in before)
                before |= layers.keys()
        empty_engine(contestant.env)
        rows.append(row)
        say(str(row))
    return rows


def sizes(bench: Bench) -> list[Row]:
    """Measure first builds and bumps of environments of several sizes."""
    rows: list[Row] = []
    for shape in SIZES:
        contestant = bench.contestant("ours")
        with bench.workspaces.synthetic(shape) as workspace:
            first = contestant.run(workspace)
            bump_of(shape, workspace)
            bump = contestant.run(workspace)
        row: Row = {"megabytes": shape.megabytes, "files": shape.files, "packages": shape.packages}
        rows.append({**row, **_took("first", first), **_took("bump", bump)})
        say(str(rows[-1]))
    return rows


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
            say(str(rows[-1]))
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
            bump_small_package(workspace)
            bump = contestant.run(workspace)
        row: Row = {"choice": choice, "layers": layers, **_took("first", first), **_took("bump", bump)}
        rows.append(row | {"pull_s": pulled})
        say(str(rows[-1]))
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
            say(str(rows[-1]))
    return rows


def _pull(contestant: Contestant) -> float:
    """Pull the image into the engine; the seconds."""
    start = time.monotonic()
    pull = ["docker", "pull", "--quiet", f"{contestant.reference}:latest"]
    subprocess.run(pull, env=contestant.env, check=True, capture_output=True)
    return round(time.monotonic() - start, 2)


def _took(what: str, took: Took) -> Row:
    return {f"{what}_s": round(took.seconds, 1), f"{what}_bytes": took.pushed}
