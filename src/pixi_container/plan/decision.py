"""The decision: skip, promote or build, and why, from what changed and what the registry has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixi_container.display import shown_path
from pixi_container.registry.reference import name_of
from pixi_container.request import may_push
from pixi_container.runner.event import LOCAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixi_container.changes.comparison import Changes
    from pixi_container.inputs import Inputs
    from pixi_container.registry.reference import ImageReference
    from pixi_container.runner.event import Event

SKIP, PROMOTE, BUILD = "skip", "promote", "build"

_ASKS_FOR_NEWS = frozenset({"schedule", "workflow_dispatch", "repository_dispatch", LOCAL})


@dataclass(frozen=True, kw_only=True)
class Published:
    """What the registry has of the image to be made.

    ``images`` have the image's fingerprint, one for each name in their order, or none where a name lacks it.
    ``environment`` has that of its environment, and ``previous`` is the last image that was made of an environment
    of this name. All are by digest. ``tags`` are the digests that the planned tags point to, empty for one that
    does not exist. ``differences`` names, where there is no such image, the parts in which the one under
    ``compared`` differs.
    """

    images: tuple[ImageReference, ...] = ()
    environment: ImageReference | None = None
    previous: ImageReference | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    compared: str = ""
    differences: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Decision:
    """``kind`` is ``skip``, ``promote`` or ``build``; ``reason`` is one sentence.

    ``images`` are what there is already, one for each name, and ``new_tags`` are put on that of their name.
    """

    kind: str
    reason: str
    images: tuple[ImageReference, ...] = ()
    new_tags: tuple[str, ...] = ()


def nothing_to_do(event: Event, inputs: Inputs, changes: Changes, relevant: tuple[str, ...]) -> Decision | None:
    """Return the decision to skip that needs no look at the registry, if it is one, as nothing would be pushed."""
    pushes, _ = may_push(event, inputs)
    if pushes or event.name == LOCAL or not _is_unchanged(inputs, changes, relevant):
        return None
    return Decision(kind=SKIP, reason=f"nothing that the image depends on changed: {changes.reason}")


def decide(
    event: Event,
    inputs: Inputs,
    changes: Changes,
    relevant: tuple[str, ...],
    published: Published,
) -> Decision:
    """Decide what happens. ``relevant`` are the changed files that the image depends on.

    On an event that pushes, what the registry has decides, and never the changes alone: the run before may have
    failed, and its image may be gone.
    """
    pushes, why_not = may_push(event, inputs)
    if not pushes:
        what = _what_changed(changes, relevant)
        return Decision(kind=BUILD, reason=f"{what}: it is built and tested, not pushed, as {why_not}")
    existing = published.images
    # What a Dockerfile or template of the user's own fetches may be new although nothing here is.
    news = bool(inputs.dockerfile or inputs.template) and event.name in _ASKS_FOR_NEWS
    unchanged = _is_unchanged(inputs, changes, relevant)
    if existing and not news:
        digests = {image.name: image.digest for image in existing}
        missing = tuple(tag for tag, digest in published.tags.items() if digest != digests[name_of(tag)])
        image = f"{existing[0].name}@{existing[0].digest[:19]}"
        if inputs.skip_unchanged and not missing:
            return Decision(kind=SKIP, reason=f"{image} is up to date under every tag", images=existing)
        if unchanged:
            return Decision(
                kind=SKIP,
                reason=f"nothing that the image depends on changed: the tags are put on {image}",
                images=existing,
                new_tags=missing,
            )
        if inputs.promote:
            return Decision(
                kind=PROMOTE,
                reason=f"{image} was built and tested from the same inputs: it gets the tags",
                images=existing,
                new_tags=missing,
            )
    what = "nothing changed here" if unchanged else _what_changed(changes, relevant)
    return Decision(kind=BUILD, reason=f"{what}, {_why_not_reused(published, news=news)}")


def _is_unchanged(inputs: Inputs, changes: Changes, relevant: tuple[str, ...]) -> bool:
    return inputs.skip_unchanged and changes.known and not relevant


def _what_changed(changes: Changes, relevant: tuple[str, ...]) -> str:
    if not changes.consulted:
        return changes.reason
    if not changes.known:
        return f"everything counts as changed, as {changes.reason}"
    if not relevant:
        return "'skip-unchanged' is false"
    more = f" and {len(relevant) - 1} more" if len(relevant) > 1 else ""
    since = f" since {changes.base[:7]}" if changes.base else ""
    return f"{shown_path(relevant[0])}{more} changed{since}"


def _why_not_reused(published: Published, *, news: bool) -> str:
    if published.images and news:
        return "and a Dockerfile or template of your own may fetch what is new"
    if published.images:
        return "and 'promote' is false"
    if published.differences:
        return f"and {published.compared} differs in: {', '.join(published.differences)}"
    return "and the registry has no image of it"
