"""A package that another environment took apart is linked as its archive is."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixi_container.environment.archive import CondaPackage, open_archive
from pixi_container.environment.linking import link
from pixi_container.environment.records import CondaRecord
from pixi_container.environment.refusals import BrokenPackageError
from pixi_container.environment.shared_contents import SharedContents
from pixi_container.environment.shared_payloads import SharedPayloads
from pixi_container.environment.shared_work import SharedWork
from tests.unit.environment.archives import PLACEHOLDER, Item, hard, package, soft, text

SHA256 = "ab" * 32
FIRST = Item("bin/a", bytes(range(256)) * 5000, mode=0o755, mtime=1_500_000_000)
ITEMS = [
    FIRST,
    Item("lib/\u00e4"),
    hard("bin/b", FIRST),
    soft("lib/c", "../bin/a"),
    text("etc/d", f"a {PLACEHOLDER}\n"),
    Item("unlisted", b"in no list of files", row=None),
]


def linked(opened: CondaPackage, prefix: str = "/app") -> list[tuple[object, ...]]:
    record = CondaRecord("one", "1.0", "0", {})
    return [
        (
            each.path,
            each.kind,
            each.mode,
            each.mtime,
            each.size,
            each.target,
            each.packaged,
            b"".join(each.content),
        )
        for each in link(opened, record, prefix, None)
    ]


def kept(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith(SHA256)]


def payloads(folder: Path, reserve: int = 0) -> SharedPayloads:
    return SharedPayloads(SharedContents(SharedWork(folder, reserve)))


@pytest.mark.more_cases
@pytest.mark.parametrize("suffix", [".conda", ".tar.bz2"])
def test_a_package_is_linked_in_the_same_way_from_its_archive_and_what_is_left_of_it(
    tmp_path: Path, suffix: str
) -> None:
    shared, made = payloads(tmp_path / "shared"), package(tmp_path, "one", ITEMS, suffix=suffix)
    with open_archive(made.archive) as archive:
        expected = linked(archive)
    for prefix in ("/app", "/somewhere/else"):
        with shared.opened(made.archive, SHA256, lambda: None) as opened:
            found = linked(opened, prefix)
        assert (found == expected) == (prefix == "/app")
    made.archive.unlink()
    with shared.opened(made.archive, SHA256, lambda: None) as opened:
        assert linked(opened) == expected
        assert "unlisted" not in [entry.path for entry in opened.entries()]
    (file,) = kept(tmp_path / "shared")
    assert b"in no list" not in file.read_bytes()


@pytest.mark.parametrize("position", [0, 1_000_000, -1, -20, -45, -200])
def test_what_is_damaged_is_not_used(tmp_path: Path, position: int) -> None:
    shared, made = payloads(tmp_path / "shared"), package(tmp_path, "one", ITEMS)
    with shared.opened(made.archive, SHA256, lambda: None) as opened:
        expected = linked(opened)
    (file,) = kept(tmp_path / "shared")
    whole = file.read_bytes()
    damaged = bytearray(whole)
    damaged[position] ^= 1
    file.write_bytes(damaged)
    with shared.opened(made.archive, SHA256, lambda: None) as opened:
        assert linked(opened) == expected
    assert file.read_bytes() == whole


def test_nothing_is_left_of_a_package_that_is_not_linked_to_its_end(tmp_path: Path) -> None:
    shared, made = payloads(tmp_path / "shared"), package(tmp_path, "one", ITEMS)
    with shared.opened(made.archive, SHA256, lambda: None) as opened:
        next(link(opened, CondaRecord("one", "1.0", "0", {}), "/app", None))
    assert kept(tmp_path / "shared") == []
    broken = package(tmp_path, "broken", [FIRST, Item("bin/a", row=None)])
    with pytest.raises(BrokenPackageError), shared.opened(broken.archive, SHA256, lambda: None) as opened:
        linked(opened)
    assert kept(tmp_path / "shared") == []


def test_where_the_disk_is_full_nothing_is_left(tmp_path: Path) -> None:
    shared, made = payloads(tmp_path / "shared", 1 << 60), package(tmp_path, "one", ITEMS)
    for _ in range(2):
        with shared.opened(made.archive, SHA256, lambda: None) as opened:
            assert linked(opened)[0][7] == FIRST.content
    assert kept(tmp_path / "shared") == []
