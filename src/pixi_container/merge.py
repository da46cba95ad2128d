"""The end of a workflow whose jobs built images: an index of those of each environment, under the user's tags."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.environment_process import Shipped
from pixi_container.environments_report import EnvironmentsReport
from pixi_container.errors import UserError
from pixi_container.log import LabelledLog
from pixi_container.plan.decision import BUILD
from pixi_container.plan.existing import compare
from pixi_container.plan.looked_up import LookedUp
from pixi_container.plan.several import plan_images
from pixi_container.registry.reference import parse_reference
from pixi_container.report import OUTPUTS
from pixi_container.request import registry_client
from pixi_container.ship_environments import without_build

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pixi_container.log import Log
    from pixi_container.plan.plan import Plan
    from pixi_container.plan.several import Planned
    from pixi_container.registry.client import Registry
    from pixi_container.registry.reference import ImageReference
    from pixi_container.request import Request
    from pixi_container.runners import Runners

MERGE_OUTPUTS = {
    **{name: OUTPUTS[name] for name in ("decision", "reason", "pushed", "tags", "digest", "image", "images")},
    "by-environment": "Each image that has its tags as JSON: `name@digest` by environment; of several workspaces, "
    "by `folder:environment`.",
}
"""Every output of the command ``merge`` and its meaning."""


@dataclass(frozen=True)
class MergeReport(EnvironmentsReport):
    """How the image of each environment ended, by the name that it is shown as."""

    def outputs(self) -> dict[str, str]:
        """Return the outputs by name."""
        outputs = super().outputs()
        images = {each.environment: each.outputs["image"] for each in self.shipped if not each.error}
        return {
            **{name: outputs[name] for name in MERGE_OUTPUTS if name in outputs},
            "by-environment": json.dumps({name: image for name, image in images.items() if image}),
        }


def merge(
    requests: Mapping[str, Request], runners: Runners, digests: Sequence[ImageReference], log: Log
) -> MergeReport:
    """Put the tags of each request on what jobs on ``runners`` built and tested, without building anything.

    An environment that lacks an image keeps its tags as they are, and has an error in the report. Raises
    ``UserError``, before any tag changes, if one of ``digests`` is of an image that no tag would go on.
    """
    some = next(iter(requests.values()))
    with registry_client(some) as registry:
        with log.step("Plan"):
            planned, failed = plan_images(requests, registry, LookedUp(some.env, runners), log)
            _check_digests(planned, digests)
        ended = {name: Shipped(environment=name, error=error) for name, error in failed.items()}
        for name, (plan, platforms) in planned.items():
            if lacking := _lacking(planned[name], registry):
                ended[name] = Shipped(environment=name, error=lacking)
            else:
                each_log = LabelledLog(log, name)
                ended[name] = without_build(name, requests[name], plan, platforms, registry, each_log)
    return MergeReport(tuple(ended[name] for name in requests))


def _lacking(image: Planned, registry: Registry) -> UserError | None:
    """Return the error for platforms whose image is not there; None if all are."""
    lacking = [each.plan for each in image.platforms if each.plan.decision.kind == BUILD]
    if not lacking:
        return None
    reasons = "; ".join(
        f"{plan.platform}: {plan.decision.reason}{_differences(plan, registry)}" for plan in lacking
    )
    return UserError(
        f"there is no tested image of this commit's inputs for {reasons}",
        hint="Its build job failed, or had other inputs than this one. No tag of this environment has changed.",
    )


def _differences(plan: Plan, registry: Registry) -> str:
    """Return in what the image under the first tag differs; empty if there is none that tells."""
    reference = parse_reference(plan.tags[0], source="tag") if plan.tags else None
    if reference is None or "differs in" in plan.decision.reason:
        return ""
    try:
        return f"; {reference} differs in: {', '.join(compare(registry, reference, plan.definition)) or 'nothing'}"
    except UserError:
        return ""


def _check_digests(planned: Mapping[str, Planned], digests: Sequence[ImageReference]) -> None:
    plans = [each.plan for images in planned.values() for each in images.platforms]
    there = {str(image) for plan in plans for image in plan.decision.images}
    there |= {str(image) for images in planned.values() for image in images.plan.decision.images}
    if unknown := next((digest for digest in digests if str(digest) not in there), None):
        raise UserError(
            f"{unknown} is not an image that the tags would go on",
            hint="It was made from another commit or with other inputs, was not tested, or is no longer there. "
            "No tag has changed.",
        )
