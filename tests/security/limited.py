"""Runs the command on hostile folders, each time in a process of its own with limits, and measures it.

The module is started as a program, which imports everything once and forks for each run.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CPU_SECONDS = 5
MEMORY_MB = 300

_ADDRESS_SPACE = 1536 * 1024**2
_WALL_SECONDS = 20


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its exit code (negative for a signal), all that it printed, and the most memory it had."""

    code: int
    printed: str
    memory_mb: int

    def check(self) -> None:
        """Assert that the run stayed within its limits and ended in a plan or one clear error."""
        assert self.code in {0, 3}, (self.code, self.printed[-2000:])
        assert self.memory_mb <= MEMORY_MB
        assert len(self.printed) < 10_000
        for sign in ("Traceback", "this is a bug", "panicked"):
            assert sign not in self.printed, self.printed[-2000:]
        assert self.printed.count("error: ") == bool(self.code), self.printed[-2000:]

    @property
    def error(self) -> str:
        """The error, checked to be the only one and to be short."""
        self.check()
        assert self.code == 3, self.printed[-2000:]
        message = self.printed[self.printed.index("error: ") :]
        assert len(message) < 1500
        return message


def outcomes(runs: Sequence[Sequence[str]]) -> list[Outcome]:
    """Run ``pixi-container`` with each list of words and return how each run ended."""
    done = subprocess.run(
        [sys.executable, __file__],
        input=json.dumps([list(words) for words in runs]),
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PYTHONPATH": str(ROOT / "src")},
        timeout=_WALL_SECONDS * len(runs) + 60,
    )
    assert done.returncode == 0, done.stderr
    return [Outcome(**outcome) for outcome in json.loads(done.stdout)]


def _outcome(words: list[str]) -> Outcome:
    from pixi_container.cli import main

    with tempfile.TemporaryFile() as printed:
        child = os.fork()
        if child == 0:
            os.dup2(printed.fileno(), 1)
            os.dup2(printed.fileno(), 2)
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
            resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            signal.alarm(_WALL_SECONDS)
            code = 70
            try:
                code = main(words, {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]})
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        _, status, usage = os.wait4(child, 0)
        printed.seek(0)
        text = printed.read().decode("utf-8", "replace")
    return Outcome(os.waitstatus_to_exitcode(status), text, usage.ru_maxrss // 1024)


def _main() -> None:
    # Once for all of the runs, whose own time this would be else.
    import jinja2.sandbox  # noqa: F401
    import rattler  # noqa: F401

    from pixi_container import cli  # noqa: F401
    from pixi_container.plan import gather  # noqa: F401

    print(json.dumps([asdict(_outcome(words)) for words in json.load(sys.stdin)]))


if __name__ == "__main__":
    _main()
