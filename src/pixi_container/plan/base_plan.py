"""How a run has its base image: from the registry, built and published, built into a folder, or with the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pixi_container.build_inputs import IMAGE_CONTEXT
from pixi_container.docker.command import BASE, in_layout

if TYPE_CHECKING:
    from pixi_container.docker.builder import BuilderKind
    from pixi_container.image.definition import ImageDefinition
    from pixi_container.plan.existing import ExistingBase
    from pixi_container.registry.reference import ImageReference

BASE_FOLDER = "base"
"""The folder below the temporary one with a base that is not published, as an OCI layout."""

_HOW = {
    "reuse": "reused from",
    "publish": "built, and published as",
    "folder": "built, and not published",
    "inline": "built with the image",
}


@dataclass(frozen=True, kw_only=True)
class BasePlan:
    """How the base is had. ``tag`` is that of its fingerprint, whether it is on a registry or not.

    ``image`` is the base on a registry: by digest if it is reused, else the first of the ``tags`` that it is to be
    published under; None if it is not on one. ``packages`` are names and versions of the packages that a reused
    base was asked for. ``is_needed`` tells whether this run builds on it at all.
    """

    kind: Literal["reuse", "publish", "folder", "inline"]
    tag: str
    refreshed: str
    image: ImageReference | None = None
    tags: tuple[ImageReference, ...] = ()
    packages: tuple[tuple[str, str], ...] = ()
    is_needed: bool = True

    @property
    def is_built(self) -> bool:
        """Whether a build makes the base, before anything that is on it."""
        return self.is_needed and self.kind in {"publish", "folder"}

    @property
    def context(self) -> str:
        """The build context in the place of the stage ``runtime``; empty if the image's own build runs it."""
        if self.kind == "folder":
            return in_layout(BASE_FOLDER, BASE)
        if self.image and self.kind == "publish":
            return f"{IMAGE_CONTEXT}{self.image.name}@{BASE}"
        return f"{IMAGE_CONTEXT}{self.image}" if self.image else ""

    def as_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return {
            "tag": self.tag,
            "kind": self.kind,
            "image": str(self.image or ""),
            "tags": [str(tag) for tag in self.tags],
            "refreshed": self.refreshed,
            "apt_packages": dict(self.packages),
            "is_built": self.is_built,
        }

    def as_text(self) -> str:
        """Return the plan as one readable line."""
        if not self.is_needed and self.kind != "reuse":
            return f"{self.tag}, not needed"
        versions = ", ".join(f"{name} {version}" for name, version in self.packages)
        how = f"{_HOW[self.kind]} {self.image or ''}".rstrip()
        return how + (f", refreshed {self.refreshed}" if self.refreshed else "") + (versions and f": {versions}")


def plan_base(
    definition: ImageDefinition,
    existing: ExistingBase | None,
    builder: BuilderKind,
    publishes_to: tuple[ImageReference, ...],
    *,
    is_needed: bool,
) -> BasePlan | None:
    """Return how the base is had; None if nothing is added to the runtime image.

    ``publishes_to`` are the repositories that get it; empty if it is not published.
    """
    base = definition.base
    if base is None:
        return None
    if existing:
        return BasePlan(
            kind="reuse",
            tag=base.tag,
            refreshed=base.refreshed,
            image=existing.image,
            packages=existing.packages,
            is_needed=is_needed,
        )
    tags = tuple(name.tagged(base.tag) for name in publishes_to)
    in_folder = bool(definition.bases.runtime.digest) and builder.takes_layouts
    return BasePlan(
        kind="publish" if tags else "folder" if in_folder else "inline",
        tag=base.tag,
        refreshed=base.refreshed,
        image=tags[0] if tags else None,
        tags=tags,
        is_needed=is_needed,
    )
