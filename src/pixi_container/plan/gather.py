"""Making the plan: read the workspace, find what changed, define the image, look it up, and decide."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from pixi_container.changes.comparison import Changes, Relevance, assumed, comparison_for, not_consulted
from pixi_container.changes.detect import find_changes, known, running_workflow, workspace_prefix
from pixi_container.changes.git import compare_revisions
from pixi_container.docker.builder import BuilderKind, builder_kind, native_platform
from pixi_container.errors import UserError
from pixi_container.image.base_images import choose_base_images
from pixi_container.image.definition import define_image
from pixi_container.image.files import read_image_files, relevant_paths
from pixi_container.image.metadata import facts_for, workspace_expressions
from pixi_container.image.sources import read_sources
from pixi_container.plan.decision import BUILD, decide, nothing_to_do
from pixi_container.plan.existing import ExistingImages, find_environment, find_images
from pixi_container.plan.plan import make_plan, may_reuse_environment, tags_to_publish
from pixi_container.plan.problems import problems_of
from pixi_container.request import may_push
from pixi_container.runner.checked_out import event_to_speak_of
from pixi_container.runner.checkout import what_is_checked_out
from pixi_container.workspace.workspace import read_workspace

if TYPE_CHECKING:
    from pixi_container.image.base_images import BaseImages
    from pixi_container.image.definition import ImageDefinition
    from pixi_container.log import Log
    from pixi_container.plan.plan import Plan
    from pixi_container.registry.client import Registry
    from pixi_container.registry.reference import ImageReference
    from pixi_container.request import Request
    from pixi_container.workspace.workspace import Workspace


def plan_for(request: Request, log: Log, registry: Registry | None, *, tolerant: bool = False) -> Plan:
    """Read the workspace, look up what the plan needs, and make it. Without a ``registry`` nobody is asked.

    A ``tolerant`` plan only warns of what would keep the build from starting; else that is a ``UserError``.
    """
    request, differs = _with_checked_out_commit(request, log, tolerant=tolerant)
    _warn_of_limits(request, log)
    workspace = _read_workspace(request, log, asks=registry is not None, tolerant=tolerant)
    changes = _find_changes(request, workspace, log, differs) if registry else not_consulted("nobody was asked")
    skip = nothing_to_do(request.event, request.inputs, changes)
    if skip:
        registry = None
    with ThreadPoolExecutor(1) as aside:
        # It takes as long as the registry's answers, so it is asked before these tell whether anything is built.
        kind = aside.submit(builder_kind, request.inputs.builder, request.env) if registry else None
        definition = _define_image(request, workspace, registry, log)
        existing = _look_up(request, definition, registry, log) if registry else ExistingImages()
        decision = skip or decide(request.event, request.inputs, changes, existing)
        builder = kind.result() if kind and decision.kind == BUILD else BuilderKind()
    plan = make_plan(request, definition, changes, existing, decision, builder)
    for note in plan.notes:
        log.warning(note)
    return plan


def changes_of(request: Request, log: Log) -> Changes:
    """Return what the event changed, with the files of it that the image depends on."""
    return _find_changes(request, read_workspace(request.inputs), log)


def changes_between(request: Request, base: str, head: str) -> Changes:
    """Return the same for two revisions of the checkout. Raises ``UserError`` for an unknown one."""
    changes = known(compare_revisions(request.context, base, head, request.env), "git")
    return _with_relevance(request, read_workspace(request.inputs), changes)


def _with_checked_out_commit(request: Request, log: Log, *, tolerant: bool) -> tuple[Request, str]:
    """Return the request for the commit that is checked out, and how it differs from the event's, if it does."""
    checkout = what_is_checked_out(request.context, request.event, request.env)
    spoken = event_to_speak_of(request.event, checkout, may_push=request.may_push)
    if spoken.problem and not tolerant:
        raise spoken.problem
    note = str(spoken.problem or spoken.note)
    if note:
        log.warning(note)
    return replace(request, event=spoken.event), note


def _warn_of_limits(request: Request, log: Log) -> None:
    event = request.event
    if not event.is_known:
        log.warning(f"{may_push(event, request.inputs)[1]}: the image is built and tested only")
    for name in request.withheld:
        log.warning(
            f"'{name}' is not used: on the event '{event.name}' the checked-out code may be anybody's, and it "
            "would run beside the credentials"
        )


def _read_workspace(request: Request, log: Log, *, asks: bool, tolerant: bool) -> Workspace:
    workspace = read_workspace(request.inputs, native_platform(request.env) if asks else "")
    for problem in problems_of(workspace):
        if not tolerant:
            raise problem
        log.warning(str(problem))
    if workspace.config.unused:
        log.warning(workspace.config.unused)
    return workspace


def _find_changes(request: Request, workspace: Workspace, log: Log, differs: str = "") -> Changes:
    """Ask what the event changed, which is not the answer where the checkout ``differs`` from the event."""
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
    relevance = Relevance(
        paths=relevant_paths(workspace, request.inputs, pixi_version),
        patterns=request.inputs.paths,
        prefix=workspace_prefix(workspace.context) or "",
        workflow=running_workflow(request.env),
    )
    return replace(changes, relevant=relevance.of(changes.files))


def _define_image(request: Request, workspace: Workspace, registry: Registry | None, log: Log) -> ImageDefinition:
    bases = _choose_bases(request, workspace, registry, log)
    expressions = workspace_expressions(workspace, bases.pixi_version, bases.builder)
    return define_image(
        request.event,
        request.inputs,
        read_sources(request.inputs, workspace, request.env),
        bases,
        facts_for(request.event, workspace.context, expressions, request.env),
        read_image_files(workspace, request.inputs, bases.pixi_version),
        _version_tags(request, registry),
    )


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
    """Look for the image where the run may push, and where there is none for its environment."""
    inputs, names = request.inputs, request.names
    existing = ExistingImages()
    if request.may_push and definition.is_pinned and not request.keep:
        existing = find_images(registry, names, definition, tags_to_publish(names, definition), log.say)
    if existing.images and inputs.promote:
        return existing
    if names and may_reuse_environment(inputs, definition):
        environment = find_environment(registry, names, definition, log.say)
        return replace(
            existing,
            environment=environment.environment,
            previous_environment=environment.previous_environment,
        )
    return existing


def _pinned(reference: ImageReference, registry: Registry, log: Log) -> ImageReference:
    """Pin a base to what its tag points to now, so that plan and build mean the same image."""
    from pixi_container.errors import RegistryUnavailableError

    if reference.digest:
        return reference
    try:
        digest = registry.get_digest(reference if reference.tag else reference.tagged("latest"))
    except RegistryUnavailableError as error:
        # The builder may know a way that we do not: a mirror, or its cache.
        log.warning(f"{reference} is not pinned by digest, so nothing is reused: {error.message}")
        return reference
    if digest is None:
        raise UserError(
            f"there is no image {reference}",
            hint="Check 'pixi-version', 'pixi-image' and 'runtime-image'.",
        )
    return reference.pinned(digest)


def _version_tags(request: Request, registry: Registry | None) -> tuple[str, ...] | None:
    """Ask what versions the registry has, only where the answer can matter: on a tag that may push."""
    if not registry or not request.event.tag or not request.may_push:
        return None
    return tuple(dict.fromkeys(tag for name in request.names for tag in registry.get_tags(name)))
