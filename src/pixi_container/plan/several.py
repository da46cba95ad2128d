"""The plans of several images, an environment each: made from what they share, and with no tag in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pixi_container.errors import UserError
from pixi_container.log import LabelledLog
from pixi_container.plan.gather import plan_image, plan_platforms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixi_container.log import Log
    from pixi_container.plan.gather import PlatformPlan
    from pixi_container.plan.index_plan import IndexPlan
    from pixi_container.plan.looked_up import LookedUp
    from pixi_container.plan.plan import Plan
    from pixi_container.registry.client import Registry
    from pixi_container.request import Request


class Planned(NamedTuple):
    """The plan of an image, and those for its platforms."""

    plan: Plan | IndexPlan
    platforms: tuple[PlatformPlan, ...]


def plan_images(
    requests: Mapping[str, Request], registry: Registry, looked_up: LookedUp, log: Log
) -> tuple[dict[str, Planned], dict[str, UserError]]:
    """Return the plan of each image by its name, and the errors of those that have none.

    Raises ``UserError`` if two images would get the same tag.
    """
    planned: dict[str, Planned] = {}
    failed: dict[str, UserError] = {}
    for name, request in requests.items():
        try:
            platforms = plan_platforms(request, LabelledLog(log, name), registry, looked_up=looked_up)
            plan = plan_image(request, platforms, registry)
        except UserError as error:
            failed[name] = error
            log.say(f"{name}: cannot be planned: {error.message}")
            continue
        planned[name] = Planned(plan, platforms)
        log.say(f"{name}: {plan.decision.kind}: {plan.decision.reason}")
    check_tags({name: each.plan for name, each in planned.items()})
    return planned, failed


def check_tags(plans: Mapping[str, Plan | IndexPlan]) -> None:
    """Raise ``UserError`` if a tag is that of two images."""
    owners: dict[str, str] = {}
    for name, plan in plans.items():
        for tag in plan.tags:
            other = owners.setdefault(str(tag), name)
            if other != name:
                raise UserError(
                    f"the environments '{other}' and '{name}' would both have the tag {tag}",
                    hint="Put {{environment}} into 'images', 'tags' or 'flavor', such as "
                    "'suffix=-{{environment}},onlatest=true'. Of several workspaces, each can have 'images' of "
                    "its own in the settings of its manifest.",
                )
