"""Runs a composite action as GitHub's runner does: expressions, shells, files, commands, masks.

Sources, below https://docs.github.com/actions/reference/workflows-and-actions: metadata-syntax,
workflow-syntax#jobsjob_idstepsshell, workflow-commands; where they are silent, ActionCommand.cs and
FileCommandManager.cs of https://github.com/actions/runner. What is not needed here is refused, not guessed.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}")
_LOOK_UP = re.compile(r"\s*(?P<context>github|inputs|steps)(?P<path>(?:\.[A-Za-z_][\w-]*)+)\s*")
_SHELLS = {"bash": ("bash", "--noprofile", "--norc", "-e", "-o", "pipefail")}
_FILES = ("output", "step_summary", "env", "path", "state")
_ANNOTATIONS = frozenset({"error", "warning", "notice"})
_HARMLESS = frozenset({"group", "endgroup", "debug", "echo", "add-matcher", "remove-matcher"})
_IN_PROPERTIES = (("%3A", ":"), ("%2C", ","))
_OTHERS = frozenset({"add-mask", "stop-commands", "set-output", "save-state", "set-env", "add-path"})


@dataclass
class Composite:
    """What became of one use of an action: log with masks applied, annotations, outputs, whether it succeeded."""

    success: bool = True
    log: str = ""
    annotations: list[tuple[str, str]] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    ran: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Runner:
    """A runner's folders, the ``github`` context of an event and the variables of a job."""

    temp: Path
    tool_cache: Path
    workspace: Path
    github: Mapping[str, str]
    env: Mapping[str, str]

    def use(
        self,
        action: Path,
        inputs: Mapping[str, str],
        on_line: Callable[[str, int], None] = lambda _line, _pid: None,
    ) -> Composite:
        """Use the action in ``action``; ``on_line`` gets each line and the id of the step's process."""
        metadata = yaml.safe_load((action / "action.yml").read_text())
        assert metadata["runs"]["using"] == "composite"
        known = metadata["inputs"]
        assert not inputs.keys() - known.keys(), "the runner warns of unknown inputs"
        contexts: dict[str, Any] = {"github": {**self.github, "action_path": str(action)}, "steps": {}}
        contexts["inputs"] = {
            name: inputs.get(name, _evaluate(str(row.get("default", "")), contexts)) for name, row in known.items()
        }
        commands = _Commands(Composite())
        result = commands.result
        self.temp.mkdir(parents=True, exist_ok=True)
        for number, step in enumerate(metadata["runs"]["steps"]):
            condition = step.get("if", "success()")
            assert condition in {"success()", "always()"}, f"condition {condition} is not known here"
            if result.success or condition == "always()":
                result.ran.append(step["name"])
                outputs = self._step(step, number, contexts, commands, on_line)
                contexts["steps"][step.get("id", f"_{number}")] = {"outputs": outputs}
        result.outputs = {name: _evaluate(row["value"], contexts) for name, row in metadata["outputs"].items()}
        return result

    def _step(
        self,
        step: Mapping[str, Any],
        number: int,
        contexts: Mapping[str, Any],
        commands: _Commands,
        on_line: Callable[[str, int], None],
    ) -> dict[str, str]:
        files = {name: self.temp / f"_runner_{name}" for name in _FILES}
        for file in files.values():
            file.touch()
        script = self.temp / f"_runner_script_{number}.sh"
        script.write_text(_evaluate(step["run"], contexts))
        env = {
            **self.env,
            **{f"GITHUB_{name.upper()}": value for name, value in contexts["github"].items() if name != "token"},
            **{f"GITHUB_{name.upper()}": str(file) for name, file in files.items()},
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(self.temp),
            "RUNNER_TOOL_CACHE": str(self.tool_cache),
            **{name: _evaluate(value, contexts) for name, value in step.get("env", {}).items()},
        }
        with subprocess.Popen(
            [*_SHELLS[step["shell"]], str(script)],
            cwd=self.workspace,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            assert process.stdout
            for line in process.stdout:
                commands.read(line.rstrip("\n"))
                on_line(line, process.pid)
        commands.end_step()
        result = commands.result
        result.success = result.success and process.returncode == 0
        result.summary += files["step_summary"].read_text()
        assert not files["env"].read_text() + files["path"].read_text(), "the job's own environment is left alone"
        outputs = commands.outputs | parse_outputs(files["output"].read_text())
        for file in (*files.values(), script):
            file.unlink()
        return outputs


@dataclass
class _Command:
    name: str
    data: str
    properties: dict[str, str]


class _Commands:
    """Reads the lines of steps: obeys commands, applies masks, keeps the log."""

    def __init__(self, result: Composite) -> None:
        self.result = result
        self.outputs: dict[str, str] = {}
        self._masks: list[str] = []
        self._stopped_by = ""

    def read(self, line: str) -> None:
        command = self._parse(line)
        if command:
            self._obey(command)
        if not (command and command.name == "add-mask"):
            for mask in self._masks:
                line = line.replace(mask, "***")
            self.result.log += line + "\n"

    def end_step(self) -> None:
        """Obey commands again: the next step begins anew."""
        self._stopped_by = ""

    def _parse(self, line: str) -> _Command | None:
        """Return the command of a line if it has one that the runner knows now, in the new or the old form."""
        known = {self._stopped_by} if self._stopped_by else _ANNOTATIONS | _HARMLESS | _OTHERS
        forms = (
            (r"\s*::(?P<name>.*?)(?: (?P<properties>.*?))?::(?P<data>.*)", ","),
            (r".*?##\[(?P<name>.*?)(?: (?P<properties>.*?))?\](?P<data>.*)", ";"),
        )
        for pattern, separator in forms:
            found = re.fullmatch(pattern, line)
            if found and found["name"] in known:
                pairs = (pair.partition("=") for pair in (found["properties"] or "").split(separator) if pair)
                properties = {key.strip(): _unescape(value, _IN_PROPERTIES) for key, _, value in pairs}
                return _Command(found["name"], _unescape(found["data"]), properties)
        return None

    def _obey(self, command: _Command) -> None:
        if self._stopped_by:
            self._stopped_by = ""
        elif command.name == "stop-commands":
            assert command.data, "the runner refuses an empty token"
            self._stopped_by = command.data
        elif command.name == "add-mask":
            self._masks += [mask for mask in (command.data, *command.data.splitlines()) if mask.strip()]
        elif command.name == "set-output":
            self.outputs[command.properties["name"]] = command.data
        elif command.name in _ANNOTATIONS:
            self.result.annotations.append((command.name, command.data))
        elif command.name not in _HARMLESS:
            self.result.annotations.append(("error", f"the command {command.name} is disabled"))


def _evaluate(text: str, contexts: Mapping[str, Any]) -> str:
    def value_of(match: re.Match[str]) -> str:
        found = _LOOK_UP.fullmatch(match[1])
        assert found, f"the expression {match[0]} is not known here"
        value: Any = contexts[found["context"]]
        for name in found["path"].split(".")[1:]:
            # A step that did not run has no outputs, and what is not there is empty.
            value = value.get(name, {}) if isinstance(value, Mapping) else {}
        return value if isinstance(value, str) else ""

    return _EXPRESSION.sub(value_of, text)


def parse_outputs(text: str) -> dict[str, str]:
    """Read the text of GITHUB_OUTPUT: ``name=value``, and ``name<<delimiter`` with lines up to the delimiter."""
    outputs: dict[str, str] = {}
    lines = iter(text.removesuffix("\n").split("\n") if text else [])
    for line in lines:
        found = re.match(r"(?P<name>.+?)(?P<mark>=|<<)", line)
        if not line:
            continue
        assert found, f"the runner fails the step: invalid format {line!r}"
        name, value = found["name"], line[found.end() :]
        if found["mark"] == "<<":
            delimiter, taken = value, []
            for taken_line in lines:
                if taken_line == delimiter:
                    break
                taken.append(taken_line)
            else:
                raise AssertionError(f"the runner fails the step: no line {delimiter!r}")
            value = "\n".join(taken)
        outputs[name] = value
    return outputs


def _unescape(text: str, also: tuple[tuple[str, str], ...] = ()) -> str:
    for escaped, plain in (("%0D", "\r"), ("%0A", "\n"), *also, ("%25", "%")):
        text = text.replace(escaped, plain)
    return text
