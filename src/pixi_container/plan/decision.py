"""Decide between skip, promote and build, from what changed and what the registry has."""

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
    """A decision: ``kind`` is ``skip``, ``promote`` or ``build``; ``reason`` is one sentence.

    ``images`` are the existing images, one per name. Each of ``new_tags`` goes on the image of the same name.
    """

    kind: str
    reason: str
    images: tuple[ImageReference, ...] = ()
    new_tags: tuple[ImageReference, ...] = ()

    @property
    def tags_to_put(self) -> tuple[tuple[ImageReference, tuple[ImageReference, ...]], ...]:
        """Each existing image with the new tags of its name."""
        return tuple(
            (image, tuple(tag for tag in self.new_tags if tag.name == image.name)) for image in self.images
        )


def nothing_to_do(event: Event, inputs: Inputs, changes: Changes) -> Decision | None:
    """Return the decision to skip if no registry is needed for it: nothing changed and nothing would be pushed."""
    pushes, _ = may_push(event, inputs)
    if pushes or inputs.refresh or event.name == LOCAL or not _is_unchanged(inputs, changes):
        return None
    return Decision(kind=SKIP, reason=f"no relevant file changed: {changes.reason}")


def decide(
    event: Event, inputs: Inputs, changes: Changes, existing: ExistingImages, *, merges: bool = False
) -> Decision:
    """Return the decision; one that ``merges`` takes every image that there is, because jobs just built it.

    On an event that pushes, the changes alone never decide, but also what the registry has: the previous run may
    have failed, or its image may be gone.
    """
    pushes, why_not = may_push(event, inputs)
    if not pushes:
        what = _what_changed(changes)
        return Decision(
            kind=BUILD, reason=f"{what}; the image is built and tested but not pushed, because {why_not}"
        )
    # A user-supplied Dockerfile or template may fetch something new although no file changed.
    news = not merges and bool(inputs.dockerfile or inputs.template) and event.name in _ASKS_FOR_NEWS
    unchanged = _is_unchanged(inputs, changes)
    images = existing.images
    if images and not news:
        digests = {image.name: image.digest for image in images}
        missing = tuple(tag for tag, digest in existing.tags.items() if digest != digests[tag.name])
        image = f"{images[0].name}@{images[0].digest[:19]}"
        # An image without the user's tags always has all of its tags.
        is_wanted_anew = inputs.push_untagged and not unchanged and not inputs.promote and not merges
        if inputs.skip_unchanged and not missing and not is_wanted_anew:
            return Decision(kind=SKIP, reason=f"{image} is up to date under every tag", images=images)
        if unchanged:
            return Decision(
                kind=SKIP,
                reason=f"no relevant file changed: the tags go on {image}",
                images=images,
                new_tags=missing,
            )
        if inputs.promote or merges:
            return Decision(
                kind=PROMOTE,
                reason=f"{image} was built and tested from the same inputs: the tags go on it",
                images=images,
                new_tags=missing,
            )
    what = "no relevant file changed" if unchanged else _what_changed(changes)
    return Decision(kind=BUILD, reason=f"{what}, {_why_not_reused(inputs, existing, news=news)}")


def _is_unchanged(inputs: Inputs, changes: Changes) -> bool:
    return inputs.skip_unchanged and changes.known and not changes.relevant


def _what_changed(changes: Changes) -> str:
    relevant = changes.relevant
    if not changes.consulted:
        return changes.reason
    if not changes.known:
        return f"everything counts as changed, because {changes.reason}"
    if not relevant:
        return "'skip-unchanged' is false"
    more = f" and {len(relevant) - 1} more" if len(relevant) > 1 else ""
    since = f" since {changes.base[:7]}" if changes.base else ""
    return f"{shown_path(relevant[0])}{more} changed{since}"


def _why_not_reused(inputs: Inputs, existing: ExistingImages, *, news: bool) -> str:
    if existing.images and news:
        return "but your own Dockerfile or template may fetch newer content"
    if existing.images:
        return "and 'promote' is false"
    if inputs.refresh:
        return "and 'refresh' asks for a new base"
    if existing.differences:
        return f"and {existing.compared} differs in: {', '.join(existing.differences)}"
    return "and the registry has no image of this state"
