"""Inputs: what is accepted, what is refused with the accepted forms, and that nothing else can happen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_container.errors import UserError
from pixi_container.inputs import INPUTS, Inputs, parse_inputs, texts_in
from pixi_container.registry.credentials import Credential


def test_defaults_need_no_input() -> None:
    assert parse_inputs({}) == Inputs()


def test_blank_means_default() -> None:
    assert parse_inputs({"workdir": "  ", "environment": "\n"}) == Inputs()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("environment", "gpu-12", "gpu-12"),
        ("push", "false", False),
        ("pixi_version", "v0.70.0", "0.70.0"),
        ("cuda_version", "12.9", "12.9"),
        ("include", "src\n# a comment\n\n  data/x.csv ", ("src", "data/x.csv")),
        ("include", "none", ()),
        ("workdir", "/opt/my-work", "/opt/my-work"),
        ("expose", "8000, 53/udp\n6000-6010/tcp", ("8000", "53/udp", "6000-6010/tcp")),
        ("command", "python -m 'my app'", ("python", "-m", "my app")),
        ("command", '["python", "-c", "print(1)"]', ("python", "-c", "print(1)")),
        ("builder", "auto", ""),
        ("builder", "remote-1", "remote-1"),
        ("test_command", "set -x\npython -c ''", "set -x\npython -c ''"),
    ],
)
def test_accepted(name: str, text: str, value: object) -> None:
    assert getattr(parse_inputs({name.replace("_", "-"): text}), name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("environment", "GPU"),
        ("environment", "gpu; rm -rf /"),
        ("environment", "-e"),
        ("push", "true"),
        ("push", "False"),
        ("pixi-version", "latest"),
        ("pixi-version", "0.76"),
        ("cuda-version", "12.x"),
        ("workdir", "/"),
        ("workdir", "app"),
        ("workdir", "/app/../etc"),
        ("workdir", "/app\nRUN x"),
        ("workdir", '/a"b'),
        ("expose", "0"),
        ("expose", "70000"),
        ("expose", "http"),
        ("expose", "80 443;x"),
        ("command", "python 'unbalanced"),
        ("command", '["python", 1]'),
        ("command", '["unfinished"'),
        ("command", "a 'b\nc'"),
        ("builder", "--push"),
        ("context", "a\x00b"),
    ],
)
def test_refused_with_name_value_and_accepted_forms(name: str, text: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_inputs({name: text})
    assert f"'{name}'" in caught.value.message
    assert caught.value.hint.startswith("Accepted: ")


def test_an_unknown_input_gets_a_suggestion() -> None:
    with pytest.raises(UserError, match="unknown input 'enviroment'; did you mean 'environment'"):
        parse_inputs({"enviroment": "gpu"})


def test_credentials_by_registry() -> None:
    text = (
        "registry=ghcr.io,username=me,password=a,b=c\n# other\nregistry=127.0.0.1:5000, username=you, password=p w"
    )
    assert parse_inputs({"registry-auth": text}).credentials == (
        Credential(registry="ghcr.io", username="me", password="a,b=c"),
        Credential(registry="127.0.0.1:5000", username="you", password="p w"),
    )


def test_a_malformed_credential_is_not_shown() -> None:
    with pytest.raises(UserError) as caught:
        parse_inputs({"registry-auth": "registry=ghcr.io;password=hunter2"})
    assert "hunter2" not in str(caught.value)


def test_secrets_do_not_show_in_representations() -> None:
    inputs = parse_inputs(
        {
            "password": "hunter1",
            "github-token": "hunter2",
            "registry-auth": "registry=r.io,username=u,password=hunter3",
        }
    )
    assert inputs.secrets == ("hunter1", "hunter2", "hunter3")
    assert "hunter" not in repr(inputs) + repr(inputs.credentials)


def test_both_spellings_of_a_variable_are_read() -> None:
    assert texts_in({"INPUT_MANIFEST-PATH": "a", "INPUT_ENVIRONMENT": "b", "INPUT_TEST_COMMAND": "c"}) == {
        "manifest-path": "a",
        "environment": "b",
        "test-command": "c",
    }


@given(st.dictionaries(st.sampled_from([row.name for row in INPUTS]), st.text()))
def test_any_text_is_parsed_or_refused(texts: dict[str, str]) -> None:
    try:
        inputs = parse_inputs(texts)
    except UserError:
        return
    assert inputs.workdir.startswith("/")
    assert all("\n" not in word for word in (*inputs.expose, *inputs.command, inputs.environment, inputs.workdir))
