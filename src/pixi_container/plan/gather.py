"""Make the plan: read the workspace, find what changed, define the image, look it up, and decide."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

from pixi_container.changes.comparison import Changes, Relevance, assumed, comparison_for, not_consulted
from pixi_container.changes.detect import changes_from, running_workflow, workspace_prefix
from pixi_container.changes.git import compare_revisions
from pixi_container.docker.builder import (
    NO_BUILDER,
    BuilderKind,
    builder_for,
    builder_of_nodes,
)
from pixi_container.errors import ToolUnavailableError, UserError
from pixi_container.image.base_definition import define_base
from pixi_container.image.base_images import choose_base_images
from pixi_container.image.definition import define_image
from pixi_container.image.files import read_image_files, relevant_paths
from pixi_container.image.instructions import read_instructions
from pixi_container.image.metadata import facts_for, workspace_expressions
from pixi_container.image.own_dockerfile import read_own_dockerfile
from pixi_container.image.sources import read_sources
from pixi_container.plan.decision import BUILD, decide, nothing_to_do
from pixi_container.plan.existing import ExistingImages, find_base, find_environment, find_images
from pixi_container.plan.index_plan import plan_index
from pixi_container.plan.looked_up import LookedUp
from pixi_container.plan.plan import make_plan, may_reuse_environment, tags_to_publish
from pixi_container.plan.problems import problems_of
from pixi_container.plan.target_platform import (
    MachineEngine,
    does_without_builder,
    machine_engine,
    requests_by_platform,
)
from pixi_container.request import may_push
from pixi_container.runner.checked_out import event_for_checkout
from pixi_container.runner.checkout import what_is_checked_out
from pixi_container.workspace.named_contexts import named_folders
from pixi_container.workspace.workspace import read_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixi_container.image.base_definition import BaseDefinition
    from pixi_container.image.base_images import BaseImages
    from pixi_container.image.definition import ImageDefinition
    from pixi_container.image.own_dockerfile import OwnDockerfile
    from pixi_container.log import Log
    from pixi_container.plan.existing import ExistingBase
    from pixi_container.plan.index_plan import IndexPlan
    from pixi_container.plan.plan import Plan
    from pixi_container.registry.client import Registry
    from pixi_container.registry.reference import ImageReference
    from pixi_container.request import Request
    from pixi_container.workspace.workspace import Workspace


class PlatformPlan(NamedTuple):
    """What is asked for one platform, and the plan for it."""

    request: Request
    plan: Plan


def plan_platforms(
    request: Request,
    log: Log,
    registry: Registry | None,
    *,
    tolerant: bool = False,
    looked_up: LookedUp | None = None,
) -> tuple[PlatformPlan, ...]:
    """Return the plans for the image's platforms, as ``plan_for`` makes each."""
    looked_up = looked_up or LookedUp(request.env)
    return tuple(
        PlatformPlan(each, plan_for(each, log, registry, tolerant=tolerant, looked_up=looked_up))
        for each in requests_by_platform(request, registry, looked_up, log)
    )


def plan_image(request: Request, platforms: Sequence[PlatformPlan], registry: Registry | None) -> Plan | IndexPlan:
    """Return the plan of an image: that of its only platform, or that of an index, as ``plan_index`` makes it."""
    first, *others = platforms
    return plan_index(request, [each.plan for each in platforms], registry) if others else first.plan


def plan_for(
    request: Request,
    log: Log,
    registry: Registry | None,
    *,
    tolerant: bool = False,
    looked_up: LookedUp | None = None,
) -> Plan:
    """Return the plan. Without a ``registry``, neither a registry nor the engine is asked.

    ``looked_up`` is what the plans of one run share. Raises ``UserError`` for problems that keep the build from
    starting; if ``tolerant``, they are only warnings.
    """
    looked_up = looked_up or LookedUp(request.env)
    request, differs = _with_checked_out_commit(request, log, looked_up, tolerant=tolerant)
    engine = machine_engine(request, looked_up) if registry else MachineEngine(request.platform)
    own = read_own_dockerfile(request.inputs)
    workspace = _read_workspace(request, log, engine.platform, own, looked_up, tolerant=tolerant)
    changes = not_consulted("the plan is offline")
    if registry:
        changes = _find_changes(request, workspace, log, looked_up, differs)
    skip = nothing_to_do(request.event, request.inputs, changes)
    if skip:
        registry = None
    with ThreadPoolExecutor(1) as aside:
        # This takes as long as the registry's answers, so it starts before they tell whether a build is needed.
        builds_here = registry and not looked_up.runners
        kind = aside.submit(_builder, request, engine, looked_up) if builds_here else None
        definition, base = _define_image(request, workspace, own, registry, log)
        existing = _look_up(request, definition, registry, log) if registry else ExistingImages()
        existing = replace(existing, base=base)
        decision = skip or decide(request.event, request.inputs, changes, existing, merges=request.merges)
        builder = BuilderKind()
        if decision.kind == BUILD:
            builder = kind.result() if kind else _builder_not_asked(request, workspace.platform.docker)
    plan = make_plan(request, definition, changes, existing, decision, builder)
    for note in plan.notes:
        log.warning(note)
    return plan


