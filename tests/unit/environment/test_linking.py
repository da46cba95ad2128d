"""Packages linked straight from their archive are what rattler installs: path by path and record by record."""

from __future__ import annotations

import json
import random
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pixi_container.environment.archive import open_archive
from pixi_container.environment.linking import link
from pixi_container.environment.package_metadata import Python
from pixi_container.environment.records import conda_record
from pixi_container.environment.refusals import BrokenPackageError, NotDirectError
from pixi_container.errors import UserError
from tests.unit.environment import rattler_install, trees
from tests.unit.environment.archives import BUILT, PLACEHOLDER, Item, Made, binary, hard, package, soft, text
from tests.unit.environment.rattler_install import Job, linked

SHORT = "/app/.pixi/envs/default"
LONG = "/app/" + "long_" * 30 + "/.pixi/envs/default"
SPACED = "/my app/.pixi/envs/default"
LABELS = {
    "short": SHORT,
    "fitting": "/" + "p" * 109,
    "too long": "/" + "p" * 110,
    "long": LONG,
    "spaced": SPACED,
}
"""Prefixes: with the one that fits, the path of Python is as long as a first line may have it."""

PYTHON = Python("3.11", "lib/python3.11/site-packages")
FREE_THREADED = Python("3.13", "lib/python3.13t/site-packages")

