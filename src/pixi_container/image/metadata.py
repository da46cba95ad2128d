"""Tags, labels and annotations for an event and inputs: gather the facts for the tag rules and apply them."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_container.addresses import GITHUB_REGISTRY, PIXI_IMAGE_BASE
from pixi_container.registry.reference import ImageReference, parse_reference
from pixi_container.runner.checkout import commit_date
from pixi_container.tags import commit_date_in, compute, facts_from, image_names

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pixi_container.inputs import Inputs
    from pixi_container.runner.event import Event
    from pixi_container.tags import Facts, Metadata
    from pixi_container.workspace.workspace import Workspace

_OF_THE_WORKSPACE = re.compile(r"\{\{\s*(environment|cuda|pixi|base|fingerprint)\b")


def published_names(images: str, repository: str) -> tuple[ImageReference, ...]:
    """Return the names in the input ``images``, or else that of the GitHub repository; empty without either.

    Raises ``UserError`` for a malformed name.
    """
    names = image_names(images) if images else (f"{GITHUB_REGISTRY}/{repository}".lower(),) if repository else ()
    return tuple(parse_reference(name, source="input 'images'") for name in names)


def facts_for(event: Event, folder: Path, expressions: Mapping[str, str], env: Mapping[str, str]) -> Facts:
    """Return the facts; the commit's date comes from the event, or else from Git in ``folder``, or else is now."""
    return facts_from(
        event,
        commit_date=commit_date_in(event) or commit_date(folder, event.sha, env),
        now=datetime.now(timezone.utc),
        expressions=expressions,
        env=env,
    )


def workspace_expressions(workspace: Workspace, pixi_version: str, builder: ImageReference) -> dict[str, str]:
    """Return the values of the expressions that metadata-action does not have."""
    return {
        "environment": workspace.environment,
        "cuda": workspace.cuda,
        "pixi": pixi_version,
        "base": builder.tag.removeprefix(f"{pixi_version}-") or PIXI_IMAGE_BASE,
    }


def compute_metadata(
    event: Event, inputs: Inputs, facts: Facts, published: Collection[str] | None = None
) -> Metadata:
    """Return the metadata that the inputs give for these facts. Raises ``UserError`` for a malformed entry."""
    names = "\n".join(name.name for name in published_names(inputs.images, event.repository))
    return compute(
        facts,
        # If all images are disabled, there are no tags; without any images, tags are bare.
        images=names or inputs.images,
        tags=inputs.tags,
        flavor=inputs.flavor,
        labels=inputs.labels,
        annotations=inputs.annotations,
        annotation_levels=facts.annotation_levels,
        published=published,
    )


def offline_metadata(event: Event, inputs: Inputs, env: Mapping[str, str]) -> Metadata:
    """Return the metadata without network access; the workspace is read only if an expression needs it."""
    texts = f"{inputs.tags}\n{inputs.flavor}\n{inputs.labels}\n{inputs.annotations}"
    expressions = _offline_expressions(inputs) if _OF_THE_WORKSPACE.search(texts) else {}
    return compute_metadata(event, inputs, facts_for(event, Path(inputs.context), expressions, env))


def _offline_expressions(inputs: Inputs) -> dict[str, str]:
    from pixi_container.image.base_images import choose_base_images
    from pixi_container.workspace.workspace import read_workspace

    workspace = read_workspace(inputs)
    bases = choose_base_images(inputs, workspace)
    return workspace_expressions(workspace, bases.pixi_version, bases.builder)
