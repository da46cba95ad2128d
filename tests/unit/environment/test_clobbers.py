"""Of packages with the same path the one that rattler lets win has it; what it leaves to chance is refused."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from rattler import PackageRecord

from pixi_container.environment.archive import open_archive
from pixi_container.environment.clobbers import (
    PathTable,
    conda_paths,
    lost_paths,
    tables_as_json,
    tables_from_json,
)
from pixi_container.environment.package_metadata import read_metadata
from pixi_container.environment.refusals import NotDirectError
from tests.unit.environment import rattler_install, trees
from tests.unit.environment.archives import Item, Made, package, soft, text
from tests.unit.environment.rattler_install import Job, linked, repodata_record

PREFIX = "/app/.pixi/envs/default"
PATHS = ["bin/a", "lib/b", "lib/c", "share/x/d", "share/x/e"]


def item(path: str, content: str) -> Item:
    """A file of one of several kinds."""
    kinds: dict[str, Callable[[], Item]] = {
        "f": lambda: Item(path, content.encode(), mode=0o755),
        "l": lambda: soft(path, content),
        "t": lambda: text(path, f"{content}\n"),
    }
    return kinds[content[0]]()


@pytest.mark.slow
def test_the_package_that_rattler_lets_win_has_the_path(tmp_path: Path) -> None:
    """Twenty environments of two to four packages, which depend on each other in ways of all kinds."""
    chance = random.Random(1)  # noqa: S311
    made = [_packages(tmp_path / str(number), chance) for number in range(20)]
    jobs = [Job(tuple(packages), PREFIX, tmp_path / f"installed-{number}") for number, packages in enumerate(made)]
    assert rattler_install.run(jobs) == {}
    with_losers = 0
    for packages, job in zip(made, jobs, strict=True):
        ours: dict[str, trees.Node] = {}
        lost = lost_paths(_tables(packages))
        for each in packages:
            ours |= linked(each, PREFIX, None, lost.get(f"conda:{each.name}", frozenset()))
        trees.assert_same(ours, trees.of_folder(job.folder), in_order=not lost)
        with_losers += bool(lost)
    assert with_losers > 8


def _packages(folder: Path, chance: random.Random) -> list[Made]:
    names = chance.sample(["a", "b", "x", "y", "z"], chance.randint(2, 4))
    return [
        package(
            folder,
            name,
            [item(path, chance.choice("flt") + chance.choice("ab")) for path in chance.sample(PATHS, 3)],
            depends=[other for other in names[:number] if chance.random() < 0.4],
        )
        for number, name in enumerate(names)
    ]


def _tables(packages: list[Made]) -> list[PathTable]:
    records = PackageRecord.sort_topologically([repodata_record(each.archive, each.index) for each in packages])
    by_name = {each.name: each for each in packages}
    tables = []
    for record in records:
        with open_archive(by_name[record.name.normalized].archive) as archive:
            metadata = read_metadata(archive.name, archive.metadata, archive.about_time, None)
        tables.append(conda_paths(record.name.normalized, metadata))
    return tables


def table(
    package: str,
    files: tuple[str, ...] = (),
    commands: tuple[str, ...] = (),
    folders: tuple[str, ...] = (),
    contents: Mapping[str, str] | None = None,
) -> PathTable:
    return PathTable(package, files, commands, folders, contents or {})


WHEEL = {"site/x/__init__.py": "sha256=a"}
REFUSED = [
    (
        [table("conda:a", files=("lib/x",)), table("conda:b", files=("lib/x/y",))],
        "package 'a' has lib/x as a file, which is a folder of package 'b'",
    ),
    (
        [table("conda:a", files=("lib/x/y",)), table("conda:b", files=("lib/x",))],
        "package 'b' has lib/x as a file, which is a folder of package 'a'",
    ),
    (
        [table("conda:a", folders=("lib/x",)), table("conda:b", files=("lib/x",))],
        "has lib/x as a file",
    ),
    (
        [table("conda:a", commands=("bin/x",)), table("conda:b", files=("bin/x/y",))],
        "package 'a' has bin/x as a file",
    ),
    ([table("conda:a", commands=("bin/x",)), table("conda:b", files=("bin/x",))], "has bin/x, as has"),
    ([table("conda:a", files=("bin/x",)), table("conda:b", commands=("bin/x",))], "has bin/x, as has"),
    (
        [table("conda:a", commands=("bin/x",)), table("conda:b", commands=("bin/x",))],
        "has bin/x, as has",
    ),
    (
        [table("conda:a", files=("bin/x",)), table("pypi:b", files=("bin/x",), contents={"bin/x": "sha256=a"})],
        "package 'b' has bin/x, as has package 'a'",
    ),
    (
        [
            table("pypi:a", files=tuple(WHEEL), contents=WHEEL),
            table("pypi:b", files=tuple(WHEEL), contents={"site/x/__init__.py": "sha256=b"}),
        ],
        "package 'b' has site/x/__init__.py, as has package 'a'",
    ),
    (
        [
            table("pypi:a", files=tuple(WHEEL), contents={"site/x/__init__.py": ""}),
            table("pypi:b", files=tuple(WHEEL), contents={"site/x/__init__.py": ""}),
        ],
        "package 'b' has site/x/__init__.py, as has package 'a'",
    ),
]


@pytest.mark.parametrize(("tables", "message"), REFUSED)
def test_what_is_left_to_chance_is_refused(tables: list[PathTable], message: str) -> None:
    with pytest.raises(NotDirectError, match=message):
        lost_paths(tables)


def test_wheels_may_bring_the_same_file_of_a_namespace() -> None:
    wheels = [table(f"pypi:{name}", files=tuple(WHEEL), contents=WHEEL) for name in "ab"]
    assert lost_paths(wheels) == {}


def test_folders_are_shared() -> None:
    tables = [table("conda:a", folders=("lib/x",)), table("conda:b", folders=("lib/x",), files=("lib/x/y",))]
    assert lost_paths(tables) == {}


def test_tables_come_back_from_their_text() -> None:
    tables = [table("conda:a", files=("ä",), commands=("bin/x",), folders=("f",)), table("pypi:b", contents=WHEEL)]
    assert list(tables_from_json(tables_as_json(tables)).values()) == tables


@pytest.mark.parametrize("text", ["", "[]", "3", '{"conda:a": 3}', '{"conda:a": {}}', "[" * 100_000])
def test_another_text_is_no_table(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        tables_from_json(text)
