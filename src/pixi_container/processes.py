"""Child processes: start them from argument lists, and stop them when this program is stopped.

Each gets the variables that ``child_environment`` passes on, and those that its caller adds.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import TextIOWrapper
from typing import IO, TYPE_CHECKING, Any

from pixi_container.child_environment import child_environment
from pixi_container.errors import ToolUnavailableError
from pixi_container.interrupts import interrupts_deferred

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

# Enough for pixi's report of a failed C++ build, which quotes the compiler's whole output.
_KEPT_LINES = 5000
_KEPT_BYTES = 64 * 1024
_STOP_SECONDS = 10
_STOP_AGAIN_SECONDS = 0.2


@dataclass(frozen=True)
class Finished:
    """The result of a process: exit code, and standard output or, if streamed, the last lines of all output."""

    code: int
    output: str
    errors: str = ""


def capture(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    added: Mapping[str, str] | None = None,
    given: str = "",
    cwd: str | None = None,
    seconds: float | None = None,
    errors: str = "replace",
) -> Finished:
    """Run a short command and return its exact output; ``given`` is its standard input.

    The program gets the part of ``env`` that it needs, and all of ``added``. ``errors`` decides what happens to
    bytes that are not UTF-8, as for ``bytes.decode``. Raises ``ToolUnavailableError`` if the program does not
    exist, or does not end within ``seconds``.
    """
    try:
        done = subprocess.run(
            list(argv),
            env=child_environment(argv[0], env) | dict(added or {}),
            input=given.encode(errors="surrogateescape"),
            cwd=cwd,
            capture_output=True,
            check=False,
            timeout=seconds,
        )
    except OSError as error:
        raise _not_started(argv, error) from error
    except subprocess.TimeoutExpired as error:
        raise ToolUnavailableError(f"'{argv[0]} {argv[-1]}' did not end within {seconds:.0f} seconds") from error
    return Finished(done.returncode, done.stdout.decode("utf-8", errors), done.stderr.decode("utf-8", "replace"))


def stream(
    argv: Sequence[str],
    *,
    show: Callable[[str], None],
    env: Mapping[str, str],
    added: Mapping[str, str] | None = None,
    group_file: Path | None = None,
    stop: Callable[[], object] | None = None,
) -> Finished:
    """Run a long command, ``show`` each line of its output at once, and return the last lines.

    The program gets the part of ``env`` that it needs, and all of ``added``. It runs in its own session, so this
    program decides how to stop it: by calling ``stop`` until the process ends, if a signal alone would leave
    something behind, and then by signals. While the process runs, ``group_file`` holds the ID of its process group
    for the clean-up step. Raises ``ToolUnavailableError`` if the program does not exist.
    """
    show("+ " + shlex.join(argv))
    last: deque[str] = deque(maxlen=_KEPT_LINES)
    process: subprocess.Popen[str] | None = None
    try:
        with interrupts_deferred():
            process = _start(argv, child_environment(argv[0], env) | dict(added or {}))
            if group_file:
                group_file.write_text(str(process.pid))
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        for line in process.stdout:
            last.append(line.rstrip("\r\n"))
            for part in last[-1].split("\r"):
                show(part)
        code = process.wait()
    except BaseException:
        if process and stop:
            _stop_by(stop, process)
        if process:
            _stop(process)
        raise
    finally:
        if group_file:
            group_file.unlink(missing_ok=True)
        if process and process.stdout:
            process.stdout.close()
    return Finished(code, "\n".join(last))


def feed(argv: Sequence[str], *, env: Mapping[str, str], write: Callable[[IO[bytes]], None]) -> Finished:
    """Run a command that reads what ``write`` writes to its standard input, and return its output.

    The program gets the part of ``env`` that it needs. It is stopped if ``write`` raises. For one that ends
    before it has read everything, only its exit code tells. Raises ``ToolUnavailableError`` if the program does
    not exist.
    """
    process: subprocess.Popen[bytes] | None = None
    with tempfile.TemporaryFile() as output:
        try:
            with interrupts_deferred():
                process = _fed(argv, child_environment(argv[0], env), output)
            assert process.stdin is not None  # noqa: S101 - a pipe was asked for
            with suppress(BrokenPipeError), process.stdin as pipe:
                write(pipe)
            code = process.wait()
        except BaseException:
            if process:
                _stop(process)
            raise
        output.seek(0)
        return Finished(code, output.read(_KEPT_BYTES).decode("utf-8", "replace"))


@contextmanager
def alongside(
    argv: Sequence[str], *, env: Mapping[str, str], added: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run a command during the block, without its output, and stop it at the end of the block if it still runs.

    Whether it succeeds is not told: it is for work that only saves time. The variables are as for ``stream``.
    """
    process: subprocess.Popen[bytes] | None = None
    try:
        with interrupts_deferred(), suppress(OSError):
            process = subprocess.Popen(
                list(argv),
                env=child_environment(argv[0], env) | dict(added or {}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        yield
    finally:
        if process and process.poll() is None:
            _stop(process)


def _start(argv: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[str]:
    try:
        process = subprocess.Popen(
            list(argv),
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise _not_started(argv, error) from error
    # A carriage return must not end a line: text that a build step prints after it would look like the builder's.
    assert isinstance(process.stdout, TextIOWrapper)  # noqa: S101 - a pipe of text was asked for
    process.stdout.reconfigure(newline="\n")
    return process


def _fed(argv: Sequence[str], env: Mapping[str, str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(argv),
            env=env,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise _not_started(argv, error) from error


def _stop_by(stop: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + _STOP_SECONDS
    while time.monotonic() < deadline:
        stop()
        with suppress(subprocess.TimeoutExpired):
            # Keep reading: a process that cannot write does not end.
            process.communicate(timeout=_STOP_AGAIN_SECONDS)
            return


def _stop(process: subprocess.Popen[Any]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
            return


def _not_started(argv: Sequence[str], error: OSError) -> ToolUnavailableError:
    return ToolUnavailableError(
        f"'{argv[0]}' cannot be started: {error.strerror or error}",
        hint=f"Install {argv[0]} and put it on PATH.",
    )
