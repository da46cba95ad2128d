"""Several environments in one step, beside one of them: time, memory, and the requests that a registry sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.measurements import FIRST, NOTHING, say
from tests.rig import registry_front
from tests.rig.synthetic import Shape

if TYPE_CHECKING:
    from tests.bench.contestants import Took
    from tests.bench.measurements import Bench, Row

ENVIRONMENTS = 17
"""As many as stack-of-tasks/pinocchio has, which also have almost all of their packages in common."""

TIME_TARGET, MEMORY_TARGET = 3.0, 500_000_000
_SMALL = Shape(packages=6, files=120, megabytes=4)
_COUNTS = (1, 2, 4, 8, 16)


def environments(bench: Bench) -> list[Row]:
    """Measure a first build of one environment, of all in one step, and then a push without a change."""
    with bench.workspaces.analysis(ENVIRONMENTS) as workspace:
        alone = bench.contestant("ours").run(workspace)
        together = bench.contestant("ours", inputs={"environments": "*"})
        first = together.run(workspace)
        workspace.change_nothing()
        again = together.run(workspace)
    what = f"{ENVIRONMENTS} environments"
    rows = [
        _row(f"{FIRST} of one environment", alone, alone),
        _row(f"{FIRST} of {what} in one step", first, alone) | {"time_target": f"≤ {TIME_TARGET}"},
        _row(f"{NOTHING}, {what}", again, alone),
    ]
    for row in rows:
        say(str(row))
    return rows


def requests(bench: Bench) -> list[Row]:
    """Count the registry's requests of first builds and of unchanged ones, of more and more small environments."""
    rows: list[Row] = []
    for count in _COUNTS:
        with (
            registry_front.in_front_of(bench.components.registry) as front,
            bench.workspaces.synthetic(_SMALL, count) as workspace,
        ):
            contestant = bench.contestant("ours", inputs={"environments": "*", "builder": "none"})
            contestant.name_for_ours = f"{front.address}/{contestant.image}"
            row: Row = {"environments": count}
            for what in ("first", "unchanged"):
                with front.recording() as recorded:
                    contestant.run(workspace)
                row[f"{what}_requests"] = len(recorded)
                row[f"{what}_per_environment"] = round(len(recorded) / count, 1)
                workspace.change_nothing()
        rows.append(row)
        say(str(row))
    return rows


def _row(what: str, took: Took, alone: Took) -> Row:
    return {
        "step": what,
        "s": round(took.seconds, 1),
        "ratio": round(took.seconds / alone.seconds, 2),
        "time_target": "",
        "memory_bytes": took.memory_of_all,
        "memory_target": f"≤ {MEMORY_TARGET // 1_000_000} MB",
        "pushed_bytes": took.pushed,
    }
