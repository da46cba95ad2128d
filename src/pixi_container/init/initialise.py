"""``pixi-container init``: read the repository, say what is taken over, and write the files."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from pixi_container.child_environment import child_environment
from pixi_container.errors import ToolUnavailableError, UserError
from pixi_container.init.proposing import conflicts, difference, offer_to_lock, propose
from pixi_container.init.repository import survey
from pixi_container.paths import exists, read_text, write_text
from pixi_container.processes import stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pixi_container.init.repository import RepositorySurvey


def initialise(
    context: Path,
    manifest_path: str,
    env: Mapping[str, str],
    say: Callable[[str], None],
    *,
    environment: str = "",
    dockerfile: str = "",
    force: bool = False,
    dry_run: bool = False,
    lock: bool = False,
) -> str:
    """Write workflow and settings, or with ``dry_run`` return them as a diff; ``say`` gets every other line.

    Raises ``UserError``, and writes nothing, if something would be overwritten without ``force``.
    """
    repository = survey(context, manifest_path)
    # A program of the checkout, such as that of an active environment, is never run.
    searched = {**env, "GITHUB_WORKSPACE": str(repository.root)}
    if lock:
        _lock(context, searched, say)
        repository = survey(context, manifest_path)
    initial = propose(repository, environment, dockerfile)
    before = {file: _text(repository, file) for file in initial.files if exists(repository.root, file)}
    for line in initial.lines:
        say(line)
    if offer := offer_to_lock(repository, context, has_pixi=_has_pixi(searched)):
        say(offer)
    if dry_run:
        return difference(initial, before)
    overwritten = conflicts(initial, repository, frozenset(before))
    if overwritten and not force:
        raise UserError(
            f"nothing was written, because it exists: {', '.join(overwritten)}",
            hint="--force replaces it; --dry-run shows what would be written.",
        )
    for file, text in initial.files.items():
        write_text(repository.root, file, text)
        say(f"Wrote {file}")
    say("Next: `pixi-container plan` says what a run would do; commit the files.")
    return ""


def _text(repository: RepositorySurvey, file: str) -> str:
    return read_text(repository.root, file, what=f"'{file}'", errors="replace")


def _has_pixi(env: Mapping[str, str]) -> bool:
    return shutil.which("pixi", path=child_environment("pixi", env).get("PATH", "")) is not None


def _lock(context: Path, env: Mapping[str, str], say: Callable[[str], None]) -> None:
    if not _has_pixi(env):
        raise ToolUnavailableError(
            "Pixi is not on the PATH", hint="Install it (https://pixi.sh), or leave out --lock."
        )
    finished = stream(["pixi", "lock", "--manifest-path", str(context.resolve())], show=say, env=env)
    if finished.code:
        raise UserError(
            f"`pixi lock` failed with exit code {finished.code}; nothing was written", hint="See above."
        )
