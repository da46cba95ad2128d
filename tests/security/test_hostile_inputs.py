"""Values that no honest user gives: each ends in a plan or in one clear error, and reaches no shell."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from pixi_container.cli import main
from pixi_container.input_table import INPUTS, Input
from tests.composite import Runner
from tests.end_to_end.action_copy import copy_action
from tests.security.conftest import Victim, job

HUGE = 20_000
VALUES = (
    "$(touch mark)",
    "`touch mark`",
    "; touch mark #",
    "'\"; touch mark; '\"",
    "--help",
    "-v /:/host",
    "../../../etc/passwd",
    "/etc/passwd",
    "/dev/zero",
    "\r::set-output name=digest::forged",
    "a\nRUN touch /mark",
    "a\\\nRUN touch /mark",
    "a\r\nRUN touch /mark",
    "a\u2028RUN touch /mark",
    "\x1b[31mred\x1b[0m",
    "\x00",
    "{{ 1 / 0 }}",
    "{% for x in range(9) %}{% endfor %}",
    "{{ ''.__class__.__mro__ }}",
    "${{ secrets.TOKEN }}",
    "%0A::error::forged",
    "é ü 🚀 \udcff",
    "9" * HUGE,
    "(" * HUGE,
    "a" * HUGE,
    "\n".join("type=raw,value=a" for _ in range(500)),
    "[" * HUGE,
    '{"a":' * HUGE,
    "type=match,pattern=(a+)+$,value=" + "a" * 60 + "b",
    "type=semver,pattern={{version}},value=" + "9" * 5000,
    "type=pep440,pattern={{version}},value=1!" + "9" * 5000,
    "type=schedule,pattern={{date '" + "Y" * HUGE + "'}}",
)
OF_A_BUILD = {"target", "test-target", "build-args", "build-contexts", "secrets", "secret-files", "ssh"}
"""The inputs that have an effect only together with `dockerfile`, most of them lists of names with values."""

LONG = 100
SHOWING = (["tags"], ["plan", "--offline"], ["render"])
FORMS = {
    "text": ["{}"],
    "flag": ["{}"],
    "lines": ["[{}]"],
    "words": ["[{}]"],
    "pairs": ["{{ a = {} }}", "{{ {} = 'a' }}"],
}
"""How a value stands in the manifest, by the input's kind."""


@pytest.fixture
def checkout(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> Victim:
    (victim.path / "src").mkdir()
    (victim.path / "src/main.py").touch()
    (victim.path / "Dockerfile").write_text("FROM environment AS app\n")
    monkeypatch.chdir(victim.path)
    return victim


@pytest.mark.slow
@pytest.mark.parametrize("name", [row.name for row in INPUTS])
def test_no_value_of_an_input_breaks_out(
    name: str, checkout: Victim, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.rglob("*"))
    sha = checkout.git("rev-parse", "HEAD")
    variable = "INPUT_" + name.upper().replace("-", "_")
    named = tuple(f"app={value}" for value in (*VALUES, '"', "docker-image://$(touch mark)", "https://a/\x1b[0m"))
    quoted = ('"app=a\nRUN touch mark\n::error::forged\n"',)
    nodes = tuple(f"linux/amd64=tcp://a:1 cacert=/{value}" for value in (*VALUES, "a,image=b"))
    more = {"nodes": nodes, **dict.fromkeys(OF_A_BUILD, (*named, *quoted))}
    for value in (*VALUES, *more.get(name, ())):
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **job(sha), "INPUT_IMAGES": "localhost:9/a"}
        env |= {"RUNNER_TEMP": str(tmp_path), variable: value}
        env |= {"INPUT_DOCKERFILE": "Dockerfile"} if name in OF_A_BUILD else {}
        check_that_it_stays_a_value(value, env, capsys)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
