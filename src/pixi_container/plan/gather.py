"""Making the plan: reads the workspace, asks what changed and what the registry has, and decides."""

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
from pixi_container.image.definition import Texts, draft_image, file_digests, included_lfs_pointers, relevant_paths
from pixi_container.image.metadata import facts_for, workspace_expressions
from pixi_container.paths import checked_path, read_text
from pixi_container.plan.decision import BUILD, Published, decide, nothing_to_do
from pixi_container.plan.existing import find_environment, find_images
from pixi_container.plan.plan import Findings, Plan, image_tags, make_plan, may_reuse_environment
from pixi_container.plan.problems import problems_of
from pixi_container.request import may_push
from pixi_container.runner.checked_out import event_to_speak_of
from pixi_container.runner.checkout import source_version, what_is_checked_out
from pixi_container.workspace.workspace import read_workspace

if TYPE_CHECKING:
    from pixi_container.image.definition import Draft
    from pixi_container.log import Log
    from pixi_container.registry.client import Registry
    from pixi_container.registry.reference import ImageReference
    from pixi_container.request import Request
    from pixi_container.workspace.workspace import Workspace


def plan_for(request: Request, log: Log, registry: Registry | None, *, tolerant: bool = False) -> Plan:
    """Read the workspace, look up what the plan needs, and make it. Without a ``registry`` nobody is asked.

    A ``tolerant`` plan only warns of what would keep the build from starting; else that is a ``UserError``.
    """
    request, differs = _as_checked_out(request, log, tolerant=tolerant)
    event, inputs = request.event, request.inputs
    if not event.is_known:
        log.warning(f"{may_push(event, inputs)[1]}: the image is built and tested only")
    for name in request.withheld:
        log.warning(
            f"'{name}' is not used: on the event '{event.name}' the checked-out code may be anybody's, and it "
            "would run beside the credentials"
        )
    workspace = read_workspace(inputs, native_platform(request.env) if registry else "")
    for problem in problems_of(workspace):
        if not tolerant:
            raise problem
        log.warning(str(problem))
    if workspace.config.unused:
        log.warning(workspace.config.unused)
    changes = _ask_for_changes(request, log) if registry else not_consulted("nobody was asked")
    if differs and changes.consulted:
        changes = assumed(differs, base=changes.base, head=changes.head)
    relevant = _relevant(request, workspace, changes)
    skip = nothing_to_do(event, inputs, changes, relevant)
    asked = None if skip else registry
    with ThreadPoolExecutor(1) as aside:
        # It takes as long as the registry's answers, so it is asked before these tell whether anything is built.
        builder = aside.submit(builder_kind, inputs.builder, request.env) if asked else None
        found = _findings(request, workspace, changes, relevant, asked, log)
        decision = skip or decide(event, inputs, changes, relevant, found.published)
        if decision.kind == BUILD and builder:
            found = replace(found, builder=builder.result())
    plan = make_plan(event, inputs, found, decision, keep=request.keep)
    for note in plan.notes:
        log.warning(note)
    return plan


def _as_checked_out(request: Request, log: Log, *, tolerant: bool) -> tuple[Request, str]:
    checkout = what_is_checked_out(request.context, request.event, request.env)
    spoken = event_to_speak_of(request.event, checkout, may_push=request.may_push)
    if spoken.problem and not tolerant:
        raise spoken.problem
    note = str(spoken.problem or spoken.note)
    if note:
        log.warning(note)
    return replace(request, event=spoken.event), note


def changes_of(request: Request, log: Log) -> tuple[Changes, tuple[str, ...]]:
    """Return what the event changed, and which files of it the image depends on."""
    changes = _ask_for_changes(request, log)
    return changes, _relevant(request, read_workspace(request.inputs), changes)


def changes_between(request: Request, base: str, head: str) -> tuple[Changes, tuple[str, ...]]:
    """Return the same for two revisions of the checkout. Raises ``UserError`` for an unknown one."""
    changes = known(compare_revisions(request.context, base, head, request.env), "git")
    return changes, _relevant(request, read_workspace(request.inputs), changes)


def _ask_for_changes(request: Request, log: Log) -> Changes:
    asks = not isinstance(comparison_for(request.event), Changes)
    if asks and workspace_prefix(request.context) is None:
        return assumed(f"'{request.context}' is not in a Git checkout; changes cannot be determined")
    return find_changes(request.event, request.inputs.github_token, request.env, log.say)


def _relevant(request: Request, workspace: Workspace, changes: Changes) -> tuple[str, ...]:
    """Return the changed files that the image depends on, relative to the context."""
    if not changes.files:
        return ()
    pixi_version = choose_base_images(request.inputs, workspace).pixi_version
    relevance = Relevance(
        paths=relevant_paths(workspace, request.inputs, pixi_version),
        patterns=request.inputs.paths,
        prefix=workspace_prefix(workspace.context) or "",
        workflow=running_workflow(request.env),
    )
    return relevance.of(changes.files)


def _findings(
    request: Request,
    workspace: Workspace,
    changes: Changes,
    relevant: tuple[str, ...],
    registry: Registry | None,
    log: Log,
) -> Findings:
    event, inputs, env = request.event, request.inputs, request.env
    bases = choose_base_images(
        inputs,
        workspace,
        published=registry.get_tags if registry else None,
        pin=lambda reference: _pinned(reference, registry, log) if registry else reference,
    )
    expressions = workspace_expressions(workspace, bases.pixi_version, bases.builder)
    facts = facts_for(event, workspace.context, expressions, env)
    texts = Texts(
        dockerfile=_own_file(workspace, inputs.dockerfile, "dockerfile"),
        template=_own_file(workspace, inputs.template, "template"),
        source_version=source_version(workspace.context, env) if workspace.scm_versioned else "",
    )
    digests = file_digests(workspace, inputs, bases.pixi_version)
    tags = _version_tags(request, registry)
    draft = draft_image(event, inputs, workspace, bases, facts, texts, digests, tags)
    return Findings(
        workspace=workspace,
        bases=bases,
        facts=facts,
        draft=draft,
        changes=changes,
        relevant=relevant,
        published=_published(request, workspace, draft, registry, log) if registry else Published(),
        builder=BuilderKind(),
        lfs_pointers=included_lfs_pointers(workspace, inputs),
    )


def _published(request: Request, workspace: Workspace, draft: Draft, registry: Registry, log: Log) -> Published:
    """Look for the image where the run may push, and where there is none for its environment."""
    inputs, names, environment = request.inputs, request.names, workspace.environment
    found = Published()
    if request.may_push and draft.is_pinned and not request.keep:
        tags = image_tags(inputs, request.event, workspace, draft)
        found = find_images(registry, names, environment, draft, tags, log.say)
    if found.images and inputs.promote:
        return found
    if names and may_reuse_environment(inputs, draft):
        reusable, previous = find_environment(registry, names, environment, draft, log.say)
        return replace(found, environment=reusable, previous=previous)
    return found


def _own_file(workspace: Workspace, path: str, name: str) -> str:
    if not path:
        return ""
    source = f"input '{name}'"
    file = checked_path(workspace.context, path, source=source)
    text = read_text(workspace.context, file, what=f"{source}: '{path}'")
    if not text.strip():
        raise UserError(f"{source}: '{path}' is empty", file=str(workspace.context / file))
    return text


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
