"""Choose the base images: the Pixi release that builds the environment, and the runtime image."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.addresses import PIXI_IMAGE, PIXI_IMAGE_BASE
from pixi_container.errors import UserError
from pixi_container.registry.reference import ImageReference, parse_reference
from pixi_container.versions import version_order

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from rattler import VersionSpec

    from pixi_container.inputs import Inputs
    from pixi_container.workspace.workspace import Workspace

DEFAULT_PIXI = "0.77.0"
"""The default version: the newest that was tested."""

OLDEST_PIXI = "0.53.0"
"""The first version with every option used in image/scripts; the newest option is `shell-hook --as-is`."""

LOCK_NEEDS = {6: "0.39.0", 7: "0.68.0"}
RICH_PLATFORMS_NEED = "0.71.0"

_LONGEST_SPECIFICATION = 200
_OFFICIAL = PIXI_IMAGE.partition("/")[2]
_VERSION_IN_TAG = re.compile(r"(\d+\.\d+\.\d+)(?:-.+)?")


@dataclass(frozen=True, kw_only=True)
class BaseImages:
    """The base images of the stages; ``runtime`` equals ``builder`` unless the user chose another."""

    pixi_version: str
    pixi_reason: str
    builder: ImageReference
    runtime: ImageReference


def choose_base_images(
    inputs: Inputs,
    workspace: Workspace,
    *,
    published: Callable[[ImageReference], Collection[str]] | None = None,
    pin: Callable[[ImageReference], ImageReference] = lambda reference: reference,
) -> BaseImages:
    """Return the base images. ``published`` returns the tags of a repository, ``pin`` a reference with its digest.

    Raises ``UserError`` for a malformed name, or if no release of pixi fits.
    """
    given = parse_reference(inputs.pixi_image or PIXI_IMAGE, source="input 'pixi-image'")
    asked_by = "pixi-version" if inputs.pixi_version else "pixi-image"
    version, reason = choose_pixi(
        requires_pixi=workspace.manifest.requires_pixi,
        lock_version=workspace.lock_version,
        rich_platforms=workspace.manifest.has_rich_platforms,
        asked=inputs.pixi_version or _version_of(given),
        asked_by=asked_by,
        oldest="0" if inputs.dockerfile else OLDEST_PIXI,
        published=(lambda: published(given)) if published and given.is_bare else None,
        manifest=str(workspace.context / workspace.manifest.file),
    )
    builder = pin(given.tagged(f"{version}-{PIXI_IMAGE_BASE}") if given.is_bare else given)
    runtime = builder
    if inputs.runtime_image:
        runtime = pin(parse_reference(inputs.runtime_image, source="input 'runtime-image'"))
    return BaseImages(pixi_version=version, pixi_reason=reason, builder=builder, runtime=runtime)


def choose_pixi(
    *,
    requires_pixi: str,
    lock_version: int,
    rich_platforms: bool,
    asked: str = "",
    asked_by: str = "pixi-version",
    oldest: str = OLDEST_PIXI,
    published: Callable[[], Collection[str]] | None = None,
    manifest: str = "",
) -> tuple[str, str]:
    """Return a version of pixi and the reason for it.

    ``asked`` is the user's choice from the input ``asked_by``, and is only checked. No version is older than
    ``oldest``, which the Dockerfile needs. The default is chosen if it fits ``requires-pixi`` and the lock; else
    the newest fitting version among ``published()``, the tags of the builder image; or, without such a list, a
    version that ``requires-pixi`` itself names. Raises ``UserError`` if none fits, or if the specification in the
    file ``manifest`` is malformed.
    """
    from rattler import Version

    spec = _specification(requires_pixi, manifest)
    lock = f"lock version {lock_version}" if lock_version else "a workspace without a lock"
    needs = {LOCK_NEEDS.get(lock_version, "0"): lock}
    if rich_platforms:
        needs[RICH_PLATFORMS_NEED] = "platforms given as tables"
    needed = max(needs, key=version_order)
    floor = max(needed, oldest, key=version_order)

    def fits(version: str) -> bool:
        return version_order(version) >= version_order(floor) and spec.matches(Version(version))

    because = ", ".join([needs[needed]] + ([f"requires-pixi {requires_pixi}"] if requires_pixi else []))
    if asked:
        hint = f"Set '{asked_by}' to {floor} or newer, within 'requires-pixi', or leave it empty."
        if version_order(asked) < version_order(oldest):
            raise UserError(f"pixi {asked} is too old: {oldest} is the oldest supported version", hint=hint)
        if not fits(asked):
            raise UserError(f"pixi {asked} cannot build this workspace ({because})", hint=hint)
        return asked, f"input '{asked_by}'"
    if fits(DEFAULT_PIXI):
        return DEFAULT_PIXI, f"the default, which fits {because}"
    pattern = re.compile(rf"(\d+\.\d+\.\d+)-{PIXI_IMAGE_BASE}")
    tags = published() if published else ()
    candidates = [match[1] for tag in tags if (match := pattern.fullmatch(tag))]
    if not published:
        candidates = [
            f"{v}.0" if v.count(".") == 1 else v for v in re.findall(r"\d+\.\d+(?:\.\d+)?", requires_pixi)
        ]
    fitting = sorted(filter(fits, candidates), key=version_order)
    if not fitting:
        raise UserError(
            f"no known release of pixi fits this workspace ({because})",
            hint=f"It must be {floor} or newer, and meet 'requires-pixi'. Set 'pixi-version', and also "
            "'pixi-image' if you do not use the official image.",
        )
    return fitting[-1], because


def _version_of(builder: ImageReference) -> str:
    """Return the version in a tag of the official image or a mirror of it; empty for other images."""
    named = _VERSION_IN_TAG.fullmatch(builder.tag)
    return named[1] if named and builder.repository.endswith(_OFFICIAL) else ""


def _specification(requires_pixi: str, manifest: str) -> VersionSpec:
    from rattler import VersionSpec
    from rattler.exceptions import InvalidVersionSpecError

    if len(requires_pixi) > _LONGEST_SPECIFICATION:
        # The parser recurses, and a stack overflow would end the process.
        raise UserError(
            f"'requires-pixi' is {len(requires_pixi)} characters long; the maximum is {_LONGEST_SPECIFICATION}",
            hint='Use a specification such as ">=0.68".',
            file=manifest,
        )
    try:
        return VersionSpec(requires_pixi or "*")
    except InvalidVersionSpecError as error:
        raise UserError(
            f"'requires-pixi' is not a valid version specification: {requires_pixi!r}",
            hint='Use a specification such as ">=0.68".',
            file=manifest,
        ) from error
