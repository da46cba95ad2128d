"""Compare the checked-out commit, which is built, with the event's commit, which tags and labels name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pixi_container.errors import NotPermittedError
from pixi_container.runner.event import LOCAL

if TYPE_CHECKING:
    from pixi_container.runner.event import Event


@dataclass(frozen=True)
class CheckedOut:
    """The checked-out commit ``sha``, and the ``repository`` that the checkout's origin names.

    Each is empty if unknown. ``is_later`` is true if the commit descends from the event's commit.
    """

    sha: str = ""
    repository: str = ""
    is_later: bool = False


@dataclass(frozen=True)
class EventForCheckout:
    """The ``event`` that tags and labels name, a ``note`` for the log, and the ``problem`` that forbids a push."""

    event: Event
    note: str = ""
    problem: NotPermittedError | None = None


def event_for_checkout(event: Event, checkout: CheckedOut, *, may_push: bool) -> EventForCheckout:
    """Return the event with the checked-out commit in place of its own, if the two differ.

    A commit that the job made on top of the event's commit will be on the event's branch once it is pushed. An
    image of any other commit must not be pushed under tags that name the event's commit.
    """
    if not checkout.sha or checkout.sha == event.sha or event.name == LOCAL:
        return EventForCheckout(event)
    if checkout.repository and event.repository and checkout.repository.lower() != event.repository.lower():
        return EventForCheckout(
            event, f"the checkout is of {checkout.repository}; tags and labels name {event.repository}"
        )
    differs = f"the checkout is at {checkout.sha[:7]}, while the event '{event.name}' is about {event.sha[:7]}"
    if may_push and not checkout.is_later:
        return EventForCheckout(
            event,
            problem=NotPermittedError(
                f"{differs}: the image would get the tags of a commit that it was not built from",
                hint="Remove 'ref' from actions/checkout and start the workflow on that branch or tag, or set "
                "'push' to false.",
            ),
        )
    note = f"{differs}: the image is built from the checked-out commit, and its labels name that commit"
    return EventForCheckout(replace(event, sha=checkout.sha), note)
