"""Whole environments of real packages: what is linked from the archives is what rattler and uv install."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rattler import PackageRecord

from pixi_container.environment.archive import open_archive
from pixi_container.environment.clobbers import conda_paths, lost_paths
from pixi_container.environment.entries import EARLIEST
from pixi_container.environment.layer_tar import LayerBlob, LayerWriter
from pixi_container.environment.linking import link
from pixi_container.environment.package_metadata import Python, read_metadata
from pixi_container.environment.records import conda_record
from pixi_container.environment.wheels import open_wheel
from tests.rig import conda_packages
from tests.rig.analysis_recipes import ANALYSIS
from tests.rig.folders import Folders
from tests.unit.environment import rattler_install, trees
from tests.unit.environment.archives import Made, wheel
from tests.unit.environment.rattler_install import Job, linked, repodata_record
from tests.unit.environment.test_wheels import without_local_files

pytestmark = pytest.mark.slow

PREFIX = "/home/someone/a project/.pixi/envs/default"
PYTHON = Python("3.11", "lib/python3.11/site-packages")
CACHE = Folders.from_environment(os.environ).cache


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Made]]:
    """Return one version of each package of the rig's channel, with those for data analysis, by platform."""
    channel = conda_packages.build(CACHE, print, more=ANALYSIS)
    folder = tmp_path_factory.mktemp("indexes")
    return {subdir: _packages(channel, folder, subdir) for subdir in ("linux-64", "linux-aarch64")}


def _packages(channel: Path, folder: Path, subdir: str) -> list[Made]:
    made = {}
    for path in sorted([*(channel / subdir).glob("*.conda"), *(channel / "noarch").glob("*.conda")]):
        name = path.name.rsplit("-", 2)[0]
        index = folder / f"{subdir}-{path.name}.json"
        with open_archive(path) as archive:
            index.write_bytes(archive.metadata["info/index.json"])
        made[name] = Made(path, index, name)
    return list(made.values())


@pytest.mark.parametrize("subdir", ["linux-64", "linux-aarch64"])
def test_a_whole_environment_is_the_one_that_rattler_installs(
    tmp_path: Path, packages: dict[str, list[Made]], subdir: str
) -> None:
    made = packages[subdir]
    target = tmp_path / "installed"
    assert rattler_install.run([Job(tuple(made), PREFIX, target, subdir=subdir)]) == {}
    lost = _lost(made)
    ours: dict[str, trees.Node] = {}
    for each in made:
        ours |= linked(each, PREFIX, PYTHON, lost.get(f"conda:{each.name}", frozenset()))
    assert len(ours) > 2_000
    assert len(made) > 25
    trees.assert_same(ours, trees.of_folder(target), in_order=not lost)


def _lost(made: list[Made]) -> dict[str, frozenset[str]]:
    records = PackageRecord.sort_topologically([repodata_record(each.archive, each.index) for each in made])
    by_name = {each.name: each for each in made}
    tables = []
    for record in records:
        with open_archive(by_name[record.name.normalized].archive) as archive:
            metadata = read_metadata(archive.name, archive.metadata, archive.about_time, PYTHON)
        tables.append(conda_paths(record.name.normalized, metadata))
    return lost_paths(tables)


def test_a_layer_of_real_packages_is_made_twice_the_same(packages: dict[str, list[Made]]) -> None:
    chosen = [each for each in packages["linux-64"] if each.name in {"openssl", "rich", "tzdata", "ncurses"}]
    assert len(chosen) == 4

    def made() -> LayerBlob:
        writer = LayerWriter(io.BytesIO())
        for each in chosen:
            record = conda_record(repodata_record(each.archive, each.index))
            with open_archive(each.archive) as archive:
                writer.add(link(archive, record, PREFIX, PYTHON), PREFIX)
        return writer.finish()

    assert made() == made()


def test_real_wheels_are_installed_as_uv_does(tmp_path: Path, packages: dict[str, list[Made]]) -> None:
    """In an environment of a real Python, with the wheels that the rig has, and one with headers."""
    prefix = tmp_path / "environment"
    needed = {"python", "libzlib", "libffi", "openssl", "libexpat", "bzip2", "liblzma", "libsqlite", "libuuid",
              "libxcrypt", "ncurses", "readline", "libgcc", "libstdcxx", "libgomp", "_openmp_mutex"}  # fmt: skip
    chosen = tuple(each for each in packages["linux-64"] if each.name in needed)
    assert rattler_install.run([Job(chosen, str(prefix), prefix)]) == {}
    before = set(trees.of_folder(prefix))
    folder = tmp_path / "wheels"
    headers = wheel(folder, "with_headers", {"with_headers-1.0.data/headers/a/b.h": "h", "with_headers.py": ""})
    archives = [path for path in sorted((CACHE / "wheels").glob("*.whl")) if "aarch64" not in path.name]
    by_name = {path.name.partition("-")[0]: path for path in archives}
    wheels = [headers, *by_name.values()]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "UV_OFFLINE": "1", "UV_NO_INDEX": "1"}
    options = ["--no-deps", "--python", str(prefix / PYTHON.program), "--break-system-packages"]
    places = [option for place in (folder, CACHE / "wheels") for option in ("--find-links", str(place))]
    names = [f"{path.name.split('-')[0]}=={path.name.split('-')[1]}" for path in wheels]
    done = subprocess.run(
        [Path(sys.executable).with_name("uv"), "pip", "install", *options, *places, *names],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    theirs = without_local_files(trees.of_folder(prefix), before)
    ours: dict[str, trees.Node] = {}
    for path in wheels:
        with open_wheel(path, PYTHON) as opened:
            ours |= trees.of_entries(opened.entries(str(prefix), installer="uv"))
    assert len(ours) > 2_000
    assert "include/python3.11/with-headers/a/b.h" in ours
    assert set(ours) ^ set(theirs) == set()
    for name, node in theirs.items():
        assert (ours[name].kind, ours[name].mode, ours[name].mtime) == (node.kind, node.mode, EARLIEST), name
        assert ours[name].content == node.content, name
