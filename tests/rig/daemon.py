"""Daemon processes of a rig: started in a session of their own, found again by a mark in their environment.

Every daemon, and what it starts, carries PIXI_CONTAINER_RIG_DAEMON=<state folder>:<name>. So a process is
found for certain, also one whose parent was killed before it could note a number, and no other is ever hit.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.rig.errors import RigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_MARK = "PIXI_CONTAINER_RIG_DAEMON"
_POLL_SECONDS = 0.05
_GONE_POLLS = 10
"""So often in a row a daemon that is gone is not seen: during an exec, a process has no variables."""

_STOP_SECONDS = 20


def start(
    name: str,
    command: Sequence[str | Path],
    *,
    state: Path,
    ready: Callable[[], bool],
    seconds: float,
    env: Mapping[str, str],
) -> None:
    """Starts a daemon and returns when `ready` says so; its output goes to `<state>/logs/<name>.log`.

    Raises RigError with the end of that log when it ends by itself or is not ready within `seconds`.
    """
    log = state / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        subprocess.run(
            ["setsid", "--fork", *command],
            cwd="/",
            env={**env, _MARK: f"{state}:{name}"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=True,
        )
    deadline, unseen = time.monotonic() + seconds, 0
    while not ready():
        unseen = 0 if running(state, name) else unseen + 1
        if unseen < _GONE_POLLS and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
            continue
        stop(state, name)
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        wrong = "ended by itself" if unseen else f"was not ready within {seconds:.0f} s"
        msg = f"{name} {wrong}; the end of its output:\n{tail}"
        raise RigError(msg)


def running(state: Path, name: str) -> bool:
    """Whether any process of the daemon is alive."""
    return next(_processes(state, name), None) is not None


def stop(state: Path, name: str = "") -> None:
    """Kills the daemon (every daemon of the rig when unnamed) and all that it started; waits for their end.

    What they work on is thrown away with the state folder, so there is nothing to be gentle about: stopping
    and cleaning up after a crash are one and the same. Raises RigError when a process does not go.
    """
    deadline = time.monotonic() + _STOP_SECONDS
    while pids := list(_processes(state, name)):
        if time.monotonic() > deadline:
            msg = f"processes of the rig were killed, but do not end; see: ps -fp {','.join(map(str, pids))}"
            raise RigError(msg)
        for pid in pids:
            _kill(pid, state=state, name=name, seconds=deadline - time.monotonic())


def _kill(pid: int, *, state: Path, name: str, seconds: float) -> None:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        # The descriptor pins the process: asked again now, the mark tells that the number was not reused.
        if _is_marked(pid, state, name):
            signal.pidfd_send_signal(process, signal.SIGKILL)
            end = select.poll()
            end.register(process, select.POLLIN)
            end.poll(max(seconds, 0) * 1000)
    except ProcessLookupError:
        return
    finally:
        os.close(process)


def _processes(state: Path, name: str) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and _is_marked(int(entry.name), state, name):
            yield int(entry.name)


def _is_marked(pid: int, state: Path, name: str) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    mark = f"{_MARK}={state}:".encode()
    return any(entry.startswith(mark) and name in {"", entry[len(mark) :].decode()} for entry in environment)
