"""The base images: which release of Pixi builds the environment, and what the image runs on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.addresses import PIXI_IMAGE, PIXI_IMAGE_BASE
from pixi_container.errors import UserError
from pixi_container.image_reference import ImageReference, parse_reference
from pixi_container.manifest import version_key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pixi_container.inputs import Inputs
    from pixi_container.workspace import Workspace

DEFAULT_PIXI = "0.76.1"
"""What builds when nothing asks for another; its image is known to be published."""

_LOCK_NEEDS = {6: "0.39.0", 7: "0.68.0"}
_RICH_PLATFORMS_NEED = "0.71.0"
_LONGEST_SPECIFICATION = 200


@dataclass(frozen=True, kw_only=True)
class BaseImages:
    """What the stages start from; ``runtime`` equals ``builder`` unless the user chose another."""

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
    """Choose both. ``published`` gives the tags of a repository, ``pin`` a reference's digest.

    Raises ``UserError`` for a malformed name, or when no release of pixi fits.
    """
    given = parse_reference(inputs.pixi_image or PIXI_IMAGE, source="input 'pixi-image'")
    version, reason = choose_pixi(
        requires_pixi=workspace.manifest.requires_pixi,
        lock_version=workspace.lock_version,
        rich_platforms=workspace.manifest.has_rich_platforms,
        asked=inputs.pixi_version,
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
    published: Callable[[], Collection[str]] | None = None,
    manifest: str = "",
) -> tuple[str, str]:
    """Choose a version and say why, in that order.

    ``asked`` is the user's choice and is only checked. The default is taken when it fits ``requires-pixi`` and
    the lock; else the highest of ``published()`` (tags of the builder image, asked for only then) that fits,
    or, without a list, a version that ``requires-pixi`` itself names. Raises ``UserError`` when none fits, and
    for a malformed specification of the file ``manifest``.
    """
    from rattler import Version, VersionSpec
    from rattler.exceptions import InvalidVersionSpecError

    if len(requires_pixi) > _LONGEST_SPECIFICATION:
        # Its parser recurses, and ends the process where the stack ends.
        raise UserError(
            f"'requires-pixi' is {len(requires_pixi)} characters long; {_LONGEST_SPECIFICATION} are accepted",
            hint='Such as ">=0.68".',
            file=manifest,
        )
    try:
        spec = VersionSpec(requires_pixi or "*")
    except InvalidVersionSpecError as error:
        raise UserError(
            f"'requires-pixi' is no version specification: {requires_pixi!r}",
            hint='Accepted: such as ">=0.68".',
            file=manifest,
        ) from error
    needs = {_LOCK_NEEDS.get(lock_version, "0"): f"lock version {lock_version}"}
    if rich_platforms:
        needs[_RICH_PLATFORMS_NEED] = "platforms given as tables"
    floor = max(needs, key=version_key)

    def fits(version: str) -> bool:
        return version_key(version) >= version_key(floor) and spec.matches(Version(version))

    because = ", ".join([needs[floor]] + ([f"requires-pixi {requires_pixi}"] if requires_pixi else []))
    if asked:
        if not fits(asked):
            raise UserError(
                f"pixi {asked} cannot build this workspace ({because})",
                hint=f"Set 'pixi-version' to {floor} or newer that meets 'requires-pixi', or leave it empty.",
            )
        return asked, "input 'pixi-version'"
    if fits(DEFAULT_PIXI):
        return DEFAULT_PIXI, f"the default, which fits {because}"
    pattern = re.compile(rf"(\d+\.\d+\.\d+)-{PIXI_IMAGE_BASE}")
    candidates = [found[1] for tag in (published() if published else ()) if (found := pattern.fullmatch(tag))]
    if not published:
        candidates = [
            f"{v}.0" if v.count(".") == 1 else v for v in re.findall(r"\d+\.\d+(?:\.\d+)?", requires_pixi)
        ]
    fitting = sorted(filter(fits, candidates), key=version_key)
    if not fitting:
        raise UserError(
            f"no known release of pixi fits this workspace ({because})",
            hint="Set 'pixi-version', and 'pixi-image' if the official image is not the one to use.",
        )
    return fitting[-1], because
