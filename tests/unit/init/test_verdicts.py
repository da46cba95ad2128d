"""What a proposal holds once several parts of a repository have had their say about one input."""

from __future__ import annotations

import pytest

from pixi_container.init.verdicts import Value, differing, merged, refusal


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        (None, ["a"], ["a"]),
        (["a", "b"], ["b", "c"], ["a", "b", "c"]),
        ({"a": "1", "b": "1"}, {"b": "2"}, {"a": "1", "b": "2"}),
        ("a\n", "b\n", "a\nb\n"),
        ("a", "b", "b"),
        ("a\n", "b", "b"),
        (["a"], "b\n", "b\n"),
        (["a"], {"a": "1"}, {"a": "1"}),
        ("a\n", ["b"], ["b"]),
        ({"a": "1"}, ["a"], ["a"]),
    ],
)
def test_values_of_one_kind_grow_and_any_other_takes_the_place(
    before: Value | None, value: Value, after: Value
) -> None:
    assert merged(before, value) == after


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("expose", ["80", "90/udp"], ""),
        ("expose", ["web"], "'expose'"),
        ("no-such-input", "a", "there is no input 'no-such-input'"),
    ],
)
def test_why_an_input_cannot_have_a_value(name: str, value: Value, why: str) -> None:
    assert why in refusal(name, value)
    assert bool(refusal(name, value)) is bool(why)


def test_only_what_differs_from_the_defaults_is_written_in_the_order_of_the_inputs() -> None:
    settings: dict[str, Value] = {"workdir": "/srv", "compression": "gzip", "environment": "gpu", "user": ""}
    assert list(differing(settings).items()) == [("environment", "gpu"), ("workdir", "/srv")]
