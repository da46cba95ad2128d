"""PyPI packages of an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import NotProvidedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rattler.lock import PypiLockedPackage

    from .manifest import Environment, Manifest, Platform


def install(
    manifest: Manifest,
    environment: Environment,
    platform: Platform,
    prefix: Path,
    packages: Sequence[PypiLockedPackage],
) -> None:
    if packages:
        raise NotProvidedError(f"installing PyPI packages ({', '.join(package.name for package in packages)})")
