"""What the flow has to hold: changes against the recipe, each as rows of names and values."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.docker.builder import NO_BUILDER
from tests.bench.contestants import Contestant, Took
from tests.bench.workspaces import SMALL_PACKAGE
from tests.rig.synthetic import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.bench.workspaces import Workspace, Workspaces
    from tests.rig.rig import Rig

Row = dict[str, float | str]
Tables = dict[str, list[Row]]
"""Rows by the name of their table."""

NOTHING, TAG, SOURCE = "nothing", "release tag", "one source file"
BUMP, FIRST = "one small package", "first build"

Runs = defaultdict[tuple[str, str], list[Took]]
"""What a change took in each round, by the change and by who made it."""

Targets = Mapping[tuple[str, str], tuple[float, float]]
"""For a change and who makes it: what the ratios of seconds and of bytes are to be at most."""

ON_A_DAEMON: Targets = {
    (NOTHING, "ours"): (0.03, 0.0),
    (TAG, "ours"): (0.03, 0.0),
    (SOURCE, "ours"): (0.04, 0.0001),
    (SOURCE, NO_BUILDER): (0.04, 0.0001),
    (BUMP, "ours"): (0.10, 0.02),
    (BUMP, NO_BUILDER): (0.08, 0.02),
    (FIRST, "ours"): (0.40, 1.0),
}
ON_THE_ENGINE: Targets = {
    **ON_A_DAEMON,
    (SOURCE, "ours"): (0.30, 0.0001),
    (BUMP, "ours"): (0.35, 0.02),
    (FIRST, "ours"): (0.60, 1.0),
}
OF_A_LARGE_ONE: Targets = {
    (FIRST, "ours"): (0.50, 1.0),
    (BUMP, "ours"): (0.08, 0.02),
    (FIRST, NO_BUILDER): (0.50, 1.0),
    (BUMP, NO_BUILDER): (0.08, 0.02),
}
DISK_TARGET = 0.15
"""What the disk of a first build is to be at most, temporary files and builder, as a ratio to the recipe's."""

MEMORY_TARGET = 250_000_000

LARGE = Shape(packages=120, files=40_000, megabytes=2_000)
CONTESTANTS = ("recipe", "ours", NO_BUILDER)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What is measured on. ``builder`` is empty for the engine's own; ``builder_data`` is its folder, if known."""

    components: Rig
    workspaces: Workspaces
    builder: str
    builder_data: Path | None = None

    def contestant(self, name: str, **more: object) -> Contestant:
        """Return a contestant with an empty repository."""
        without = name == NO_BUILDER
        return Contestant(
            name=name,
            components=self.components,
            builder=NO_BUILDER if without else self.builder,
            builder_data=None if without else self.builder_data,
            **more,  # type: ignore[arg-type]
        )


def changes(bench: Bench, rounds: int, targets: Targets) -> list[Row]:
    """Measure every change of an environment for data analysis; medians of all rounds."""
    runs: Runs = defaultdict(list)
    for number in range(1, rounds + 1):
        for name in CONTESTANTS:
            with bench.workspaces.analysis() as workspace:
                for change, took in _every_change(bench.contestant(name), workspace):
                    runs[change, name].append(took)
                    _say_what_it_took(f"{number}/{rounds} {name:<7} {change:<18}", took)
    return compared(runs, targets)


def _every_change(contestant: Contestant, workspace: Workspace) -> Iterator[tuple[str, Took]]:
    yield FIRST, contestant.run(workspace)
    workspace.change_nothing()
    yield NOTHING, contestant.run(workspace)
    yield TAG, contestant.run(workspace, "v1.0.0")
    workspace.change_source()
    yield SOURCE, contestant.run(workspace)
    bump_small_package(workspace)
    yield BUMP, contestant.run(workspace)


