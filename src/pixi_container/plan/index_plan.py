"""The plan of an image for several platforms: one plan for each, and an index of their images under the tags."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pixi_container.errors import UserError
from pixi_container.image.fingerprint import fingerprint_of
from pixi_container.plan.decision import BUILD, PROMOTE, Decision, decide
from pixi_container.plan.existing import ExistingImages
from pixi_container.plan.plan import tags_to_publish
from pixi_container.tags import annotations_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixi_container.plan.plan import Plan
    from pixi_container.registry.client import Registry
    from pixi_container.registry.reference import ImageReference
    from pixi_container.request import Request


@dataclass(frozen=True, kw_only=True)
class IndexPlan:
    """What will happen for an image of several platforms, and why.

    ``plans`` are those of the platforms' images, which get no tag of the user's. ``published_tags`` are all that
    the index gets: the user's, and an ``img-*`` tag per name for finding it again; empty if nothing is pushed.
    """

    plans: tuple[Plan, ...]
    decision: Decision
    published_tags: tuple[ImageReference, ...]

    @property
    def first(self) -> Plan:
        """The plan of the first platform, which has what all have in common."""
        return self.plans[0]

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms of the images."""
        return tuple(plan.platform for plan in self.plans)

    @property
    def tags(self) -> tuple[str, ...]:
        """The user's tags."""
        return self.first.tags

    @property
    def push(self) -> bool:
        """Whether the run publishes."""
        return self.first.push

    @property
    def annotations(self) -> dict[str, str]:
        """The annotations of the index."""
        return annotations_at(self.first.annotations, "index")

    def as_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return {
            "decision": self.decision.kind,
            "reason": self.decision.reason,
            "push": self.first.push,
            "environment": self.first.definition.workspace.environment,
            "tags": self.tags,
            "published_tags": [str(tag) for tag in self.published_tags],
            "new_tags": [str(tag) for tag in self.decision.new_tags],
            "platforms": {plan.platform: plan.as_json() for plan in self.plans},
        }

    def as_text(self) -> str:
        """Return the plan as readable text, one fact per line."""
        lines = [f"decision     {self.decision.kind}: {self.decision.reason}"]
        lines += [f"tag          {tag}" for tag in self.tags]
        lines += [f"put tag      {tag} on {image}" for image, tags in self.decision.tags_to_put for tag in tags]
        for plan in self.plans:
            lines += ["", f"{plan.platform}:"]
            lines += [f"  {line}" for line in plan.as_text().splitlines() if not line.startswith("tag ")]
        return "\n".join(lines)


def plan_index(request: Request, plans: Sequence[Plan], registry: Registry | None) -> IndexPlan:
    """Return the plan of an index, given those of its platforms' images.

    Raises ``UserError`` if the tags differ between platforms.
    """
    first = plans[0]
    if different := next((plan for plan in plans if plan.tags != first.tags), None):
        raise UserError(
            f"the tags for {different.platform} differ from those for "
            f"{first.platform}, and an image for several platforms has them once",
            hint="Leave out of 'tags' and 'flavor' what differs, such as {{fingerprint}} or {{cuda}}.",
        )
    may_push = request.may_push
    index_tag = f"img-{first.definition.environment_label}-{_fingerprint(plans)}"
    users = tags_to_publish(request.names, first.definition) if may_push else ()
    own = {tag.tag for plan in plans for tag in plan.published_tags}
    tags = (*(tag for tag in users if tag.tag not in own), *(name.tagged(index_tag) for name in request.names))
    if request.inputs.push_untagged:
        tags = tuple(name.tagged(index_tag) for name in request.names)
    built = [plan for plan in plans if plan.decision.kind == BUILD]
    if built:
        reasons = dict.fromkeys(plan.decision.reason for plan in built)
        which = "" if built == list(plans) else f"for {' and '.join(plan.platform for plan in built)}: "
        decision = Decision(kind=BUILD, reason=which + "; ".join(reasons))
        return IndexPlan(plans=tuple(plans), decision=decision, published_tags=tags if may_push else ())
    if not may_push or registry is None:
        return IndexPlan(plans=tuple(plans), decision=replace(first.decision, images=()), published_tags=())
    existing = _existing_index(registry, request.names, index_tag, plans, tags)
    decision = decide(request.event, request.inputs, first.changes, existing, merges=request.merges)
    if decision.kind == BUILD:
        reason = (
            "the image of each platform was built and tested from the same inputs: an index of them gets the tags"
        )
        decision = Decision(kind=PROMOTE, reason=reason, new_tags=tags)
    return IndexPlan(plans=tuple(plans), decision=decision, published_tags=tags)


def _fingerprint(plans: Sequence[Plan]) -> str:
    """Return a hash of what determines the images of all platforms."""
    return fingerprint_of({plan.platform: plan.definition.fingerprint.digest for plan in plans}).short


def _existing_index(
    registry: Registry,
    names: tuple[ImageReference, ...],
    index_tag: str,
    plans: Sequence[Plan],
    tags: Sequence[ImageReference],
) -> ExistingImages:
    """Return the index of exactly these images under each name, and what the tags point to."""
    digests: dict[ImageReference, str] = {}
    indexes: list[ImageReference] = []
    for name in names:
        manifest = registry.get_manifest(name.tagged(index_tag))
        wanted = {image.digest for plan in plans for image in plan.decision.images if image.name == name.name}
        listed = {child.digest for child in manifest.children if not child.is_attestation} if manifest else set()
        if manifest is None or not manifest.is_index or listed != wanted:
            return ExistingImages()
        indexes.append(name.pinned(manifest.digest))
        own = (tag for tag in tags if tag.name == name.name)
        digests |= {
            tag: (registry.get_digest(tag) or "") if tag.tag != index_tag else manifest.digest for tag in own
        }
    return ExistingImages(images=tuple(indexes), tags=digests)
