"""Requirements of a manifest: each form of an entry, and what only Pixi can read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pixi_container.workspace.manifest import read_manifest
from pixi_container.workspace.requirements import (
    CondaRequirement,
    PypiRequirement,
    Requirements,
    _conda_requirement,
    _match,
    _pep508,
    _pypi_requirement,
    has_dev_dependencies,
    requirement_name,
)
from pixi_container.workspace.toml_table import TomlTable

LINUX = ("linux-64", "linux-64")


def table(value: object, key: str = "Some.Tool") -> TomlTable:
    return TomlTable({key: value}, "pixi.toml")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (">=1", {"match": 'some.tool[version=">=1"]', "written": ">=1"}),
        ("(a|b)", {"written": "(a|b)"}),
        (7, {"from_source": None, "applies": False}),
        ({"version": "1.*", "when": "x"}, {"from_source": None, "applies": False}),
        ({"workspace": True}, {"from_source": None, "applies": False}),
        ({"git": "https://a.example/b"}, {"from_source": True}),
        ({"path": "recipes/a"}, {"from_source": True}),
        ({"path": "a-1-0.conda"}, {"from_source": False}),
        ({"url": "https://a.example/a-1-0.tar.bz2?x#y"}, {"from_source": False}),
        ({"url": "https://a.example/a.zip"}, {"from_source": True}),
        ({"path": 7}, {"match": 'some.tool[version="*"]', "written": "*"}),
        ({}, {"match": 'some.tool[version="*"]', "written": "*"}),
        (
            {"version": ">=1", "build": "py*_0"},
            {"match": 'some.tool[version=">=1", build="py*_0"]', "written": ">=1 py*_0"},
        ),
        ({"version": 7}, {}),
        ({"build": 7}, {}),
        ({"build": "a b"}, {"written": "* a b"}),
    ],
)
def test_an_entry_of_conda(value: object, expected: dict[str, Any]) -> None:
    source = table(value)
    assert _conda_requirement(source, "Some.Tool") == replace(
        CondaRequirement("some.tool", source, "Some.Tool"), **expected
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (">=1", {"location": ">=1"}),
        (7, {"applies": False}),
        ({"version": "1", "env-markers": "x"}, {"applies": False}),
        ({"version": "1"}, {"location": "1"}),
        ({"version": 7}, {"location": "*"}),
        ({}, {"location": "*"}),
        (
            {"git": "https://g", "tag": "v1", "rev": "a"},
            {"source": "git", "location": "https://g", "reference": "tag=v1"},
        ),
        ({"git": "https://g", "branch": "b"}, {"source": "git", "location": "https://g", "reference": "branch=b"}),
        ({"git": "https://g", "rev": "r"}, {"source": "git", "location": "https://g", "reference": "rev=r"}),
        ({"git": "https://g", "tag": 7}, {"source": "git", "location": "https://g"}),
        ({"url": "https://u"}, {"source": "url", "location": "https://u"}),
        ({"path": "p", "editable": True}, {"source": "path", "location": "p"}),
        ({"path": 7}, {"location": "*"}),
    ],
)
def test_an_entry_of_pypi(value: object, expected: dict[str, Any]) -> None:
    source = table(value)
    assert _pypi_requirement(source, "Some.Tool") == replace(
        PypiRequirement("some-tool", source, "Some.Tool"), **expected
    )


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("Some.Tool >=1, <2", {"location": "<2,>=1"}),
        ("some_tool[extra]", {"location": "*"}),
        ("some-tool; python_version < '3'", {"applies": False}),
        ("some-tool @ https://a.example/a.whl", {"applies": False}),
        ("some-tool >= nothing", {"applies": False}),
        ("some-tool >=1" + ",>=1" * 80, {"applies": False}),
        ("not a requirement", None),
        ("", None),
    ],
)
def test_an_entry_of_a_python_project(entry: str, expected: dict[str, Any] | None) -> None:
    source = table([entry], "dependencies")
    made = _pep508(source, "dependencies", entry)
    if expected is None:
        assert made is None or not made.applies
    else:
        assert made == replace(PypiRequirement("some-tool", source, "dependencies"), **expected)


@pytest.mark.parametrize(
    ("requirement", "name"),
    [
        ("Some.Tool", "some-tool"),
        (" a [x]", "a"),
        ("a>1", "a"),
        ("a(>1)", "a"),
        ("a@b", "a"),
        ("a;b", "a"),
        ("a,b", "a"),
        ("a=b", "a"),
        ("a-", ""),
        ("-a", ""),
        ("a$", ""),
        ("a" * 202, "a" * 202),
        ("a" * 203, ""),
    ],
)
def test_the_name_that_a_requirement_starts_with(requirement: str, name: str) -> None:
    assert requirement_name(requirement) == name


@pytest.mark.parametrize(
    ("version", "is_read"),
    [
        ("*", True),
        ("1", True),
        ("=1.2.*", True),
        ("1.2.*", True),
        ("!=1.2.*", True),
        (" >= 1,<2 | ~=3.1 ", True),
        ("==1!2.0+local", True),
        (">1.*", False),
        ("", False),
        (">=1,", False),
        (">=1 <2", False),
        ("^1$", False),
        ("(>=1)", False),
        (">=a", False),
        ("1" * 61, True),
        ("1" * 62, False),
        (">=1" + ",>=1" * 74 + " ", True),
        (">=1" + ",>=1" * 74 + ",1", False),
    ],
)
def test_a_version_that_every_parser_reads_alike(version: str, is_read: bool) -> None:
    assert _match("a", version, "") == (f'a[version="{version.strip()}"]' if is_read else "")
    assert _match("a b", version, "") == ""


@pytest.mark.parametrize(
    ("build", "is_read"),
    [("py311_0", True), ("*_cp311", True), ("a b", False), ("b" * 100, True), ("b" * 101, False)],
)
def test_a_build_that_every_parser_reads_alike(build: str, is_read: bool) -> None:
    assert _match("a", "1", build) == (f'a[version="1", build="{build}"]' if is_read else "")


MANIFEST = """\
[workspace]
channels = ["conda-forge"]
platforms = ["linux-64", "osx-arm64"]

