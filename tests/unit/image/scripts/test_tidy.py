"""tidy.sh: functions of the other scripts, which change what they name and nothing similar."""

from __future__ import annotations

import subprocess

import pytest

from tests.unit.image.scripts.conftest import EARLIEST, Builder, write


def ran(builder: Builder, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command after the functions, with ``$PREFIX`` and ``$WORKDIR``."""
    return builder.shell(
        *("sh", "-euc", f". {builder.scripts}/tidy.sh; {command}"),
        **{"PREFIX": str(builder.prefix), "WORKDIR": str(builder.workdir), "TARGETARCH": "amd64", **variables},
    )


RECORD = """\
{
  "extracted_package_dir": "/cache/a",
  "nested": {
    "extracted_package_dir": "/cache/b",
    "source": "/cache/c",
    "deeper": {
      "source": "/cache/d",
      "type": 1
    },
    "text": "say \\"source\\": \\"/kept\\"",
    "more": 1, "source": "/kept",
    "type": 1
  },
  "source": "https://kept",
  "type": 1
}
"""
STRIPPED = """\
{
  "nested": {
    "extracted_package_dir": "/cache/b",
    "source": "",
    "deeper": {
      "source": "",
      "type": 1
    },
    "text": "say \\"source\\": \\"/kept\\"",
    "more": 1, "source": "/kept",
    "type": 3
  },
  "source": "https://kept",
  "type": 1
}
"""


def test_records_lose_places_of_the_cache_and_the_kind_of_link(builder: Builder) -> None:
    files = [
        write(builder.prefix / "conda-meta" / name, RECORD) for name in ("a.json", "b.json", "a.txt", "c/a.json")
    ]
    assert ran(builder, 'strip_records "$PREFIX"').returncode == 0
    assert [file.read_text() == STRIPPED for file in files] == [True, True, False, False]
    assert [file.read_text() == RECORD for file in files] == [False, False, True, True]


@pytest.mark.parametrize(
    ("version", "minor", "is_older"),
    [
        ("0.63.2", 64, True),
        ("0.64.0", 64, False),
        ("0.65.0", 64, False),
        ("0.9.0", 64, True),
        ("1.0.0", 64, False),
        ("1.63.0", 64, False),
    ],
)
def test_versions_of_pixi_are_compared_as_numbers(
    builder: Builder, version: str, minor: int, is_older: bool
) -> None:
    builder.pixi.answer(version=version)
    done = ran(builder, f"if pixi_is_older_than {minor}; then echo older; else echo not; fi")
    assert done.stdout == ("older\n" if is_older else "not\n")


def test_what_pixi_stores_beside_environments_is_removed(builder: Builder) -> None:
    kept = {"envs", "a.sh", ".gitignore", ".condapackageignore", "mine"}
    for name in ("a.sh", ".gitignore", ".condapackageignore", "mine/x", "bld/x", "a.txt", "b.sh.txt", "deep/a.sh"):
        write(builder.workdir / ".pixi" / name)
    assert ran(builder, 'remove_pixi_state "$WORKDIR" ! -name mine').returncode == 0
    assert {path.name for path in (builder.workdir / ".pixi").iterdir()} == kept


def test_times_are_set_of_links_as_well_and_of_what_a_test_selects(builder: Builder) -> None:
    folder = builder.root / "folder"
    file, other = write(folder / "a", seconds=7), write(folder / "b", seconds=7)
    (folder / "link").symlink_to("/nonexistent")
    assert ran(builder, f"set_times {folder} ! -name b").returncode == 0
    times = [path.lstat().st_mtime for path in (folder, file, folder / "link", other)]
    assert times == [EARLIEST, EARLIEST, EARLIEST, 7]


@pytest.mark.parametrize(
    ("records", "code", "message"),
    [
        ("arm64=1 amd64=2", 0, ""),
        ("amd64=3", 1, "pixi installed 2 conda packages, the lock has 3\n"),
        ("amd64=1", 1, "pixi installed 2 conda packages, the lock has 1\n"),
        ("arm64=2", 1, "environment 'default' is not rendered for amd64\n"),
        ("", 1, "environment 'default' is not rendered for amd64\n"),
    ],
)
def test_an_environment_has_as_many_packages_as_the_lock(
    builder: Builder, records: str, code: int, message: str
) -> None:
    for name in ("a.json", "b.json", "c.txt", "deeper/d.json"):
        write(builder.prefix / "conda-meta" / name)
    done = ran(builder, f'check_records "$PREFIX" "{records}"; echo whole')
    assert (done.returncode, done.stderr) == (code, message)
    assert done.stdout == ("" if code else "whole\n")