FILES = [
    Item("bin/a", b"x", mode=0o711),
    Item("bin/b", b"x", mode=0o4755),
    Item("lib/c", b"", mode=0o600, mtime=0),
    Item("lib/c-before", b"in order"),
    Item("lib/c.d/inside", b"in order"),
    Item("lib/e-f", b"in order"),
    Item("lib/e.g/inside", b"in order"),
    Item("lib/e.g-h", b"in order"),
    Item("lib/d", b"y" * 1_200_000, mode=0o444, mtime=BUILT + 5),
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
    text("lib/large", f"{PLACEHOLDER}/lib:" * 5_200),
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
LIBRARY = Item("lib/libz.so.1.2", b"library", mode=0o755)
COMMAND = text("bin/git", f"#!{PLACEHOLDER}/bin/sh\n", mode=0o755)
LINKS = [
    LIBRARY,
    replace(soft("lib/libz.so.1", "libz.so.1.2"), mtime=BUILT - 7),
    soft("lib/libz.so", "libz.so.1", row={"sha256": None, "size_in_bytes": None}),
    soft("share/dangling", "../nowhere/ä"),
    hard("bin/second", LIBRARY),
    COMMAND,
    hard("bin/git-add", COMMAND),
    binary("lib/one.so", b"\0" + OLD + b"\0"),
    hard("lib/two.so", binary("lib/one.so", b"\0" + OLD + b"\0")),
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
        for label in LABELS if sound.name.partition("-")[0] in {"texts", "module"} else ("short",):
            prefix = LABELS[label]
            case = Case(f"{sound.archive.name} {label}", sound, prefix, python)
            target = folder / f"{sound.name}-{label}"
            beside = (pythons[python],) if python else ()
            made[case.name] = case, target
            jobs.append(Job((sound, *beside), prefix, target, without=("python",) if python else ()))
    assert rattler_install.run(jobs) == {}
    return made


NAMES = [
    *(f"{name}-1.0-0.conda short" for name in ("files", "binaries", "links", "meta", "generic")),
    *(f"{name}-bz2-1.0-0.tar.bz2 short" for name in ("files", "links")),
    *(f"{name}-1.0-0.conda {label}" for name in ("texts", "module") for label in LABELS),
    *(f"{name}-bz2-1.0-0.tar.bz2 {label}" for name in ("texts", "module") for label in LABELS),
    "_odd.name-x-1.0-h1_0.conda short",
]


@pytest.mark.slow
def test_every_package_is_compared(cases: dict[str, tuple[Case, Path]]) -> None:
    assert sorted(cases) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_package_is_linked_as_rattler_installs_it(cases: dict[str, tuple[Case, Path]], name: str) -> None:
    case, folder = cases[name]
    trees.assert_same(linked(case.made, case.prefix, case.python), trees.of_folder(folder))


def random_package(folder: Path, number: int) -> tuple[Made, str]:
    """Return a package of files of all kinds, with odd names and modes, and a prefix of any length for it."""
    chance = random.Random(number)  # noqa: S311
    content = [OLD, b"\0", b"\n", b"#!" + OLD + b"/bin/python3\n", b"x" * 300, b"\xff", b":", b"/lib"]
    items: list[Item] = []
    for index in range(chance.randint(0, 25)):
        folders = "".join(f"{chance.choice(['a', 'ä b', 'c' * 60])}/" for _ in range(chance.randint(0, 4)))
        path = f"{folders}{chance.choice(['file', 'with space', 'ß', '.hidden'])}-{index}"
        text = b"".join(chance.choices(content, k=chance.randint(0, 12)))
        if text.startswith(b"#!") and b"\n" not in text:
            text += b"\n"
        row: dict[str, Any] = {}
        if chance.random() < 0.5:
            row = {"prefix_placeholder": PLACEHOLDER, "file_mode": chance.choice(["text", "binary"])}
        if chance.random() < 0.1:
            row |= {"sha256": None, "size_in_bytes": None}
        mode = chance.choice([0o644, 0o755, 0o600, 0o444, 0o555, 0o711, 0o664])
        item = Item(path, text, mode=mode, mtime=chance.choice([0, BUILT, BUILT + 99]), row=row)
        plain = [each for each in items if each.kind == tarfile.REGTYPE]
        if plain and chance.random() < 0.15:
            item = hard(path, chance.choice(plain))
        elif chance.random() < 0.15:
            item = soft(path, f"target/{index}")
        items.append(item)
    prefix = "/" + "p" * chance.choice([1, 20, 110, 130, 200]) + chance.choice(["", " q"])
    suffix = chance.choice([".conda", ".conda", ".tar.bz2"])
    return package(folder, f"random-{number}", items, suffix=suffix), prefix


@pytest.mark.slow
def test_packages_of_any_kind_are_linked_as_rattler_installs_them(tmp_path: Path) -> None:
    made = [random_package(tmp_path, number) for number in range(30)]
    jobs = [Job((each,), prefix, tmp_path / f"{each.name}-installed") for each, prefix in made]
    assert rattler_install.run(jobs) == {}
    for (each, prefix), job in zip(made, jobs, strict=True):
        trees.assert_same(linked(each, prefix), trees.of_folder(job.folder))


REFUSED = [
    # What a package has, and why only pixi can install it.
    ([soft("lib/x", "/etc/passwd")], {}, "out of the environment"),
    ([soft("lib/x", "../../x")], {}, "out of the environment"),
    ([soft("bin/x", "../..")], {}, "out of the environment"),
    ([replace(soft("bin/x", "y"), row={"path_type": "hardlink"})], {}, "lists bin/x as a file, and it is a link"),
    ([soft("bin/x", "y", row={"no_link": True})], {}, "wants the link bin/x replaced"),
    ([LIBRARY, replace(hard("bin/x", LIBRARY), row=COMMAND.row)], {}, "as one file with two contents"),
    ([Item("conda-meta/history")], {}, "pixi's own to write"),
    ([Item("__clobbers__/other/x")], {}, "pixi's own to write"),
    ([Item("a\\b")], {}, "a path of Windows"),
    ([LIBRARY], {"info": {"paths.json": None}}, "has no info/paths.json"),
    ([Item("site-packages/a.py")], {"noarch": "python"}, "the environment has none"),
]
BROKEN = [
    # What a package has, and what is said of it.
    ([Item("bin/x"), Item("bin/x", row=None)], {}, "it has bin/x twice"),
    ([Item("bin/x"), Item("bin/y", row={"_path": "bin/x"})], {}, "it lists a path twice"),
    ([Item("bin/x", row={"_path": "bin/y"})], {}, "it lists bin/y, which it does not have"),
    ([Item("bin/x", row={"_path": "../x"})], {}, "leads out of the environment"),
    ([Item("bin/x", row={"_path": "/etc/passwd"})], {}, "leads out of the environment"),
    ([Item("bin/x", row={"_path": "bin//x"})], {}, "leads out of the environment"),
    ([Item("bin/x", row={"path_type": "softlink"})], {}, "it lists bin/x as a softlink, and it is a file"),
    ([Item("bin/x", row={"path_type": "device"})], {}, "its list of files is not understood"),
    ([Item("bin/x", row={"sha256": "abc"})], {}, "its list of files is not understood"),
    ([Item("bin/x", row={"size_in_bytes": "many"})], {}, "its list of files is not understood"),
    ([soft("lib", "share"), Item("lib/x")], {}, "it has lib as a file and as a folder"),
    ([hard("bin/x", Item("bin/none"))], {}, "is no file before it"),
    ([hard("bin/x", Item("../../etc/passwd"))], {}, "leads out of the environment"),
    ([Item("bin/x", mode=0o755), hard("bin/y", Item("bin/x", mode=0o644))], {}, "one file with two modes"),
    ([], {"info": {"index.json": None}}, "it has no info/index.json"),
    ([], {"info": {"paths.json": b"["}}, "info/paths.json is no JSON"),
    ([], {"info": {"paths.json": b"[" * 100_000}}, "info/paths.json is no JSON"),
    ([], {"info": {"paths.json": b"[]"}}, "info/paths.json is no table"),
    ([], {"info": {"paths.json": b'{"paths": [{"_path": "\\ud800"}]}'}}, "its list of files is not understood"),
]


@pytest.mark.parametrize(("items", "more", "reason"), REFUSED)
def test_what_only_pixi_installs_is_told(
    tmp_path: Path, items: list[Item], more: dict[str, Any], reason: str
) -> None:
    made = package(tmp_path, "refused", items, **more)
    with pytest.raises(NotDirectError, match=reason) as raised:
        linked(made, SHORT)
    assert str(raised.value).startswith("package 'refused-1.0-0.conda' ")


@pytest.mark.parametrize("suffix", [".conda", ".tar.bz2"])
@pytest.mark.parametrize(("items", "more", "problem"), BROKEN)
def test_a_broken_package_is_named(
    tmp_path: Path, items: list[Item], more: dict[str, Any], problem: str, suffix: str
) -> None:
    made = package(tmp_path, "broken", items, suffix=suffix, **more)
    with pytest.raises(BrokenPackageError, match=problem) as raised:
        linked(made, SHORT)
    assert str(raised.value).startswith(f"package 'broken-1.0-0{suffix}' is broken: ")
    assert "tell its publisher" in str(raised.value)


@pytest.mark.parametrize(
    "command", ["../x = a:b", "x/y = a:b", ".x = a:b", " = a:b", "x = a", "x = a; import os:b", "x = a:b()"]
)
def test_a_command_that_would_be_a_path_or_code_is_refused(tmp_path: Path, command: str) -> None:
    made = package(tmp_path, "module", [], noarch="python", entry_points=[command])
    with pytest.raises(BrokenPackageError, match="its list of files is not understood"):
        linked(made, SHORT, PYTHON)


def test_a_command_that_is_a_file_as_well_is_left_to_pixi(tmp_path: Path) -> None:
    made = package(tmp_path, "module", [Item("bin/x")], noarch="python", entry_points=["x = a:b"])
    with pytest.raises(NotDirectError, match="brings a command twice"):
        linked(made, SHORT, PYTHON)


def test_an_empty_folder_is_made(tmp_path: Path) -> None:
    listed = Item("share/empty", kind=tarfile.DIRTYPE, row={"sha256": None, "size_in_bytes": None})
    made = package(tmp_path, "folders", [listed, Item("lib/in it")])
    record = conda_record(rattler_install.repodata_record(made.archive, made.index))
    with open_archive(made.archive) as archive:
        entries = [(entry.path, entry.kind, entry.mode) for entry in link(archive, record, SHORT, None)]
    assert entries[0] == ("share/empty", "directory", 0o755)


def test_a_prefix_that_a_binary_has_no_room_for_is_the_users_to_shorten(tmp_path: Path) -> None:
    made = package(tmp_path, "tight", [binary("lib/x.so", OLD)])
    with pytest.raises(UserError, match=r"tight-1.0-0.conda.*lib/x.so has room for a path of 215 bytes") as raised:
        linked(made, "/" + "p" * 300)
    assert "shorter workdir" in str(raised.value)


def test_what_is_not_read_of_a_file_is_in_its_record_all_the_same(tmp_path: Path) -> None:
    made = package(tmp_path, "skipped", [Item("share/x", b"content", row={"sha256": None})])
    record = conda_record(rattler_install.repodata_record(made.archive, made.index))
    with open_archive(made.archive) as archive:
        last = list(link(archive, record, SHORT, None))[-1]
    assert linked(made, SHORT)[last.path].content == b"".join(last.content)


@pytest.mark.parametrize(
    ("path", "is_pixi_s"),
    [
        ("conda-meta/x", True),
        ("__clobbers__/x", True),
        ("CACHEDIR.TAG", True),
        ("conda-metadata/x", False),
        ("lib/conda-meta/x", False),
        ("lib/CACHEDIR.TAG", False),
    ],
)
def test_what_pixi_writes_is_no_file_of_a_package(tmp_path: Path, path: str, is_pixi_s: bool) -> None:
    made = package(tmp_path, "own", [Item(path)])
    if is_pixi_s:
        with pytest.raises(NotDirectError, match=f"has {path}, which is pixi's own to write"):
            linked(made, SHORT)
    else:
        assert path in linked(made, SHORT)


@pytest.mark.parametrize(
    ("command", "path", "text"),
    [
        ("x = a:b", "bin/x", "from a import b"),
        ("x=_a1:_b2", "bin/x", "from _a1 import _b2"),
        ("x.y-z = a.b.c : D.run", "bin/x.y-z", "from a.b.c import D"),
    ],
)
def test_a_command_calls_a_function_of_a_module(tmp_path: Path, command: str, path: str, text: str) -> None:
    made = package(tmp_path, "module", [], noarch="python", entry_points=[command])
    launcher = linked(made, SHORT, PYTHON)[path]
    assert f"\n{text}\n" in launcher.content.decode()
    assert launcher.mode == 0o755
    assert launcher.content.startswith(f"#!{SHORT}/bin/python3.11\n".encode())


@pytest.mark.parametrize(
    "command", ["x\\y = a:b", "x\0 = a:b", "x = 1a:b", "x = a:1b", "x = a.:b", "x : a = b", "x = a b:c"]
)
def test_another_command_that_would_be_a_path_or_code_is_refused(tmp_path: Path, command: str) -> None:
    made = package(tmp_path, "module", [], noarch="python", entry_points=[command])
    with pytest.raises(BrokenPackageError, match="its list of files is not understood"):
        linked(made, SHORT, PYTHON)


def test_a_package_that_is_not_for_python_has_no_commands(tmp_path: Path) -> None:
    info = {"link.json": {"noarch": {"type": "python", "entry_points": ["x = a:b"]}}}
    made = package(tmp_path, "plain", [Item("site-packages/a.py"), Item("python-scripts/b")], info=info)
    assert {"site-packages/a.py", "python-scripts/b"} <= linked(made, SHORT, PYTHON).keys()
    assert "bin/x" not in linked(made, SHORT, PYTHON)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"sha256": "A" * 64}, ""),
        ({"sha256": "a" * 63}, "not understood"),
        ({"sha256": "g" * 64}, "not understood"),
        ({"sha256": 1}, "not understood"),
        ({"size_in_bytes": "1"}, ""),
        ({"_path": None}, "not understood"),
        ({"path_type": None}, "not understood"),
        ({"prefix_placeholder": "/a\0b", "file_mode": "text"}, "not understood"),
        ({"_path": "bin/.", "path_type": "hardlink"}, "leads out"),
        ({"_path": "bin/\0"}, "leads out"),
    ],
)
def test_what_a_list_of_files_may_say(tmp_path: Path, row: dict[str, Any], problem: str) -> None:
    made = package(tmp_path, "listed", [Item("bin/x", b"x", row=row)])
    if problem:
        with pytest.raises(BrokenPackageError, match=problem):
            linked(made, SHORT)
    else:
        assert "bin/x" in linked(made, SHORT)


