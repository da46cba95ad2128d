"""Packages linked straight from their archive are what rattler installs: path by path and record by record."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pixi_container.environment.archive import open_archive
from pixi_container.environment.clobbers import PathTable, conda_paths, lost_paths
from pixi_container.environment.linking import link
from pixi_container.environment.package_metadata import Python, read_metadata
from pixi_container.environment.records import conda_record
from pixi_container.environment.refusals import BrokenPackageError, NotDirectError
from pixi_container.errors import UserError
from tests.unit.environment import rattler_install, trees
from tests.unit.environment.archives import (
    BUILT,
    PLACEHOLDER,
    Item,
    Made,
    binary,
    hard,
    link as soft,
    package,
    text,
)
from tests.unit.environment.rattler_install import Job, repodata_record

SHORT = "/app/.pixi/envs/default"
LONG = "/app/" + "long_" * 30 + "/.pixi/envs/default"
SPACED = "/my app/.pixi/envs/default"
PYTHON = Python("3.11", "lib/python3.11/site-packages")
FREE_THREADED = Python("3.13", "lib/python3.13t/site-packages")

FILES = [
    Item("bin/a", b"x", mode=0o711),
    Item("bin/b", b"x", mode=0o4755),
    Item("lib/c", b"", mode=0o600, mtime=0),
    Item("lib/d", b"y" * 3_000_000, mode=0o444, mtime=BUILT + 5),
    Item("lib/not listed", b"z", row=None),
    Item("lib/folder", kind=tarfile.DIRTYPE, mode=0o700, row=None),
    Item("./lib/e", b"dotted", row={"_path": "lib/e"}),
    Item("share/ä ö/\U0001f40d \"quoted\", 'b' \t", b"odd"),
    Item("share/" + "deep/" * 40 + "n" * 120, b"deep"),
    Item("share/no digest", b"computed", row={"sha256": None, "size_in_bytes": None}),
    Item("share/other size", b"told", row={"size_in_bytes": 1234}),
    Item("share/copied", b"copied", row={"no_link": True}),
]
TEXTS = [
    text("bin/python script", f"#!{PLACEHOLDER}/bin/python3.11 -s\nprint('{PLACEHOLDER}')\n", mode=0o755),
    text("bin/plain", f"#!{PLACEHOLDER}/bin/python\n", mode=0o755),
    text("bin/perl", f"#! {PLACEHOLDER}/bin/perl -w\n", mode=0o755),
    text("bin/named", f"#!{PLACEHOLDER}/bin/python3.11.2\r\n{PLACEHOLDER}\r\n", mode=0o755),
    text("bin/env", f"#!/usr/bin/env bash\n. {PLACEHOLDER}/x; {PLACEHOLDER}{PLACEHOLDER}", mode=0o755),
    text("bin/escaped", f"#!{PLACEHOLDER}/a\\ b/tool --flag\n", mode=0o755),
    text("bin/no program", f"#!relative {PLACEHOLDER}\n"),
    text("lib/nothing", "no path here\n"),
    text("lib/empty", ""),
    text("lib/large", f"{PLACEHOLDER}/lib:" * 12_000),
    replace(text("lib/latin", ""), content=b"#!/bin/\xe4\xff\xc3( " + PLACEHOLDER.encode() + b"\n\xe4"),
    replace(text("lib/one field", ""), content=PLACEHOLDER.encode(), row={"prefix_placeholder": PLACEHOLDER}),
]
OLD = PLACEHOLDER.encode()
BINARIES = [
    binary("lib/a.so", b"\x7fELF\0" + OLD + b"/lib\0\0rest" + OLD + b":" + OLD + b"/x\0tail"),
    binary("lib/b.so", OLD),
    binary("lib/c.so", b"no string\0" + OLD[:-1] + b"\0"),
    binary("lib/d.so", b"\0" * ((1 << 20) - 50) + OLD + b"/lib\0" + b"\1" * (1 << 20) + OLD + b"at the end"),
]
LINKS = [
    Item("lib/libz.so.1.2", b"library", mode=0o755),
    soft("lib/libz.so.1", "libz.so.1.2", mtime=BUILT - 7),
    soft("lib/libz.so", "libz.so.1", row={"sha256": None, "size_in_bytes": None}),
    soft("share/dangling", "../nowhere/ä"),
    hard("bin/second", "lib/libz.so.1.2", b"library", mode=0o755),
    text("bin/git", f"#!{PLACEHOLDER}/bin/sh\n", mode=0o755),
    hard(
        "bin/git-add",
        "bin/git",
        f"#!{PLACEHOLDER}/bin/sh\n".encode(),
        mode=0o755,
        row={"prefix_placeholder": PLACEHOLDER, "file_mode": "text"},
    ),
]
MODULES = [
    Item("site-packages/pkg/__init__.py", b"def main(): ...\n"),
    text("site-packages/pkg/where.py", f"'{PLACEHOLDER}'\n"),
    Item("python-scripts/pkg-script", b"#!/bin/sh\n", mode=0o755),
    Item("share/pkg.txt", b"data"),
]
COMMANDS = ["pkg = pkg:main", "pkg-more=pkg.cli : Main.run "]


@dataclass(frozen=True)
class Case:
    """A package to be linked below a prefix, in an environment with a Python or without one."""

    name: str
    made: Made
    prefix: str
    python: Python | None = None


def python_package(folder: Path, python: Python) -> Made:
    return package(
        folder, "python", [Item(python.program, b"python", mode=0o755)], version=f"{python.version}.1",
        python_site_packages_path=python.site_packages,
    )  # fmt: skip


def sound_packages(folder: Path) -> list[tuple[Made, Python | None]]:
    """Return packages that can be linked, with the Python that they need."""
    return [
        (package(folder, "files", FILES), None),
        (package(folder, "files-bz2", FILES, suffix=".tar.bz2"), None),
        (package(folder, "texts", TEXTS), None),
        (package(folder, "texts-bz2", TEXTS, suffix=".tar.bz2", about_mtime=0), None),
        (package(folder, "binaries", BINARIES), None),
        (package(folder, "links", LINKS), None),
        (package(folder, "links-bz2", LINKS, suffix=".tar.bz2"), None),
        (package(folder, "meta", []), None),
        (package(folder, "generic", FILES[:2], noarch="generic", subdir="noarch"), None),
        (package(folder, "_odd.name-x", FILES[:1], build="h1_0", depends=["x >=1", "y"]), None),
        (package(folder, "module", MODULES, noarch="python", subdir="noarch", entry_points=COMMANDS), PYTHON),
        (
            package(folder, "module-bz2", MODULES, noarch="python", entry_points=COMMANDS, suffix=".tar.bz2"),
            FREE_THREADED,
        ),
    ]


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Case, Path]]:
    """Every sound package below every prefix, with the folder where rattler has installed it."""
    folder = tmp_path_factory.mktemp("packages")
    pythons = {python: python_package(folder / python.version, python) for python in (PYTHON, FREE_THREADED)}
    made, jobs = {}, []
    for sound, python in sound_packages(folder):
        for label, prefix in (("short", SHORT), ("long", LONG), ("spaced", SPACED)):
            case = Case(f"{sound.archive.name} {label}", sound, prefix, python)
            target = folder / f"{sound.name}-{label}"
            beside = (pythons[python],) if python else ()
            made[case.name] = case, target
            jobs.append(Job((sound, *beside), prefix, target, without=("python",) if python else ()))
    assert rattler_install.run(jobs) == {}
    return made


def linked(
    made: Made, prefix: str, python: Python | None, lost: frozenset[str] = frozenset()
) -> dict[str, trees.Node]:
    record = conda_record(repodata_record(made.archive, made.index))
    with open_archive(made.archive) as archive:
        return trees.of_entries(link(archive, record, prefix, python, lost))


NAMES = [
    f"{name} {label}"
    for name in [
        *(f"{stem}-1.0-0.conda" for stem in ("files", "texts", "binaries", "links", "meta", "generic", "module")),
        *(f"{stem}-bz2-1.0-0.tar.bz2" for stem in ("files", "texts", "links", "module")),
        "_odd.name-x-1.0-h1_0.conda",
    ]
    for label in ("short", "long", "spaced")
]


@pytest.mark.parametrize("name", NAMES)
def test_a_package_is_linked_as_rattler_installs_it(cases: dict[str, tuple[Case, Path]], name: str) -> None:
    case, folder = cases[name]
    trees.assert_same(linked(case.made, case.prefix, case.python), trees.of_folder(folder))
