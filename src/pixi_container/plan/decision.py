"""The decision: skip, promote or build, and why, from what changed and what the registry has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.display import shown_path
from pixi_container.request import may_push
from pixi_container.runner.event import LOCAL

if TYPE_CHECKING:
    from pixi_container.changes.comparison import Changes
    from pixi_container.inputs import Inputs
    from pixi_container.plan.existing import ExistingImages
    from pixi_container.registry.reference import ImageReference
    from pixi_container.runner.event import Event

SKIP, PROMOTE, BUILD = "skip", "promote", "build"

_ASKS_FOR_NEWS = frozenset({"schedule", "workflow_dispatch", "repository_dispatch", LOCAL})


@dataclass(frozen=True, kw_only=True)
class Decision:
    """``kind`` is ``skip``, ``promote`` or ``build``; ``reason`` is one sentence.

    ``images`` are what there is already, one for each name, and ``new_tags`` are put on that of their name.
    """

    kind: str
    reason: str
    images: tuple[ImageReference, ...] = ()
    new_tags: tuple[ImageReference, ...] = ()

    @property
    def tags_to_put(self) -> tuple[tuple[ImageReference, tuple[ImageReference, ...]], ...]:
        """Each of the images with the new tags of its name."""
        return tuple(
            (image, tuple(tag for tag in self.new_tags if tag.name == image.name)) for image in self.images
        )


def nothing_to_do(event: Event, inputs: Inputs, changes: Changes) -> Decision | None:
    """Return the decision to skip that needs no look at the registry, if it is one, as nothing would be pushed."""
    pushes, _ = may_push(event, inputs)
    if pushes or event.name == LOCAL or not _is_unchanged(inputs, changes):
        return None
    return Decision(kind=SKIP, reason=f"nothing that the image depends on changed: {changes.reason}")


def decide(event: Event, inputs: Inputs, changes: Changes, existing: ExistingImages) -> Decision:
    """Decide what happens.

    On an event that pushes, what the registry has decides, and never the changes alone: the run before may have
    failed, and its image may be gone.
    """
    pushes, why_not = may_push(event, inputs)
    if not pushes:
        what = _what_changed(changes)
        return Decision(kind=BUILD, reason=f"{what}: it is built and tested, not pushed, as {why_not}")
    # What a Dockerfile or template of the user's own fetches may be new although nothing here is.
    news = bool(inputs.dockerfile or inputs.template) and event.name in _ASKS_FOR_NEWS
    unchanged = _is_unchanged(inputs, changes)
    images = existing.images
    if images and not news:
        digests = {image.name: image.digest for image in images}
        missing = tuple(tag for tag, digest in existing.tags.items() if digest != digests[tag.name])
        image = f"{images[0].name}@{images[0].digest[:19]}"
        if inputs.skip_unchanged and not missing:
            return Decision(kind=SKIP, reason=f"{image} is up to date under every tag", images=images)
        if unchanged:
            return Decision(
                kind=SKIP,
                reason=f"nothing that the image depends on changed: the tags are put on {image}",
                images=images,
                new_tags=missing,
            )
        if inputs.promote:
            return Decision(
                kind=PROMOTE,
                reason=f"{image} was built and tested from the same inputs: it gets the tags",
                images=images,
                new_tags=missing,
            )
    what = "nothing changed here" if unchanged else _what_changed(changes)
    return Decision(kind=BUILD, reason=f"{what}, {_why_not_reused(existing, news=news)}")


def _is_unchanged(inputs: Inputs, changes: Changes) -> bool:
    return inputs.skip_unchanged and changes.known and not changes.relevant


def _what_changed(changes: Changes) -> str:
    relevant = changes.relevant
    if not changes.consulted:
        return changes.reason
    if not changes.known:
        return f"everything counts as changed, as {changes.reason}"
    if not relevant:
        return "'skip-unchanged' is false"
    more = f" and {len(relevant) - 1} more" if len(relevant) > 1 else ""
    since = f" since {changes.base[:7]}" if changes.base else ""
    return f"{shown_path(relevant[0])}{more} changed{since}"


def _why_not_reused(existing: ExistingImages, *, news: bool) -> str:
    if existing.images and news:
        return "and a Dockerfile or template of your own may fetch what is new"
    if existing.images:
        return "and 'promote' is false"
    if existing.differences:
        return f"and {existing.compared} differs in: {', '.join(existing.differences)}"
    return "and the registry has no image of it"
