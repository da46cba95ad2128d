"""What the image of an environment is made of, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pixi_container.environment.activation import Activation
    from pixi_container.environment.entries import PathEntry
    from pixi_container.environment.image_config import Settings
    from pixi_container.environment.layer_tar import Compression
    from pixi_container.environment.locked import LockedEnvironment
    from pixi_container.environment.progress import Progress


@dataclass(frozen=True, kw_only=True)
class EnvironmentImage:
    """All that the image of an environment is made of.

    ``base`` is the tag or digest in the repository of base images, ``platform`` is ``os/arch``. ``prefix_files``
    are pixi's own below the prefix, ``workspace_files`` those below ``.pixi``. ``layers`` is how many there may be
    of packages. ``before`` is the tag of the image whose layers are used again, empty for none; beside it is the
    catalogue of the paths. ``tags`` come last, in this order. ``mirrors`` are the workspace's own, ``auth_file``
    has credentials for channels in rattler's format. ``more`` are the further environments that the image has, of
    which only what is below ``.pixi`` counts, and the number of layers.
    """

    environment: LockedEnvironment
    activation: Activation
    prefix_files: tuple[PathEntry, ...]
    workspace_files: tuple[PathEntry, ...]
    base: str
    platform: str
    settings: Settings
    tags: tuple[str, ...]
    before: str = ""
    layers: int
    compression: Compression = "gzip"
    mirrors: Mapping[str, Sequence[str]] = field(default_factory=dict)
    auth_file: Path | None = None
    more: tuple[EnvironmentImage, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Published:
    """The image, and what it took; ``not_run`` are packages with post-link scripts, which nothing runs.

    ``checked_by`` is the digest of the image that was started to try that environments like this one start, empty
    where none was; ``checked_now`` tells whether that was for this one.
    ``notes`` tell of trouble that did no harm.
    """

    digest: str
    layers: int
    made: tuple[str, ...]
    not_run: tuple[str, ...]
    progress: Progress
    checked_by: str = ""
    checked_now: bool = False
    notes: tuple[str, ...] = ()


def catalogue_tag(tag: str) -> str:
    """Return the tag of the catalogue that lies beside the image with a tag."""
    return f"{tag}-paths"
