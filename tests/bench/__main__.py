"""Seconds and bytes of the flow against the usual recipe, in one run on the same workspaces, engine and registry.

Every build starts with an empty builder, as on a hosted runner. The recipe is one Dockerfile that copies all and
installs, built and pushed by buildx as `gzip`, untested and without a cache. Ours is the whole command, from
process start to the read-back. Writes .bench/latest.json, and for people .bench/report.md with a picture.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import measurements, report
from tests.bench.contestants import ROOT, BenchError
from tests.bench.measurements import Bench
from tests.bench.workspaces import Workspaces
from tests.markers import between
from tests.rig import buildkit, rig
from tests.rig.errors import RigError
from tests.rig.folders import Folders

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

RESULTS = ROOT / ".bench"
DOCUMENT = ROOT / "docs" / "performance.md"
REPORT = "report.md"
PICTURE = "performance.svg"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what is asked for; 1 when something does not work."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"all, or some of: {', '.join(report.TITLES)}"
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the tables of changes (default: 3)")
    parser.add_argument("--document", action="store_true", help="put the results into docs/ as well")
    options = parser.parse_args(argv)
    if unknown := set(options.sections) - report.TITLES.keys():
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(report.TITLES)}")
    folders = Folders.from_environment(os.environ)
    was_up = all(component.healthy for component in rig.status(folders))
    found: dict[str, list[measurements.Row]] = {}
    try:
        for section, rows in _measure(folders, options.sections or report.TITLES, options.rounds):
            found[section] = rows
            _write(found, options.rounds)
    except (RigError, BenchError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        if not was_up:
            rig.down(folders, print)
    print(f"\n{(RESULTS / REPORT).read_text('utf-8')}\nAll of it is in {RESULTS}.")
    if options.document:
        _document(found)
    return 0


def _measure(
    folders: Folders, sections: Iterable[str], rounds: int
) -> Iterator[tuple[str, list[measurements.Row]]]:
    components = rig.up(folders, print)
    with ExitStack() as stack:
        temporary = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pixi-container-bench-")))
        workspaces = Workspaces(components, folders, temporary)
        engine = Bench(components=components, workspaces=workspaces, builder="", data=folders.state)
        daemons = engine
        try:
            address = rig.start_buildkit(folders, print)
        except buildkit.UnavailableError as error:
            print(f"no BuildKit daemon, the engine's own builder instead: {error}")
        else:
            stack.callback(buildkit.stop, "buildkit", state=folders.state)
            builder = stack.enter_context(buildkit.builder(address, environment=components.environment()))
            daemons = replace(engine, builder=builder)
        for section in sections:
            print(f"\n{report.TITLES[section]}", flush=True)
            if section.endswith("rows"):
                yield section, measurements.changes(engine if section == "engine_rows" else daemons, rounds)
            else:
                yield section, measurements.SECTIONS[section](daemons)


def _write(found: dict[str, list[measurements.Row]], rounds: int) -> None:
    RESULTS.mkdir(exist_ok=True)
    machine = {"cpus": os.cpu_count(), "system": platform.platform()}
    (RESULTS / "latest.json").write_text(
        json.dumps({"machine": machine, "rounds": rounds, **found}, indent=1) + "\n"
    )
    text = "\n\n".join(f"## {report.TITLES[name]}\n\n{table}" for name, table in report.tables(found).items())
    (RESULTS / REPORT).write_text(f"# Seconds and bytes\n\n![changes]({PICTURE})\n\n{text}\n", "utf-8")
    if rows := found.get("rows"):
        (RESULTS / PICTURE).write_text(report.bars(rows), "utf-8")


def _document(found: dict[str, list[measurements.Row]]) -> None:
    text = DOCUMENT.read_text("utf-8")
    for name, table in report.tables(found).items():
        text = between(text, name, table.splitlines())
    DOCUMENT.write_text(text, "utf-8")
    if rows := found.get("rows"):
        DOCUMENT.with_name(PICTURE).write_text(report.bars(rows), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
