"""Break the code in one place at a time, and count how often a unit test notices.

Each mutant runs in a copy of the repository: first the tests of its own package, then all. One that takes far
longer than the tests do counts as noticed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.mutations import Mutant, mutants_of

ROOT = Path(__file__).parents[2]
PACKAGE = "src/pixi_container"
SCRIPTS = f"{PACKAGE}/image/scripts"
SCRIPT_TESTS = "tests/unit/image/scripts"
LEAST = 0.85
_TIMES_LONGER = 5
_LEAST_SECONDS = 60.0
_PYTEST = ("-x", "-q", "--no-header", "--hypothesis-profile=quick", "-m", "not slow", "-p", "no:cacheprovider")


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant: the first test that failed, empty when all passed."""

    mutant: Mutant
    noticed_by: str
    seconds: float


class Copy:
    """A copy of the repository, in which one mutant at a time is tried."""

    def __init__(self, path: Path) -> None:
        self.seconds: float | None = None
        self._path = path
        # Of one second and one size, a mutant's compiled file would pass for the next one's.
        self._time = int(time.time())
        listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        for name in subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split(
            "\0"
        ):
            if name and (ROOT / name).is_file():
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, path / name)

    def noticed(self, tests: list[str]) -> str:
        """Return the first of the tests that fails."""
        command = [sys.executable, "-m", "pytest", *_PYTEST, f"--basetemp={self._path.parent / 'tests'}", *tests]
        env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        env["PYTHONPATH"] = str(self._path / "src")
        try:
            done = subprocess.run(
                command, cwd=self._path, env=env, capture_output=True, text=True, check=False, timeout=self.seconds
            )
        except subprocess.TimeoutExpired:
            return f"more than {self.seconds:.0f} seconds"
        if done.returncode in {0, 5}:
            return ""
        named = [line for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
        return named[0].split(" - ")[0].partition(" ")[2] if named else f"pytest: {done.stdout[-200:]}"

    def outcome(self, mutant: Mutant) -> Outcome:
        """Try a mutant and take it back."""
        start = time.monotonic()
        file = self._path / mutant.file
        before = file.read_text("utf-8")
        self._write(file, mutant.text)
        first = tests_beside(mutant.file)
        try:
            noticed = self.noticed([first]) or self.noticed(["tests/unit", f"--ignore={first}"])
        finally:
            self._write(file, before)
        return Outcome(mutant, noticed, time.monotonic() - start)

    def _write(self, file: Path, text: str) -> None:
        file.write_text(text, "utf-8")
        self._time += 1
        os.utime(file, (self._time, self._time))


def tests_beside(file: str) -> str:
    """Return the folder of the tests that mirrors a file's, or the file of its own tests at the top."""
    if file.startswith(SCRIPTS):
        return SCRIPT_TESTS
    below = Path(file).relative_to(PACKAGE)
    place = Path("tests/unit") / (below.parent if below.parent.name else f"test_{below.name}")
    return str(place) if (ROOT / place).exists() else "tests/unit/test_cli.py"


def chosen(files: Iterable[Path], count: int, chance: random.Random) -> list[Mutant]:
    """Choose lines at random, and of each line one mutant."""
    mutants = [mutant for file in sorted(files) for mutant in mutants_of(ROOT, file)]
    lines = [list(group) for _, group in groupby(sorted(mutants, key=_place), key=_place)]
    return [chance.choice(group) for group in chance.sample(lines, min(count, len(lines)))]


def _place(mutant: Mutant) -> tuple[str, int]:
    return mutant.file, mutant.line


def main() -> int:
    """Try the mutants two at a time, print those that nobody noticed, and fail where they are too many."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="chooses the mutants (default: 0)")
    parser.add_argument("--python", type=int, default=60, help="how many lines of Python (default: 60)")
    parser.add_argument("--scripts", type=int, default=20, help="how many lines of scripts (default: 20)")
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 1, help="how many are tried at once")
    options = parser.parse_args()
    chance = random.Random(options.seed)  # noqa: S311 - not a secret
    scripts = [file for file in (ROOT / SCRIPTS).glob("*.*") if file.suffix in {".sh", ".awk"}]
    mutants = chosen((ROOT / PACKAGE).rglob("*.py"), options.python, chance)
    mutants += chosen(scripts, options.scripts, chance)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(options.at_once) as threads:
        copies: SimpleQueue[Copy] = SimpleQueue()
        for number in range(options.at_once):
            copies.put(Copy(Path(folder, str(number), "copy")))
        for _ in range(options.at_once):
            copy = copies.get()
            start = time.monotonic()
            if broken := copy.noticed(["tests/unit"]):
                print(f"the tests fail without any mutant: {broken}")
                return 2
            copy.seconds = max(_LEAST_SECONDS, _TIMES_LONGER * (time.monotonic() - start))
            copies.put(copy)

        def tried(mutant: Mutant) -> Outcome:
            copy = copies.get()
            outcome = copy.outcome(mutant)
            copies.put(copy)
            what = f"noticed in {outcome.seconds:.0f} s" if outcome.noticed_by else "SURVIVED"
            print(f"{what:<16}{mutant.file}:{mutant.line}  {mutant.change[:160]}", flush=True)
            return outcome

        outcomes = list(threads.map(tried, mutants))
    print("\nsurvivors:")
    for outcome in outcomes:
        if not outcome.noticed_by:
            print(f"  {outcome.mutant.file}:{outcome.mutant.line}  {outcome.mutant.change[:200]}")
    noticed = sum(bool(outcome.noticed_by) for outcome in outcomes)
    print(f"noticed {noticed} of {len(outcomes)}: {noticed / len(outcomes):.0%}, seed {options.seed}")
    return 0 if noticed >= LEAST * len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
