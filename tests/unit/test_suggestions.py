"""A misspelt name is answered with the one that was meant, and a foreign one with nothing."""

from __future__ import annotations

import time

import pytest

from pixi_container.suggestions import did_you_mean


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("enviroment", "; did you mean 'environment'?"),
        ("ENVIRONMENT", "; did you mean 'environment'?"),
        ("Lables", "; did you mean 'Labels'?"),
        ("zebra", ""),
        ("", ""),
    ],
)
def test_the_nearest_name(name: str, answer: str) -> None:
    assert did_you_mean(name, ["environment", "Labels", "push"]) == answer


def test_names_without_end_cost_little() -> None:
    start = time.process_time()
    assert did_you_mean("x" * 10**6, ("x" * 10**4 for _ in range(10**6))) == ""
    assert did_you_mean("push", (["a"] * 1000) + ["push"]) == ""
    assert time.process_time() - start < 2


def test_only_so_many_names_of_such_a_length_are_compared() -> None:
    others = ["zebra"] * 999
    assert did_you_mean("push", [*others, "pushes"]) == "; did you mean 'pushes'?"
    assert did_you_mean("push", [*others, "zebra", "pushes"]) == ""
    assert did_you_mean("x" * 70, ["x" * 60]) == f"; did you mean '{'x' * 60}'?"
    assert did_you_mean("x" * 60, ["x" * 61]) == ""
    assert did_you_mean("x" * 30 + "y" * 30 + "z" * 60, ["x" * 30 + "y" * 30])
