"""Find what the registry already has of a defined image, so that nothing is built twice."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.image import fingerprint_labels
from pixi_container.image.fingerprint import ENVIRONMENT_PARTS, IMAGE_PARTS, MORE_PARTS, differing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pixi_container.image.base_definition import BaseDefinition
    from pixi_container.image.definition import ImageDefinition
    from pixi_container.registry.client import Registry
    from pixi_container.registry.reference import ImageReference

_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")


@dataclass(frozen=True, kw_only=True)
class ExistingBase:
    """A base image, by digest: when it was last built anew, and the versions of the packages it was asked for."""

    image: ImageReference
    refreshed: str = ""
    packages: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class ExistingImages:
    """What the registry has; all images are by digest.

    ``images`` have the image's fingerprint, one per name in the order of the names; empty if any name lacks it.
    ``environment`` has the environment's fingerprint, and ``base`` that of the base. ``tags`` maps the planned
    tags to their digests; empty for a tag that does not exist. If no image has the fingerprint, ``differences``
    names the parts in which the image ``compared`` differs.
    """

    images: tuple[ImageReference, ...] = ()
    environment: ImageReference | None = None
    base: ExistingBase | None = None
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
    """Look under each name for an image with this fingerprint: first under its ``img-*`` tag, then under ``tags``.

    An image counts only for its own name, because whoever may write to that name controls it. If a registry denies
    access, no image is reused; the push then reports the cause.
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
        say(f"could not look for an existing image: {error.message}")
        return replace(existing, images=())
    return existing


def _find_image(
    registry: Registry, name: ImageReference, definition: ImageDefinition, tags: tuple[ImageReference, ...]
) -> ExistingImages:
    wanted = {
        fingerprint_labels.IMAGE: definition.fingerprint.digest,
        fingerprint_labels.ENVIRONMENT: definition.environment_fingerprint.digest,
    }
    platform = definition.workspace.platform.docker
    digests: dict[ImageReference, str] = {}
    compared: ImageReference | None = None
    differences: tuple[str, ...] = ()
    for tag in dict.fromkeys((name.tagged(definition.image_tag), *tags)):
        digest = registry.get_digest(tag) or ""
        is_new = bool(digest) and digest not in digests.values()
        digests[tag] = digest
        if not is_new:
            continue
        labels = registry.get_labels(tag.pinned(digest), platform) or {}
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
) -> ImageReference | None:
    """Return the environment image, by digest.

    The first name is used. One build is pushed to every name, so every name must have the same content: none of
    them may decide for the others.
    """
    try:
        platform = definition.workspace.platform.docker
        reusable = _same_under(registry, names, definition.environment_tag)
        labels = registry.get_labels(reusable, platform) if reusable else None
        fingerprint = definition.environment_fingerprint.digest
        if reusable and labels and labels.get(fingerprint_labels.ENVIRONMENT) == fingerprint:
            return reusable
        if reusable:
            claimed = names[0].tagged(definition.environment_tag)
            say(f"{claimed} is ignored: its fingerprint does not match its tag")
    except UserError as error:
        say(f"could not look for an environment image: {error.message}")
    return None


def find_base(
    registry: Registry,
    names: tuple[ImageReference, ...],
    base: BaseDefinition,
    platform: str,
    say: Callable[[str], None],
) -> ExistingBase | None:
    """Return the base image, of the first name if all have the same. Raises what ``Registry`` raises."""
    image = _same_under(registry, names, base.tag)
    if image is None:
        return None
    labels = registry.get_labels(image, platform) or {}
    if labels.get(fingerprint_labels.BASE) != base.fingerprint.digest:
        say(f"{names[0].tagged(base.tag)} is ignored: its fingerprint does not match its tag")
        return None
    refreshed = labels.get(fingerprint_labels.BASE_REFRESHED, "")
    return ExistingBase(
        image=image,
        refreshed=refreshed if _MOMENT.fullmatch(refreshed) else "",
        packages=fingerprint_labels.installed_packages(labels),
    )


def _same_under(registry: Registry, names: tuple[ImageReference, ...], tag: str) -> ImageReference | None:
    """Return the first name's image of this tag, by digest, if every name has the same content under the tag."""
    first, *others = names
    digest = registry.get_digest(first.tagged(tag))
    if not digest:
        return None
    image = first.pinned(digest)
    if others:
        # Copies may be compressed differently; the configuration identifies the content.
        config = _config(registry, image)
        if not config or any(_config(registry, name.tagged(tag)) != config for name in others):
            return None
    return image


def _config(registry: Registry, reference: ImageReference) -> str:
    image = registry.get_image(reference)
    return image.config if image else ""


def compare(registry: Registry, reference: ImageReference, definition: ImageDefinition) -> dict[str, str]:
    """Return the names and meanings of the parts in which an image differs from the defined one.

    Raises ``UserError`` if the image does not exist or has no fingerprint.
    """
    digest = reference.digest or registry.get_digest(reference if reference.tag else reference.tagged("latest"))
    labels = (
        registry.get_labels(reference.pinned(digest), definition.workspace.platform.docker) if digest else None
    )
    if labels is None:
        raise UserError(f"the image {reference} does not exist")
    theirs = fingerprint_labels.parts_in(labels)
    if not theirs:
        raise UserError(f"the image {reference} has no fingerprint labels", hint="Was it built by pixi-container?")
    meanings = {**ENVIRONMENT_PARTS, **MORE_PARTS, **IMAGE_PARTS}
    return {
        name: meanings.get(name, "a part that another version of pixi-container defines")
        for name in differing(_parts_of(definition), theirs)
    }


def _parts_of(definition: ImageDefinition) -> dict[str, str]:
    return fingerprint_labels.short_parts(
        definition.environment_fingerprint.as_json(), definition.fingerprint.as_json()
    )
