"""How a container starts: what users write in the inputs, and what an image's configuration has of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_container.errors import UserError
from pixi_container.input_values import (
    Healthcheck,
    Variable,
    healthcheck,
    stop_signal,
    user,
    variables,
    volumes,
    working_directory,
)

IMAGE = {"PATH": "/env/bin:/bin", "HOME": "/root"}


@pytest.mark.parametrize(
    ("line", "value", "quoted"),
    [
        ("A=b", "b", '"b"'),
        ("A=", "", '""'),
        ("A=b=c d", "b=c d", '"b=c d"'),
        ('A="d e"', "d e", '"d e"'),
        ("A='d e'", "d e", '"d e"'),
        ('A=it\'s "x" \\', 'it\'s "x" \\', '"it\'s \\"x\\" \\\\"'),
        ("PATH=/opt/bin:$PATH", "/opt/bin:/env/bin:/bin", '"/opt/bin:${PATH}"'),
        ("A=${HOME}/x$HOME", "/root/x/root", '"${HOME}/x${HOME}"'),
        ("A=$NOT_SET!", "!", '"${NOT_SET}!"'),
        (r"A=\$HOME costs \$5", "$HOME costs $5", r'"\$HOME costs \$5"'),
        ("A=5$ and $1", "5$ and $1", r'"5\$ and \$1"'),
    ],
)
def test_a_variable_of_the_image(line: str, value: str, quoted: str) -> None:
    (variable,) = variables((line,))
    assert (variable.value(IMAGE), variable.quoted) == (value, quoted)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("A", "input 'env' has an invalid value: 'A'"),
        ("1A=b", "input 'env' has an invalid value: '1A=b'"),
        ("A B=c", "input 'env' has an invalid value: 'A B=c'"),
        ("A=\x1b[0m", "input 'env' has an invalid value"),
        ("A=${HOME:-x}", "input 'env' has an invalid value"),
        ("PATH=/opt/bin", "input 'env' replaces PATH, in which the environment is"),
        ("CONDA_PREFIX=/x", "input 'env' sets CONDA_PREFIX, which the environment's activation sets"),
        ("PIXI_FROZEN=false", "input 'env' sets PIXI_FROZEN"),
        ("BASH_ENV=/x", "input 'env' sets BASH_ENV"),
    ],
)
def test_what_is_no_variable_or_would_undo_the_activation(line: str, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        variables((line,))


@given(st.text().filter(lambda text: not re.search(r"[\x00-\x1f\x7f]|\$\{", text)))
def test_a_value_stays_in_its_quotes(text: str) -> None:
    try:
        (variable,) = variables((f"A={text}",))
    except UserError:
        return
    inside = re.sub(r"\\.", "", variable.quoted[1:-1], flags=re.DOTALL)
    assert '"' not in inside
    assert "\\" not in inside
    assert "\n" not in variable.quoted
    assert "$" not in re.sub(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}", "", inside)


@pytest.mark.parametrize("value", ["1000", "1000:100", "jovyan", "jovyan:users", "_apt", "a-b:0"])
def test_a_user(value: str) -> None:
    assert user(value) == value


@pytest.mark.parametrize("value", ["a b", "-1", ":1", "1:", "A", "$USER", "a\nRUN x", "12345678901"])
def test_no_user(value: str) -> None:
    with pytest.raises(UserError, match="input 'user' has an invalid value"):
        user(value)


def test_volumes_are_folders() -> None:
    assert volumes("/data /a/b-c\n/data") == ("/data", "/a/b-c")
    for value in ("data", "/", "/a b/../c", '/a"]', "/a/"):
        with pytest.raises(UserError, match="input 'volumes' has an invalid value"):
            volumes(value)


def test_a_signal_has_a_name_or_a_number() -> None:
    assert [stop_signal(value) for value in ("SIGTERM", "9", "SIGRTMIN+3")] == ["SIGTERM", "9", "SIGRTMIN+3"]
    for value in ("TERM", "sigterm", "-9", "SIGTERM x", "123"):
        with pytest.raises(UserError, match="input 'stop-signal' has an invalid value"):
            stop_signal(value)


def test_a_working_directory_may_be_below_the_workspace() -> None:
    given = ("/data", "data", "./a/b", "/home/me")
    assert [working_directory(value, "/app") for value in given] == ["/data", "/app/data", "/app/a/b", "/home/me"]
    for value in ("..", "/", "a b", "../x", "/a/../b", "$HOME"):
        with pytest.raises(UserError, match="input 'working-directory' has an invalid value"):
            working_directory(value, "/app")


@pytest.mark.parametrize(
    ("text", "check", "configuration"),
    [
        ("NONE", Healthcheck(), {"Test": ["NONE"]}),
        ("CMD NONE", Healthcheck(), {"Test": ["NONE"]}),
        (
            "curl --fail http://localhost || exit 1",
            Healthcheck(("/bin/bash", "-c", "curl --fail http://localhost || exit 1")),
            {"Test": ["CMD", "/bin/bash", "-c", "curl --fail http://localhost || exit 1"]},
        ),
        (
            '--interval=1m30s --timeout=1.5s --retries=3 CMD ["python", "-m", "check"]',
            Healthcheck(("python", "-m", "check"), (("interval", "1m30s"), ("timeout", "1.5s"), ("retries", "3"))),
            {
                "Test": ["CMD", "python", "-m", "check"],
                "Interval": 90 * 10**9,
                "Timeout": 1_500_000_000,
                "Retries": 3,
            },
        ),
        (
            "--start-period=5s --start-interval=500ms --interval=0s true",
            Healthcheck(
                ("/bin/bash", "-c", "true"),
                (("start-period", "5s"), ("start-interval", "500ms"), ("interval", "0s")),
            ),
            {"Test": ["CMD", "/bin/bash", "-c", "true"], "StartPeriod": 5 * 10**9, "StartInterval": 5 * 10**8},
        ),
    ],
)
def test_a_health_check(text: str, check: Healthcheck, configuration: dict[str, object]) -> None:
    assert healthcheck(text) == check
    assert check.as_configuration() == configuration


@pytest.mark.parametrize(
    "text",
    [
        "--interval=30s",
        "--interval=30 true",
        "--interval=1us true",
        "--interval=s true",
        "--often=1s true",
        "--retries=-1 true",
        "--retries=1.5 true",
        'CMD ["a", 1]',
        "CMD [",
        "a\nRUN b",
        "--interval=1s",
    ],
)
def test_no_health_check(text: str) -> None:
    with pytest.raises(UserError, match="input 'healthcheck' has an invalid value"):
        healthcheck(text)


def test_a_variable_takes_those_that_the_image_has() -> None:
    variable = Variable("A", ("x", "B", "y"))
    assert (variable.value({"B": "b"}), variable.value({})) == ("xby", "xy")
