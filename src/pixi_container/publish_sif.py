"""Publish the SIF of an image that is on the registry: made once for each image, and then only tagged."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pixi_container.errors import RegistryError, UserError
from pixi_container.plan.decision import BUILD
from pixi_container.registry.reference import TAG, parse_reference
from pixi_container.registry.repository import ImageRepository, Registries
from pixi_container.request import credential_source
from pixi_container.sif.artifact import is_sif_of, put_sif, sif_tag
from pixi_container.sif.make_sif import make_sif
from pixi_container.sif.squashfs import squashfs_program
from pixi_container.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pixi_container.index_report import IndexReport
    from pixi_container.log import Log
    from pixi_container.plan.index_plan import IndexPlan
    from pixi_container.plan.plan import Plan
    from pixi_container.registry.client import ImageManifest
    from pixi_container.registry.reference import ImageReference
    from pixi_container.report import Report
    from pixi_container.request import Request

AnyReport = TypeVar("AnyReport", "Report", "IndexReport")

_USUAL_PLATFORM = "linux/amd64"


def check_sif(request: Request, plan: Plan | IndexPlan) -> None:
    """Check, before anything is built, that this machine can make a SIF, if the run has to.

    Raises ``ToolUnavailableError`` if it cannot, and ``UserError`` if a tag of a SIF is not possible.
    """
    if request.inputs.sif and plan.push and not request.inputs.push_untagged:
        _sif_tags(plan)
        if plan.decision.kind == BUILD:
            squashfs_program(request.env)


def with_sif(request: Request, report: AnyReport, log: Log) -> AnyReport:
    """Return the report with the SIF, which is published for an image that is under this run's tags.

    Raises ``UserError`` if it cannot be published; the image stays published.
    """
    plan = report.plan
    if not (request.inputs.sif and plan.push and report.digest) or request.inputs.push_untagged:
        return report
    images = plan.decision.images
    if not images:
        images = tuple(name.pinned(report.digest) for name in request.names)
    with log.step("Publish the SIF"):
        try:
            references = list(_published(request, plan, images, log))
        except UserError as error:
            error.message = f"the image {report.image} is published, but its SIF is not: {error.message}"
            raise
    return replace(report, sif=f"oras://{references[0]}")


def sif_suffixes(platforms: Sequence[str]) -> dict[str, str]:
    """Return what is added to a tag for the SIF of each platform.

    It is ``-sif`` for one platform, or for amd64 among several; the others have their architecture too.
    """
    usual = _USUAL_PLATFORM if _USUAL_PLATFORM in platforms else platforms[0]
    return {
        platform: "-sif" if platform == usual else f"-sif-{platform.partition('/')[2].replace('/', '-')}"
        for platform in platforms
    }


def _published(
    request: Request, plan: Plan | IndexPlan, images: Sequence[ImageReference], log: Log
) -> Iterator[ImageReference]:
    """Yield the tags of the SIFs of all platforms and names, each once it is put."""
    tags = _sif_tags(plan)
    made: dict[str, ImageReference] = {}
    with Registries(credential_source(request)) as registries:
        for platform in plan.platforms:
            for image in images:
                manifest = _of_platform(registries, image, platform)
                own = image.tagged(sif_tag(manifest.digest))
                found = _found(registries, own, manifest.digest) or made.get(manifest.digest)
                if found is None:
                    found = _made(request, registries, manifest, own, platform, log)
                made[manifest.digest] = found
                wanted = [tag for tag in tags[platform] if tag.name == image.name]
                registries.own().tag(found, [own, *wanted])
                for tag in wanted:
                    log.say(f"{tag} points to {found.digest}")
                    yield tag


def _made(
    request: Request, registries: Registries, manifest: ImageManifest, own: ImageReference, platform: str, log: Log
) -> ImageReference:
    repository, start = ImageRepository(registries, own), time.monotonic()
    labels = registries.own().get_labels(own.pinned(manifest.digest), platform) or {}
    with temporary_folder(request.env) as work:
        sif = make_sif(repository, manifest, str(own.tagged("").pinned(manifest.digest)), work, request.env)
        log.say(f"{sif.size / 1e6:.1f} MB, made in {time.monotonic() - start:.1f} s")
        digest = put_sif(repository, sif, manifest.digest, labels, f"{own.repository.rpartition('/')[2]}.sif")
    return own.pinned(digest)


def _found(registries: Registries, own: ImageReference, digest: str) -> ImageReference | None:
    """Return the SIF of an image that is there already."""
    manifest = registries.own().get_manifest(own)
    return own.pinned(manifest.digest) if manifest and is_sif_of(manifest, digest) else None


def _of_platform(registries: Registries, image: ImageReference, platform: str) -> ImageManifest:
    manifest = registries.own().get_manifest(image)
    if manifest and manifest.is_index:
        child = manifest.child(platform)
        manifest = registries.own().get_manifest(image.pinned(child.digest)) if child else None
    if manifest is None:
        raise RegistryError(f"{image} does not exist for {platform}")
    return manifest


def _sif_tags(plan: Plan | IndexPlan) -> dict[str, tuple[ImageReference, ...]]:
    """Return the SIF's tags by platform, one for each of the user's.

    Raises ``UserError`` for one that is too long, or that the user has given to the image.
    """
    users = [parse_reference(tag, source="tag") for tag in plan.tags]
    tags = {
        platform: tuple(user.tagged(user.tag + suffix) for user in users)
        for platform, suffix in sif_suffixes(plan.platforms).items()
    }
    for tag in (tag for each in tags.values() for tag in each):
        if not TAG.fullmatch(tag.tag):
            raise UserError(f"the tag '{tag.tag}' of the SIF is longer than 128 characters")
        if tag in users:
            raise UserError(
                f"'sif' needs the tag {tag} for the SIF, but 'tags' gives it to the image",
                hint="Name the tag otherwise.",
            )
    return tags