def large(bench: Bench, rounds: int) -> Tables:
    """Measure a large environment: a first build and a bump, with the disk and the memory that they take."""
    runs: Runs = defaultdict(list)
    disks: defaultdict[str, list[int]] = defaultdict(list)
    for number in range(1, rounds + 1):
        for name in CONTESTANTS:
            contestant = bench.contestant(name)
            contestant.empty()
            before = contestant.builder_disk()
            with bench.workspaces.synthetic(LARGE) as workspace:
                for change, took in _first_and_bump(contestant, workspace):
                    runs[change, name].append(took)
                    _say_what_it_took(f"{number}/{rounds} {name:<7} {change:<18}", took)
                    if change == FIRST:
                        disks[name].append(contestant.builder_disk() - before)
                        say(f"the builder has {disks[name][-1] / 1e6:.0f} MB")
    return {"large": compared(runs, OF_A_LARGE_ONE), "large_use": used(runs, disks)}


def _first_and_bump(contestant: Contestant, workspace: Workspace) -> Iterator[tuple[str, Took]]:
    yield FIRST, contestant.run(workspace)
    bump_of(LARGE, workspace)
    yield BUMP, contestant.run(workspace)


def _say_what_it_took(what: str, took: Took) -> None:
    memory, disk = (f"{size / 1e6:.0f} MB" for size in (took.memory, took.disk))
    say(f"{what} {took.seconds:6.2f} s {took.pushed:>12,} B, memory {memory}, temporary files {disk}")


def compared(runs: Runs, targets: Targets) -> list[Row]:
    """Return a row for each target: the medians of seconds and bytes, and their ratios to the recipe's."""
    return [_compared(change, who, runs, *targets[change, who]) for change, who in targets]


def _compared(change: str, who: str, runs: Runs, seconds_target: float, bytes_target: float) -> Row:
    row: Row = {"change": change if who == "ours" else f"{change}, builder: {who}"}
    medians = {}
    for name, contestant in (("ours", who), ("recipe", "recipe")):
        seconds = statistics.median(took.seconds for took in runs[change, contestant])
        pushed = statistics.median(took.pushed for took in runs[change, contestant])
        medians[name] = (seconds, pushed)
        row |= {f"{name}_s": round(seconds, 2), f"{name}_bytes": round(pushed)}
    return row | {
        "time_ratio": round(medians["ours"][0] / medians["recipe"][0], 3),
        "time_target": seconds_target,
        "bytes_ratio": round(medians["ours"][1] / medians["recipe"][1], 5),
        "bytes_target": bytes_target,
    }


def used(runs: Runs, disks: Mapping[str, list[int]]) -> list[Row]:
    """Return the disk of first builds and the memory of all runs, of each contestant.

    Disk is the median of the rounds, memory the most of all. The builder's is what it has after the build, so at
    most what it had at its peak; that of temporary files is the peak.
    """
    recipe = statistics.median(disks["recipe"])
    rows: list[Row] = []
    for name in CONTESTANTS:
        temporary = statistics.median(took.disk for took in runs[FIRST, name])
        builder = statistics.median(disks[name])
        row: Row = {
            "who": name if name != NO_BUILDER else "ours, builder: none",
            "temporary_bytes": round(temporary),
            "builder_bytes": round(builder),
        }
        memory = max(took.memory for (_, who), tooks in runs.items() if who == name for took in tooks)
        if name == "recipe":
            row |= dict.fromkeys(("disk_ratio", "disk_target", "memory_bytes", "memory_target"), "")
        else:
            row |= {
                # Nothing is known of the builder of a machine's own engine.
                "disk_ratio": round((temporary + builder) / recipe, 3) if recipe else "unknown",
                "disk_target": f"≤ {DISK_TARGET}",
                "memory_bytes": memory,
                "memory_target": f"≤ {MEMORY_TARGET // 1_000_000} MB",
            }
        rows.append(row)
    return rows


def bump_small_package(workspace: Workspace) -> None:
    """Have the workspace for data analysis require another version of a small package."""
    name, old, new = SMALL_PACKAGE
    workspace.bump(name, old=old, new=new)


def bump_of(shape: Shape, workspace: Workspace) -> None:
    """Have a made-up workspace require another version of its last package, a small one."""
    workspace.bump(shape.names()[-1], old="1.0", new="1.1")


def say(text: str) -> None:
    """Show a line of progress."""
    print(f"  {text}", flush=True)
