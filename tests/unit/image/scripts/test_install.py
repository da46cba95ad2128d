"""install.sh: pixi's exit code and output, and the reason why it refuses a lock."""

from __future__ import annotations

import pytest

from tests.unit.image.scripts.conftest import Builder

REFUSED = "Error:   × lock-file not up-to-date with the workspace\n"


def test_an_install_that_works_is_run_once(builder: Builder) -> None:
    builder.pixi.answer(output="installed\n")
    done = builder.run("install.sh", "--locked", "--environment", "default")
    assert (done.returncode, done.stdout) == (0, "installed\n")
    assert builder.pixi.calls == ["install --locked --environment default"]


@pytest.mark.parametrize("output", [REFUSED, REFUSED.replace("lock-file", "lock file")])
def test_a_lock_that_pixi_refuses_is_explained_by_a_second_run(builder: Builder, output: str) -> None:
    builder.pixi.answer(output=output, code=3)
    done = builder.run("install.sh", "--locked", "--environment", "a b")
    assert (done.returncode, done.stdout) == (3, output * 2)
    assert builder.pixi.calls == ["install --locked --environment a b", "install -v --locked --environment a b"]


def test_another_failure_is_not_repeated(builder: Builder) -> None:
    builder.pixi.answer(output="no space left on device\n", code=1)
    done = builder.run("install.sh", "--locked")
    assert (done.returncode, builder.pixi.calls) == (1, ["install --locked"])


def test_the_log_is_removed(builder: Builder) -> None:
    builder.run("install.sh")
    assert list((builder.root / "tmp").iterdir()) == []
