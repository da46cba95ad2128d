"""Evaluates the expressions of workflows that are used here, and refuses every other one.

Source: https://docs.github.com/actions/reference/workflows-and-actions/expressions
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<name>[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)|(?P<mark>&&|\|\||==|!=|[!(),]))"
)
_EXPRESSION = re.compile(r"\$\{\{(?P<inner>(?:[^'}]|'[^']*'|\}(?!\}))*)\}\}")

Value = Any
"""A value of an expression: a text, a number, a truth value, nothing, or what JSON has."""

Functions = Mapping[str, Callable[..., Value]]


def filled_in(text: Value, contexts: Mapping[str, Any], functions: Functions | None = None) -> Value:
    """Return a text of a workflow with its expressions filled in, or the value if it is one expression."""
    if not isinstance(text, str):
        return text
    whole = _EXPRESSION.fullmatch(text.strip())
    if whole:
        return evaluate(whole["inner"], contexts, functions)
    filled = _EXPRESSION.sub(lambda found: as_text(evaluate(found["inner"], contexts, functions)), text)
    assert "${{" not in _EXPRESSION.sub("", text), f"the expression in {text!r} is not known here"
    return filled


def evaluate(expression: str, contexts: Mapping[str, Any], functions: Functions | None = None) -> Value:
    """Return the value of an expression."""
    return _Evaluation(expression, contexts, functions or {}).value()


def as_text(value: Value) -> str:
    """Return a value as it stands in a text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    assert isinstance(value, (str, int)), f"{value!r} in a text is not known here"
    return str(value)


class _Evaluation:
    def __init__(self, expression: str, contexts: Mapping[str, Any], functions: Functions) -> None:
        self._contexts = contexts
        self._functions: Functions = {"fromJSON": json.loads, "format": self._format, **functions}
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while expression[at:].strip():
            found = _TOKEN.match(expression, at)
            assert found, f"the expression {expression!r} is not known here"
            self._tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
            at = found.end()
        self._expression = expression

    def value(self) -> Value:
        found = self._either()
        assert not self._tokens, f"the expression {self._expression!r} is not known here"
        return found

    def _next(self, *marks: str) -> bool:
        if self._tokens and self._tokens[0] in [("mark", mark) for mark in marks]:
            self._tokens.pop(0)
            return True
        return False

    def _either(self) -> Value:
        value = self._both()
        while self._next("||"):
            other = self._both()
            value = value or other
        return value

    def _both(self) -> Value:
        value = self._compared()
        while self._next("&&"):
            other = self._compared()
            value = value and other
        return value

    def _compared(self) -> Value:
        value = self._single()
        for mark, is_wanted in (("==", True), ("!=", False)):
            if self._next(mark):
                return (as_text(value).lower() == as_text(self._single()).lower()) is is_wanted
        return value

    def _single(self) -> Value:
        if self._next("!"):
            return not self._single()
        if self._next("("):
            value = self._either()
            assert self._next(")")
            return value
        kind, text = self._tokens.pop(0)
        if kind == "text":
            return text[1:-1].replace("''", "'")
        assert kind == "name", f"the expression {self._expression!r} is not known here"
        if self._next("("):
            arguments = []
            while not self._next(")"):
                arguments.append(self._either())
                self._next(",")
            assert text in self._functions, f"the function {text} is not known here"
            return self._functions[text](*arguments)
        context, *path = text.split(".")
        assert context in self._contexts, f"the context {context} is not known here"
        value = self._contexts[context]
        for name in path:
            # What is not there is empty.
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    @staticmethod
    def _format(text: str, *values: Value) -> str:
        return re.sub(r"\{(\d)\}", lambda found: as_text(values[int(found[1])]), text)
