"""The action's own files, as a runner has them after it fetched a release."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]


def copy_action(folder: Path) -> Path:
    """Copy what the action consists of into ``folder``, and give the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("action.yml", "Dockerfile.template"):
        shutil.copy(ROOT / name, folder)
    for name in ("action", "build", "matrix", "merge", "requirements", "src", ".github/workflows"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder
