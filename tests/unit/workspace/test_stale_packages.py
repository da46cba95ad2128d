"""Locked packages beside what the manifest requires: each difference that Pixi sees, and none that it may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pixi_container.workspace.lock import Lock, read_lock
from pixi_container.workspace.requirements import CondaRequirement, PypiRequirement
from pixi_container.workspace.stale_packages import Asked, PackageComparison
from pixi_container.workspace.toml_table import TomlTable
from tests.unit.workspace.locked_workspace import (
    CHANNEL,
    ENVIRONMENT,
    LOCK,
    MANIFEST,
    UNNEEDED,
    reasons,
    told,
    with_conda,
    with_sources,
)

if TYPE_CHECKING:
    from pathlib import Path

    from rattler.lock import LockedPackage


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("ninja =", "CMake =", "the conda package cmake, which the manifest requires, is not locked"),
        (
            '">=1.11"',
            '{ path = "ninja" }',
            "the manifest builds the conda package ninja from source, but a binary package is locked",
        ),
        ('">=1.11"', '">1.12.1"', "ninja 1.12.1 is locked; the manifest requires >1.12.1"),
        ('">=1.11"', '">=1.12.1"', ""),
        (
            '">=1.11"',
            '{ version = ">=1.11", build = "h9_0" }',
            "ninja 1.12.1 is locked; the manifest requires >=1.11 h9_0",
        ),
        (
            "[pypi-d",
            '[constraints]\nninja = "<1.12.1"\n[pypi-d',
            "ninja 1.12.1 is locked; the manifest requires <1.12.1",
        ),
        ("[pypi-d", '[constraints]\nninja = "<=1.12.1"\n[pypi-d', ""),
        ("[pypi-d", '__cuda = ">=99"\n[pypi-d', ""),
        ("tqdm =", "Flask_X =", "the PyPI package flask-x, which the manifest requires, is not locked"),
    ],
)
def test_what_the_manifest_requires_of_conda(tmp_path: Path, old: str, new: str, reason: str) -> None:
    assert old in MANIFEST
    assert told(tmp_path, MANIFEST.replace(old, new))[:1] == ([reason] if reason else [])


def test_a_constraint_counts_from_the_version_of_pixi_that_knows_it(tmp_path: Path) -> None:
    manifest = MANIFEST.replace("[pypi-d", '[constraints]\nninja = "<1"\n[pypi-d')
    assert told(tmp_path, manifest, pixi="0.71.0") == ["ninja 1.12.1 is locked; the manifest requires <1"]
    assert told(tmp_path, manifest, pixi="0.70.3") == []


@pytest.mark.parametrize(
    ("depends", "reason"),
    [
        ("libzlib", ""),
        ("libzlib>=1.3", ""),
        (" LibZlib >=1.3", ""),
        ("libzlib >=1.3.1", ""),
        ("libzlib 1.3.1 h1_0", ""),
        ("libzlib >1.3.1", "python needs libzlib >1.3.1, but libzlib 1.3.1 is locked"),
        ("libzlib 1.3.1 h9_0", "python needs libzlib 1.3.1 h9_0, but libzlib 1.3.1 is locked"),
        ("cmake >=3", "python needs cmake >=3, but no such package is locked"),
        ("cmake>=3", "python needs cmake>=3, but no such package is locked"),
        ("cmake=3", "python needs cmake=3, but no such package is locked"),
        ("cmake<3", "python needs cmake<3, but no such package is locked"),
        ("cmake!=3", "python needs cmake!=3, but no such package is locked"),
        ("cmake~=3.1", "python needs cmake~=3.1, but no such package is locked"),
        ("_x.y-z", "python needs _x.y-z, but no such package is locked"),
        ("__cuda >=99", ""),
        ("cmake[build=a]", ""),
        ("conda-forge::cmake", ""),
        ("cmake (>=3)", ""),
        ("cmake; 1", ""),
        ("cmake ^3", ""),
        ('cmake "3"', ""),
        ("cmake if win", ""),
        ("cmake " + "3" * 294, f"python needs cmake {'3' * 113}…, but no such package is locked"),
        ("cmake " + "3" * 295, ""),
    ],
)
def test_which_packages_a_locked_package_needs(tmp_path: Path, depends: str, reason: str) -> None:
    written = depends.replace("'", "''")
    lock = LOCK.replace("  - libzlib >=1.3,<2.0a0", f"  - libzlib >=1.3,<2.0a0\n  - '{written}'")
    assert told(tmp_path, lock=lock) == ([reason] if reason else [])


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        pytest.param({"a": ""}, f"{UNNEEDED}a", id="nothing requires it"),
        pytest.param({"a": "a"}, f"{UNNEEDED}a", id="only itself"),
        pytest.param({"a": "a", "b": ""}, f"{UNNEEDED}a, b", id="itself and nothing"),
        pytest.param({"a": "b", "b": ""}, f"{UNNEEDED}a", id="what it requires is its own matter"),
        pytest.param({"a": "b", "b": "a"}, f"{UNNEEDED}a, b", id="each other"),
        pytest.param({"a": "'?'"}, "", id="one that may require others"),
    ],
)
def test_a_conda_package_that_nothing_requires_is_stale(tmp_path: Path, more: dict[str, str], reason: str) -> None:
    lock = LOCK
    for name, depends in more.items():
        lock = with_conda(lock, name, depends=depends)
    assert told(tmp_path, lock=lock) == ([reason] if reason else [])


def test_a_package_of_which_only_the_build_tells_what_needs_it_is_left_to_pixi(tmp_path: Path) -> None:
    assert told(tmp_path, MANIFEST + '[dev]\nmine = { path = "mine" }\n', with_conda(LOCK, "a")) == []


def test_an_extra_of_a_package_may_require_another(tmp_path: Path) -> None:
    lock = with_conda(LOCK, "a")
    extra = f"- conda: {CHANNEL}/linux-64/python-3.11.9-h3_0.conda\n"
    lock = lock.replace(f"{extra}  sha", f"{extra}  extra_depends:\n    more:\n    - a\n  sha")
    assert told(tmp_path, lock=lock) == []


def test_a_reason_of_no_line_names_the_lock(tmp_path: Path) -> None:
    (reason,) = reasons(tmp_path, MANIFEST, with_conda(LOCK, "a"))
    assert (reason.file, reason.line) == (str(tmp_path / "pixi.lock"), None)
    assert reason.hint == f"Run `pixi lock --manifest-path {tmp_path}` and commit pixi.lock."


def locked_packages(folder: Path, text: str = LOCK) -> list[LockedPackage]:
    """Return the packages of a lock."""
    folder.joinpath("pixi.lock").write_text(text, "utf-8")
    lock: Lock = read_lock(folder)
    environment = lock.rattler.environment("default")
    assert environment
    ((_, packages),) = environment.packages_by_platform().items()
    return list(packages)


def asked(conda: int = 1, pypi: int = 1) -> Asked:
    """Return requirements on as many packages that are not locked."""
    table = TomlTable({}, "pixi.toml")
    return Asked(
        conda=[CondaRequirement(f"c{number}", table, "c") for number in range(conda)],
        pypi=[PypiRequirement(f"p{number}", table, "p") for number in range(pypi)],
    )


def steps(folder: Path, required: Asked, text: str = LOCK) -> int:
    comparison = PackageComparison(1_000_000)
    assert list(comparison.problems(required, locked_packages(folder, text)))
    return 1_000_000 - comparison.steps


def test_each_requirement_package_and_dependency_counts_against_the_limit(tmp_path: Path) -> None:
    least = steps(tmp_path, asked())
    assert least > 0
    assert steps(tmp_path, asked(conda=11)) >= least + 10
    assert steps(tmp_path, asked(pypi=11)) >= least + 10
    assert steps(tmp_path, asked(), with_conda(LOCK, "a")) > least
    needs = "".join(f"  - needed{number}\n" for number in range(10))
    assert steps(tmp_path, asked(), LOCK.replace("  - libzlib", f"{needs}  - libzlib")) >= least + 50
    assert (
        steps(tmp_path, asked(), LOCK.replace("  - libzlib >=1.3,<2.0a0\n", "  - libzlib\n  - libzlib 1.*\n"))
        > least
    )


def test_reading_the_names_of_pypi_counts_most(tmp_path: Path) -> None:
    conda = [package for package in locked_packages(tmp_path) if package.location.startswith(CHANNEL)]
    requirement = PypiRequirement("p", TomlTable({}, "pixi.toml"), "p")
    spent = []
    for required in (Asked(), Asked(pypi=[requirement])):
        comparison = PackageComparison(1_000)
        list(comparison.problems(required, conda))
        spent.append(1_000 - comparison.steps)
    assert spent[1] >= spent[0] + 50 * len(conda)


def test_a_comparison_over_the_limit_ends_and_never_invents_a_problem(tmp_path: Path) -> None:
    packages = locked_packages(tmp_path)
    required = asked()
    all_of_them = [problem.message for problem in PackageComparison(1_000_000).problems(required, packages)]
    assert len(all_of_them) > 2
    counts = []
    for limit in range(400):
        known = [problem.message for problem in PackageComparison(limit).problems(required, packages)]
        assert set(known) <= set(all_of_them)
        counts.append(len(known))
    assert (counts[0], counts[-1]) == (0, len(all_of_them))


def test_a_package_of_conda_and_one_of_pypi_may_have_one_name(tmp_path: Path) -> None:
    ours = MANIFEST.replace("tqdm =", "python =")
    lock = LOCK.replace("tqdm-4.66.1-py3", "python-4.66.1-py3").replace("name: tqdm", "name: python")
    assert told(tmp_path, ours, lock) == []


def test_the_environment_and_platform_of_a_reason_are_named(tmp_path: Path) -> None:
    manifest = MANIFEST.replace('["linux-64"]', '["linux-64", "linux-aarch64"]') + "[environments]\nmore = []\n"
    lock = LOCK.replace("environments:\n", f"environments:\n  more:\n{ENVIRONMENT}")
    messages = [reason.message.partition(": ")[2] for reason in reasons(tmp_path, manifest, lock)]
    assert messages == [
        "environment 'default' on linux-aarch64 is missing",
        "environment 'more' on linux-aarch64 is missing",
    ]


def test_several_packages_may_be_built_from_one_folder(tmp_path: Path) -> None:
    manifest = MANIFEST.replace("[pypi-d", 'x = { path = "recipe" }\ny = { path = "recipe" }\n[pypi-d')
    lock = with_sources("x", "y")
    assert told(tmp_path, manifest, lock) == []
    (reason,) = told(tmp_path, manifest.replace("y =", "z ="), lock)
    assert reason == "the conda package z, which the manifest requires, is not locked"


def test_what_a_build_needs_may_be_any_conda_package(tmp_path: Path) -> None:
    manifest = MANIFEST.replace("[pypi-d", 'x = { path = "recipe" }\n[pypi-d')
    assert told(tmp_path, manifest, with_conda(with_sources("x"), "a")) == []


def test_a_package_from_source_has_no_version_to_compare(tmp_path: Path) -> None:
    manifest = MANIFEST.replace("[pypi-d", 'x = ">=99"\n[pypi-d')
    assert told(tmp_path, manifest, with_sources("x")) == []
