"""The oracle: rattler installs packages, in a process of its own, as py-rattler may crash when a process ends."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rattler import PackageRecord, RepoDataRecord, Subdir, install

from pixi_container.environment.archive import open_archive
from pixi_container.environment.linking import link
from pixi_container.environment.records import conda_record
from tests.unit.environment import trees

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixi_container.environment.package_metadata import Python
    from tests.unit.environment.archives import Made

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Job:
    """Packages to be installed together into a folder, as if that were ``prefix``; those ``without`` are not."""

    packages: tuple[Made, ...]
    prefix: str
    folder: Path
    without: tuple[str, ...] = ()
    subdir: str = "linux-64"


def repodata_record(archive: Path, index: Path) -> RepoDataRecord:
    """Return the record that a lock would have of the package."""
    record = RepoDataRecord(
        PackageRecord.from_index_json(index), archive.name, archive.as_uri(), archive.parent.as_uri()
    )
    record.sha256 = hashlib.sha256(archive.read_bytes()).digest()
    return record


def run(jobs: Sequence[Job]) -> dict[Path, str]:
    """Do all the jobs; returns what went wrong, by folder."""
    written = [
        {
            "packages": [[str(made.archive), str(made.index)] for made in job.packages],
            "prefix": job.prefix,
            "folder": str(job.folder),
            "without": job.without,
            "subdir": job.subdir,
        }
        for job in jobs
    ]
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        input=json.dumps(written),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT}/src"},
    )
    assert done.returncode == 0, done.stderr
    failures: dict[str, str] = json.loads(done.stdout)
    return {Path(folder): text for folder, text in failures.items()}


def linked(
    made: Made, prefix: str, python: Python | None = None, lost: frozenset[str] = frozenset()
) -> dict[str, trees.Node]:
    """Return what our own linking makes of the package."""
    record = conda_record(repodata_record(made.archive, made.index))
    with open_archive(made.archive) as archive:
        return trees.of_entries(link(archive, record, prefix, python, lost))


async def _main() -> dict[str, str]:
    os.umask(0o022)
    failures = {}
    for job in json.load(sys.stdin):
        folder = Path(job["folder"])
        records = [repodata_record(Path(archive), Path(index)) for archive, index in job["packages"]]
        try:
            await install(
                records,
                folder,
                cache_dir=folder.with_name(f"{folder.name}-cache"),
                installed_packages=[],
                ignored_packages=set(job["without"]),
                platform=Subdir(job["subdir"]),
                show_progress=False,
                alternative_target_prefix=job["prefix"],
            )
        except Exception as error:  # noqa: BLE001
            failures[str(folder)] = repr(error)
    return failures


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_main())))
    sys.stdout.flush()
    os._exit(0)