def changes_of(request: Request, log: Log) -> Changes:
    """Return what the event changed, including the relevant files."""
    return _find_changes(request, read_workspace(request.inputs), log, LookedUp(request.env))


def changes_between(request: Request, base: str, head: str) -> Changes:
    """Return what changed between two revisions of the checkout. Raises ``UserError`` for an unknown revision."""
    changes = changes_from(compare_revisions(request.context, base, head, request.env), "git")
    return _with_relevance(request, read_workspace(request.inputs), changes)


def _with_checked_out_commit(
    request: Request, log: Log, looked_up: LookedUp, *, tolerant: bool
) -> tuple[Request, str]:
    """Return the request for the checked-out commit, and a note if it is not the event's commit.

    Warns of that, and of what this event does not allow, if this is the first of the run's plans.
    """
    described = looked_up.checked_out
    if described is None:
        checkout = what_is_checked_out(request.context, request.event, request.env)
        described = event_for_checkout(request.event, checkout, may_push=request.may_push)
        if described.problem and not tolerant:
            raise described.problem
        if note := str(described.problem or described.note):
            log.warning(note)
        _warn_of_limits(replace(request, event=described.event), log)
        looked_up.checked_out = described
    return replace(request, event=described.event), str(described.problem or described.note)


def _warn_of_limits(request: Request, log: Log) -> None:
    event = request.event
    if not event.is_known:
        log.warning(f"{may_push(event, request.inputs)[1]}: the image is built and tested only")
    for name in request.withheld:
        log.warning(
            f"'{name}' is withheld: on the event '{event.name}', the checked-out code may be untrusted, and the "
            "build would expose the credentials to it"
        )


def _builder(request: Request, engine: MachineEngine, looked_up: LookedUp) -> BuilderKind:
    if engine.missing or request.inputs.builder == NO_BUILDER:
        return BuilderKind(driver=NO_BUILDER, missing=engine.missing)
    if request.inputs.nodes:
        looked_up.check_buildx()
        return _builder_not_asked(request, engine.platform)
    try:
        kind = looked_up.builder_kind(request.inputs.builder)
    except ToolUnavailableError as error:
        if not does_without_builder(request):
            raise
        return BuilderKind(driver=NO_BUILDER, missing=error.message)
    return builder_for(kind, engine.platform, request.inputs.emulation) if engine.is_foreign else kind


def _builder_not_asked(request: Request, platform: str) -> BuilderKind:
    """Return what is known of the builder without asking: all of one that is made of nodes, else the usual."""
    nodes = request.inputs.nodes
    if not nodes:
        return BuilderKind()
    return builder_of_nodes(tuple(name for node in nodes for name in node.platforms), platform)


def _read_workspace(
    request: Request,
    log: Log,
    platform: str,
    own: OwnDockerfile | None,
    looked_up: LookedUp,
    *,
    tolerant: bool,
) -> Workspace:
    workspace = read_workspace(
        request.inputs,
        platform,
        needs_environment=own is None or own.builds_on_environment,
        read=looked_up.manifest_and_lock,
    )
    for problem in problems_of(workspace, copies_included=own is None):
        if not tolerant:
            raise problem
        log.warning(str(problem))
    if workspace.config.unused:
        log.warning(workspace.config.unused)
    return workspace


def _find_changes(
    request: Request, workspace: Workspace, log: Log, looked_up: LookedUp, differs: str = ""
) -> Changes:
    """Return what the event changed; everything counts as changed if the checkout ``differs`` from the event."""
    asks = not isinstance(comparison_for(request.event), Changes)
    if asks and workspace_prefix(request.context) is None:
        return assumed(f"'{request.context}' is not in a Git checkout; changes cannot be determined")
    changes = looked_up.changes(request.event, request.inputs.github_token, log.say)
    if differs and changes.consulted:
        return assumed(differs, base=changes.base, head=changes.head)
    return _with_relevance(request, workspace, changes)


