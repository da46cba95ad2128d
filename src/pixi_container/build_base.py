"""Build the base: run what the user adds to the runtime image, once, and make an image of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.debian_packages import parse_installed
from pixi_container.docker.command import PACKAGES
from pixi_container.paths import read_text

if TYPE_CHECKING:
    from pathlib import Path

    from pixi_container.docker.engine import Engine
    from pixi_container.plan.plan import Plan

_LIST = "installed"
_LARGEST_LIST = 1 << 18


@dataclass(frozen=True, kw_only=True)
class BuiltBase:
    """The digest of a base, and names and versions of the packages that it was asked for."""

    digest: str
    packages: tuple[tuple[str, str], ...] = ()

    @property
    def told(self) -> tuple[str, ...]:
        """Lines about it for the log."""
        return (self.digest, *(f"{name} {version}" for name, version in self.packages))


def existing_base(plan: Plan) -> BuiltBase:
    """Return the base that the registry has; without a digest if there is none."""
    base = plan.base
    return BuiltBase(
        digest=base.image.digest if base and base.image else "", packages=base.packages if base else ()
    )


def build_base(plan: Plan, engine: Engine, work: Path) -> BuiltBase:
    """Return the base, published under the plan's tags or left in a folder below ``work``.

    Raises what ``docker.failures.explain`` returns.
    """
    commands, packages = plan.commands, tuple[tuple[str, str], ...]()
    assert commands.base  # noqa: S101 - it is called for a plan that builds the base
    command = commands.base
    if commands.list_packages:
        engine.list_packages(commands.list_packages)
        # The build wrote it, which may have put a link there.
        listed = read_text(work / "base-packages", _LIST, what="the list of packages", limit=_LARGEST_LIST)
        packages = parse_installed(listed)
        command = command.filled(PACKAGES, json.dumps(dict(packages)))
    return BuiltBase(digest=engine.build_base(command).digest, packages=packages)
