"""What the plans of one run share: each file is read, and each question asked, once for all its images."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pixi_container.changes.detect import find_changes
from pixi_container.docker.builder import builder_kind, check_buildx, engine_platforms, native_platform
from pixi_container.workspace.workspace import read_manifest_and_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pixi_container.changes.comparison import Changes
    from pixi_container.docker.builder import BuilderKind
    from pixi_container.inputs import Inputs
    from pixi_container.runner.checked_out import EventForCheckout
    from pixi_container.runner.event import Event
    from pixi_container.runners import Runners
    from pixi_container.workspace.workspace import ManifestAndLock


class LookedUp:
    """Answers that stay the same during a run. Each method raises what the function behind it raises.

    With ``runners``, images are made by jobs on those, so what this machine's engine runs does not count.
    """

    def __init__(self, env: Mapping[str, str], runners: Runners | None = None) -> None:
        self._env = env
        self.runners = runners
        self.checked_out: EventForCheckout | None = None
        self._files: dict[tuple[str, str, str, bool], ManifestAndLock] = {}
        self._kinds: dict[str, BuilderKind] = {}
        self._has_buildx = False
        self._changes: dict[tuple[str, str], Changes] = {}

    @cached_property
    def native_platform(self) -> str:
        """The engine's own platform."""
        return native_platform(self._env)

    @cached_property
    def engine_platforms(self) -> tuple[str, ...]:
        """The platforms that the engine can run a container for."""
        return engine_platforms(self._env)

    def check_buildx(self) -> None:
        """Check that buildx can be used."""
        if not self._has_buildx:
            check_buildx(self._env)
            self._has_buildx = True

    def builder_kind(self, name: str) -> BuilderKind:
        """Return what a builder supports."""
        if name not in self._kinds:
            self._kinds[name] = builder_kind(name, self._env)
        return self._kinds[name]

    def manifest_and_lock(self, inputs: Inputs, *, needed: bool = True) -> ManifestAndLock:
        """Return the manifest and the lock of the workspace that the inputs name."""
        key = (inputs.context, inputs.manifest_path, inputs.pixi_version, needed)
        if key not in self._files:
            self._files[key] = read_manifest_and_lock(inputs, needed=needed)
        return self._files[key]

    def changes(self, event: Event, token: str, say: Callable[[str], None]) -> Changes:
        """Return the files that the event changed."""
        key = (event.name, event.sha)
        if key not in self._changes:
            self._changes[key] = find_changes(event, token, self._env, say)
        return self._changes[key]
