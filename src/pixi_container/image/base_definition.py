"""The base of an image: the runtime image with what the user adds to it, found again by a fingerprint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pixi_container.debian_packages import package_name
from pixi_container.image.fingerprint import Fingerprint, fingerprint_of

if TYPE_CHECKING:
    from pixi_container.image.base_images import BaseImages
    from pixi_container.image.instructions import Instructions
    from pixi_container.inputs import Inputs
    from pixi_container.workspace.workspace import Workspace

BASE_VERSION = 1
"""Raised by whatever changes the stage ``runtime`` of the template."""


@dataclass(frozen=True, kw_only=True)
class BaseDefinition:
    """What is added to the runtime image: Debian packages, then instructions.

    ``refreshed`` is when the base was last built anew although its fingerprint had not changed, as in
    ``2026-01-31T12:00:00Z``; empty for the first one of its fingerprint. What apt-get installs depends on it too.
    """

    packages: tuple[str, ...]
    instructions: Instructions
    fingerprint: Fingerprint
    refreshed: str = ""

    @property
    def tag(self) -> str:
        """The tag of the base image."""
        return f"base-{self.fingerprint.short}"

    @property
    def identity(self) -> list[str]:
        """What the base counts as in the fingerprint of an environment."""
        return ["base", self.fingerprint.digest, self.refreshed]

    @property
    def template_values(self) -> dict[str, Any]:
        """The values for the template."""
        return {
            "packages": self.packages,
            "names": [package_name(package) for package in self.packages],
            "instructions": self.instructions.text,
            "sets_shell": self.instructions.sets_shell,
            "refreshed": self.refreshed,
        }


def define_base(
    inputs: Inputs,
    workspace: Workspace,
    bases: BaseImages,
    instructions: Instructions,
    files: str,
    refreshed: str = "",
) -> BaseDefinition | None:
    """Return the base; None where nothing is added to the runtime image.

    ``files`` is the digest of the files that the instructions read.
    """
    if not inputs.apt_packages and not instructions.text:
        return None
    parts = {
        "version": BASE_VERSION,
        "platform": workspace.platform.docker,
        "runtime": str(bases.runtime),
        "packages": list(inputs.apt_packages),
        "instructions": instructions.text,
        "files": files,
    }
    return BaseDefinition(
        packages=inputs.apt_packages,
        instructions=instructions,
        fingerprint=fingerprint_of(parts),
        refreshed=refreshed,
    )
