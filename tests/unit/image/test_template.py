"""Templates: how values are quoted, and what becomes of a user's template that is wrong or takes too much."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

import jinja2
import markupsafe
import pytest

import pixi_container
from pixi_container.errors import UserError
from pixi_container.image import template
from pixi_container.image.template import quoted_for_shell, render, render_apart
from pixi_container.processes import Finished


class Process:
    """Stands for the limited process: what it was started with, and how it ends."""

    def __init__(self, code: int, output: str = "") -> None:
        self.ends = Finished(code, output, "")
        self.argv: list[str] = []
        self.options: dict[str, Any] = {}

    def __call__(self, argv: list[str], **options: Any) -> Finished:  # noqa: ANN401
        self.argv, self.options = argv, options
        return self.ends


def started(monkeypatch: pytest.MonkeyPatch, process: Process) -> Process:
    monkeypatch.setattr("pixi_container.processes.capture", process)
    return process


def test_values_are_quoted_for_where_they_stand() -> None:
    text = "{{ a | json }} {{ b | paths }} {{ c | env }} {{ d | shell }} {{ a }}"
    values = {"a": ["x", 1], "b": ["it's", "b"], "c": 'a"b\\c$d', "d": "a b"}
    assert render(text, values) == '["x", 1] ["it\\\\\'s", "b"] "a\\"b\\\\c\\$d" \'a b\' [\'x\', 1]'


def test_blocks_leave_no_lines_and_html_is_no_special_case() -> None:
    text = "a\n  {% if x %}\nb {{ x }}\n  {% endif %}\nc\n"
    assert render(text, {"x": "<&>"}) == "a\nb <&>\nc\n"


def test_what_is_not_defined_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render("{{ unknown }}", {})
    with pytest.raises(jinja2.exceptions.SecurityError):
        render("{{ ''.__class__.__mro__ }}", {})


@pytest.mark.parametrize(
    ("name", "purpose"), [("env", "be a variable of an image"), ("shell", "be exported")], ids=["env", "shell"]
)
@pytest.mark.parametrize("char", ["\n", "\x00", "\x1f", "\x7f"])
def test_a_control_character_has_no_quoting(name: str, purpose: str, char: str) -> None:
    with pytest.raises(UserError) as caught:
        render(f"{{{{ value | {name} }}}}", {"value": f"a{char}b"})
    problem = f"a value contains a control character and cannot {purpose}: {f'a{char}b'!r}"
    assert caught.value.message == problem
    with pytest.raises(UserError):
        quoted_for_shell(char)
    assert quoted_for_shell(" ") == "' '"


def test_a_user_s_template_is_rendered_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    process = started(monkeypatch, Process(0, '{"text": "FROM x"}'))
    assert render_apart("{{ a }}", {"a": 1}) == "FROM x"
    assert process.argv[0] == sys.executable
    assert process.argv[1:6] == ["-I", "-S", "-B", "-X", "utf8"]
    assert process.argv[6] == template.__file__
    folders = [Path(module.__file__ or "").resolve().parents[1] for module in (pixi_container, jinja2, markupsafe)]
    assert set(process.argv[7:]) == set(map(str, folders))
    assert len(process.argv[7:]) == len(set(folders))
    assert json.loads(process.options["given"]) == ["{{ a }}", {"a": 1}]
    assert {name: process.options[name] for name in ("env", "cwd", "seconds")} == {
        "env": {},
        "cwd": "/",
        "seconds": 30,
    }


@pytest.mark.parametrize(
    ("code", "output", "message"),
    [
        (0, '{"problem": "unexpected end (line 2)"}', "unexpected end (line 2)"),
        (0, "{}", "it takes more than 256 MB of memory"),
        (0, "no JSON", "it takes more than 256 MB of memory"),
        (1, '{"text": "half"}', "it takes more than 256 MB of memory"),
        (-11, "", "it takes more than the available stack"),
        (-24, "", "it takes more than 2 seconds"),
        (-9, "", "it takes more than 2 seconds"),
    ],
)
def test_a_template_that_takes_too_much_is_refused(
    monkeypatch: pytest.MonkeyPatch, code: int, output: str, message: str
) -> None:
    started(monkeypatch, Process(code, output))
    with pytest.raises(UserError) as caught:
        render_apart("", {})
    assert caught.value.message == f"the template cannot be rendered: {message}"
    assert caught.value.hint == "Its variables are described in docs/template.md."


def test_a_value_that_is_refused_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    started(monkeypatch, Process(0, '{"refused": "a value contains a control character"}'))
    with pytest.raises(UserError) as caught:
        render_apart("", {})
    assert caught.value.message == "a value contains a control character"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("FROM {{ base }}\n", {"text": "FROM ubuntu\n"}),
        ("\n{% if %}", {"problem": "Expected an expression, got 'end of statement block' (line 2)"}),
        ("{{ unknown }}", {"problem": "'unknown' is undefined"}),
        ("{{ 1 // 0 }}", {"problem": "integer division or modulo by zero"}),
        (
            "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
            {"problem": "it is nested too deeply, or calls itself without end"},
        ),
        (
            "{{ broken | shell }}",
            {"refused": "a value contains a control character and cannot be exported: '\\n'"},
        ),
        ("{{ lonely }}", {"problem": None}),
    ],
)
def test_the_process_answers_with_the_text_or_the_problem(text: str, answer: dict[str, str | None]) -> None:
    answered = template._answer(text, {"base": "ubuntu", "broken": "\n", "lonely": "\ud800"})
    assert answered.keys() == answer.keys()
    assert answered == {key: value or answered[key] for key, value in answer.items()}


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (MemoryError(), "it takes more than 256 MB of memory"),
        (RecursionError(), "it is nested too deeply, or calls itself without end"),
        (KeyError(), "KeyError"),
        (ValueError("a" * 500), "a" * 399 + "…"),
    ],
)
def test_what_a_template_raises_is_its_problem(
    monkeypatch: pytest.MonkeyPatch, error: Exception, problem: str
) -> None:
    def raised(*_: object) -> str:
        raise error

    monkeypatch.setattr(template, "render", raised)
    (answered,) = template._answer("", {}).items()
    assert answered[0] == "problem"
    assert answered[1][:300] == problem[:300]
    assert len(answered[1]) <= 400


@pytest.mark.parametrize(("length", "key"), [(4 * 1024**2, "text"), (4 * 1024**2 + 1, "problem")])
def test_a_text_has_a_limit(monkeypatch: pytest.MonkeyPatch, length: int, key: str) -> None:
    monkeypatch.setattr(template, "render", lambda *_: "a" * length)
    answered = template._answer("", {})
    assert list(answered) == [key]
    assert key == "text" or answered == {"problem": "its text is longer than 4194304 characters"}


def test_the_process_limits_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: dict[int, tuple[int, int]] = {}

    def limited(limit: int, values: tuple[int, int]) -> None:
        limits[limit] = values
        raise ValueError("a system without this limit")

    monkeypatch.setattr(resource, "setrlimit", limited)
    template._limit()
    assert limits == {
        resource.RLIMIT_CPU: (2, 3),
        resource.RLIMIT_AS: (256 * 1024**2, 256 * 1024**2),
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_FSIZE: (0, 0),
        resource.RLIMIT_NPROC: (0, 0),
    }


def test_the_process_reads_its_task_and_writes_the_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    task = tmp_path / "task"
    task.write_text('["FROM {{ base }}", {"base": "ubuntu"}]')
    path = ["kept"]
    monkeypatch.setattr(sys, "path", path)
    monkeypatch.setattr(sys, "argv", ["template.py", "one", "two"])
    monkeypatch.setattr(template, "_limit", lambda: None)
    with task.open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        template._main()
    assert json.loads(capsys.readouterr().out) == {"text": "FROM ubuntu"}
    assert path == ["one", "two", "kept"]
