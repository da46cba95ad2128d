"""The whole job, in order: from event and inputs to a tested image on a registry."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from pixi_container.build_image import built, check_push
from pixi_container.index_report import IndexReport
from pixi_container.log import LabelledLog
from pixi_container.plan.decision import BUILD
from pixi_container.plan.gather import plan_image, plan_platforms
from pixi_container.plan.index_plan import IndexPlan
from pixi_container.publish_sif import check_sif, with_sif
from pixi_container.registry.image_index import image_index, publish_index, read_children
from pixi_container.report import Report
from pixi_container.request import registry_client

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixi_container.log import Log
    from pixi_container.plan.decision import Decision
    from pixi_container.plan.gather import PlatformPlan
    from pixi_container.plan.plan import Plan
    from pixi_container.registry.client import Registry
    from pixi_container.request import Request


def ship(request: Request, log: Log) -> Report | IndexReport:
    """Plan, then either build, test and push, or put tags on existing images, or do nothing.

    Of several platforms, each has an image of its own, and the tags are those of an index. Raises ``UserError``
    for what the user can fix. A push counts as done only after every tag was read back.
    """
    with registry_client(request) as registry:
        with log.step("Plan"):
            platforms = plan_platforms(request, log, registry)
            plan = plan_image(request, platforms, registry)
            log.say(plan.as_text())
        return carry_out(request, plan, platforms, registry, log)


def carry_out(
    request: Request, plan: Plan | IndexPlan, platforms: Sequence[PlatformPlan], registry: Registry, log: Log
) -> Report | IndexReport:
    """Do what the plan of an image says, given those of its platforms."""
    check_sif(request, plan)
    if isinstance(plan, IndexPlan):
        return with_sif(request, _index(plan, platforms, registry, log), log)
    if plan.decision.kind != BUILD:
        return with_sif(request, _with_tags(plan, registry, log), log)
    with built(platforms[0].request, plan, registry, log) as push:
        report = push()
    return with_sif(request, report, log)


def _with_tags(plan: Plan, registry: Registry, log: Log) -> Report:
    """Put the plan's new tags on existing images, without starting a builder or changing a byte."""
    decision = plan.decision
    if not decision.images:
        return Report(plan=plan)
    _put_tags(decision, registry, log)
    first = decision.images[0]
    return Report(
        plan=plan,
        published=registry.get_image(first),
        labels=registry.get_labels(first, plan.definition.workspace.platform.docker),
    )


def _put_tags(decision: Decision, registry: Registry, log: Log) -> None:
    if not decision.new_tags:
        return
    with log.step("Check the registries"):
        check_push(registry, decision.new_tags, log)
    with log.step("Put the tags on the image"):
        for image, tags in decision.tags_to_put:
            registry.tag(image, tags)
            for tag in tags:
                log.say(f"{tag} now points to {image.digest}")


def _index(plan: IndexPlan, platforms: Sequence[PlatformPlan], registry: Registry, log: Log) -> IndexReport:
    """Have the image of each platform built and tested, then push them, and only then have an index of them."""
    reports = {each.plan.platform: Report(plan=each.plan) for each in platforms}
    with ExitStack() as builds:
        pushes = {
            each.plan.platform: builds.enter_context(
                built(each.request, each.plan, registry, LabelledLog(log, each.plan.platform))
            )
            for each in platforms
            if each.plan.decision.kind == BUILD
        }
        reports |= {platform: push() for platform, push in pushes.items()}
    if not plan.published_tags:
        return IndexReport(plan=plan, reports=tuple(reports.values()))
    if plan.decision.images:
        _put_tags(plan.decision, registry, log)
        digest = plan.decision.images[0].digest
    else:
        digest = _publish_index(plan, registry, log)
    return IndexReport(plan=plan, reports=tuple(reports.values()), digest=digest)


def _publish_index(plan: IndexPlan, registry: Registry, log: Log) -> str:
    """Return the digest of the index of what the registry now has for the platforms, under all tags."""
    digest = ""
    with log.step("Push the index"):
        check_push(registry, plan.published_tags, log)
        for name in dict.fromkeys(tag.tagged("") for tag in plan.published_tags):
            images = {each.platform: name.tagged(each.definition.image_tag) for each in plan.plans}
            index = image_index(read_children(registry, images), plan.annotations)
            tags = [tag for tag in plan.published_tags if tag.name == name.name]
            publish_index(registry, index, tags)
            digest = digest or index.digest
            for tag in tags:
                log.say(f"{tag} now points to {index.digest}, of {', '.join(images)}")
    return digest
