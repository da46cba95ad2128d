"""Locked PyPI packages beside what the manifest requires, and conda packages that may stand in for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.workspace.locked_workspace import (
    GIT,
    LOCK,
    MANIFEST,
    PURL,
    UNNEEDED,
    WHEELS,
    told,
    with_conda,
    with_sources,
)

if TYPE_CHECKING:
    from pathlib import Path

REPOSITORY = "https://github.com/org/tool"
FROM_GIT = f"tool from {GIT} is locked; the manifest requires "
COMMIT = "0123456789abcdef0123456789abcdef01234567"


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


def test_versions_of_pypi_are_left_to_pixi_where_the_manifest_overrides_some(tmp_path: Path) -> None:
    manifest = MANIFEST.replace(">=4,<5", ">=5")
    assert told(tmp_path, manifest)
    overrides = '[pypi-options.dependency-overrides]\nx = "4.*"\n'
    assert told(tmp_path, manifest + overrides) == []
    feature = '[feature.a.pypi-options.dependency-overrides]\nx = "4.*"\n[environments]\ndefault = ["a"]\n'
    assert told(tmp_path, manifest + feature) == []


def test_a_conda_package_may_be_there_for_a_pypi_package_before_pixi_looks_at_it(tmp_path: Path) -> None:
    lock = with_conda(LOCK, "a", purls="  purls:\n  - pkg:pypi/a\n")
    assert told(tmp_path, lock=lock, pixi="0.70") == [f"{UNNEEDED}a"]
    needed = lock.replace("  - colorama ;", "  - a >=1\n  - colorama ;")
    assert told(tmp_path, lock=needed, pixi="0.70") == []
    assert told(tmp_path, lock=needed) == [f"{UNNEEDED}a"]


def test_a_package_from_source_may_be_any_package_of_pypi(tmp_path: Path) -> None:
    manifest = MANIFEST.replace('tqdm = ">=4,<5"', 'tqdm = "*"\nflask = "*"')
    assert told(tmp_path, manifest) == ["the PyPI package flask, which the manifest requires, is not locked"]
    source = manifest.replace("[pypi-d", 'x = { path = "recipe" }\n[pypi-d')
    assert told(tmp_path, source, with_sources("x")) == []
