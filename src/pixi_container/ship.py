"""The whole job: from event and inputs to a tested image on a registry, in the order in which it happens."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_container.base_images import choose_base_images
from pixi_container.docker_config import private_docker_config, stored_credential, write_secret
from pixi_container.engine import Engine, builder_kind, native_platform
from pixi_container.errors import UserError
from pixi_container.git import source_version
from pixi_container.image_reference import ImageReference, parse_reference
from pixi_container.metadata import facts_for, published_names, workspace_expressions
from pixi_container.plan import BuilderKind, Lookups, Plan, make_plan, may_push, push_credentials
from pixi_container.problems import problems_of
from pixi_container.report import Report
from pixi_container.workspace import checked_path, read_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pixi_container.event import Event
    from pixi_container.inputs import Credential, Inputs
    from pixi_container.log import Log
    from pixi_container.registry import PublishedImage, Registry
    from pixi_container.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked for, and where. ``keep`` leaves the image in the local engine."""

    event: Event
    inputs: Inputs
    env: Mapping[str, str]
    keep: bool = False


def ship(request: Request, log: Log) -> Report:
    """Plan, build, test, and push what was tested where the event may push.

    Raises ``UserError`` for what the user can mend; then nothing was pushed under a tag that was not read back.
    """
    for secret in request.inputs.secrets:
        log.mask(secret)
    with log.step("Plan"):
        plan = plan_for(request, log)
        log.say(plan.as_text())
    with _work_folder(request.env) as work:
        if request.inputs.conda_auth:
            write_secret(work / "conda-auth", request.inputs.conda_auth)
        engine = Engine(plan, work, request.env, log)
        try:
            if plan.push:
                with log.step("Check the registries"):
                    _check_push(request, plan, log)
            with log.step("Build"):
                built = engine.build()
            with log.step("Test"):
                engine.test()
            if not plan.push:
                return Report(plan=plan, image_size=engine.image_size())
            with log.step("Push"):
                credentials = push_credentials(request.event, request.inputs, _references(plan))
                with private_docker_config(credentials, request.env, work) as env:
                    digest = engine.push(env, tested=built)
                published = _read_back(request, plan, tested=built, pushed=digest)
                log.say(f"what was tested is on the registry under each of its {len(plan.tags)} tags")
            return Report(plan=plan, digest=published.digest, layer_sizes=published.layer_sizes)
        finally:
            engine.clean()


def plan_for(request: Request, log: Log, *, offline: bool = False, tolerant: bool = False) -> Plan:
    """Read the workspace, look up what the plan needs, and make it. ``offline`` asks nobody.

    A ``tolerant`` plan only warns of what would keep the build from starting; else that is a ``UserError``.
    """
    env, inputs = request.env, request.inputs
    workspace = read_workspace(inputs, "" if offline else native_platform(env))
    for problem in problems_of(workspace):
        if not tolerant:
            raise problem
        log.warning(str(problem))
    with nullcontext() if offline else _registry(request) as registry:
        found = _look_up(request, workspace, registry, log)
    plan = make_plan(request.event, inputs, workspace, found, keep=request.keep)
    for note in plan.notes:
        log.warning(note)
    return plan


def _look_up(request: Request, workspace: Workspace, registry: Registry | None, log: Log) -> Lookups:
    event, inputs, env = request.event, request.inputs, request.env
    bases = choose_base_images(
        inputs,
        workspace,
        published=registry.tags if registry else None,
        pin=lambda reference: _pinned(reference, registry, log) if registry else reference,
    )
    expressions = workspace_expressions(workspace, bases.pixi_version, bases.builder)
    return Lookups(
        bases=bases,
        facts=facts_for(event, workspace.context, expressions, env),
        builder=builder_kind(inputs.builder, env) if registry else BuilderKind(),
        published_tags=_published_tags(event, inputs, registry),
        dockerfile=_own_file(workspace, inputs.dockerfile, "dockerfile"),
        template=_own_file(workspace, inputs.template, "template"),
        source_version=source_version(workspace.context, env) if workspace.scm_versioned else "",
    )


def _own_file(workspace: Workspace, path: str, name: str) -> str:
    if not path:
        return ""
    file = workspace.context / checked_path(workspace.context, path, source=f"input '{name}'")
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"input '{name}': '{path}' cannot be read: {error}") from error
    if not text.strip():
        raise UserError(f"input '{name}': '{path}' is empty", file=str(file))
    return text


def _pinned(reference: ImageReference, registry: Registry, log: Log) -> ImageReference:
    """Pin a base to what its tag points to now, so that plan and build mean the same image."""
    from pixi_container.registry import RegistryUnavailableError

    if reference.digest:
        return reference
    try:
        digest = registry.digest(reference if reference.tag else reference.tagged("latest"))
    except RegistryUnavailableError as error:
        # The builder may know a way that we do not: a mirror, or its cache.
        log.warning(f"{reference} is not pinned by digest: {error.message}")
        return reference
    if digest is None:
        raise UserError(
            f"there is no image {reference}",
            hint="Check 'pixi-version', 'pixi-image' and 'runtime-image'.",
        )
    return reference.pinned(digest)


def _published_tags(event: Event, inputs: Inputs, registry: Registry | None) -> tuple[str, ...] | None:
    """Ask what versions the registry has, only where the answer can matter: on a tag that may push."""
    if not registry or not event.tag or not may_push(event, inputs)[0]:
        return None
    names = published_names(inputs.images, event.repository)
    return tuple(dict.fromkeys(tag for name in names for tag in registry.tags(name)))


def _references(plan: Plan) -> tuple[ImageReference, ...]:
    return tuple(parse_reference(tag, source="tag") for tag in plan.tags)


def _check_push(request: Request, plan: Plan, log: Log) -> None:
    """Find out before the long build that a registry will not take the image."""
    with _registry(request) as registry:
        for name in dict.fromkeys(reference.tagged("") for reference in _references(plan)):
            registry.check_push(name)
            log.say(f"{name} takes pushes")


def _read_back(request: Request, plan: Plan, *, tested: str, pushed: str) -> PublishedImage:
    """Ask the registry for every tag, as only what it answers counts as pushed, and give the first one's image.

    ``tested`` is the configuration's digest, ``pushed`` the image's as the builder told it.
    """
    with _registry(request) as registry:
        found = {reference: registry.image(reference) for reference in _references(plan)}
    for reference, image in found.items():
        if image is None or image.config != tested:
            raise UserError(
                f"{reference} is {'another image' if image else 'not there'} after the push",
                hint="Did another run push the same tag meanwhile? A `concurrency` group prevents that.",
            )
    images = [image for image in found.values() if image]
    if pushed not in {image.digest for image in images}:
        raise UserError(f"the builder says that it pushed {pushed}, which no tag points to")
    return images[0]


@contextmanager
def _registry(request: Request) -> Iterator[Registry]:
    """Give registry calls with the credentials of this run; a run that may not push has only the machine's own."""
    from pixi_container.registry import Registry

    ours: dict[str, Credential] = {}
    if may_push(request.event, request.inputs)[0]:
        names = published_names(request.inputs.images, request.event.repository)
        ours = {found.registry: found for found in push_credentials(request.event, request.inputs, names)}
    with Registry(lambda registry: ours.get(registry) or stored_credential(registry, request.env)) as registry:
        yield registry


@contextmanager
def _work_folder(env: Mapping[str, str]) -> Iterator[Path]:
    """Give a private folder in the runner's temp, gone afterwards whatever happens."""
    parent = env.get("RUNNER_TEMP") or tempfile.gettempdir()
    Path(parent).mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="pixi-container-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
