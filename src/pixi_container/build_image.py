"""The steps of a build: make the environment, build and test the image, and only then push it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from pixi_container.build_base import BuiltBase, build_base, existing_base
from pixi_container.docker.engine import Build, Engine
from pixi_container.docker.secrets import write_build_secrets
from pixi_container.errors import RegistryError, UserError
from pixi_container.image.own_lines import OwnLines
from pixi_container.registry.docker_config import credential_helper_variables, private_docker_config, write_secret
from pixi_container.report import Report
from pixi_container.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from pixi_container.log import Log
    from pixi_container.make_environment import MadeEnvironment
    from pixi_container.plan.commands import BuildCommands
    from pixi_container.plan.plan import Plan
    from pixi_container.registry.client import PublishedImage, Registry
    from pixi_container.registry.reference import ImageReference
    from pixi_container.request import Request


@contextmanager
def built(request: Request, plan: Plan, registry: Registry, log: Log) -> Iterator[Callable[[], Report]]:
    """Build and test the image of a plan, and yield what pushes it. After the block nothing is left of the build.

    Raises ``UserError`` for what the user can fix; until the push, no tag of the image has changed. The push
    counts as done only after every tag was read back.
    """
    if request.inputs.environment_builder == "direct" and not plan.way.is_direct:
        raise UserError(f"the environment cannot be made straight from the lock: {plan.way.reason}")
    with temporary_folder(request.env) as work:
        if request.inputs.conda_auth:
            write_secret(work / "conda-auth", request.inputs.conda_auth)
        if request.inputs.git_auth:
            write_secret(work / "git-auth", request.inputs.git_auth)
        write_build_secrets(work, request.inputs, request.env, log.mask)
        if plan.push:
            with log.step("Check the registries"):
                check_push(registry, plan.published_tags, log)
        if plan.without_builder and not plan.commands.all:
            yield _made_without_builder(request, plan, registry, work, log)
            return
        build = Build(
            dockerfile=plan.definition.environment_dockerfile or plan.definition.dockerfile,
            own_lines=plan.definition.own_lines,
            file_lines=_file_lines(request, plan),
            local_image=plan.local_image,
            leftover_images=plan.leftover_images,
            test_container=plan.test_container if plan.commands.test else "",
        )
        with _docker_login(request, plan, work) as login:
            engine = Engine(build, work, request.env, login, log)
            try:
                yield _tested(request, plan, registry, engine, work, log)
            finally:
                for note in engine.notes:
                    log.warning(note)
                engine.clean()


def _file_lines(request: Request, plan: Plan) -> tuple[OwnLines, ...]:
    """Return the lines of a user-supplied Dockerfile: all of them."""
    file = request.inputs.dockerfile
    return (OwnLines(1, plan.definition.dockerfile.count("\n") + 1, file),) if file else ()


def _tested(
    request: Request, plan: Plan, registry: Registry, engine: Engine, work: Path, log: Log
) -> Callable[[], Report]:
    """Build and test the image with Docker, and return what pushes it."""
    commands, docker_commands, tested, base = plan.commands, plan.docker_commands, "", existing_base(plan)
    if commands.create_builder:
        with log.step("Make the builder"):
            engine.create_builder(commands.create_builder)
    if commands.emulate:
        with log.step("Set up emulation"):
            engine.emulate(commands.emulate)
    if commands.base:
        base = _base(plan, registry, engine, work, log)
        commands, docker_commands = commands.on_base(base.digest), docker_commands.on_base(base.digest)
    if plan.makes_environment:
        with log.step("Make the environment"):
            environment = _environment(request, plan, registry, engine, work, log, base.digest)
        engine.notes += environment.notes if environment else ()
        if environment and plan.without_builder:
            engine.leave_images()
            return lambda: _assembled(request, plan, registry, environment, work, log, engine.notes)
        commands = commands.on_environment(environment.digest) if environment else docker_commands
    if commands.make_environment:
        with log.step("Build the environment"):
            made = engine.push(commands.make_environment)
            _read_back_environment(registry, plan, made.config)
            commands = commands.on_environment(made.digest)
    if commands.build:
        with log.step("Build"):
            tested = engine.build(commands.build)
    for command in commands.test_stages:
        with log.step(f"Test {command.purpose.removeprefix('test-')}"):
            engine.test_stage(command)
    if commands.test:
        with log.step("Test"):
            is_check_of_own = bool(request.inputs.dockerfile) and not request.inputs.test_command
            engine.test(commands.test, may_lack_shell=is_check_of_own)

    return lambda: _pushed(plan, commands, registry, engine, log, tested=tested, base=base)


def _pushed(
    plan: Plan,
    commands: BuildCommands,
    registry: Registry,
    engine: Engine,
    log: Log,
    *,
    tested: str,
    base: BuiltBase,
) -> Report:
    """Push the image, whose configuration has the digest ``tested``; empty if the builder alone knows it."""
    if commands.push_environment:
        with log.step("Push the environment"):
            _read_back_environment(registry, plan, engine.push(commands.push_environment).config)
    report = Report(plan=plan, notes=tuple(engine.notes), base_packages=base.packages)
    if not commands.push:
        return replace(report, image_size=engine.image_size())
    with log.step("Push"):
        pushed = engine.push(commands.push, tested=tested)
        published = _read_back(registry, plan, config=pushed.config, digest=pushed.digest)
        log.say(f"verified: all {len(plan.published_tags)} tags point to the built image")
    return replace(report, published=published, notes=tuple(engine.notes))


def _made_without_builder(
    request: Request, plan: Plan, registry: Registry, work: Path, log: Log
) -> Callable[[], Report]:
    """Make the environment, and return what puts the image together and pushes it."""
    from pixi_container.make_environment import MadeEnvironment

    environment = MadeEnvironment(plan.environment_image.digest if plan.environment_image else "")
    if plan.makes_environment:
        with log.step("Make the environment"):
            made = _environment(request, plan, registry, None, work, log, existing_base(plan).digest)
        assert made  # noqa: S101 - without an engine there is no other way
        environment = made
        for note in environment.notes:
            log.warning(note)
    return lambda: _assembled(request, plan, registry, environment, work, log, environment.notes)


def _assembled(
    request: Request,
    plan: Plan,
    registry: Registry,
    environment: MadeEnvironment,
    work: Path,
    log: Log,
    notes: Iterable[str],
) -> Report:
    """Put the image's layers on the environment's without a builder, and push it."""
    from pixi_container.assemble_image import assemble_image

    with log.step("Push" if plan.push else "Put the image together"):
        pushed = assemble_image(request, plan, environment.digest, work)
        if not plan.push:
            return Report(plan=plan, notes=tuple(notes))
        published = _read_back(registry, plan, config=pushed.config, digest=pushed.digest)
        log.say(f"verified: all {len(plan.published_tags)} tags point to the image")
    return Report(plan=plan, published=published, notes=tuple(notes))


def _base(plan: Plan, registry: Registry, engine: Engine, work: Path, log: Log) -> BuiltBase:
    with log.step("Build the base"):
        base = build_base(plan, engine, work)
        for tag in plan.base.tags if plan.base else ():
            _read_tag(registry, tag, lambda image: image.digest == base.digest)
        for line in base.told:
            log.say(line)
    return base


def _environment(
    request: Request,
    plan: Plan,
    registry: Registry,
    engine: Engine | None,
    work: Path,
    log: Log,
    base_digest: str,
) -> MadeEnvironment | None:
    """Return the environment's image, made straight from the lock; None if only Pixi can install the environment.

    Without an ``engine`` nothing starts it, and Pixi cannot install it either: then this raises ``UserError``.
    """
    from pixi_container.environment.refusals import NotDirectError
    from pixi_container.make_environment import make_environment

    try:
        made = make_environment(request, plan, engine, work, log, base_digest, request.shared)
    except NotDirectError as error:
        if request.inputs.environment_builder == "direct" or engine is None:
            raise UserError(
                f"the environment cannot be made straight from the lock: {error}",
                hint="Have Pixi install it in a build: set 'environment-builder' to 'docker', and use a builder.",
            ) from error
        log.warning(f"Pixi installs the environment in the build, because {error}")
        return None
    for tag in plan.environment_tags:
        _read_tag(registry, tag, lambda image: image.digest == made.digest)
    return made


def check_push(registry: Registry, tags: tuple[ImageReference, ...], log: Log) -> None:
    """Check that every registry accepts pushes before any work is done."""
    for name in dict.fromkeys(tag.tagged("") for tag in tags):
        registry.check_push(name)
        log.say(f"{name} accepts pushes")


def _read_back(registry: Registry, plan: Plan, *, config: str, digest: str) -> PublishedImage:
    """Read every tag back from the registry, and return the image of the first tag.

    ``config`` is the digest of the configuration, and ``digest`` that of the image as the builder reported it.
    Raises ``RegistryError`` if the registry has something else.
    """
    images = [_read_tag(registry, tag, lambda image: image.config == config) for tag in plan.published_tags]
    if digest not in {image.digest for image in images}:
        raise RegistryError(f"the builder reported that it pushed {digest}, but no tag points to it")
    return images[0]


def _read_back_environment(registry: Registry, plan: Plan, config: str) -> None:
    for tag in plan.environment_tags:
        _read_tag(registry, tag, lambda image: image.config == config)


def _read_tag(
    registry: Registry, tag: ImageReference, is_ours: Callable[[PublishedImage], bool]
) -> PublishedImage:
    """Return the image of a tag that this run has pushed. Raises ``RegistryError`` for another one, or none."""
    image = registry.get_image(tag)
    if image is None or not is_ours(image):
        raise RegistryError(
            f"{tag} {'points to a different image' if image else 'does not exist'} after the push",
            hint="Did another run push the same tag at the same time? A `concurrency` group prevents that.",
        )
    return image


@contextmanager
def _docker_login(request: Request, plan: Plan, work: Path) -> Iterator[Mapping[str, str]]:
    """Yield the variables for docker's login: this run's credentials if it pushes, else the machine's own.

    If the code may be untrusted, docker gets no credentials at all, because a build could use them.
    """
    if plan.push:
        with private_docker_config(request.credentials, request.env, work) as login:
            yield login
    elif request.event.may_use_credentials:
        yield credential_helper_variables(request.env)
    else:
        with private_docker_config((), request.env, work, keep_stored=False) as login:
            yield login