[dependencies]
Tool = "1"
both = "1"

[host-dependencies]
both = "2"

[build-dependencies]
built = "3"

[constraints]
limited = "<4"

[target.linux-64.dependencies]
tool = "5"

[target.osx-arm64.dependencies]
mac = "6"

[feature.more.dependencies]
tool = "7"

[feature.more.dev]
mine = { path = "." }

[feature.more.target.linux-64.pypi-dependencies]
py = "8"

[feature.more.pypi-dependencies]
py = "9"
other = "10"

[environments]
more = ["more"]
"""


def test_requirements_of_all_features_count(tmp_path: Path) -> None:
    (tmp_path / "pixi.toml").write_text(MANIFEST)
    manifest = read_manifest(tmp_path)
    requirements = Requirements(manifest, 100)

    def conda(environment: str, names: tuple[str, ...] = LINUX) -> list[tuple[str, str, bool]]:
        made = requirements.conda(manifest.environment(environment), names)
        return sorted((one.name, one.written, one.applies) for one in made)

    assert [entry for entry in conda("default") if entry[2]] == [
        ("both", "2", True),
        ("built", "3", True),
        ("tool", "5", True),
    ]
    assert ("mac", "6", True) in conda("default", ("osx-arm64",))
    assert {name for name, _, _ in conda("default")} == {"both", "built", "tool"}
    assert [one.written for one in requirements.constraints(manifest.environment("default"), LINUX)] == ["<4"]
    assert ("tool", "7", True) in conda("more")
    pypi = requirements.pypi(manifest.environment("more"), LINUX)
    assert sorted((one.name, one.location) for one in pypi if one.applies) == [("other", "10"), ("py", "8")]
    assert requirements.pypi(manifest.environment("default"), LINUX) == []
    assert has_dev_dependencies(manifest.environment("more"), LINUX)
    assert not has_dev_dependencies(manifest.environment("default"), LINUX)
