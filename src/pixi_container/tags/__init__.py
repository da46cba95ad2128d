"""Tags, labels and annotations in docker/metadata-action's syntax, computed without any lookup."""

from pixi_container.tags.compute import Metadata, compute
from pixi_container.tags.defaults import default_tags
from pixi_container.tags.facts import Facts, Repository, commit_date_in, facts_from
from pixi_container.tags.labels import annotations_at
from pixi_container.tags.references import image_names

__all__ = [
    "Facts",
    "Metadata",
    "Repository",
    "annotations_at",
    "commit_date_in",
    "compute",
    "default_tags",
    "facts_from",
    "image_names",
]