def _with_relevance(request: Request, workspace: Workspace, changes: Changes) -> Changes:
    if not changes.files:
        return changes
    pixi_version = choose_base_images(request.inputs, workspace).pixi_version
    folders = named_folders(workspace.context, request.inputs.build_contexts)
    instructions = read_instructions(workspace.context, request.inputs.instructions, "instructions")
    relevance = Relevance(
        paths=relevant_paths(workspace, request.inputs, pixi_version, instructions),
        patterns=request.inputs.paths,
        prefix=workspace_prefix(workspace.context) or "",
        workflow=running_workflow(request.env),
        folders=tuple(path for folder in folders for path in folder.paths),
    )
    return replace(changes, relevant=relevance.of(changes.files))


def _define_image(
    request: Request, workspace: Workspace, own: OwnDockerfile | None, registry: Registry | None, log: Log
) -> tuple[ImageDefinition, ExistingBase | None]:
    """Return the definition, and the base that the registry has for it."""
    inputs = request.inputs
    bases = _choose_bases(request, workspace, registry, log)
    expressions = workspace_expressions(workspace, bases.pixi_version, bases.builder)
    sources = read_sources(inputs, workspace, request.env, own)
    files = read_image_files(workspace, inputs, bases.pixi_version, sources.instructions)
    base = define_base(inputs, workspace, bases, sources.base_instructions, files.digests["base"])
    existing, refreshed = None, ""
    if registry and base and bases.runtime.digest:
        existing, refreshed = _find_base(request, base, workspace.platform.docker, registry, log)
    definition = define_image(
        request.event,
        inputs,
        sources,
        bases,
        facts_for(request.event, workspace.context, expressions, request.env),
        files,
        _version_tags(request, registry),
        refreshed=refreshed,
    )
    return definition, existing


def _find_base(
    request: Request, base: BaseDefinition, platform: str, registry: Registry, log: Log
) -> tuple[ExistingBase | None, str]:
    """Return the base that may be used, and when it was last built anew, which may be now."""
    if request.inputs.refresh:
        return None, _now()
    if not request.inputs.reuse_environment or not request.names:
        return None, ""
    try:
        existing = find_base(registry, request.names, base, platform, log.say)
    except UserError as error:
        # What is on the registry may have been refreshed since any image that would match without this.
        log.say(f"could not look for the base image: {error.message}")
        return None, _now()
    return existing, existing.refreshed if existing else ""


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _choose_bases(request: Request, workspace: Workspace, registry: Registry | None, log: Log) -> BaseImages:
    if not registry:
        return choose_base_images(request.inputs, workspace)
    return choose_base_images(
        request.inputs,
        workspace,
        published=registry.get_tags,
        pin=lambda reference: _pinned(reference, registry, log),
    )


def _look_up(request: Request, definition: ImageDefinition, registry: Registry, log: Log) -> ExistingImages:
    """Look for the image if the run may push, and for its environment if no image can be promoted."""
    inputs, names = request.inputs, request.names
    existing = ExistingImages()
    if request.may_push and definition.is_pinned and not request.keep:
        tags = tags_to_publish(names, definition, untagged=inputs.push_untagged)
        existing = find_images(registry, names, definition, tags, log.say)
    if existing.images and inputs.promote:
        return existing
    if names and may_reuse_environment(inputs, definition):
        return replace(existing, environment=find_environment(registry, names, definition, log.say))
    return existing


def _pinned(reference: ImageReference, registry: Registry, log: Log) -> ImageReference:
    """Return a base image pinned to the current digest of its tag, so that plan and build use the same image."""
    from pixi_container.errors import RegistryUnavailableError

    if reference.digest:
        return reference
    try:
        digest = registry.get_digest(reference if reference.tag else reference.tagged("latest"))
    except RegistryUnavailableError as error:
        # The builder may still reach it through a mirror or its cache.
        log.warning(f"{reference} could not be pinned by digest, so nothing is reused: {error.message}")
        return reference
    if digest is None:
        raise UserError(
            f"the image {reference} does not exist",
            hint="Check 'pixi-version', 'pixi-image' and 'runtime-image'.",
        )
    return reference.pinned(digest)


def _version_tags(request: Request, registry: Registry | None) -> tuple[str, ...] | None:
    """Return the tags in the registry if they can matter, which is on a Git tag that may push; else None."""
    if not registry or not request.event.tag or not request.may_push:
        return None
    return tuple(dict.fromkeys(tag for name in request.names for tag in registry.get_tags(name)))
