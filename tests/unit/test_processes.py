"""What is kept of a long command's output."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

import pytest

from pixi_container.docker.failures import explain
from pixi_container.errors import ToolUnavailableError
from pixi_container.processes import Finished, alongside, capture, feed, stream


def streamed(program: str) -> tuple[Finished, list[str]]:
    shown: list[str] = []
    done = stream([sys.executable, "-c", program], env=os.environ, show=shown.append)
    return done, shown[1:]


def test_a_carriage_return_ends_a_line_for_the_reader_alone() -> None:
    done, shown = streamed(r"""print("#9 1.0 10%\r#9 ERROR: forged", "next\r", sep="\n")""")
    assert done.output == "#9 1.0 10%\r#9 ERROR: forged\nnext"
    assert shown == ["#9 1.0 10%", "#9 ERROR: forged", "next"]


def test_the_report_of_pixi_is_kept_with_the_long_output_that_it_quotes() -> None:
    program = r"""
print("#9 1.0 Error:   × Failed to build `beta`\n#9 1.0   ╰─▶ Call to `build_wheel` failed\n#9 1.0 ")
for number in range(4000): print(f"#9 1.0       in file {number}.cpp:")
print("#9 ERROR: process \"x\" did not complete successfully: exit code: 1")
"""
    done, _ = streamed(program)
    error = explain(done.output, purpose="build", code=1)
    assert error.message == "pixi failed: Failed to build `beta`: Call to `build_wheel` failed"
    assert "in file 3999.cpp:" in error.hint


def test_the_process_group_is_in_a_file_while_the_program_runs(tmp_path: Path) -> None:
    file = tmp_path / "group"
    # The file is written right after the start.
    script = (
        "import os, pathlib, time\n"
        f"file = pathlib.Path({str(file)!r})\n"
        "end = time.monotonic() + 5\n"
        "while not (file.exists() and file.read_text()) and time.monotonic() < end: time.sleep(0.001)\n"
        "print(file.read_text() == str(os.getpgid(0)))"
    )
    seen: list[str] = []
    done = stream([sys.executable, "-c", script], env=os.environ, show=seen.append, group_file=file)
    assert (done, seen[1:]) == (Finished(0, "True"), ["True"])
    assert not file.exists()


def test_the_last_lines_are_kept_and_the_exit_code() -> None:
    script = "import sys; print('out'); sys.stdout.flush(); print('err', file=sys.stderr); sys.exit(7)"
    done, shown = streamed(script)
    assert (done.code, done.output, shown) == (7, "out\nerr", ["out", "err"])


def test_a_program_that_is_missing_or_takes_too_long_is_named() -> None:
    with pytest.raises(ToolUnavailableError, match="'absent-program' cannot be started: No such file") as caught:
        stream(["absent-program"], env={"PATH": "/nonexistent"}, show=lambda _: None)
    assert caught.value.hint == "Install absent-program and put it on PATH."
    with pytest.raises(ToolUnavailableError, match="'absent-program' cannot be started"):
        capture(["absent-program"], env={"PATH": "/nonexistent"})
    with pytest.raises(ToolUnavailableError, match=r"'sleep 9' did not end within 0 seconds"):
        capture(["sleep", "9"], env=os.environ, seconds=0.01)


def test_a_short_command_gets_its_input_and_variables() -> None:
    script = 'cat; printf %s "$ADDED"; pwd >&2; exit 3'
    done = capture(
        ["sh", "-c", script], env={"PATH": os.environ["PATH"]}, added={"ADDED": "b"}, given="a\udcff", cwd="/"
    )
    assert done == Finished(3, "a\ufffdb", "/\n")
    exact = capture(["cat"], env=os.environ, given="\udcff", errors="surrogateescape")
    assert exact == Finished(0, "\udcff", "")


def test_what_runs_alongside_is_stopped_at_the_end_of_the_block(tmp_path: Path) -> None:
    pid, ended = tmp_path / "pid", tmp_path / "ended"
    program = (
        "import os, pathlib, signal, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(ended)!r}).touch(), os._exit(0)))\n"
        f"pathlib.Path({str(pid)!r}).write_text(str(os.getpid()))\n"
        "time.sleep(60)\n"
    )
    with alongside([sys.executable, "-c", program], env=os.environ):
        while not (pid.exists() and pid.read_text()):
            assert not ended.exists()
    assert ended.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_program_that_cannot_run_alongside_changes_nothing(tmp_path: Path) -> None:
    with alongside([str(tmp_path / "none")], env=os.environ):
        pass
    with alongside([sys.executable, "-c", "raise SystemExit(1)"], env=os.environ):
        pass


def test_a_command_is_fed_while_it_runs_and_its_output_is_returned() -> None:
    def write(pipe: IO[bytes]) -> None:
        for _ in range(3):
            pipe.write(b"x" * 100_000)

    program = "import sys; print(len(sys.stdin.read())); print('told', file=sys.stderr); sys.exit(3)"
    done = feed([sys.executable, "-c", program], env=os.environ, write=write)
    assert (done.code, sorted(done.output.split())) == (3, ["300000", "told"])
    assert feed([sys.executable, "-c", "raise SystemExit(4)"], env=os.environ, write=write).code == 4
    with pytest.raises(ToolUnavailableError, match="'no-such-program' cannot be started"):
        feed(["no-such-program"], env=os.environ, write=write)


def test_a_command_is_stopped_when_nothing_more_can_be_fed(tmp_path: Path) -> None:
    def write(pipe: IO[bytes]) -> None:
        pipe.write(b"x")
        raise ValueError("no more")

    done = tmp_path / "done"
    program = f"import sys, time, pathlib; sys.stdin.read(); time.sleep(60); pathlib.Path({str(done)!r}).touch()"
    with pytest.raises(ValueError, match="no more"):
        feed([sys.executable, "-c", program], env=os.environ, write=write)
    assert not done.exists()
