"""What the registry has of an image that is to be made, so that nothing is made twice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.image import fingerprint_labels
from pixi_container.image.definition import environment_tag, image_tag, moving_environment_tag
from pixi_container.image.fingerprint import ENVIRONMENT_PARTS, IMAGE_PARTS, differing
from pixi_container.plan.decision import Published
from pixi_container.registry.reference import name_of, parse_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pixi_container.image.definition import Draft
    from pixi_container.plan.plan import Plan
    from pixi_container.registry.client import Registry
    from pixi_container.registry.reference import ImageReference


def find_images(
    registry: Registry,
    names: Iterable[ImageReference],
    environment: str,
    draft: Draft,
    tags: tuple[str, ...],
    say: Callable[[str], None],
) -> Published:
    """Look under each name for an image with the draft's fingerprint: by the tag made of it, then by its ``tags``.

    What one name has counts for that name alone: whoever may write to it decides what it is, and must not decide
    for another. A registry that does not let us look has nothing for us: whoever pushes learns why from the push.
    """
    published = Published()
    try:
        for name in names:
            own = tuple(tag for tag in tags if name_of(tag) == name.name)
            under_name = _find_image(registry, name, environment, draft, own)
            published = Published(
                images=(*published.images, *under_name.images),
                tags={**published.tags, **under_name.tags},
                compared=published.compared or under_name.compared,
                differences=published.differences or under_name.differences,
            )
            if not under_name.images:
                return replace(published, images=())
    except UserError as error:
        say(f"cannot look for an image of this state: {error.message}")
        return replace(published, images=())
    return published


def _find_image(
    registry: Registry, name: ImageReference, environment: str, draft: Draft, tags: tuple[str, ...]
) -> Published:
    ours = str(name.tagged(image_tag(environment, draft.image)))
    wanted = {
        fingerprint_labels.IMAGE: draft.image.digest,
        fingerprint_labels.ENVIRONMENT: draft.environment.digest,
    }
    digests: dict[str, str] = {}
    compared = ""
    differences: tuple[str, ...] = ()
    for tag in dict.fromkeys((ours, *tags)):
        reference = parse_reference(tag, source="tag")
        digest = registry.get_digest(reference) or ""
        is_new = bool(digest) and digest not in digests.values()
        digests[tag] = digest
        if not is_new:
            continue
        labels = registry.get_labels(reference.pinned(digest)) or {}
        if wanted.items() <= labels.items():
            known = {other: digests.get(other) or _digest(registry, other) for other in tags}
            return Published(images=(reference.tagged("").pinned(digest),), tags=known)
        parts = fingerprint_labels.parts_in(labels)
        if parts and not compared:
            compared = tag
            differences = differing(
                fingerprint_labels.short_parts(draft.environment.as_json(), draft.image.as_json()), parts
            )
    return Published(tags=digests, compared=compared, differences=differences)


def find_environment(
    registry: Registry,
    names: tuple[ImageReference, ...],
    environment: str,
    draft: Draft,
    say: Callable[[str], None],
) -> tuple[ImageReference | None, ImageReference | None]:
    """Look for the environment's image, else for the last one of its name, whose layers may be the same.

    Both are by digest under the first name, None where there is none that we may read. As one build is pushed to
    every name, every name must have the same content: none of them decides for the others.
    """
    tag = environment_tag(environment, draft.environment)
    try:
        reusable = _same_under(registry, names, tag)
        labels = registry.get_labels(reusable) if reusable else None
        if reusable and labels and labels.get(fingerprint_labels.ENVIRONMENT) == draft.environment.digest:
            return reusable, None
        if reusable:
            say(f"{names[0].tagged(tag)} is not the environment that its name says; it is not used")
        return None, _same_under(registry, names, moving_environment_tag(environment))
    except UserError as error:
        say(f"cannot look for an image of the environment: {error.message}")
        return None, None


def _same_under(registry: Registry, names: tuple[ImageReference, ...], tag: str) -> ImageReference | None:
    """Return the first name's image of this tag by digest, where every name has the same content under it."""
    first, *others = names
    digest = registry.get_digest(first.tagged(tag))
    if not digest:
        return None
    image = first.pinned(digest)
    if others:
        # A registry's copy may be compressed in another way; the configuration names the content.
        config = _config(registry, image)
        if not config or any(_config(registry, name.tagged(tag)) != config for name in others):
            return None
    return image


def _config(registry: Registry, reference: ImageReference) -> str:
    image = registry.get_image(reference)
    return image.config if image else ""


def compare(registry: Registry, reference: ImageReference, plan: Plan) -> dict[str, str]:
    """Return the parts in which an image differs from the planned one, by name, each with what the part is.

    Raises ``UserError`` when there is no such image, or none of ours.
    """
    digest = reference.digest or registry.get_digest(reference if reference.tag else reference.tagged("latest"))
    labels = registry.get_labels(reference.pinned(digest)) if digest else None
    if labels is None:
        raise UserError(f"there is no image {reference}")
    theirs = fingerprint_labels.parts_in(labels)
    if not theirs:
        raise UserError(f"{reference} says nothing of its fingerprint", hint="Was it built by pixi-container?")
    meanings = {**ENVIRONMENT_PARTS, **IMAGE_PARTS}
    ours = fingerprint_labels.short_parts(plan.fingerprint_parts, plan.image_fingerprint_parts)
    return {name: meanings.get(name, "a part of another version") for name in differing(ours, theirs)}


def _digest(registry: Registry, tag: str) -> str:
    return registry.get_digest(parse_reference(tag, source="tag")) or ""
