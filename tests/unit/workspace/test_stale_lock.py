"""A stale lock: what ``pixi install --locked`` would refuse is known beforehand, and nothing else is."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from pixi_container.workspace.lock import read_lock
from pixi_container.workspace.manifest import read_manifest
from pixi_container.workspace.stale_lock import stale_reasons
from tests.unit.workspace.locked_workspace import CHANNEL, ENVIRONMENT, LOCK, MANIFEST, PYPROJECT, reasons

if TYPE_CHECKING:
    from pathlib import Path


def test_a_lock_that_is_up_to_date_is_not_stale(tmp_path: Path) -> None:
    assert reasons(tmp_path, MANIFEST) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ('"3.11.*"', '"3.12.*"', 6, "on linux-64: python 3.11.9 is locked; the manifest requires 3.12.*"),
        ('"3.11.*"', '"3.11"', 6, "python 3.11.9 is locked; the manifest requires 3.11"),
        (
            '">=1.11"',
            '{ version = "*", build = "h9_*" }',
            7,
            "ninja 1.12.1 is locked; the manifest requires * h9_*",
        ),
        ("ninja =", "cmake =", 7, "the conda package cmake, which the manifest requires, is not locked"),
        ('">=1.11"', '{ path = "ninja" }', 7, "from source, but a binary package is locked"),
        (
            "[pypi-d",
            '[host-dependencies]\nninja = "2.*"\n[pypi-d',
            10,
            "ninja 1.12.1 is locked; the manifest requires 2.*",
        ),
        (
            "[pypi-d",
            '[target.linux.dependencies]\nninja = "2.*"\n[pypi-d',
            10,
            "ninja 1.12.1 is locked; the manifest requires 2.*",
        ),
        (
            "[pypi-d",
            '[constraints]\nlibzlib = "<1.3"\n[pypi-d',
            10,
            "libzlib 1.3.1 is locked; the manifest requires <1.3",
        ),
        ('ninja = ">=1.11"\n', "", None, "no conda dependency requires these locked conda packages: ninja"),
        ('">=4,<5"', '">=5"', 10, "tqdm 4.66.1 is locked; the manifest requires >=5"),
        (
            'tqdm = ">=4,<5"',
            'Foo_Bar = "*"',
            10,
            "the PyPI package foo-bar, which the manifest requires, is not locked",
        ),
        ('tqdm = ">=4,<5"\n', "", None, "nothing requires these locked PyPI packages: colorama, tqdm"),
        ('tqdm = ">=4,<5"', 'tqdm = { path = "tqdm" }', 10, "the manifest requires tqdm"),
        (
            'tqdm = ">=4,<5"',
            'tqdm = "*"\nninja = ">=2"',
            11,
            "the conda package ninja 1.12.1 is locked; the manifest requires >=2",
        ),
        ("org/tool", "org/fork", 11, "the manifest requires https://github.com/org/fork"),
        (
            'rev = "0123456"',
            'rev = "abcdef0"',
            11,
            "tool of rev 0123456 is locked; the manifest requires rev abcdef0",
        ),
        ("page-1.0", "page-2.0", 12, "the manifest requires https://example.org/page-2.0-py3-none-any.whl"),
        ("./mine", "./yours", 13, "mine from ./mine is locked; the manifest requires ./yours"),
        ('"conda-forge"', '"bioconda", "conda-forge"', 2, "with the channels https://conda.anaconda.org/conda-"),
        ('["conda-forge"]', '[{ channel = "other" }]', 2, "; the manifest has https://conda.anaconda.org/other"),
        (
            "[dependencies]",
            '[pypi-options]\nindex-url = "https://example.org/simple"\n[dependencies]',
            6,
            "with the index-url https://pypi.org/simple; the manifest has https://example.org/simple",
        ),
        (
            "[dependencies]",
            '[feature.a]\nsolve-strategy = "lowest"\n[environments]\ndefault = ["a"]\n[dependencies]',
            6,
            "with the solve-strategy highest; the manifest has lowest-version",
        ),
        (
            'platforms = ["linux-64"]',
            'platforms = ["linux-64"]\nchannel-priority = "disabled"',
            4,
            "with the channel-priority strict; the manifest has disabled",
        ),
        (
            'platforms = ["linux-64"]',
            'platforms = ["linux-64"]\nchannel-priority = "flexible"',
            4,
            "with the channel-priority strict; the manifest has flexible",
        ),
        (
            'platforms = ["linux-64"]',
            'platforms = ["linux-64"]\nsolve-strategy = "lowest-direct"',
            4,
            "with the solve-strategy highest; the manifest has lowest-version-direct",
        ),
        ('["linux-64"]', '["linux-64", "osx-64"]', 3, "environment 'default' on osx-64 is missing"),
        (
            '["linux-64"]',
            '["osx-64"]',
            3,
            "with the platforms linux-64; the manifest has osx-64",
        ),
        ("[dependencies]", "[environments]\nmore = []\n[dependencies]", 6, "environment 'more' is missing"),
    ],
)
def test_a_change_of_the_manifest_makes_the_lock_stale(
    tmp_path: Path, old: str, new: str, line: int | None, reason: str
) -> None:
    assert old in MANIFEST
    first = reasons(tmp_path, MANIFEST.replace(old, new))[0]
    assert reason in first.message
    assert first.message.startswith("the lock is not up to date: ")
    assert first.hint == f"Run `pixi lock --manifest-path {tmp_path}` and commit pixi.lock."
    if line:
        assert (first.file, first.line) == (str(tmp_path / "pixi.toml"), line)
    else:
        assert first.file == str(tmp_path / "pixi.lock")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param('"3.11.*"', '">=3.10,<3.12|>=4"', id="versions that the locked one satisfies"),
        pytest.param('"3.11.*"', '{ version = "3.11.*", build = "h3_*" }', id="a build that it satisfies"),
        pytest.param('"3.11.*"', '"^3[.]12$"', id="a version that is not sure to be read alike"),
        pytest.param("[dependencies]", "[build-dependencies]", id="the old table"),
        pytest.param("[pypi-d", '[target.win.dependencies]\ncmake = "*"\n[pypi-d', id="another platform"),
        pytest.param("[pypi-d", '[constraints]\ncmake = "1.*"\n[pypi-d', id="constraint of what is not there"),
        pytest.param(
            "[pypi-d",
            '[target.linux.dependencies]\nninja = "1.*"\n[target.unix.dependencies]\nninja = "2.*"\n[pypi-d',
            id="two targets, of which Pixi takes one",
        ),
        pytest.param('ninja = ">=1.11"', 'ninja = "*"\n__glibc = ">=9"', id="a virtual package"),
        pytest.param('tqdm = ">=4,<5"', 'TQDM = ">=4"\nninja = "*"', id="a conda package for one of PyPI"),
        pytest.param(
            '[pypi-dependencies]\ntqdm = ">=4,<5"',
            '[pypi-options.dependency-overrides]\ntqdm = "4.*"\n[pypi-dependencies]\ntqdm = ">=5"',
            id="overrides of versions",
        ),
        pytest.param('">=4,<5"', '{ version = ">=5", env-markers = "os_name == \'nt\'" }', id="a condition"),
        pytest.param("https://github.com/org/tool", "ssh://git@github.com/Org/tool.git", id="same repository"),
        pytest.param('rev = "0123456"', 'rev = "0123456789"', id="a longer name of the commit"),
        pytest.param("./mine", "mine/../mine", id="same path"),
        pytest.param('"conda-forge"', f'"{CHANNEL}/"', id="same channel by its URL"),
        pytest.param('"conda-forge"', '"./channel"', id="a channel in a folder"),
        pytest.param("[dependencies]", '[feature.a]\nchannels = ["b"]\n[dependencies]', id="an unused feature"),
    ],
)
def test_what_pixi_may_accept_is_no_reason(tmp_path: Path, old: str, new: str) -> None:
    assert old in MANIFEST
    assert reasons(tmp_path, MANIFEST.replace(old, new)) == []


def test_an_environment_without_content_of_its_own_adds_no_channels(tmp_path: Path) -> None:
    feature = '[feature.a]\nchannels = ["other"]\n[environments]\ndefault = { features = ["a"] }\n'
    first = "    - url: https://conda.anaconda.org/other/\n"
    lock = LOCK.replace("    channels:\n", f"    channels:\n{first}")
    assert reasons(tmp_path, MANIFEST + feature, lock) == []
    with_content = feature.replace("{ features", "{ activation = { env = { A = 'b' } }, features")
    assert "was solved with the channels" in reasons(tmp_path, MANIFEST + with_content, lock)[0].message


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("libzlib >=1.3,<2.0a0", "libzlib >=2", "python needs libzlib >=2, but libzlib 1.3.1 is locked"),
        ("libzlib >=1.3,<2.0a0", "cmake", "python needs cmake, but no such package is locked"),
        (
            f"      - conda: {CHANNEL}/linux-64/python-3.11.9-h3_0.conda\n",
            "",
            "the conda package python, which the manifest requires, is not locked",
        ),
        (f"      linux-64:\n      - conda: {CHANNEL}/linux-64/libzlib-1.3.1-h1_0.conda\n", "", "is missing"),
    ],
)
def test_a_lock_that_was_merged_by_hand_is_stale(tmp_path: Path, old: str, new: str, reason: str) -> None:
    assert old in LOCK
    lock = LOCK.replace(old, new)
    if "is missing" in reason:
        head = ENVIRONMENT.partition("    packages:")[0]
        lock = f"version: 6\nenvironments:\n  default:\n{head}    packages: {{}}\n"
        lock += "packages: []\n"
    assert reason in reasons(tmp_path, MANIFEST, lock)[0].message


@pytest.mark.parametrize("spec", ['libzlib >=9[when="python <3"]', "zlib-ng >=1; if python <3", "libzlib >=1(.9"])
def test_a_dependency_that_only_pixi_can_read_is_no_reason(tmp_path: Path, spec: str) -> None:
    lock = LOCK.replace("  - libzlib >=1.3,<2.0a0", f"  - libzlib >=1.3,<2.0a0\n  - '{spec}'")
    assert reasons(tmp_path, MANIFEST, lock) == []


def test_an_environment_that_was_removed_counts_from_the_version_of_pixi_that_looks_at_it(tmp_path: Path) -> None:
    lock = LOCK.replace("environments:\n", f"environments:\n  old:\n{ENVIRONMENT}")
    assert "environments that the manifest does not have: old" in reasons(tmp_path, MANIFEST, lock)[0].message
    assert reasons(tmp_path, MANIFEST, lock, "0.71.0") != []
    assert reasons(tmp_path, MANIFEST, lock, "0.70.3") == []


def test_environments_that_are_solved_together_have_the_same_packages(tmp_path: Path) -> None:
    manifest = MANIFEST + '[environments]\ndefault = { solve-group = "g" }\nmore = { solve-group = "g" }\n'
    lock = LOCK.replace("environments:\n", f"environments:\n  more:\n{ENVIRONMENT}")
    assert reasons(tmp_path, manifest, lock) == []
    other = ENVIRONMENT.replace("ninja-1.12.1-h2_0", "ninja-1.13.0-h8_0")
    lock = LOCK.replace("environments:\n", f"environments:\n  more:\n{other}")
    lock = lock.replace(
        "packages:\n- conda", f"packages:\n- conda: {CHANNEL}/linux-64/ninja-1.13.0-h8_0.conda\n- conda"
    )
    (reason,) = reasons(tmp_path, manifest, lock)
    problem = "the environments of solve group 'g' have different builds of ninja on linux-64"
    assert reason.message == f"the lock is not up to date: {problem}"


def test_the_first_requirement_of_pypi_needs_a_lock_with_the_names_of_pypi(tmp_path: Path) -> None:
    conda = MANIFEST.partition("[pypi-dependencies]")[0]
    lock = "\n".join(line for line in LOCK.split("\n") if "purls:" not in line and "pkg:" not in line)
    lock = re.sub(r" *- pypi: .*\n(?:  .*\n)*", "", lock)
    assert reasons(tmp_path, conda, lock) == []
    with_pypi = conda + '[pypi-dependencies]\nninja = "*"\n'
    assert "it lacks the PyPI names of its conda packages" in reasons(tmp_path, with_pypi, lock)[0].message


def test_pypi_packages_without_python_are_stale(tmp_path: Path) -> None:
    python = f"      - conda: {CHANNEL}/linux-64/python-3.11.9-h3_0.conda\n"
    libzlib = f"      - conda: {CHANNEL}/linux-64/libzlib-1.3.1-h1_0.conda\n"
    manifest = MANIFEST.replace('python = "3.11.*"\n', "")
    lock = LOCK.replace(python, "").replace(libzlib, "")
    assert "on linux-64: PyPI packages are locked, but no Python" in reasons(tmp_path, manifest, lock)[0].message


@pytest.mark.parametrize("name", ["python", "python-freethreading", "pypy3.9", "graalpy"])
def test_every_python_is_one(tmp_path: Path, name: str) -> None:
    manifest = MANIFEST.replace('python = "3.11.*"', f'"{name}" = "*"')
    lock = LOCK.replace("python-3.11.9", f"{name}-3.11.9")
    assert reasons(tmp_path, manifest, lock) == []


def test_a_package_that_is_locked_twice_is_stale(tmp_path: Path) -> None:
    old = f"      - conda: {CHANNEL}/linux-64/ninja-1.12.1-h2_0.conda\n"
    lock = LOCK.replace(old, old + old.replace("h2_0", "h9_0"))
    lock += f"- conda: {CHANNEL}/linux-64/ninja-1.12.1-h9_0.conda\n  purls: []\n"
    assert "on linux-64: a package is locked twice" in reasons(tmp_path, MANIFEST, lock)[0].message


def test_an_environment_with_nothing_locked_has_options_too(tmp_path: Path) -> None:
    manifest = MANIFEST.partition("[dependencies]")[0] + 'solve-strategy = "lowest"\n'
    lock = f"version: 6\nenvironments:\n  default:\n    channels:\n    - url: {CHANNEL}/\n    packages: {{}}\n"
    known = reasons(tmp_path, manifest, f"{lock}packages: []\n")
    assert ["solve-strategy" in reason.message for reason in known] == [True]


def test_a_conda_package_that_only_pypi_requires_has_to_be_of_pypi(tmp_path: Path) -> None:
    manifest = MANIFEST.replace('ninja = ">=1.11"\n', "") + 'ninja = "*"\n'
    assert (
        "no conda dependency requires these locked conda packages: ninja" in reasons(tmp_path, manifest)[0].message
    )
    # In a group another environment may ask for it.
    manifest += '[environments]\ndefault = { solve-group = "g" }\nmore = { solve-group = "g" }\n'
    lock = LOCK.replace("environments:\n", f"environments:\n  more:\n{ENVIRONMENT}")
    assert reasons(tmp_path, manifest, lock) == []


def test_a_platform_that_asks_for_more_than_was_solved_for_is_stale(tmp_path: Path) -> None:
    platforms = "platforms:\n- name: p1\n  subdir: linux-64\n  virtual-packages:\n  - __cuda=12\n"
    lock = LOCK.replace("version: 6\n", f"version: 7\n{platforms}").replace("      linux-64:\n", "      p1:\n")
    manifest = MANIFEST.replace('"linux-64"', '{ name = "gpu", platform = "linux-64", cuda = "12" }')
    assert reasons(tmp_path, manifest, lock) == []
    lock = lock.replace("name: p1", "name: gpu").replace("      p1:\n", "      gpu:\n")
    changed = reasons(tmp_path, manifest.replace('cuda = "12"', 'cuda = "13"'), lock)
    assert "with the platforms gpu, __cuda=12; the manifest has gpu, __cuda=13" in changed[0].message


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("", "", None, ""),
        ('">=3.10"', '">=3.12, <4"', 3, "python 3.11.9 is locked; the manifest requires >=3.12,<4"),
        ("tqdm>=4", "tqdm>=5", 4, "tqdm 4.66.1 is locked; the manifest requires >=5"),
        ('["page"]', '["page", "flask"]', 7, "the PyPI package flask, which the manifest requires, is not locked"),
        ('["page"]', '["page", "flask; python_version<\'3\'"]', None, ""),
        (', "tool"]', "]", None, "nothing requires these locked PyPI packages: tool"),
        ('["dev"]', "[]", None, "nothing requires these locked PyPI packages: page, tool"),
    ],
)
def test_requirements_of_a_python_project_count(
    tmp_path: Path, old: str, new: str, line: int | None, reason: str
) -> None:
    known = reasons(tmp_path, PYPROJECT.replace(old, new) if old else PYPROJECT, name="pyproject.toml")
    assert (reason in known[0].message) if reason else (known == [])
    if line:
        assert known[0].line == line


def test_every_reason_is_given_once_for_all_environments(tmp_path: Path) -> None:
    names = [f"e{number}" for number in range(20)]
    manifest = (
        MANIFEST.replace('"3.11.*"', '"3.12.*"') + "[environments]\n" + "".join(f"{n} = []\n" for n in names)
    )
    environments = "".join(f"  {name}:\n{ENVIRONMENT}" for name in names)
    lock = LOCK.replace("environments:\n", f"environments:\n{environments}")
    assert len(reasons(tmp_path, manifest, lock)) == 1


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(
            "[environments]\n" + "".join(f"e{n} = []\n" for n in range(20_000)),
            id="environments",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "".join(f"[feature.f{n}]\n" for n in range(6000))
            + "[environments]\n"
            + "".join(f'e{n} = ["f{n}"]\n' for n in range(6000)),
            id="features",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "[environments]\n" + "".join(f'e{n} = {{ solve-group = "g" }}\n' for n in range(6000)),
            id="one solve group",
            marks=pytest.mark.slow,
        ),
        pytest.param("".join(f'd{n} = "*"\n' for n in range(30_000)), id="requirements", marks=pytest.mark.slow),
        pytest.param(f'a = "{"1.*|" * 120_000}1"\n', id="a long version"),
    ],
)
def test_a_hostile_manifest_costs_little(tmp_path: Path, hostile: str) -> None:
    start = time.process_time()
    manifest = MANIFEST + hostile
    environments = "".join(f"  e{n}:\n    channels:\n    packages: {{}}\n" for n in range(100))
    lock = LOCK.replace("environments:\n", f"environments:\n{environments}")
    tmp_path.joinpath("pixi.toml").write_text(manifest, "utf-8")
    tmp_path.joinpath("pixi.lock").write_text(lock, "utf-8")
    reason = next(stale_reasons(read_manifest(tmp_path), read_lock(tmp_path)), None)
    assert time.process_time() - start < 20
    assert reason is None or "not up to date" in reason.message


def test_a_change_is_named_where_the_manifest_has_it(tmp_path: Path) -> None:
    manifest = MANIFEST + '[feature.more]\nchannels = ["bioconda"]\n[environments]\ndefault = ["more"]\n'
    (reason,) = reasons(tmp_path, manifest)
    line = manifest.split("\n").index('channels = ["bioconda"]') + 1
    assert (reason.line, reason.file) == (line, str(tmp_path / "pixi.toml"))
    assert f"with the channels {CHANNEL}; the manifest has " in reason.message
    own = MANIFEST.replace('["conda-forge"]', '["bioconda", "conda-forge"]')
    (reason,) = reasons(tmp_path, own)
    assert reason.line == 2
