"""Packages from the workspace's own files: which are inside, of what kind, and who asks Git for a version."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, cast

import pytest

from pixi_container.errors import UserError
from pixi_container.workspace.local_packages import (
    OwnSource,
    _all_inputs,
    _check_count,
    _kind,
    _kind_of_place,
    _relative_to,
    is_inside,
    is_local,
    local_path,
    place_of,
)
from pixi_container.workspace.lock import LockedPackage
from pixi_container.workspace.workspace import _takes_version_from_git

if TYPE_CHECKING:
    from pixi_container.workspace.lock import Lock


class LockFile:
    """Stands for a lock, of which the file's name counts."""

    file = "pixi.lock"


LOCK = cast("Lock", LockFile())


@pytest.mark.parametrize(
    ("location", "local"),
    [
        ("./a", True),
        ("/a", True),
        ("file:///a", True),
        ("https://a.example/b", False),
        ("git+https://a.example/b", False),
        ("C:/a", True),
        ("a://b", False),
    ],
)
def test_what_is_a_file_of_this_machine(location: str, local: bool) -> None:
    assert is_local(location) is local


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        (".", True),
        ("a/b", True),
        ("..a", True),
        ("a/..", True),
        ("..", False),
        ("../a", False),
        ("/a", False),
        ("C:/a", False),
        ("//server/share/a", False),
    ],
)
def test_what_is_in_the_workspace(path: str, inside: bool) -> None:
    assert is_inside(path) is inside
    assert OwnSource(name="a", kind="wheel", path=path, reason="").is_inside is inside
    assert OwnSource(name="a", kind="wheel", path="b", reason="", inputs=("c", path)).is_inside is inside


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("./a", "a"),
        ("a/../b", "b"),
        ("/work/space/a", "a"),
        ("/work/space", "."),
        ("/work/spaces", "/work/spaces"),
        ("../a", "../a"),
        ("file:///work/space/a%20b", "a b"),
        ("file://host/work/space/a?x#y", "a"),
    ],
)
def test_a_location_is_relative_to_the_workspace(location: str, path: str) -> None:
    assert _relative_to(PurePosixPath("/work/space"), location) == path


def test_a_link_that_leaves_the_workspace_leads_where_it_points(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "a", outside):
        folder.mkdir(parents=True)
    (root / "out").symlink_to(outside)
    (root / "in").symlink_to("a")
    assert [place_of(path, root) for path in ("a", "in", "gone", "../x")] == ["a", "in", "gone", "../x"]
    assert place_of("out", root) == outside.as_posix()
    assert local_path(f"{root}/a/../in", root) == "in"


@pytest.mark.parametrize(
    ("kind", "location", "of_package", "of_place"),
    [
        ("conda", "./a-1-0.conda", "conda-file", "conda-file"),
        ("conda", "./a-1-0.tar.bz2", "conda-file", "conda-file"),
        ("conda", "./recipe", "conda-source", "conda-source"),
        ("pypi", "./a-1-py3-none-any.whl", "wheel", "pypi-file"),
        *(
            ("pypi", f"./a-1{suffix}", "sdist", "pypi-file")
            for suffix in (".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz", ".tar")
        ),
    ],
)
def test_the_kind_of_a_package_is_in_its_name(kind: str, location: str, of_package: str, of_place: str) -> None:
    package = LockedPackage(
        kind=kind, name="a", version="1", build="", location=location, size=None, sha256="", md5=""
    )
    made, reason = _kind(package, LOCK, {})
    assert made == of_package
    assert f"'{location}' in pixi.lock" in reason
    assert _kind_of_place(kind, location) == of_place
    assert _kind_of_place("pypi", "./folder") == "pypi-folder"


def test_a_lock_has_five_thousand_local_packages() -> None:
    _check_count(5000, LOCK)
    with pytest.raises(UserError, match="the lock has 5001 local packages; the limit is 5000") as caught:
        _check_count(5001, LOCK)
    assert caught.value.file == "pixi.lock"


FOLDERS = {"a": {"b", "c"}, "b": {"c"}, "c": {"d", "a"}, "e": {"a"}}


@pytest.mark.parametrize(
    ("steps", "left"),
    [(100, 88), (12, 0), (11, -1), (0, -3)],
)
def test_what_a_build_reads_is_followed_for_a_number_of_steps(steps: int, left: int) -> None:
    """A folder is a step, and so is each that it names, so that a small lock cannot have many followed."""
    reached, remaining = _all_inputs("a", FOLDERS, steps)
    assert remaining == left
    assert reached == ({"a", "b", "c", "d"} if steps else {"b", "c"})


@pytest.mark.parametrize(
    ("file", "text", "takes"),
    [
        ("pyproject.toml", 'requires = ["setuptools_scm"]', True),
        ("pyproject.toml", 'requires = ["setuptools-scm>=8"]', True),
        ("pyproject.toml", 'requires = ["hatch-vcs"]', True),
        ("pyproject.toml", 'requires = ["poetry-dynamic-versioning"]', True),
        ("pyproject.toml", "[tool.pdm.version]\nsource = 'scm'", True),
        ("pyproject.toml", '[tool.pdm.version]\nsource="scm"', True),
        ("setup.py", "setup(use_scm_version=True, setup_requires=['setuptools_scm'])", True),
        ("setup.cfg", "setup_requires = setuptools_scm", True),
        ("pyproject.toml", 'requires = ["hatchling"]', False),
        ("README.md", "setuptools_scm", False),
    ],
)
def test_who_takes_the_version_from_git(tmp_path: Path, file: str, text: str, takes: bool) -> None:
    for folder in ("packages/a", "packages/b"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "packages/a" / file).write_bytes(text.encode() + b"\n# \xff\n")
    inside, other, outside = (
        OwnSource(name="a", kind="pypi-path", path=path, reason="")
        for path in ("packages/a", "packages/b", f"{tmp_path}/packages/a")
    )
    assert _takes_version_from_git(tmp_path, [other, inside]) is takes
    assert _takes_version_from_git(tmp_path, [other, outside]) is False
    assert _takes_version_from_git(tmp_path, []) is False
