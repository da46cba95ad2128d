"""What the bench measures of a process besides its time."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.bench.watched import run_watched, used_below

MB = 1_000_000
_USES_MUCH_FOR_A_WHILE = """
import os, sys, time
from pathlib import Path
print("some text")
file = Path(sys.argv[1], "sub", "file")
file.parent.mkdir()
file.write_bytes(os.urandom(7_000_000))
taken = b"x" * 90_000_000
time.sleep(0.6)
file.unlink()
del taken
time.sleep(0.3)
sys.exit(3)
"""


@pytest.mark.slow
def test_the_most_memory_and_disk_are_seen_although_they_are_freed_before_the_end(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    argv = [sys.executable, "-c", _USES_MUCH_FOR_A_WHILE, str(temporary)]
    done = run_watched(argv, cwd=tmp_path, env=os.environ, temporary=temporary)
    assert (done.code, done.output) == (3, "some text\n")
    assert 0.6 < done.seconds < 30
    assert 90 * MB < done.memory < 200 * MB
    assert 90 * MB < done.memory_of_all < 200 * MB
    assert 7 * MB <= done.disk < 8 * MB


def test_a_file_with_two_names_takes_its_disk_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(os.urandom(MB))
    alone = used_below(tmp_path)
    (tmp_path / "again").hardlink_to(tmp_path / "file")
    (tmp_path / "broken").symlink_to("nowhere")
    assert MB <= alone <= used_below(tmp_path) < 1.1 * MB
    assert used_below(tmp_path / "missing") == 0
