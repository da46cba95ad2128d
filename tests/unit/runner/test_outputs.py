"""Outputs reach the runner as they are, whatever is in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixi_container.errors import UserError
from pixi_container.runner.outputs import write_outputs, write_summary


def read_by_runner(text: str) -> dict[str, str]:
    """Read an environment file as the runner does.

    Source: https://github.com/actions/runner/blob/main/src/Runner.Worker/FileCommandManager.cs, from
    ``EnvFileKeyValuePairs`` on.
    """
    outputs: dict[str, str] = {}
    lines = iter(text.split("\n"))
    for line in lines:
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, _, outputs[name] = line.partition("=")
            continue
        assert heredoc > 0, f"the runner refuses the line {line!r}"
        name, _, delimiter = line.partition("<<")
        value: list[str] = []
        for following in lines:
            if following == delimiter:
                break
            value.append(following)
        else:
            raise AssertionError(f"the runner misses the delimiter of {name}")
        outputs[name] = "\n".join(value)
    return outputs


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file for outputs, which another step has written to."""
    made = tmp_path / "outputs"
    made.write_text("before=kept\n")
    monkeypatch.setenv("GITHUB_OUTPUT", str(made))
    return made


HOSTILE = {
    "digest": "sha256:12",
    "empty": "",
    "tags": "ghcr.io/lab/study:1\nghcr.io/lab/study:latest",
    "end-of-line": "one\n",
    "only-ends": "\n\n",
    "assignment": "pushed=true\ndigest=sha256:00",
    "heredoc": "x<<EOF\nEOF\nghadelimiter_\nghadelimiter_1",
    "command": "::set-output name=digest::1\n##[error]x",
    "percent": "%0A%25",
    "unicode": "é \u2028 \U0001f4e6",
    "json": '{"a": "b\\nc"}',
}


def test_every_value_arrives_as_it_is(file: Path) -> None:
    write_outputs(HOSTILE)
    assert read_by_runner(file.read_text("utf-8")) == {"before": "kept", **HOSTILE}


def test_two_calls_add_to_each_other(file: Path) -> None:
    write_outputs({"a": "1"})
    write_outputs({"b": "2\n3"})
    assert read_by_runner(file.read_text()) == {"before": "kept", "a": "1", "b": "2\n3"}


def test_no_value_can_know_the_delimiter(file: Path) -> None:
    for _ in range(2):
        write_outputs({"a": "b"})
    delimiters = [line.partition("<<")[2] for line in file.read_text().splitlines() if "<<" in line]
    assert len(set(delimiters)) == 2


@pytest.mark.parametrize("value", ["", None])
def test_on_a_laptop_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str | None
) -> None:
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    write_outputs({"a": "b"})
    assert write_summary("text") == ""
    assert list(tmp_path.iterdir()) == []


def test_outputs_that_cannot_be_written_are_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "absent"))
    with pytest.raises(
        UserError, match=r"outputs could not be written: there is no file '.*absent' .GITHUB_OUTPUT"
    ):
        write_outputs({"a": "b"})
    assert not (tmp_path / "absent").exists()
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path))
    with pytest.raises(UserError, match="outputs could not be written: Is a directory"):
        write_outputs({"a": "b"})


def test_the_summary_is_added_and_its_absence_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    summary = tmp_path / "summary"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert write_summary("text") == (
        f"the job summary could not be written: there is no file '{summary}' (GITHUB_STEP_SUMMARY)"
    )
    summary.write_text("before\n")
    assert write_summary("### Image\n| a |\n") == ""
    assert summary.read_text().startswith("before\n### Image\n| a |\n")
