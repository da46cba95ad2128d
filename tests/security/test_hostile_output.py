"""Text that others wrote, where a runner, a browser or a terminal reads it."""

from __future__ import annotations

import json
import os
import re
from datetime import datetime, timezone
from pathlib import Path

import pytest

from pixi_container.display import (
    has_commands,
    json_text,
    markdown_block,
    markdown_code,
    markdown_text,
    shown_path,
    without_commands,
    without_controls,
)
from pixi_container.errors import UserError
from pixi_container.log import TerminalLog, WorkflowLog
from pixi_container.runner.event import Event
from pixi_container.runner.outputs import write_outputs, write_summary
from pixi_container.tags.facts import facts_from
from pixi_container.tags.labels import labels_of
from tests.security.conftest import Victim, job

COMMANDS = (
    "a\r::stop-commands::x",
    "\r\n::set-output name=digest::forged",
    "a\n \t::add-mask::a",
    "a\u2028::error::x",
    "a\x85::error::x",
    "a ##[add-mask]e",
    "\u3000::debug::x",
)


def obeyed(text: str) -> list[str]:
    """Return the lines that the runner would take for a command, as it reads them."""
    lines = re.split(r"\r\n|\r|\n", text)
    return [line for line in lines if line.lstrip().startswith("::") or "##[" in line]


@pytest.mark.parametrize("text", COMMANDS)
def test_no_text_is_a_command(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert has_commands(text)
    assert not obeyed(without_commands(text))
    assert not obeyed(shown_path(text))
    assert json.loads(json_text({"name": text})) == {"name": text}
    assert not obeyed(json_text({"name": text}, indent=2))
    WorkflowLog().say(text)
    TerminalLog().say(text)
    printed = capsys.readouterr()
    assert not obeyed(printed.out + printed.err)


@pytest.mark.parametrize("text", COMMANDS)
def test_an_annotation_is_one_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    log = WorkflowLog()
    log.error(UserError(text, hint=text, file=text, line=3))
    log.warning(text)
    with log.untrusted_output() as show:
        show(text)
    printed = capsys.readouterr().out
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028]", printed)
    start, end = printed.index("::stop-commands::"), printed.rindex("::")
    assert [
        line for line in obeyed(printed[:start]) if not line.startswith(("::error title=", "::warning::"))
    ] == []
    assert end > start


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("a\rb", "a\\rb"),
        ("a\x00b\x7f", "a\\x00b\\x7f"),
        ("a\u202eb", "a\\u202eb"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("a\r\nb", "a\nb"),
        ("\udcff", "\\udcff"),
    ],
)
def test_control_characters_are_shown_and_not_sent(text: str, shown: str) -> None:
    assert without_controls(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=y>",
        "a | b",
        "[x](javascript:y)",
        "`code`",
        "**b**",
        "![i](u)",
        "</code><script>",
        "~~x~~",
    ],
)
def test_nothing_is_markup_in_the_summary(text: str) -> None:
    for made in (markdown_text(text), markdown_code(text).removeprefix("<code>").removesuffix("</code>")):
        plain = re.sub(r"&#\d+;", "", made)
        assert not re.search(r"[<>|\[\]`*~!()_]", plain)
        assert re.sub(r"&#(\d+);", lambda reference: chr(int(reference[1])), made) == text


def test_a_fence_is_longer_than_any_inside() -> None:
    block = markdown_block("FROM a\n```\n# heading\n`````\n", "dockerfile")
    first, *_, last = block.splitlines()
    assert (first, last) == ("``````dockerfile", "``````")


def test_names_of_changed_files_are_no_commands(victim: Victim) -> None:
    base = victim.git("rev-parse", "HEAD")
    names = [
        "src/a\r::stop-commands::x",
        "src/\n::error::x",
        "::set-output name=a::b",
        "src/##[error]x",
        "src/b.py",
    ]
    for name in names:
        (victim.path / name).parent.mkdir(parents=True, exist_ok=True)
        (victim.path / name).touch()
    sha = victim.commit()
    done = victim.run("changes", "--base", base, "--paths", "**", env=job(sha))
    assert done.returncode == 0, done.stdout
    assert not obeyed(done.stdout)
    listed = done.stdout.splitlines()[1:]
    assert sorted(json.loads(line) if line.startswith('"') else line for line in listed) == sorted(names)


def test_the_dockerfile_of_a_checkout_prints_no_command(victim: Victim) -> None:
    (victim.path / "Dockerfile").write_text("FROM a AS production\n# x\r::add-mask::a\n")
    done = victim.run("render", "--dockerfile", "Dockerfile", env=job(victim.commit()))
    assert done.returncode == 3
    assert not [line for line in obeyed(done.stdout) if not line.startswith("::error title=")]


def test_labels_of_a_payload_are_one_line() -> None:
    repository = {
        "full_name": "lab/study",
        "description": "a\r\n::x::\nb\ud800",
        "license": {"spdx_id": "MIT\x00"},
    }
    event = Event(name="push", ref="refs/heads/main", sha="1" * 40, payload={"repository": repository})
    now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    labels, _ = labels_of(facts_from(event, commit_date=now, now=now, expressions={}), "1", "")
    assert labels["org.opencontainers.image.description"] == "a ::x:: b "
    assert all(value.encode() and value.isprintable() for value in labels.values())


def test_a_missing_summary_file_is_a_warning_and_missing_outputs_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "missing"))
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "missing"))
    assert "there is no file" in write_summary("text")
    with pytest.raises(UserError, match="there is no file"):
        write_outputs({"a": "b"})
    for name in ("summary", "output"):
        (tmp_path / name).touch()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    assert write_summary("text") == ""
    write_outputs({"a": "b\n::x::"})
    assert re.fullmatch(
        rf"a<<(\S+){os.linesep}b\n::x::{os.linesep}\1{os.linesep}", (tmp_path / "output").read_text()
    )
