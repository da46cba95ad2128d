"""The commit that is checked out against the event's: the former is built, and tags speak of the latter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pixi_container.errors import NotPermittedError
from pixi_container.runner.event import LOCAL

if TYPE_CHECKING:
    from pixi_container.runner.event import Event


@dataclass(frozen=True)
class CheckedOut:
    """What is checked out: its commit ``sha``, and its ``repository`` as the checkout's origin names it.

    Each is empty where it is not known. ``is_later`` tells that the commit descends from the event's.
    """

    sha: str = ""
    repository: str = ""
    is_later: bool = False


@dataclass(frozen=True)
class Spoken:
    """The ``event`` that tags and labels speak of, what there is to say of it, and what forbids to push."""

    event: Event
    note: str = ""
    problem: NotPermittedError | None = None


def event_to_speak_of(event: Event, checkout: CheckedOut, *, may_push: bool) -> Spoken:
    """Have the event speak of the commit that is checked out, where that is another one than its own.

    A commit that the job made itself, on top of the event's, is on the event's branch as soon as it is pushed. Any
    other one must not be pushed under tags that name the event's.
    """
    if not checkout.sha or checkout.sha == event.sha or event.name == LOCAL:
        return Spoken(event)
    if checkout.repository and event.repository and checkout.repository.lower() != event.repository.lower():
        return Spoken(
            event, f"the checkout is of {checkout.repository}; tags and labels are of {event.repository}"
        )
    differs = f"the checkout is at {checkout.sha[:7]}, while the event '{event.name}' is about {event.sha[:7]}"
    if may_push and not checkout.is_later:
        return Spoken(
            event,
            problem=NotPermittedError(
                f"{differs}: the image would have the tags of a commit that it is not made of",
                hint="Leave 'ref' out at actions/checkout and start the workflow on that branch or tag, or set "
                "'push' to false.",
            ),
        )
    note = f"{differs}: the image is made of what is checked out, and its labels say so"
    return Spoken(replace(event, sha=checkout.sha), note)
