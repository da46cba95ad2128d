"""A private temporary folder, which the action's clean-up step removes if the program cannot."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.interrupts import interrupts_deferred

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@contextmanager
def temporary_folder(env: Mapping[str, str]) -> Iterator[Path]:
    """Yield an empty folder that is always removed afterwards. Raises ``UserError`` if it cannot be created."""
    parent = Path(env.get("RUNNER_TEMP") or tempfile.gettempdir())
    folder: Path | None = None
    try:
        with interrupts_deferred():
            folder = _made(parent)
        yield folder
    finally:
        if folder:
            with interrupts_deferred():
                shutil.rmtree(folder, ignore_errors=True)


def _made(parent: Path) -> Path:
    try:
        parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="pixi-container-", dir=parent))
    except OSError as error:
        raise UserError(f"cannot create a temporary folder: {error}") from error
