"""The folder that environments share: who has a file to himself, and what may be in it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pixi_container.environment.shared_work import SharedWork, once
from pixi_container.errors import UserError

NAME = "ab" * 32
HOLDING = """
import sys
from pathlib import Path
from pixi_container.environment.shared_work import SharedWork, once
from pixi_container.errors import UserError

work = SharedWork(Path(sys.argv[1]))
with work.locked(sys.argv[2], lambda: None), work.aside() as aside:
    aside.write_bytes(b"half")
    print("held", flush=True)
    sys.stdin.read()
"""


class _GivenUpError(Exception):
    pass


def give_up() -> None:
    raise _GivenUpError


def holding(folder: Path) -> subprocess.Popen[bytes]:
    """Return a process that has the file, and writes to another one."""
    argv = [sys.executable, "-c", HOLDING, str(folder), NAME]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"PYTHONPATH": "src"})
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def test_the_folder_is_private(tmp_path: Path) -> None:
    SharedWork(tmp_path / "shared")
    SharedWork(tmp_path / "shared")
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["", "a", "../" + NAME, f"{NAME}/x", NAME.upper(), f"{NAME}.", f"{NAME}\n"])
def test_a_name_that_is_no_digest_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="^" if name else "^$"):
        SharedWork(tmp_path).file(name)
    with pytest.raises(ValueError, match="^" if name else "^$"), SharedWork(tmp_path).locked(name, lambda: None):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_had_by_one_process_at_a_time_and_by_none_that_died(tmp_path: Path) -> None:
    process = holding(tmp_path)
    try:
        checks: list[int] = []

        def check() -> None:
            checks.append(1)
            if len(checks) == 2:
                give_up()

        with pytest.raises(_GivenUpError), SharedWork(tmp_path).locked(NAME, check):
            pass
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with SharedWork(tmp_path).locked(NAME, lambda: None):
        assert not SharedWork(tmp_path).file(NAME).exists()


def test_a_file_is_had_by_one_thread_at_a_time(tmp_path: Path) -> None:
    work, inside, most = SharedWork(tmp_path), [0], [0]

    def use() -> None:
        for _ in range(20):
            with work.locked(NAME, lambda: None):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_what_is_written_aside_is_gone_unless_it_got_a_name(tmp_path: Path) -> None:
    work = SharedWork(tmp_path)
    with work.aside() as aside:
        aside.write_bytes(b"gone")
    with pytest.raises(_GivenUpError), work.aside() as aside:
        give_up()
    with work.aside() as aside:
        aside.write_bytes(b"whole")
        aside.rename(work.file(NAME))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"whole"]


def test_a_part_of_the_disk_stays_free(tmp_path: Path) -> None:
    assert SharedWork(tmp_path, reserve=0).has_room(1)
    assert not SharedWork(tmp_path, reserve=0).has_room(1 << 60)
    assert not SharedWork(tmp_path, reserve=1 << 60).has_room(1)


def test_what_is_done_once_is_known_to_the_others(tmp_path: Path) -> None:
    done: list[str] = []

    def do() -> str:
        done.append("done")
        return "sha256:1"

    assert once(None, NAME, do, lambda: None) == ("sha256:1", True)
    for is_now in (True, False):
        assert once(SharedWork(tmp_path / "shared"), NAME, do, lambda: None) == ("sha256:1", is_now)
    assert len(done) == 2


def test_what_fails_is_tried_by_the_next(tmp_path: Path) -> None:
    def fail() -> str:
        raise UserError("no")

    work = SharedWork(tmp_path / "shared")
    with pytest.raises(UserError):
        once(work, NAME, fail, lambda: None)
    assert once(work, NAME, lambda: "yes", lambda: None) == ("yes", True)
