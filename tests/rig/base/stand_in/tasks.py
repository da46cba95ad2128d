"""`pixi run`: a task of the manifest or any program, with the environment's activation."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import activation, machine
from .errors import NotProvidedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .manifest import Environment, Manifest, Table, Value


@dataclass(frozen=True)
class Chosen:
    """What to run, and in which environment; `task` is None for a program that is no task."""

    environment: Environment
    task: Value | None
    words: Sequence[str]


def choose(manifest: Manifest, environment: str, words: Sequence[str]) -> Chosen:
    """Without an `environment`, the default one, or the only one that has the task, or the task's own."""
    if not words:
        raise NotProvidedError("`pixi run` without a task or program")
    subdir = machine.subdir()
    found = manifest.environment(environment or "default")
    holders = [env for env in manifest.environments.values() if words[0] in env.tasks(subdir)]
    if not environment and found not in holders and len(holders) == 1:
        found = holders[0]
    task = found.tasks(subdir).get(words[0])
    if isinstance(task, dict) and task.get("default-environment") and not environment:
        found = manifest.environment(task["default-environment"])
    return Chosen(found, task, words)


def execute(manifest: Manifest, chosen: Chosen, executable: str) -> int:
    """Becomes the program (exec), so that it has this process's id and gets its signals.

    Returns only when the program does not exist, with the shell's 127.
    """
    before = str(Path.cwd())
    os.environ.update(activation.variables(manifest, chosen.environment, executable))
    os.environ["INIT_CWD"] = before
    command = list(chosen.words)
    if chosen.task is not None:
        table: Table = chosen.task if isinstance(chosen.task, dict) else {"cmd": chosen.task}
        unknown = set(table) - {"cmd", "cwd", "env", "description", "default-environment"}
        if unknown:
            raise NotProvidedError(f"tasks with {', '.join(sorted(unknown))}")
        os.environ.update({key: os.path.expandvars(str(value)) for key, value in table.get("env", {}).items()})
        os.chdir(manifest.root / table.get("cwd", "."))
        text = table["cmd"] if isinstance(table["cmd"], str) else shlex.join(table["cmd"])
        command = ["bash", "-c", " ".join([text, *map(shlex.quote, chosen.words[1:])])]
    try:
        os.execvp(command[0], command)  # noqa: S606 - the program that was asked for
    except FileNotFoundError:
        print(f"{command[0]}: command not found", file=sys.stderr)
        return 127
