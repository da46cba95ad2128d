"""Locked packages beside what the manifest requires: each difference that Pixi sees, and none that it may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pixi_container.workspace.lock import Lock, read_lock
from pixi_container.workspace.requirements import CondaRequirement, PypiRequirement
from pixi_container.workspace.stale_packages import Asked, PackageComparison
from pixi_container.workspace.toml_table import TomlTable
from tests.unit.workspace.locked_workspace import CHANNEL, ENVIRONMENT, GIT, LOCK, MANIFEST, WHEELS, reasons

if TYPE_CHECKING:
    from pathlib import Path

    from rattler.lock import LockedPackage

ON = "the lock is not up to date: environment 'default' on linux-64: "
TQDM = f"pypi: {WHEELS}/tqdm-4.66.1-py3-none-any.whl"
NINJA = f"conda: {CHANNEL}/linux-64/ninja-1.12.1-h2_0.conda"
PURL = "pkg:pypi/ninja?source=hash-mapping"
REPOSITORY = "https://github.com/org/tool"
FROM_GIT = f"tool from {GIT} is locked; the manifest requires "
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def told(folder: Path, manifest: str = MANIFEST, lock: str = LOCK, pixi: str = "") -> list[str]:
    """Return the reasons about packages, without what all of them begin with."""
    messages = [reason.message for reason in reasons(folder, manifest, lock, pixi)]
    assert all(message.startswith(ON) for message in messages)
    return [message.removeprefix(ON) for message in messages]


@pytest.mark.parametrize(
    ("required", "locked", "reason"),
    [
        pytest.param(f'git = "{REPOSITORY}"', GIT, "", id="any commit"),
        pytest.param(f'git = "{REPOSITORY}"', f"git+{REPOSITORY}?branch=main#{COMMIT}", "", id="any branch"),
        pytest.param(f'git = "{REPOSITORY}", rev = "0123"', GIT, "", id="a shorter name of the commit"),
        pytest.param(f'git = "{REPOSITORY}", tag = "v1"', GIT, "", id="a tag where a commit is locked"),
        pytest.param(f'git = "{REPOSITORY}/"', GIT, "", id="a slash at the end"),
        pytest.param('git = "https://GitHub.com/Org/Tool.git"', GIT, "", id="capital letters"),
        pytest.param('git = "https://github.com/org/to%6Fl"', GIT, "", id="an encoded letter"),
        pytest.param(f'git = "{REPOSITORY}"', f"git+{REPOSITORY}@v1#{COMMIT}", "", id="a reference after @"),
        pytest.param(
            f'git = "{REPOSITORY}", branch = "next"',
            f"git+{REPOSITORY}?branch=main#{COMMIT}",
            "tool of branch main is locked; the manifest requires branch next",
            id="another branch",
        ),
        pytest.param(
            f'git = "{REPOSITORY}", tag = "v2"',
            f"git+{REPOSITORY}?tag=v1#{COMMIT}",
            "tool of tag v1 is locked; the manifest requires tag v2",
            id="another tag",
        ),
        pytest.param(
            f'git = "{REPOSITORY}", rev = "fff"',
            f"git+{REPOSITORY}?subdirectory=a&rev=012#{COMMIT}",
            "tool of rev 012 is locked; the manifest requires rev fff",
            id="another commit of a folder",
        ),
        pytest.param(
            f'git = "{REPOSITORY}"',
            f"{WHEELS}/tool-2.0-py3-none-any.whl",
            f"tool from {WHEELS}/tool-2.0-py3-none-any.whl is locked; the manifest requires {REPOSITORY}",
            id="a wheel where Git is asked for",
        ),
        pytest.param(
            f'git = "{REPOSITORY}"',
            f"direct+{REPOSITORY}",
            f"tool from direct+{REPOSITORY} is locked; the manifest requires {REPOSITORY}",
            id="a file at the address of a repository",
        ),
        pytest.param(
            'git = "https://gitlab.com/org/tool"',
            GIT,
            f"{FROM_GIT}https://gitlab.com/org/tool",
            id="another host",
        ),
        pytest.param('git = "https://[x/org"', GIT, f"{FROM_GIT}https://[x/org", id="no address"),
        pytest.param('url = "https://e.org/tool.whl"', "direct+https://e.org/tool.whl", "", id="same file"),
        pytest.param(
            'url = "https://e.org/tool.whl#sha256=0"',
            "direct+https://e.org/tool.whl",
            "",
            id="same file by digest",
        ),
        pytest.param(
            'url = "https://e.org/b.whl"',
            "direct+https://e.org/a.whl",
            "tool from direct+https://e.org/a.whl is locked; the manifest requires https://e.org/b.whl",
            id="another file",
        ),
        pytest.param(
            f'url = "{REPOSITORY}"',
            GIT,
            f"{FROM_GIT}{REPOSITORY}",
            id="a repository where a file is asked for",
        ),
        pytest.param('path = "tool"', "./tool", "", id="same folder"),
        pytest.param('path = "a/../tool/"', "./tool", "", id="same folder by a detour"),
        pytest.param('path = "/src/tool"', "./tool", "", id="an absolute path"),
        pytest.param('path = "~/tool"', "./tool", "", id="a path below home"),
        pytest.param('path = "file:///tool"', "./tool", "", id="a URL of a folder"),
        pytest.param("path = 'a\\tool'", "./tool", "", id="a path of Windows"),
        pytest.param('path = "a"', "/src/tool", "", id="an absolute path in the lock"),
        pytest.param(
            'path = "a"', "./tool", "tool from ./tool is locked; the manifest requires a", id="another folder"
        ),
        pytest.param(
            'path = "a"',
            f"{WHEELS}/tool-2.0-py3-none-any.whl",
            f"tool from {WHEELS}/tool-2.0-py3-none-any.whl is locked; the manifest requires a",
            id="a wheel where a folder is asked for",
        ),
    ],
)
def test_where_a_pypi_package_has_to_come_from(tmp_path: Path, required: str, locked: str, reason: str) -> None:
    manifest = MANIFEST.replace(f'git = "{REPOSITORY}", rev = "0123456"', required)
    assert told(tmp_path, manifest, LOCK.replace(GIT, locked)) == ([reason] if reason else [])


@pytest.mark.parametrize(
    ("required", "locked", "reason"),
    [
        ("", "4.66.1", ""),
        (" ", "4.66.1", ""),
        ("*", "4.66.1", ""),
        ("==4.66.1", "4.66.1", ""),
        (">4.66.1", "4.66.1", "tqdm 4.66.1 is locked; the manifest requires >4.66.1"),
        (">=4.66.2", "4.66.1", "tqdm 4.66.1 is locked; the manifest requires >=4.66.2"),
        ("^4", "5.0", ""),
        ("==4.66.1", "4.66.1+cpu", ""),
        ("==4.66.1+cpu", "4.66.1+cpu", ""),
        ("==4.66.1+gpu", "4.66.1+cpu", "tqdm 4.66.1+cpu is locked; the manifest requires ==4.66.1+gpu"),
        (">=4", "5.0rc1", ""),
        (">=5", "5.0rc1", "tqdm 5.0rc1 is locked; the manifest requires >=5"),
        (">=5,".ljust(300), "4.66.1", f"tqdm 4.66.1 is locked; the manifest requires >=5,{' ' * 115}…"),
        (">=5,".ljust(301), "4.66.1", ""),
    ],
)
def test_which_version_of_a_pypi_package_fits(tmp_path: Path, required: str, locked: str, reason: str) -> None:
    lock = LOCK.replace("version: 4.66.1", f"version: '{locked}'")
    known = told(tmp_path, MANIFEST.replace(">=4,<5", required), lock)
    assert known == ([reason] if reason else [])


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


def with_conda(lock: str, name: str, *, depends: str = "", purls: str = "  purls: []\n") -> str:
    """Return the lock with one more conda package."""
    location = f"conda: {CHANNEL}/linux-64/{name}-1.0-h7_0.conda"
    lock = lock.replace(f"      - {NINJA}\n", f"      - {location}\n      - {NINJA}\n")
    needs = f"  depends:\n  - {depends}\n" if depends else ""
    return lock.replace(f"- {NINJA}\n  sha", f"- {location}\n{needs}{purls}- {NINJA}\n  sha")


UNNEEDED = "no conda dependency requires these locked conda packages: "


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


@pytest.mark.parametrize(
    ("purl", "required", "reason"),
    [
        pytest.param(PURL, "ninja = '>=1'", "", id="the same name and version"),
        pytest.param(
            PURL,
            "ninja = '>=2'",
            "the conda package ninja 1.12.1 is locked; the manifest requires >=2",
            id="the same name, another version",
        ),
        pytest.param("pkg:pypi/ninja#x", "Ninja = '>=1'", "", id="what follows # is no name"),
        pytest.param("pkg:pypi/ninja@1.11?source=x", "ninja = '>=2'", "", id="another version on PyPI"),
        pytest.param("pkg:pypi/Some_Name", "some-name = '*'", "", id="another name on PyPI"),
        pytest.param(
            "pkg:pypi/other",
            "ninja = '*'",
            "the PyPI package ninja, which the manifest requires, is not locked",
            id="conda's name, but not PyPI's",
        ),
        pytest.param("pkg:pypi/other@1", "other = '>=9'", "", id="another name and version on PyPI"),
        pytest.param(
            PURL,
            "ninja = { path = 'ninja' }",
            "",
            id="a path in place of an index",
        ),
    ],
)
def test_a_conda_package_may_be_the_one_of_pypi(tmp_path: Path, purl: str, required: str, reason: str) -> None:
    manifest = MANIFEST.replace('tqdm = ">=4,<5"', f'tqdm = "*"\n{required}')
    assert told(tmp_path, manifest, LOCK.replace(PURL, purl)) == ([reason] if reason else [])


def test_a_second_conda_package_may_be_the_one_of_pypi_in_the_right_version(tmp_path: Path) -> None:
    manifest = MANIFEST.replace('tqdm = ">=4,<5"', 'tqdm = "*"\nninja = "<=1.5"')
    assert len(told(tmp_path, manifest)) == 1
    manifest = manifest.replace("[pypi-d", 'a = "*"\n[pypi-d')
    lock = with_conda(LOCK, "a", purls="  purls:\n  - pkg:pypi/ninja\n")
    assert told(tmp_path, manifest, lock) == []


def test_a_conda_package_without_names_of_pypi_may_be_the_one_of_its_name(tmp_path: Path) -> None:
    manifest = MANIFEST.replace('tqdm = ">=4,<5"', 'tqdm = "*"\nNinja = ">=2"')
    lock = LOCK.replace(f"  purls:\n  - {PURL}\n", "")
    assert told(tmp_path, manifest, lock) == []
    (reason,) = told(tmp_path, manifest.replace("Ninja", "Nina"), lock)
    assert reason == "the PyPI package nina, which the manifest requires, is not locked"


def test_what_only_pypi_requires_may_be_of_conda_before_pixi_looks_at_it(tmp_path: Path) -> None:
    manifest = MANIFEST.replace('ninja = ">=1.11"\n', "") + 'ninja = "*"\n'
    assert told(tmp_path, manifest, pixi="0.71") == [f"{UNNEEDED}ninja"]
    assert told(tmp_path, manifest, pixi="0.70") == []
    assert told(tmp_path, manifest.replace('ninja = "*"\n', ""), pixi="0.70") == [f"{UNNEEDED}ninja"]


def test_the_names_of_pypi_are_only_missing_where_pypi_is_asked_for(tmp_path: Path) -> None:
    conda, _, _ = MANIFEST.partition("[pypi-dependencies]")
    head, _, records = LOCK.partition("packages:\n- conda")
    pypi = records.index("- pypi:")
    lock = f"{head[: head.index('      - pypi')]}packages:\n- conda{records[:pypi]}"
    missing = "it was written without PyPI dependencies, so it lacks the PyPI names of its conda packages"
    wanted = conda + '[pypi-dependencies]\nninja = "*"\n'
    assert told(tmp_path, wanted, lock) == []
    without = lock.replace("  purls: []\n", "").replace(f"  purls:\n  - {PURL}\n", "")
    assert told(tmp_path, conda, without) == []
    assert told(tmp_path, wanted, without) == [missing]


def test_a_reason_of_no_line_names_the_lock(tmp_path: Path) -> None:
    (reason,) = reasons(tmp_path, MANIFEST, with_conda(LOCK, "a"))
    assert (reason.file, reason.line) == (str(tmp_path / "pixi.lock"), None)
    assert reason.hint == "Run `pixi lock` and commit pixi.lock."


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


def test_versions_of_pypi_are_left_to_pixi_where_the_manifest_overrides_some(tmp_path: Path) -> None:
    manifest = MANIFEST.replace(">=4,<5", ">=5")
    assert told(tmp_path, manifest)
    overrides = '[pypi-options.dependency-overrides]\nx = "4.*"\n'
    assert told(tmp_path, manifest + overrides) == []
    feature = '[feature.a.pypi-options.dependency-overrides]\nx = "4.*"\n[environments]\ndefault = ["a"]\n'
    assert told(tmp_path, manifest + feature) == []


def test_the_environment_and_platform_of_a_reason_are_named(tmp_path: Path) -> None:
    manifest = MANIFEST.replace('["linux-64"]', '["linux-64", "linux-aarch64"]') + "[environments]\nmore = []\n"
    lock = LOCK.replace("environments:\n", f"environments:\n  more:\n{ENVIRONMENT}")
    messages = [reason.message.partition(": ")[2] for reason in reasons(tmp_path, manifest, lock)]
    assert messages == [
        "environment 'default' on linux-aarch64 is missing",
        "environment 'more' on linux-aarch64 is missing",
    ]


def test_a_conda_package_may_be_there_for_a_pypi_package_before_pixi_looks_at_it(tmp_path: Path) -> None:
    lock = with_conda(LOCK, "a", purls="  purls:\n  - pkg:pypi/a\n")
    assert told(tmp_path, lock=lock, pixi="0.70") == [f"{UNNEEDED}a"]
    needed = lock.replace("  - colorama ;", "  - a >=1\n  - colorama ;")
    assert told(tmp_path, lock=needed, pixi="0.70") == []
    assert told(tmp_path, lock=needed) == [f"{UNNEEDED}a"]


def with_sources(*names: str, folder: str = "recipe") -> str:
    """Return the lock with conda packages that are built from one folder."""
    places = [f"conda_source: {name}[{number:08x}] @ {folder}" for number, name in enumerate(names, 1)]
    rows = "".join(f"      - {place}\n" for place in places)
    records = "".join(f"- {place}\n  version: '1'\n  build: h0\n  subdir: linux-64\n" for place in places)
    platforms = "platforms:\n- name: linux-64\n"
    lock = LOCK.replace("version: 6\n", f"version: 7\n{platforms}")
    return lock.replace(f"      - {NINJA}\n", f"      - {NINJA}\n{rows}") + records


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


def test_a_package_from_source_may_be_any_package_of_pypi(tmp_path: Path) -> None:
    manifest = MANIFEST.replace('tqdm = ">=4,<5"', 'tqdm = "*"\nflask = "*"')
    assert told(tmp_path, manifest) == ["the PyPI package flask, which the manifest requires, is not locked"]
    source = manifest.replace("[pypi-d", 'x = { path = "recipe" }\n[pypi-d')
    assert told(tmp_path, source, with_sources("x")) == []
