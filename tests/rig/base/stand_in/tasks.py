"""`pixi run`: a task of the manifest with those that it depends on, or any program, in an active environment."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import activation, machine
from .errors import NotProvidedError, PixiError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .manifest import Environment, Manifest, Table, Value

_KEYS = {"cmd", "cwd", "env", "description", "default-environment", "depends-on", "inputs", "outputs"}
_FORWARDED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


@dataclass(frozen=True)
class Chosen:
    """What to run, and in which environment; `task` is None for a program that is no task."""

    environment: Environment
    task: Value | None
    words: Sequence[str]

    @property
    def table(self) -> Table:
        """The task's table; that of a task written as text has its command only."""
        return self.task if isinstance(self.task, dict) else {"cmd": self.task}

    @property
    def text(self) -> str:
        command = self.table["cmd"]
        text = command if isinstance(command, str) else shlex.join(command)
        return " ".join([text, *map(shlex.quote, self.words[1:])])


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


def in_order(manifest: Manifest, chosen: Chosen) -> list[Chosen]:
    """The chosen task, after all that it depends on; each once, and without those that have no command."""
    ordered: dict[tuple[str, str], Chosen] = {}

    def visit(one: Chosen) -> None:
        for dependency in _dependencies(one.table):
            if isinstance(dependency, dict) and set(dependency) - {"task", "environment"}:
                raise NotProvidedError("dependencies on tasks with arguments")
            table = dependency if isinstance(dependency, dict) else {"task": dependency}
            needed = choose(manifest, table.get("environment", one.environment.name), [table["task"]])
            if needed.task is None:
                raise PixiError(f"could not find the task '{table['task']}'")
            visit(needed)
        ordered.setdefault((one.environment.name, one.words[0]), one)

    visit(chosen)
    return [one for one in ordered.values() if one.task is None or "cmd" in one.table]


def _dependencies(table: Table) -> list[Value]:
    written = table.get("depends-on", [])
    return [written] if isinstance(written, str) else list(written)


def execute(manifest: Manifest, chosen: Sequence[Chosen], executable: str) -> int:
    """Runs them one after the other as child processes, which get this one's signals; the first failure ends it.

    Every task with a table is recorded in `.pixi/task-cache-v0` when it has run (save_cache of pixi_task), also
    one without inputs and outputs. Raises PixiError where that cannot be written.
    """
    before = dict(os.environ)
    for one in chosen:
        if one.task is not None:
            _announce(manifest, one)
        record = _record(manifest, one)
        recorded = _read(record)
        state = _state(manifest, one)
        if recorded is not None and state is not None and recorded == state:
            print(f"Task '{one.words[0]}' can be skipped (cache hit) 🚀", file=sys.stderr)
            continue
        variables = {**before, **activation.variables(manifest, one.environment, executable)}
        code = _run(manifest, one, {**variables, "INIT_CWD": str(Path.cwd())})
        if code:
            return code
        if isinstance(one.task, dict):
            _save(manifest, one, record)
    return 0


def _announce(manifest: Manifest, one: Chosen) -> None:
    where = f" in {one.environment.name}" if len(manifest.environments) > 1 else ""
    description = f": ({one.table['description']})" if "description" in one.table else ""
    print(f"{machine.emoji('✨ ')}Pixi task ({one.words[0]}{where}): {one.text}{description}", file=sys.stderr)


def _run(manifest: Manifest, one: Chosen, variables: Mapping[str, str]) -> int:
    """The exit code; after a program that a signal ended, this process ends by it as well."""
    command, folder, env = list(one.words), Path.cwd(), dict(variables)
    if one.task is not None:
        unknown = set(one.table) - _KEYS
        if unknown or "{{" in one.text:
            raise NotProvidedError(f"tasks with {', '.join(sorted(unknown)) or 'templates'}")
        own = {key: activation.expanded(str(value), env) for key, value in one.table.get("env", {}).items()}
        env |= own
        folder = _folder(manifest, one)
        command = ["bash", "-c", one.text]
    try:
        process = subprocess.Popen(command, cwd=folder, env=env)
    except FileNotFoundError:
        print(f"{command[0]}: command not found", file=sys.stderr)
        code = 127
    else:
        for number in _FORWARDED:
            signal.signal(number, lambda received, _: process.send_signal(received))
        code = process.wait()
    if code == 127:  # the shell's, for a program that is not there
        tasks = {name for each in manifest.environments.values() for name in each.tasks(machine.subdir())}
        listed = "".join(f"\n\t{name}" for name in sorted(tasks) if not name.startswith("_"))
        print(f"\nAvailable tasks:{listed}" * bool(listed), file=sys.stderr)
    if code < 0:
        # As pixi does, so that whoever started it sees the signal.
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def _folder(manifest: Manifest, one: Chosen) -> Path:
    return manifest.root / str(one.table.get("cwd", "."))


def _record(manifest: Manifest, one: Chosen) -> Path:
    table = isinstance(one.task, dict)
    arguments = hashlib.sha256("\0".join(one.words[1:]).encode()).hexdigest()[:16] if table else ""
    name = one.words[0] if one.task is not None else "default"
    return manifest.root / ".pixi" / "task-cache-v0" / f"{one.environment.name}-{name}-{arguments}.json"


def _read(record: Path) -> str | None:
    try:
        return str(json.loads(record.read_text(encoding="utf-8"))["hash"])
    except FileNotFoundError:
        return None
    except OSError as error:
        message = f"failed to read from file `{record}`: {error.strerror} (os error {error.errno})"
        raise PixiError(message) from None


def _state(manifest: Manifest, one: Chosen) -> str | None:
    """What has to be as it was for the task to be skipped; None where it never is, or where files are absent."""
    given = [key for key in ("inputs", "outputs") if key in one.table]
    files = {key: list(_matched(_folder(manifest, one), one.table[key])) for key in given}
    if not given or not all(files.values()):
        return None
    digest = hashlib.sha256(f"{one.environment.name}\0{one.text}".encode())
    digest.update(manifest.lock.read_bytes() if manifest.lock.exists() else b"")
    for key in given:
        for path in files[key]:
            digest.update(f"{key}\0{path}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _matched(folder: Path, globs: Sequence[str]) -> Iterator[Path]:
    for glob in globs:
        if glob.startswith("!"):
            raise NotProvidedError("tasks with globs that exclude files")
        yield from sorted(path for path in folder.glob(glob) if path.is_file())


def _save(manifest: Manifest, one: Chosen, record: Path) -> None:
    state = _state(manifest, one)
    if state is None and {"inputs", "outputs"} & set(one.table):
        print(f" WARN No files matched the globs for task '{one.words[0]}'", file=sys.stderr)
        return
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps({"hash": state or ""}), encoding="utf-8")
    except OSError as error:
        raise PixiError(f"{error.strerror} (os error {error.errno})") from None
