"""What the registry has of an image that is to be made, so that nothing is made twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixi_container import fingerprint_labels
from pixi_container.decision import Published
from pixi_container.draft import environment_tag, image_tag, moving_environment_tag
from pixi_container.errors import UserError
from pixi_container.fingerprint import ENVIRONMENT_PARTS, IMAGE_PARTS, differing
from pixi_container.image_reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pixi_container.draft import Draft
    from pixi_container.image_reference import ImageReference
    from pixi_container.plan import Plan
    from pixi_container.registry import Registry


def find_image(
    registry: Registry,
    names: Iterable[ImageReference],
    environment: str,
    draft: Draft,
    tags: tuple[str, ...],
    say: Callable[[str], None],
) -> Published:
    """Look for an image with the draft's fingerprint: by the tag made of it, then under the planned tags.

    A registry that does not let us look has nothing for us: whoever pushes learns why from the push.
    """
    ours = (str(name.tagged(image_tag(environment, draft.image))) for name in names)
    wanted = {
        fingerprint_labels.IMAGE: draft.image.digest,
        fingerprint_labels.ENVIRONMENT: draft.environment.digest,
    }
    found: dict[str, str] = {}
    compared = ""
    differences: tuple[str, ...] = ()
    try:
        for tag in dict.fromkeys((*ours, *tags)):
            reference = parse_reference(tag, source="tag")
            found[tag] = digest = registry.digest(reference) or ""
            if not digest or digest in (found[other] for other in found if other != tag):
                continue
            labels = registry.labels(reference.pinned(digest)) or {}
            if wanted.items() <= labels.items():
                digests = {other: found.get(other) or _digest(registry, other) for other in tags}
                return Published(image=reference.tagged("").pinned(digest), tags=digests)
            parts = fingerprint_labels.parts_in(labels)
            if parts and not compared:
                compared = tag
                differences = differing(
                    fingerprint_labels.short_parts(draft.environment.as_json(), draft.image.as_json()), parts
                )
    except UserError as error:
        say(f"cannot look for an image of this state: {error.message}")
    return Published(tags=found, compared=compared, differences=differences)


def find_environment(
    registry: Registry, name: ImageReference, environment: str, draft: Draft, say: Callable[[str], None]
) -> tuple[ImageReference | None, ImageReference | None]:
    """Look for the environment's image, else for the last one of its name, whose layers may be the same.

    Both are by digest, None where there is none that we may read.
    """
    reference = name.tagged(environment_tag(environment, draft.environment))
    previous = name.tagged(moving_environment_tag(environment))
    try:
        digest = registry.digest(reference)
        labels = registry.labels(reference.pinned(digest)) if digest else None
        if digest and labels and labels.get(fingerprint_labels.ENVIRONMENT) == draft.environment.digest:
            return reference.tagged("").pinned(digest), None
        if digest:
            say(f"{reference} is not the environment that its name says; it is not used")
        last = registry.digest(previous)
    except UserError as error:
        say(f"cannot look for an image of the environment: {error.message}")
        return None, None
    return None, previous.tagged("").pinned(last) if last else None


def compare(registry: Registry, reference: ImageReference, plan: Plan) -> dict[str, str]:
    """Give the parts in which an image differs from the planned one, by name, each with what the part is.

    Raises ``UserError`` when there is no such image, or none of ours.
    """
    digest = reference.digest or registry.digest(reference if reference.tag else reference.tagged("latest"))
    labels = registry.labels(reference.pinned(digest)) if digest else None
    if labels is None:
        raise UserError(f"there is no image {reference}")
    theirs = fingerprint_labels.parts_in(labels)
    if not theirs:
        raise UserError(f"{reference} says nothing of its fingerprint", hint="Was it built by pixi-container?")
    meanings = {**ENVIRONMENT_PARTS, **IMAGE_PARTS}
    ours = fingerprint_labels.short_parts(plan.fingerprint_parts, plan.image_fingerprint_parts)
    return {name: meanings.get(name, "a part of another version") for name in differing(ours, theirs)}


def _digest(registry: Registry, tag: str) -> str:
    return registry.digest(parse_reference(tag, source="tag")) or ""