def test_a_placeholder_without_a_mode_is_a_text_like_any_other(tmp_path: Path) -> None:
    one = Item("a", OLD, row={"prefix_placeholder": PLACEHOLDER})
    other = Item("b", OLD, row={"prefix_placeholder": PLACEHOLDER, "file_mode": "other"})
    nodes = linked(package(tmp_path, "halves", [one, other]), SHORT)
    assert (nodes["a"].content, nodes["b"].content) == (OLD, OLD)


def test_a_broken_list_of_commands_is_named(tmp_path: Path) -> None:
    made = package(tmp_path, "module", [], noarch="python", info={"link.json": {"noarch": []}})
    with pytest.raises(BrokenPackageError, match="its list of files is not understood"):
        linked(made, SHORT, PYTHON)


def test_what_has_no_date_of_its_own_is_of_1980(tmp_path: Path) -> None:
    made = package(tmp_path, "undated", [text("a", PLACEHOLDER)], info={"about.json": None})
    assert linked(made, SHORT)["a"].mtime == 315_532_800
    made = package(tmp_path, "dated", [text("a", PLACEHOLDER)])
    assert linked(made, SHORT)["a"].mtime == BUILT + 1


def test_a_path_that_another_package_has_goes_aside_and_is_noted(tmp_path: Path) -> None:
    made = package(tmp_path, "one", [Item("lib/same", b"x"), Item("lib/own", b"y")])
    record = conda_record(rattler_install.repodata_record(made.archive, made.index))
    with open_archive(made.archive) as archive:
        nodes = trees.of_entries(link(archive, record, SHORT, None, frozenset({"lib/same"})))
    assert {"__clobbers__/one/lib/same", "lib/own"} <= nodes.keys()
    listed = json.loads(nodes["conda-meta/one-1.0-0.json"].content)["paths_data"]["paths"]
    noted = {entry["_path"]: entry.get("original_path") for entry in listed}
    assert noted == {"__clobbers__/one/lib/same": "lib/same", "lib/own": None}
