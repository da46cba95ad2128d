"""The Pixi commands that repair a lock, as text to paste into a shell where the program was started."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from pixi_container.shortening import shortened

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from pixi_container.workspace.manifest import Environment, Manifest


def lock_command(folder: Path) -> str:
    """Return the command that writes the lock of the workspace in ``folder``.

    ``--manifest-path`` takes the workspace's folder too (https://pixi.sh/latest/reference/cli/pixi/lock/).
    """
    return f"pixi lock{_place(folder)}"


def add_platform_commands(folder: Path, manifest: Manifest, environment: Environment, platform: str) -> list[str]:
    """Return the commands that add a platform to the workspace, and to the environment's features with a list.

    Each writes the lock too (https://pixi.sh/latest/reference/cli/pixi/workspace/platform/add/).
    """
    command = f"pixi workspace platform add --no-install{_place(folder)}"
    commands = [] if _has(manifest.workspace.items("platforms"), platform) else [f"{command} {platform}"]
    features = (each for each in environment.features if each.name and each.platforms is not None)
    return commands + [
        f"{command} --feature {shlex.quote(shortened(feature.name))} {platform}"
        for feature in features
        if platform not in (feature.platforms or ())
    ]


def _place(folder: Path) -> str:
    return "" if str(folder) == "." else f" --manifest-path {shlex.quote(str(folder))}"


def _has(platforms: Collection[Any], wanted: str) -> bool:
    return any((entry.get("platform") if isinstance(entry, dict) else entry) == wanted for entry in platforms)
