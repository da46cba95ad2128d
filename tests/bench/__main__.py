"""Seconds and bytes of the flow against the usual recipe, in one run on the same workspaces, engine and registry.

Every build starts with an empty builder, as on a hosted runner. The recipe is one Dockerfile that copies all and
installs, built and pushed by buildx as `gzip`, untested and without a cache. Ours is the whole command, from
process start to the read-back. Writes .bench/latest.json, and for people .bench/report.md with a picture; sections
that are measured one after the other are merged there, and in docs/ with `--document`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import details, many, measurements, report
from tests.bench.contestants import ROOT, BenchError
from tests.bench.measurements import Bench
from tests.bench.workspaces import Workspaces
from tests.markers import between
from tests.rig import buildkit, engine, rig
from tests.rig.errors import RigError
from tests.rig.folders import Folders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tests.bench.measurements import Tables

RESULTS = ROOT / ".bench"
DOCUMENT = ROOT / "docs" / "performance.md"
REPORT = "report.md"
PICTURE = "performance.svg"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what is asked for; 1 when something does not work."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"all, or some of: {', '.join(_SECTIONS)}")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the tables with targets (default: 3)")
    parser.add_argument("--document", action="store_true", help="put the results into docs/ as well")
    options = parser.parse_args(argv)
    if unknown := set(options.sections) - _SECTIONS.keys():
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(_SECTIONS)}")
    folders = Folders.from_environment(os.environ)
    was_up = all(component.healthy for component in rig.status(folders))
    try:
        for tables in _measure(folders, options.sections or _SECTIONS, options.rounds):
            _write(tables, options.rounds)
            if options.document:
                _document(tables)
    except (RigError, BenchError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        if not was_up:
            rig.down(folders, print)
    print(f"\n{(RESULTS / REPORT).read_text('utf-8')}\nAll of it is in {RESULTS}.")
    return 0


@dataclass(frozen=True)
class _Benches:
    """The engine's own builder, and the BuildKit daemon's; the same where this machine can have no daemon."""

    engine: Bench
    daemon: Bench


_SECTIONS: dict[str, Callable[[_Benches, int], Tables]] = {
    "rows": lambda on, rounds: {"rows": measurements.changes(on.daemon, rounds, measurements.ON_A_DAEMON)},
    "engine_rows": lambda on, rounds: {
        "engine_rows": measurements.changes(on.engine, rounds, measurements.ON_THE_ENGINE)
    },
    "large": lambda on, rounds: measurements.large(on.daemon, rounds),
    "pulls": lambda on, _: {"pulls": details.pulls(on.daemon)},
    "sizes": lambda on, _: {"sizes": details.sizes(on.daemon)},
    "bumps": lambda on, _: {"bumps": details.bumps(on.daemon)},
    "choices": lambda on, _: {"choices": details.choices(on.daemon)},
    "start_up": lambda on, _: {"start_up": details.start_up(on.daemon)},
    "environments": lambda on, _: {"environments": many.environments(on.daemon)},
    "requests": lambda on, _: {"requests": many.requests(on.daemon)},
}
"""What can be measured apart. The ratios of a table are always of one run."""


def _measure(folders: Folders, sections: Iterable[str], rounds: int) -> Iterator[Tables]:
    components = rig.up(folders, print)
    with ExitStack() as stack:
        temporary = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pixi-container-bench-")))
        workspaces = Workspaces(components, folders, temporary)
        # The data of a machine's own engine is anywhere, and not this program's.
        engine_data = folders.state / engine.NAME / "data" if components.docker_host else None
        of_engine = Bench(components=components, workspaces=workspaces, builder="", builder_data=engine_data)
        benches = _Benches(of_engine, of_engine)
        try:
            address = rig.start_buildkit(folders, print)
        except buildkit.UnavailableError as error:
            print(f"no BuildKit daemon, the engine's own builder instead: {error}")
        else:
            stack.callback(buildkit.stop, "buildkit", state=folders.state)
            builder = stack.enter_context(buildkit.builder(address, environment=components.environment()))
            daemon = replace(of_engine, builder=builder, builder_data=folders.state / "buildkit" / "data")
            benches = replace(benches, daemon=daemon)
        for section in sections:
            print(f"\n{report.TITLES[section]}", flush=True)
            yield _SECTIONS[section](benches, rounds)


def _write(tables: Tables, rounds: int) -> None:
    """Put tables among those of this machine that were measured before, and write the report of all of them."""
    RESULTS.mkdir(exist_ok=True)
    latest = RESULTS / "latest.json"
    machine = {"cpus": os.cpu_count(), "system": platform.platform()}
    before = json.loads(latest.read_text("utf-8")) if latest.exists() else {}
    if before.get("machine") != machine or "tables" not in before:
        before = {"tables": {}, "rounds": {}}
    merged = {**before["tables"], **tables}
    counts = {**before["rounds"], **dict.fromkeys(tables, rounds)}
    latest.write_text(json.dumps({"machine": machine, "rounds": counts, "tables": merged}, indent=1) + "\n")
    texts = report.tables({name: merged[name] for name in report.TITLES if name in merged})
    text = "\n\n".join(f"## {report.TITLES[name]}\n\n{table}" for name, table in texts.items())
    (RESULTS / REPORT).write_text(f"# Seconds and bytes\n\n![changes]({PICTURE})\n\n{text}\n", "utf-8")
    if rows := merged.get("rows"):
        (RESULTS / PICTURE).write_text(report.bars(rows), "utf-8")


def _document(tables: Tables) -> None:
    text = DOCUMENT.read_text("utf-8")
    for name, table in report.tables(tables).items():
        text = between(text, name, table.splitlines())
    DOCUMENT.write_text(text, "utf-8")
    if rows := tables.get("rows"):
        DOCUMENT.with_name(PICTURE).write_text(report.bars(rows), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
