"""Make the plan: read the workspace, find what changed, define the image, look it up, and decide."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from pixi_container.changes.comparison import Changes, Relevance, assumed, comparison_for, not_consulted
from pixi_container.changes.detect import changes_from, find_changes, running_workflow, workspace_prefix
from pixi_container.changes.git import compare_revisions
from pixi_container.docker.builder import (
    NO_BUILDER,
    BuilderKind,
    builder_kind,
    machine_platform,
    native_platform,
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
from pixi_container.plan.plan import make_plan, may_reuse_environment, tags_to_publish
from pixi_container.plan.problems import problems_of
from pixi_container.request import may_push
from pixi_container.runner.checked_out import event_for_checkout
from pixi_container.runner.checkout import what_is_checked_out
from pixi_container.workspace.named_contexts import named_folders
from pixi_container.workspace.workspace import read_workspace

if TYPE_CHECKING:
    from pixi_container.image.base_definition import BaseDefinition
    from pixi_container.image.base_images import BaseImages
    from pixi_container.image.definition import ImageDefinition
    from pixi_container.image.own_dockerfile import OwnDockerfile
    from pixi_container.log import Log
    from pixi_container.plan.existing import ExistingBase
    from pixi_container.plan.plan import Plan
    from pixi_container.registry.client import Registry
    from pixi_container.registry.reference import ImageReference
    from pixi_container.request import Request
    from pixi_container.workspace.workspace import Workspace


@dataclass(frozen=True)
class MachineEngine:
    """The platform to build for, and why there is no engine; empty if there is one or none is wanted."""

    platform: str = ""
    missing: str = ""


def plan_for(request: Request, log: Log, registry: Registry | None, *, tolerant: bool = False) -> Plan:
    """Return the plan. Without a ``registry``, neither a registry nor the engine is asked.

    Raises ``UserError`` for problems that keep the build from starting; if ``tolerant``, they are only warnings.
    """
    request, differs = _with_checked_out_commit(request, log, tolerant=tolerant)
    _warn_of_limits(request, log)
    engine = _engine(request) if registry else MachineEngine()
    own = read_own_dockerfile(request.inputs)
    workspace = _read_workspace(request, log, engine.platform, own, tolerant=tolerant)
    changes = _find_changes(request, workspace, log, differs) if registry else not_consulted("the plan is offline")
    skip = nothing_to_do(request.event, request.inputs, changes)
    if skip:
        registry = None
    with ThreadPoolExecutor(1) as aside:
        # This takes as long as the registry's answers, so it starts before they tell whether a build is needed.
        kind = aside.submit(_builder, request, engine) if registry else None
        definition, base = _define_image(request, workspace, own, registry, log)
        existing = _look_up(request, definition, registry, log) if registry else ExistingImages()
        existing = replace(existing, base=base)
        decision = skip or decide(request.event, request.inputs, changes, existing)
        builder = kind.result() if kind and decision.kind == BUILD else BuilderKind()
    plan = make_plan(request, definition, changes, existing, decision, builder)
    for note in plan.notes:
        log.warning(note)
    return plan


def changes_of(request: Request, log: Log) -> Changes:
    """Return what the event changed, including the relevant files."""
    return _find_changes(request, read_workspace(request.inputs), log)


def changes_between(request: Request, base: str, head: str) -> Changes:
    """Return what changed between two revisions of the checkout. Raises ``UserError`` for an unknown revision."""
    changes = changes_from(compare_revisions(request.context, base, head, request.env), "git")
    return _with_relevance(request, read_workspace(request.inputs), changes)


def _with_checked_out_commit(request: Request, log: Log, *, tolerant: bool) -> tuple[Request, str]:
    """Return the request for the checked-out commit, and a note if it is not the event's commit."""
    checkout = what_is_checked_out(request.context, request.event, request.env)
    described = event_for_checkout(request.event, checkout, may_push=request.may_push)
    if described.problem and not tolerant:
        raise described.problem
    note = str(described.problem or described.note)
    if note:
        log.warning(note)
    return replace(request, event=described.event), note


def _warn_of_limits(request: Request, log: Log) -> None:
    event = request.event
    if not event.is_known:
        log.warning(f"{may_push(event, request.inputs)[1]}: the image is built and tested only")
    for name in request.withheld:
        log.warning(
            f"'{name}' is withheld: on the event '{event.name}', the checked-out code may be untrusted, and the "
            "build would expose the credentials to it"
        )


def _engine(request: Request) -> MachineEngine:
    """Return the engine's platform, or this machine's where there is no engine and none is needed to push."""
    if request.inputs.builder == NO_BUILDER:
        return MachineEngine(machine_platform())
    try:
        return MachineEngine(native_platform(request.env))
    except ToolUnavailableError as error:
        if not _does_without_builder(request):
            raise
        return MachineEngine(machine_platform(), error.message)


def _does_without_builder(request: Request) -> bool:
    """Tell whether a missing builder is no error yet: none is named, and a push needs no engine."""
    return not request.inputs.builder and request.may_push


def _builder(request: Request, engine: MachineEngine) -> BuilderKind:
    if engine.missing or request.inputs.builder == NO_BUILDER:
        return BuilderKind(driver=NO_BUILDER, missing=engine.missing)
    try:
        return builder_kind(request.inputs.builder, request.env)
    except ToolUnavailableError as error:
        if not _does_without_builder(request):
            raise
        return BuilderKind(driver=NO_BUILDER, missing=error.message)


def _read_workspace(
    request: Request, log: Log, platform: str, own: OwnDockerfile | None, *, tolerant: bool
) -> Workspace:
    workspace = read_workspace(
        request.inputs, platform, needs_environment=own is None or own.builds_on_environment
    )
    for problem in problems_of(workspace, copies_included=own is None):
        if not tolerant:
            raise problem
        log.warning(str(problem))
    if workspace.config.unused:
        log.warning(workspace.config.unused)
    return workspace


def _find_changes(request: Request, workspace: Workspace, log: Log, differs: str = "") -> Changes:
    """Return what the event changed; everything counts as changed if the checkout ``differs`` from the event."""
    asks = not isinstance(comparison_for(request.event), Changes)
    if asks and workspace_prefix(request.context) is None:
        return assumed(f"'{request.context}' is not in a Git checkout; changes cannot be determined")
    changes = find_changes(request.event, request.inputs.github_token, request.env, log.say)
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
        existing = find_images(registry, names, definition, tags_to_publish(names, definition), log.say)
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
