"""What is left of an ENTRYPOINT and a CMD once nothing of it has to activate the environment."""

from __future__ import annotations

import pytest

from pixi_container.init.image_commands import of_command, of_entrypoint, plain_words

TASKS = {"serve"}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("pixi run python x.py", "python x.py"),
        ("/usr/bin/pixi run --frozen python x.py", "python x.py"),
        ("pixi run -e gpu python", "python"),
        ("pixi run --environment gpu python", "python"),
        ("pixi run --environment=gpu python", "python"),
        ("pixi run --manifest-path a/pixi.toml python", "python"),
        ("pixi run -m a/pixi.toml -v python", ""),
        ("pixi run serve --port 1", "pixi run serve --port 1"),
        ("pixi run -e", ""),
        ("pixi shell", "pixi shell"),
        ("pixi", "pixi"),
        ("serve", "serve"),
        ("python x.py", "python x.py"),
        ("/bin/bash", ""),
        ("sh", ""),
        ("bash -l", "bash -l"),
    ],
)
def test_a_command_without_pixi(text: str, left: str) -> None:
    assert of_command(text.split(), (), TASKS) == tuple(left.split())


@pytest.mark.parametrize(
    ("entrypoint", "left"),
    [
        ("pixi run", "pixi run serve"),
        ("pixi run -e gpu", "pixi run serve"),
        ("pixi run env", "serve"),
        ("", "serve"),
    ],
)
def test_a_task_is_one_after_an_entrypoint_that_runs_pixi(entrypoint: str, left: str) -> None:
    assert of_command(["serve"], entrypoint.split(), TASKS) == tuple(left.split())


@pytest.mark.parametrize(
    ("text", "files", "left"),
    [
        ("/app/entrypoint.sh", (), ""),
        ("/app/entrypoint.sh python", (), "python"),
        ("/app/entrypoint.sh python", ("docker/entrypoint.sh",), "/app/entrypoint.sh python"),
        ("bash /shell-hook.sh", (), ""),
        ("bash /activate.sh x", (), "x"),
        ("bash run.sh", (), "bash run.sh"),
        ("pixi run", (), ""),
        ("pixi run serve", (), "pixi run serve"),
        ("pixi run --locked python -m x", (), "python -m x"),
        ("tini -- run.sh", (), "tini -- run.sh"),
        ("bash", (), "bash"),
    ],
)
def test_an_entrypoint_without_activation(text: str, files: tuple[str, ...], left: str) -> None:
    assert of_entrypoint(text.split(), TASKS, files) == tuple(left.split())


@pytest.mark.parametrize(
    ("text", "words"),
    [("a 'b c'", ("a", "b c")), ("a 'b", ()), ("a | b", ()), ("a $B", ()), ("a # b", ()), ("", ())],
)
def test_a_command_for_a_shell_has_no_words(text: str, words: tuple[str, ...]) -> None:
    assert plain_words(text) == words
