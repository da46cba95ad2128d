"""The evaluation of expressions that the tests of workflows rely on."""

from __future__ import annotations

import pytest

from tests.expressions import evaluate, filled_in

CONTEXTS = {"inputs": {"push": "auto", "tag": "", "lfs": False}, "matrix": {"manifest-path": "a", "runner": ["b"]}}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("inputs.push == 'false' && 'false' || 'untagged'", "untagged"),
        ("inputs.tag && format('v={0}', inputs.tag) || inputs.push", "auto"),
        ("format('{0}-{1}', inputs.push, 'it''s')", "auto-it's"),
        ("matrix.manifest-path", "a"),
        ("inputs.absent", None),
        ("!(inputs.push != 'AUTO')", True),
        ("fromJSON('{\"a\": [1]}')", {"a": [1]}),
    ],
)
def test_the_value_of_an_expression(expression: str, value: object) -> None:
    assert evaluate(expression, CONTEXTS) == value


def test_a_text_has_values_in_it_and_a_lone_expression_is_its_value() -> None:
    assert filled_in("<${{ inputs.lfs }}> ${{ inputs.none }}", CONTEXTS) == "<false> "
    assert filled_in(" ${{ matrix.runner }} ", CONTEXTS) == ["b"]
    assert filled_in("${{ format('{0}', '}}') }}", CONTEXTS) == "}}"
    assert filled_in(3, CONTEXTS) == 3


@pytest.mark.parametrize(
    "text", ["github.token", "toJSON(inputs)", "inputs['push']", "inputs.push < 3", "inputs.push inputs.tag"]
)
def test_what_is_not_known_is_refused(text: str) -> None:
    with pytest.raises(AssertionError):
        evaluate(text, CONTEXTS)
