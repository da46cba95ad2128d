"""Runs a composite action as GitHub's runner does: expressions, shells, files, commands, masks.

Sources, below https://docs.github.com/actions/reference/workflows-and-actions: metadata-syntax,
workflow-syntax#jobsjob_idstepsshell, workflow-commands. What is not needed here is refused, not guessed.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
_COMMAND = re.compile(r"\s*::(?P<name>[\w-]+)(?: (?P<properties>[^:]*(?::(?!:)[^:]*)*))?::(?P<message>.*)")
_SHELLS = {"bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail")}


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
    """A runner's folders and the variables of a job."""

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
        result = Composite()
        commands = _Commands(result)
        self.temp.mkdir(parents=True, exist_ok=True)
        for number, step in enumerate(metadata["runs"]["steps"]):
            condition = step.get("if", "success()")
            assert condition in {"success()", "always()"}, f"condition {condition} is not known here"
            if condition == "success()" and not result.success:
                continue
            self._step(step, number, contexts, commands, on_line)
        for name, row in metadata["outputs"].items():
            result.outputs[name] = _evaluate(row["value"], contexts)
        return result

    def _step(
        self,
        step: Mapping[str, Any],
        number: int,
        contexts: dict[str, Any],
        commands: _Commands,
        on_line: Callable[[str, int], None],
    ) -> None:
        result = commands.result
        result.ran.append(step["name"])
        names = ("output", "step_summary", "env", "path", "state")
        names = ("output", "step_summary", "env", "path", "state")
        names = ("output", "step_summary", "env", "path", "state")
        files = {name: self.temp / f"_runner_{name}" for name in names}
        for file in files.values():
            file.write_text("")
        script = self.temp / f"_runner_script_{number}.sh"
        script.write_text(_evaluate(step["run"], contexts))
        env = {
            **self.env,
            **{f"GITHUB_{name.upper()}": value for name, value in contexts["github"].items() if name != "token"},
            **{f"GITHUB_{name.upper()}": str(file) for name, file in files.items()},
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(self.temp),
            "RUNNER_TOOL_CACHE": str(self.tool_cache),
            **{name: _evaluate(value, contexts) for name, value in step.get("env", {}).items()},
        }
        process = subprocess.Popen(
            [*_SHELLS[step["shell"]], str(script)],
            cwd=self.workspace,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout
        with process.stdout:
            for line in process.stdout:
                commands.read(line.rstrip("\n"))
                on_line(line, process.pid)
        if process.wait() != 0:
            result.success = False
        contexts["steps"][step.get("id", f"_{number}")] = {"outputs": _outputs(files["output"])}
        result.summary += files["step_summary"].read_text()
        assert not files["env"].read_text() + files["path"].read_text(), "the job's own environment is left alone"
        for file in (*files.values(), script):
            file.unlink()


class _Commands:
    """Reads a step's lines: obeys commands, applies masks."""

    def __init__(self, result: Composite) -> None:
        self.result = result
        self._masks: list[str] = []
        self._stopped_by = ""

    def read(self, line: str) -> None:
        found = _COMMAND.match(line)
        if self._stopped_by:
            if line.strip() == f"::{self._stopped_by}::":
                self._stopped_by = ""
        elif found and found["name"] == "stop-commands":
            self._stopped_by = found["message"]
        elif found and found["name"] == "add-mask":
            self._masks.append(_unescape(found["message"]))
        elif found and found["name"] in {"error", "warning", "notice"}:
            self.result.annotations.append((found["name"], _unescape(found["message"])))
        elif "##[" in line:
            self.result.annotations.append(("legacy", line))
        if not (found and found["name"] == "add-mask"):
            for mask in self._masks:
                line = line.replace(mask, "***")
            self.result.log += line + "\n"


def _evaluate(text: str, contexts: Mapping[str, Any]) -> str:
    def value_of(match: re.Match[str]) -> str:
        value: Any = contexts
        for name in match[1].split("."):
            # A step that did not run has no outputs, and what is not there is empty.
            value = value.get(name, {}) if isinstance(value, Mapping) else {}
        return value if isinstance(value, str) else ""

    return _EXPRESSION.sub(value_of, text)


def _outputs(file: Path) -> dict[str, str]:
    outputs: dict[str, str] = {}
    lines = iter(file.read_text().splitlines())
    for line in lines:
        if "<<" in line.partition("=")[0]:
            name, _, delimiter = line.partition("<<")
            values = []
            for value in lines:
                if value == delimiter:
                    break
                values.append(value)
            outputs[name] = "\n".join(values)
        elif line:
            name, _, value = line.partition("=")
            outputs[name] = value
    return outputs


def _unescape(text: str) -> str:
    return text.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
