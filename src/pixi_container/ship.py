"""The whole job: from event and inputs to a tested image on a registry, in the order in which it happens."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pixi_container.docker.engine import Build, Engine
from pixi_container.errors import RegistryError
from pixi_container.plan.decision import BUILD
from pixi_container.plan.gather import plan_for
from pixi_container.registry.docker_config import credential_helper_variables, private_docker_config, write_secret
from pixi_container.report import Report
from pixi_container.request import registry_client
from pixi_container.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pixi_container.log import Log
    from pixi_container.plan.plan import Plan
    from pixi_container.registry.client import PublishedImage, Registry
    from pixi_container.registry.reference import ImageReference
    from pixi_container.request import Request


def ship(request: Request, log: Log) -> Report:
    """Plan; then build, test and push what was tested, or put tags on what is there already, or do nothing.

    Raises ``UserError`` for what the user can mend; then nothing was pushed under a tag that was not read back.
    """
    with registry_client(request) as registry:
        with log.step("Plan"):
            plan = plan_for(request, log, registry)
            log.say(plan.as_text())
        if plan.decision.kind != BUILD:
            return _with_tags(plan, registry, log)
        return _built(request, plan, registry, log)


def _built(request: Request, plan: Plan, registry: Registry, log: Log) -> Report:
    commands = plan.commands
    with temporary_folder(request.env) as work, _docker_login(request, plan, work) as login:
        if request.inputs.conda_auth:
            write_secret(work / "conda-auth", request.inputs.conda_auth)
        build = Build(
            dockerfile=plan.definition.dockerfile,
            local_image=plan.local_image,
            leftover_images=plan.leftover_images,
            test_container=plan.test_container if commands.test else "",
        )
        engine = Engine(build, work, request.env, login, log)
        try:
            if plan.push:
                with log.step("Check the registries"):
                    _check_push(registry, plan.published_tags, log)
            tested = ""
            if commands.build:
                with log.step("Build"):
                    tested = engine.build(commands.build)
            if commands.test:
                with log.step("Test"):
                    engine.test(commands.test)
            if commands.push_environment:
                with log.step("Push the environment"):
                    _read_back_environment(registry, plan, engine.push(commands.push_environment).config)
            if not commands.push:
                return Report(plan=plan, image_size=engine.image_size(), notes=tuple(engine.notes))
            with log.step("Push"):
                pushed = engine.push(commands.push, tested=tested)
                published = _read_back(registry, plan, config=pushed.config, digest=pushed.digest)
                log.say(f"what was built is on the registry under each of its {len(plan.published_tags)} tags")
            return Report(plan=plan, published=published, notes=tuple(engine.notes))
        finally:
            for note in engine.notes:
                log.warning(note)
            engine.clean()


def _with_tags(plan: Plan, registry: Registry, log: Log) -> Report:
    """Put the plan's new tags on the image that is there: no builder is started, and no byte of it changes."""
    decision = plan.decision
    if not decision.images:
        return Report(plan=plan)
    if decision.new_tags:
        with log.step("Check the registries"):
            _check_push(registry, decision.new_tags, log)
        with log.step("Put the tags on the image"):
            for image, tags in decision.tags_to_put:
                registry.tag(image, tags)
                for tag in tags:
                    log.say(f"{tag} is {image.digest}")
    first = decision.images[0]
    return Report(
        plan=plan,
        published=registry.get_image(first),
        labels=registry.get_labels(first, plan.definition.workspace.platform.docker),
    )


def _check_push(registry: Registry, tags: tuple[ImageReference, ...], log: Log) -> None:
    """Find out before anything is done that a registry will not take the image."""
    for name in dict.fromkeys(tag.tagged("") for tag in tags):
        registry.check_push(name)
        log.say(f"{name} takes pushes")


def _read_back(registry: Registry, plan: Plan, *, config: str, digest: str) -> PublishedImage:
    """Ask the registry for every tag, as only what it answers counts as pushed, and give the first one's image.

    ``config`` is the configuration's digest, ``digest`` the image's as the builder told it.
    """
    images = [_same_content(registry, tag, config) for tag in plan.published_tags]
    if digest not in {image.digest for image in images}:
        raise RegistryError(f"the builder says that it pushed {digest}, which no tag points to")
    return images[0]


def _read_back_environment(registry: Registry, plan: Plan, config: str) -> None:
    for tag in plan.environment_tags:
        _same_content(registry, tag, config)


def _same_content(registry: Registry, tag: ImageReference, config: str) -> PublishedImage:
    image = registry.get_image(tag)
    if image is None or image.config != config:
        raise RegistryError(
            f"{tag} is {'another image' if image else 'not there'} after the push",
            hint="Did another run push the same tag meanwhile? A `concurrency` group prevents that.",
        )
    return image


@contextmanager
def _docker_login(request: Request, plan: Plan, work: Path) -> Iterator[Mapping[str, str]]:
    """Yield the variables that log docker in: with this run's credentials where it pushes, else as the machine is.

    Where the code may be anybody's, docker has no credentials at all: a build could use whatever is stored.
    """
    if plan.push:
        with private_docker_config(request.credentials, request.env, work) as login:
            yield login
    elif request.event.may_use_credentials:
        yield credential_helper_variables(request.env)
    else:
        with private_docker_config((), request.env, work, keep_stored=False) as login:
            yield login
