"""prepare.sh: what pixi is told before it installs, and what leaves the lock for packages that are skipped."""

from __future__ import annotations

import subprocess

import pytest

from pixi_container.image.base_images import DEFAULT_PIXI
from tests.unit.image.scripts.conftest import EARLIEST, SCRIPTS, Builder, write


def prepared(builder: Builder, *skipped: str) -> dict[str, str]:
    """Run the script, and give the variables that the command sees."""
    cache = builder.root / "mount"
    cache.mkdir(exist_ok=True)
    done = builder.run("prepare.sh", str(cache), *skipped, "--", "env", "-0")
    assert done.returncode == 0, done.stderr
    return dict(entry.split("=", 1) for entry in done.stdout.split("\0") if entry)


@pytest.mark.parametrize(
    ("version", "first", "second"),
    [
        ("0.63.2", "pixi-container/cache", "pixi-container/cache"),
        ("0.64.0", "pixi-container/cache", "mount"),
        (DEFAULT_PIXI, "pixi-container/cache", "mount"),
        ("1.0.0", "pixi-container/cache", "mount"),
    ],
)
def test_a_builder_that_comes_back_keeps_packages(builder: Builder, version: str, first: str, second: str) -> None:
    """But for versions of pixi whose copies out of the cache have the time of the copy."""
    builder.pixi.answer(version)
    for expected in (first, second):
        assert prepared(builder)["PIXI_CACHE_DIR"] == str(builder.root / expected)


def test_a_pixi_that_does_not_start_is_an_error(builder: Builder) -> None:
    write(builder.root / "mount/used")
    write(builder.pixi.folder / "pixi", "#!/bin/sh\nexit 4\n", 0o755)
    done = builder.run("prepare.sh", str(builder.root / "mount"), "--", "echo", "installed")
    assert (done.returncode, done.stdout) == (4, "")


def test_pixi_is_told_what_makes_its_output_the_same_each_time(builder: Builder) -> None:
    variables = prepared(builder)
    assert variables["SOURCE_DATE_EPOCH"] == str(EARLIEST)
    assert (variables["PIXI_CACHE_NETFS_REDIRECT"], variables["PIXI_NO_WRAP"]) == ("never", "true")
    assert (builder.scripts / "start").exists()


LOCK = """\
version: 7
packages:
- pypi: .
  name: study-tools
  requires_dist:
  - study-tools[all] ; extra == 'dev'
  - numpy>=1.26
  requires_python: '>=3.11'
- conda_source: built[1a2b] @ recipes/built
  depends:
  - python
  - 'Other_Tool >=1'
  - "built"
  constrains:
  - other-tool >=1
- conda: https://conda.anaconda.org/conda-forge/noarch/plugin-1.0-h1_0.conda
  depends:
  - built >=1
  - built-in
  - python
  size: 1
- conda: https://conda.anaconda.org/conda-forge/noarch/last-1.0-h1_0.conda
  depends:
  - built
"""
LOCK_WITHOUT = """\
version: 7
packages:
- pypi: .
  name: study-tools
  requires_python: '>=3.11'
- conda_source: built[1a2b] @ recipes/built
  depends:
  - python
  constrains:
  - other-tool >=1
- conda: https://conda.anaconda.org/conda-forge/noarch/plugin-1.0-h1_0.conda
  depends:
  - built-in
  - python
  size: 1
- conda: https://conda.anaconda.org/conda-forge/noarch/last-1.0-h1_0.conda
"""


def test_what_only_a_skipped_package_requires_is_installed(builder: Builder) -> None:
    """Pixi starts at packages that nothing requires, so nothing may require those that are skipped, or itself."""
    write(builder.workdir / "pixi.lock", LOCK)
    prepared(builder, "study-tools", "Built", "other...tool")
    assert (builder.workdir / "pixi.lock").read_text() == LOCK_WITHOUT


def test_without_skipped_packages_the_lock_is_as_it_was(builder: Builder) -> None:
    lock = write(builder.workdir / "pixi.lock", LOCK, seconds=EARLIEST)
    prepared(builder)
    assert (lock.read_text(), lock.stat().st_mtime) == (LOCK, EARLIEST)


def test_the_lists_of_python_packages_go_without_any_name() -> None:
    text = subprocess.check_output(["awk", "-f", SCRIPTS / "skip.awk", "-"], input=LOCK, text=True)
    assert "requires_dist" not in text
    assert text.count("depends:") == LOCK.count("depends:")


def test_the_commands_exit_code_is_the_steps(builder: Builder) -> None:
    (builder.root / "mount").mkdir()
    done = builder.run("prepare.sh", str(builder.root / "mount"), "--", "sh", "-c", "exit $1", "sh", "7")
    assert done.returncode == 7


def test_only_lists_of_packages_are_touched() -> None:
    lock = """\
- conda: a
   depends:
  - built
  depends: x
  - built
  depends:
    - built
  - other built
  - built_in
text   depends:
  - built
"""
    text = subprocess.check_output(["awk", "-f", SCRIPTS / "skip.awk", "built", "-"], input=lock, text=True)
    assert text == lock.replace("  depends:\n    - built\n  - other", "    - built\n  - other")