@pytest.mark.parametrize("row", [row for row in INPUTS if row.is_setting], ids=lambda row: row.name)
def test_no_value_of_a_setting_breaks_out(
    row: Input, checkout: Victim, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.rglob("*"))
    manifest = checkout.path / "pixi.toml"
    text = manifest.read_text()
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **job(checkout.git("rev-parse", "HEAD"))}
    env |= {"RUNNER_TEMP": str(tmp_path)}
    # A setting becomes the text of an input, and those are tried with all values.
    for value in (value for value in VALUES if len(value) < LONG):
        # TOML has no lone surrogates, and JSON writes every other character of these so that TOML reads it.
        written = json.dumps(value.replace("\udcff", ""), ensure_ascii=False).replace("\x7f", "\\u007f")
        for form in FORMS[row.kind]:
            manifest.write_text(f"{text}[tool.pixi-container]\n{row.name} = {form.format(written)}\n")
            check_that_it_stays_a_value(value, env, capsys, SHOWING[1:])
    assert sorted(tmp_path.rglob("*")) == before


def check_that_it_stays_a_value(
    value: str,
    env: Mapping[str, str],
    capsys: pytest.CaptureFixture[str],
    commands: Sequence[Sequence[str]] = SHOWING,
) -> None:
    """Run what shows a plan: it ends well or in one error, and the value is no command, line or instruction."""
    for command in commands:
        code = main(command, env)
        printed = capsys.readouterr()
        shown = printed.out + printed.err
        assert code in {0, 3}, (value, shown)
        assert "this is a bug" not in shown, (value, shown)
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown), (value, shown)
        assert len(re.findall(r"(?m)^::error", shown)) == bool(code), (value, shown)
        assert not re.search(r"(?m)^\s*::(?!error |warning|add-mask)", shown), (value, shown)
        if command == ["render"] and code == 0:
            texts = r"(?m)^(ENV|CMD|ENTRYPOINT|HEALTHCHECK|LABEL|COPY) .*"
            assert "RUN touch" not in re.sub(texts, "", printed.out), value


def test_no_value_reaches_the_shell_of_a_step(victim: Victim, tmp_path: Path) -> None:
    """The composite's own steps: a value goes by environment, and never into a script's text."""
    value = f"$(touch {tmp_path}/mark)`touch {tmp_path}/mark`;touch {tmp_path}/mark"
    sha = victim.git("rev-parse", "HEAD")
    github = {
        "event_name": "push",
        "event_path": "",
        "ref": f"refs/heads/{value}",
        "sha": sha,
        "repository": "lab/study",
        "actor": value,
        "token": value,
    }
    runner = Runner(
        temp=tmp_path / "temp",
        tool_cache=tmp_path / "cache",
        workspace=victim.path,
        github=github,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )
    action = copy_action(tmp_path / "action")
    # The step that installs packages takes no inputs; here it finds them installed.
    (action / "action/setup.sh").write_text('echo "python=$(command -v python3)" >> "$GITHUB_OUTPUT"\n')
    (action / "action/run.py").write_text(
        "import os\nprint(sorted(n for n in os.environ if n.startswith('INPUT_')))\n"
    )
    (action / "action/setup.sh").chmod(0o755)
    result = runner.use(action, {row.name: value for row in INPUTS if "run" in row.commands})
    assert result.success, result.log
    assert "INPUT_TEST_COMMAND" in result.log
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("name", ["-x", "--output=type=local,dest=..", "-"])
def test_a_context_with_a_dash_in_front_is_a_folder(
    checkout: Victim, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = checkout.path / name
    folder.mkdir()
    for file in ("pixi.toml", "pixi.lock"):
        (checkout.path / file).rename(folder / file)
    env = {"PATH": os.environ["PATH"], "INPUT_CONTEXT": name, "INPUT_IMAGES": "localhost/a"}
    assert main(["plan", "--offline"], env) == 0
    commands = [line for line in capsys.readouterr().out.splitlines() if " buildx build " in line]
    assert commands
    assert all(f" ./{name}" in line or f" './{name}'" in line for line in commands)


def test_a_pattern_that_tries_for_ever_is_stopped(checkout: Victim, capsys: pytest.CaptureFixture[str]) -> None:
    tags = f"type=match,pattern=(a|aa)+$,value={'a' * 80}b"
    env = {"PATH": os.environ["PATH"], "INPUT_TAGS": tags, "INPUT_IMAGES": "localhost/a"}
    assert main(["tags"], env) == 3
    assert "takes more than 2 s" in capsys.readouterr().err
