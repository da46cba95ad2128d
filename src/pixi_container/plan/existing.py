"""What the registry has already of an image that is to be made, so that nothing is made twice."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.image import fingerprint_labels
from pixi_container.image.fingerprint import ENVIRONMENT_PARTS, IMAGE_PARTS, differing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pixi_container.image.definition import ImageDefinition
    from pixi_container.registry.client import Registry
    from pixi_container.registry.reference import ImageReference


@dataclass(frozen=True, kw_only=True)
class ExistingImages:
    """What the registry has, all by digest.

    ``images`` have the image's fingerprint, one for each name in their order, or none where a name lacks it.
    ``environment`` has that of its environment, and ``previous_environment`` is the last image that was made of an
    environment of this name. ``tags`` are the digests that the planned tags point to, empty for one that does not
    exist. ``differences`` names, where there is no such image, the parts in which the one under ``compared``
    differs.
    """

    images: tuple[ImageReference, ...] = ()
    environment: ImageReference | None = None
    previous_environment: ImageReference | None = None
    tags: Mapping[ImageReference, str] = field(default_factory=dict)
    compared: ImageReference | None = None
    differences: tuple[str, ...] = ()


def find_images(
    registry: Registry,
    names: tuple[ImageReference, ...],
    definition: ImageDefinition,
    tags: tuple[ImageReference, ...],
    say: Callable[[str], None],
) -> ExistingImages:
    """Look under each name for an image with this fingerprint: by the tag made of it, then by its other ``tags``.

    What one name has counts for that name alone: whoever may write to it decides what it is, and must not decide
    for another. A registry that does not let us look has nothing for us: whoever pushes learns why from the push.
    """
    existing = ExistingImages()
    try:
        for name in names:
            own = tuple(tag for tag in tags if tag.name == name.name)
            under_name = _find_image(registry, name, definition, own)
            existing = ExistingImages(
                images=(*existing.images, *under_name.images),
                tags={**existing.tags, **under_name.tags},
                compared=existing.compared or under_name.compared,
                differences=existing.differences or under_name.differences,
            )
            if not under_name.images:
                return replace(existing, images=())
    except UserError as error:
        say(f"cannot look for an image of this state: {error.message}")
        return replace(existing, images=())
    return existing


def _find_image(
    registry: Registry, name: ImageReference, definition: ImageDefinition, tags: tuple[ImageReference, ...]
) -> ExistingImages:
    wanted = {
        fingerprint_labels.IMAGE: definition.fingerprint.digest,
        fingerprint_labels.ENVIRONMENT: definition.environment_fingerprint.digest,
    }
    digests: dict[ImageReference, str] = {}
    compared: ImageReference | None = None
    differences: tuple[str, ...] = ()
    for tag in dict.fromkeys((name.tagged(definition.image_tag), *tags)):
        digest = registry.get_digest(tag) or ""
        is_new = bool(digest) and digest not in digests.values()
        digests[tag] = digest
        if not is_new:
            continue
        labels = registry.get_labels(tag.pinned(digest)) or {}
        if wanted.items() <= labels.items():
            known = {other: digests.get(other) or registry.get_digest(other) or "" for other in tags}
            return ExistingImages(images=(name.pinned(digest),), tags=known)
        parts = fingerprint_labels.parts_in(labels)
        if parts and not compared:
            compared = tag
            differences = differing(_parts_of(definition), parts)
    return ExistingImages(tags=digests, compared=compared, differences=differences)


def find_environment(
    registry: Registry,
    names: tuple[ImageReference, ...],
    definition: ImageDefinition,
    say: Callable[[str], None],
) -> ExistingImages:
    """Look for the environment's image, else for the last one of its name, whose layers may be the same.

    Both are under the first name, where there is one that we may read. As one build is pushed to every name, every
    name must have the same content: none of them decides for the others.
    """
    try:
        reusable = _same_under(registry, names, definition.environment_tag)
        labels = registry.get_labels(reusable) if reusable else None
        fingerprint = definition.environment_fingerprint.digest
        if reusable and labels and labels.get(fingerprint_labels.ENVIRONMENT) == fingerprint:
            return ExistingImages(environment=reusable)
        if reusable:
            claimed = names[0].tagged(definition.environment_tag)
            say(f"{claimed} is not the environment that its name says; it is not used")
        return ExistingImages(previous_environment=_same_under(registry, names, definition.moving_environment_tag))
    except UserError as error:
        say(f"cannot look for an image of the environment: {error.message}")
        return ExistingImages()


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


def compare(registry: Registry, reference: ImageReference, definition: ImageDefinition) -> dict[str, str]:
    """Return the parts in which an image differs from the defined one, by name, each with what the part is.

    Raises ``UserError`` when there is no such image, or when it has no fingerprint.
    """
    digest = reference.digest or registry.get_digest(reference if reference.tag else reference.tagged("latest"))
    labels = registry.get_labels(reference.pinned(digest)) if digest else None
    if labels is None:
        raise UserError(f"there is no image {reference}")
    theirs = fingerprint_labels.parts_in(labels)
    if not theirs:
        raise UserError(f"{reference} says nothing of its fingerprint", hint="Was it built by pixi-container?")
    meanings = {**ENVIRONMENT_PARTS, **IMAGE_PARTS}
    return {
        name: meanings.get(name, "a part of another version") for name in differing(_parts_of(definition), theirs)
    }


def _parts_of(definition: ImageDefinition) -> dict[str, str]:
    return fingerprint_labels.short_parts(
        definition.environment_fingerprint.as_json(), definition.fingerprint.as_json()
    )
