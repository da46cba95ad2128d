from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Folders:
    """Where the rig keeps its files, as absolute paths.

    `state` holds what runs now and vanishes with `down`; `cache` holds downloads and what was made from them.
    """

    state: Path
    cache: Path

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> Folders:
        """PIXI_CONTAINER_RIG_STATE and PIXI_CONTAINER_RIG_CACHE, or folders of the current user."""
        state = env.get("PIXI_CONTAINER_RIG_STATE") or f"/var/tmp/pixi-container-rig-{os.getuid()}"  # noqa: S108
        cache = env.get("PIXI_CONTAINER_RIG_CACHE") or Path.home() / ".cache" / "pixi-container-rig"
        return cls(state=Path(state).resolve(), cache=Path(cache).resolve())

    @property
    def lock(self) -> Path:
        """The file whose lock serialises `up` and `down`; beside the state, which `down` removes."""
        return self.state.with_name(f"{self.state.name}.lock")
