"""What a security test has: the rig's components where a test is marked `engine`, and a workspace to attack."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.end_to_end.conftest import (  # noqa: F401 - fixtures
    ROOT,
    GitRepository,
    clean_engine,
    repository,
    rig,
    solved_example,
    step,
    warm_engine,
)
from tests.unit.conftest import LOCK, MANIFEST


@dataclass(frozen=True)
class Victim(GitRepository):
    """A checkout with a small workspace, and the command as a job or a laptop runs it there."""

    def run(
        self, *words: str, env: Mapping[str, str] | None = None, seconds: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run `pixi-container` in the checkout to its end; output and errors come together."""
        return subprocess.run(
            [sys.executable, "-m", "pixi_container", *words],
            cwd=self.path,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.path.parent),
                "PYTHONPATH": str(ROOT / "src"),
                **(env or {}),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds,
        )


@pytest.fixture
def victim(tmp_path: Path) -> Victim:
    """A repository of one commit."""
    path = tmp_path / "checkout"
    path.mkdir()
    (path / "pixi.toml").write_text(MANIFEST)
    (path / "pixi.lock").write_text(LOCK)
    made = Victim(path)
    made.git("init", "--quiet", "--initial-branch=main")
    made.commit("first")
    return made


def job(sha: str, event: str = "push", ref: str = "refs/heads/main", **more: str) -> dict[str, str]:
    """Return the variables by which a workflow's step is told of its event."""
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": event,
        "GITHUB_REF": ref,
        "GITHUB_SHA": sha,
        "GITHUB_REPOSITORY": "lab/study",
        "GITHUB_ACTOR": "someone",
        **more,
    }
