"""The command lines of a build, complete before the first one runs."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pixi_container.build_inputs import IMAGE_CONTEXT
from pixi_container.docker.command import (
    BASE,
    BUILDER,
    ENVIRONMENT,
    PACKAGES,
    PUSHED,
    WORK,
    WRITTEN_DOCKERFILE,
    Command,
    flags,
)
from pixi_container.environment.entries import EARLIEST
from pixi_container.image.dockerfile import activation_check, own_image_check
from pixi_container.image.fingerprint_labels import APT_PACKAGES, base_labels, fingerprint_labels
from pixi_container.plan.base_plan import BASE_FOLDER
from pixi_container.plan.own_build import dockerfile_path, own_build_flags
from pixi_container.tags import annotations_at

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pixi_container.builder_nodes import BuilderNode
    from pixi_container.docker.builder import BuilderKind
    from pixi_container.image.definition import ImageDefinition
    from pixi_container.inputs import Inputs
    from pixi_container.plan.base_plan import BasePlan
    from pixi_container.registry.reference import ImageReference
    from pixi_container.workspace.workspace import Workspace

_LOAD = "type=docker"
_NOWHERE = "type=cacheonly"
_CHECK_AS = ("--user", "54321:54321", "--read-only", "--env", "HOME=/nonexistent")
_SOURCE = "org.opencontainers.image.source"


@dataclass(frozen=True, kw_only=True)
class BuildCommands:
    """The processes of one build in order; None for a step that is not needed.

    ``create_builder`` makes a builder of nodes, for this build alone. ``emulate`` makes the steps of another
    platform run on this machine. ``list_packages`` runs what is added to the runtime image and tells the versions
    of packages, and ``base`` makes the base of it.
    ``check_environment`` starts an environment that was made straight from the lock; ``prepare_check`` has the
    builder fetch the base that this needs, while the environment is made.
    ``make_environment`` builds the environment that a user-supplied Dockerfile builds on, where only Docker can.
    ``build`` makes the image, and loads it into the engine if ``test`` runs it there. ``test_stages`` build the
    stages that are tests. ``push_environment`` publishes an environment image that Docker builds, and ``push``
    the image.
    """

    create_builder: tuple[Command, ...] = ()
    emulate: Command | None = None
    list_packages: Command | None = None
    base: Command | None = None
    prepare_check: Command | None = None
    check_environment: Command | None = None
    make_environment: Command | None = None
    build: Command | None = None
    test_stages: tuple[Command, ...] = ()
    test: Command | None = None
    push_environment: Command | None = None
    push: Command | None = None

    @property
    def all(self) -> tuple[Command, ...]:
        """The commands that run, in order."""
        steps = (
            *self.create_builder,
            *(
                self.emulate,
                self.list_packages,
                self.base,
                self.prepare_check,
                self.check_environment,
                self.make_environment,
            ),
            *(self.build, *self.test_stages, self.test, self.push_environment, self.push),
        )
        return tuple(command for command in steps if command)

    @property
    def up_to_the_environment(self) -> BuildCommands:
        """The commands without those of the image that builds on the environment."""
        return replace(self, build=None, test_stages=(), test=None, push_environment=None, push=None)

    def on_environment(self, digest: str) -> BuildCommands:
        """Return the commands that build on the environment's image with this digest."""
        return self._filled(ENVIRONMENT, digest)

    def on_base(self, digest: str) -> BuildCommands:
        """Return the commands that build on the base with this digest."""
        return self._filled(BASE, digest)

    def _filled(self, placeholder: str, digest: str) -> BuildCommands:
        """Return the commands for the images, with a digest in the place of a placeholder."""

        def filled(command: Command | None) -> Command | None:
            return command.filled(placeholder, digest) if command else None

        return replace(
            self,
            make_environment=filled(self.make_environment),
            build=filled(self.build),
            test_stages=tuple(command.filled(placeholder, digest) for command in self.test_stages),
            push_environment=filled(self.push_environment),
            push=filled(self.push),
        )


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """What to build, and where to put it.

    ``environment`` is the build context that replaces the environment's stages; empty if Docker builds them.
    ``base`` is how the base is had, on which Docker builds them. ``makes_environment`` tells that it is made
    straight from the lock first, and ``environment_output`` where Docker puts it first, for a user-supplied
    Dockerfile; empty if it does not. ``environment_tags`` are the names of an environment image that Docker
    builds; empty if it has none. ``tags`` are the tags to push. ``builds_first`` tells that everything is built
    before anything is pushed, although the builder tests the image while it builds it.
    """

    definition: ImageDefinition
    builder: BuilderKind
    labels: tuple[tuple[str, str], ...]
    annotations: tuple[str, ...]
    tags: tuple[ImageReference, ...]
    push: bool
    local_image: str
    test_container: str
    keep: bool
    builds_first: bool
    environment: str = ""
    makes_environment: bool = False
    environment_output: str = ""
    environment_tags: tuple[ImageReference, ...] = ()
    base: BasePlan | None = None


def build_commands(inputs: Inputs, options: BuildOptions) -> BuildCommands:
    """Return the command lines of one build.

    The image goes into the engine only if it is kept or tested there: with a ``test-command``, or with a
    Dockerfile that does not check itself and has no stage that does. All commands use the same builder, whose
    cache speeds up the later ones.
    """
    definition = options.definition
    tests_itself = ("check" in definition.stages or bool(inputs.test_target)) and not inputs.test_command
    loaded = options.keep or not tests_itself
    local_tags = (options.local_image, *(definition.metadata.tags if options.keep else ()))
    labels = flags("--label", (f"{key}={value}" for key, value in options.labels))
    epoch = f"source-date-epoch={definition.epoch}"
    push = f"{PUSHED},compression={inputs.compression}"

    def build(purpose: str, *more: str, target: str = inputs.target) -> Command:
        context = _context(definition.workspace.context)
        stage = ("--target", target) if target else ()
        return Command(purpose, (*_common(inputs, options, purpose), *stage, *more, context))

    local_build = None
    if loaded:
        local_build = build("build", *labels, "--output", f"{_LOAD},{epoch}", *flags("--tag", local_tags))
    elif not options.push or options.builds_first:
        local_build = build("build", *labels, "--output", _NOWHERE)
    environment_push = image_push = None
    if options.push and options.environment_tags and not options.environment_output:
        environment_push = build(
            "push-environment",
            *flags("--label", map("=".join, environment_labels(definition, options.labels).items())),
            # An environment belongs to no commit, so its date is that of its files.
            *("--output", f"{push},source-date-epoch={EARLIEST}"),
            *flags("--tag", options.environment_tags),
            target="environment",
        )
    if options.push:
        image_push = build(
            "push",
            *labels,
            *("--output", f"{push},{epoch}"),
            *flags("--tag", options.tags),
            *flags("--annotation", _for_one_manifest(options.annotations, definition.workspace.platform.docker)),
        )
    list_packages, base = _base_commands(inputs, options)
    return BuildCommands(
        create_builder=_builder_commands(inputs.nodes),
        emulate=_emulation_command(options.builder),
        list_packages=list_packages,
        base=base,
        prepare_check=_preparing_command(inputs, options) if options.makes_environment else None,
        check_environment=_check_command(inputs, options) if options.makes_environment else None,
        make_environment=_environment_command(inputs, options) if options.environment_output else None,
        build=local_build,
        test_stages=tuple(
            build(f"test-{stage}", "--output", _NOWHERE, target=stage) for stage in inputs.test_target
        ),
        test=None if tests_itself else _test_command(inputs, options),
        push_environment=environment_push,
        push=image_push,
    )


def _context(folder: Path) -> str:
    """Return the folder as an argument for buildx, which would read a leading dash as a flag."""
    return f"./{folder}" if str(folder).startswith("-") else str(folder)


def local_image_name(workspace: Workspace, dockerfile: str, platform: str = "") -> str:
    """Return the image's name in the engine, which differs between parallel jobs on one machine.

    ``platform`` is that of the image if it is not the engine's own.
    """
    what = "\n".join((str(workspace.context.resolve()), dockerfile, *([platform] if platform else [])))
    key = hashlib.sha256(what.encode()).hexdigest()
    return f"pixi-container.local/{workspace.environment}:{key[:16]}"


def test_container_name(local_image: str) -> str:
    """Return the name of the container in which the test runs."""
    return "pixi-container-test-" + re.sub(r"[^a-z0-9]", "-", local_image.rpartition("/")[2])


def _common(inputs: Inputs, options: BuildOptions, purpose: str) -> tuple[str, ...]:
    """Return the arguments that all builds of an image share: build and push may differ only in the output."""
    definition = options.definition
    return (
        *_buildx(inputs, options, purpose),
        *("--file", dockerfile_path(inputs, definition.workspace)),
        *(("--no-cache-filter", "notes") if "notes" in definition.stages else ()),
        *_auth_secrets(inputs),
        *own_build_flags(inputs, definition, options.environment),
    )


def _auth_secrets(inputs: Inputs) -> tuple[str, ...]:
    """Return the arguments that give a build the credentials for channels and for Git hosts."""
    given = {"conda-auth": inputs.conda_auth, "git-auth": inputs.git_auth}
    return flags("--secret", (f"id={name},src={WORK}/{name}" for name, secret in given.items() if secret))


def _environment_command(inputs: Inputs, options: BuildOptions) -> Command:
    """Return the command by which Docker makes the environment that a user-supplied Dockerfile builds on."""
    definition = options.definition
    purpose = "make-environment"
    return Command(
        purpose,
        (
            *_buildx(inputs, replace(options, environment=""), purpose),
            *("--file", WRITTEN_DOCKERFILE),
            *("--no-cache-filter", "notes"),
            *_auth_secrets(inputs),
            *("--target", "environment"),
            *flags("--label", map("=".join, environment_labels(definition, options.labels).items())),
            *("--output", f"{options.environment_output},source-date-epoch={EARLIEST}"),
            *flags("--tag", options.environment_tags),
            _context(definition.workspace.context),
        ),
    )


def _builder_commands(nodes: tuple[BuilderNode, ...]) -> tuple[Command, ...]:
    """Return the commands that make a builder of the nodes: the first creates it, each further one adds to it.

    Source: https://docs.docker.com/reference/cli/docker/buildx/create/
    """
    return tuple(
        Command(
            "create-builder",
            (
                *("docker", "buildx", "create", *(("--append",) if number else ()), "--name", BUILDER),
                *("--driver", "remote", "--platform", ",".join(node.platforms)),
                *flags("--driver-opt", map("=".join, node.options)),
                node.endpoint,
            ),
        )
        for number, node in enumerate(nodes)
    )


def _emulation_command(builder: BuilderKind) -> Command | None:
    """Return the command that registers QEMU with the kernel for the builder's platform; None if none is needed.

    Source: https://github.com/tonistiigi/binfmt
    """
    if not builder.emulation:
        return None
    architecture = builder.platform.rpartition("/")[2]
    return Command(
        "emulate", ("docker", "run", "--privileged", "--rm", builder.emulation, "--install", architecture)
    )


def _preparing_command(inputs: Inputs, options: BuildOptions) -> Command:
    """Return the command that has the builder fetch and unpack the base, as the one below needs it."""
    base = replace(options, environment=f"{IMAGE_CONTEXT}{options.definition.bases.runtime}")
    purpose = "prepare-check"
    return Command(purpose, (*_buildx(inputs, base, purpose), "--output", _NOWHERE, f"{WORK}/{purpose}"))


def _base_commands(inputs: Inputs, options: BuildOptions) -> tuple[Command | None, Command | None]:
    """Return the commands that make the base; None where it is not built, or was asked for no packages."""
    definition, plan = options.definition, options.base
    if plan is None or definition.base is None or not plan.is_built:
        return None, None

    def build(purpose: str, *more: str) -> Command:
        argv = (
            *_buildx(inputs, options, purpose, on_others=False),
            *("--file", WRITTEN_DOCKERFILE),
            # What is copied from other images may have another tag's content by now.
            *(("--pull",) if inputs.refresh else ()),
        )
        return Command(purpose, (*argv, *more, _context(definition.workspace.context)))

    packages = definition.base.packages
    installed = {APT_PACKAGES: PACKAGES} if packages else {}
    labels = {**base_labels(definition.base), **installed, **_source_label(options.labels)}
    output = f"type=oci,tar=false,dest={WORK}/{BASE_FOLDER}"
    if plan.tags:
        output = f"{PUSHED},compression={inputs.compression}"
    list_packages = build(
        "list-packages", "--target", "base-packages", "--output", f"type=local,dest={WORK}/base-packages"
    )
    return list_packages if packages else None, build(
        "base",
        *("--target", "runtime"),
        *flags("--label", map("=".join, labels.items())),
        *("--output", output),
        *flags("--tag", plan.tags),
    )


def _check_command(inputs: Inputs, options: BuildOptions) -> Command:
    """Return the command that starts an environment as a user that it does not know, in an image with little else.

    Its build context is a folder with the scripts, and its Dockerfile is ``environment_check``.
    """
    purpose = "check-environment"
    return Command(purpose, (*_buildx(inputs, options, purpose), "--output", _NOWHERE, f"{WORK}/{purpose}"))


def _buildx(inputs: Inputs, options: BuildOptions, purpose: str, *, on_others: bool = True) -> tuple[str, ...]:
    """Return the start of every build: its builder, its result, and the images below if it is ``on_others``."""
    builder = BUILDER if inputs.nodes else inputs.builder
    return (
        *("docker", "buildx", "build"),
        *(("--builder", builder) if builder else ()),
        *("--progress", "plain"),
        *("--metadata-file", f"{WORK}/{purpose}.json"),
        *("--provenance", "false"),
        *(("--platform", options.builder.platform) if options.builder.platform else ()),
        *(flags("--build-context", _contexts(options)) if on_others else ()),
    )


def _contexts(options: BuildOptions) -> tuple[str, ...]:
    """Return the build context in the place of stages: the environment, or its base if Docker builds it."""
    if options.environment:
        return (f"environment={options.environment}",)
    return (f"runtime={options.base.context}",) if options.base and options.base.context else ()


def environment_labels(definition: ImageDefinition, labels: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the labels of the environment's image, given those of the image that builds on it."""
    return {**fingerprint_labels(definition.environment_fingerprint), **_source_label(labels)}


def _source_label(labels: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the label by which ghcr.io links a package to its repository, if there is one."""
    return {name: value for name, value in labels if name == _SOURCE and value}


def _test_command(inputs: Inputs, options: BuildOptions) -> Command:
    """Return the command that tests the image: the user's, or a check, through the entrypoint that activates.

    The entrypoint of a user-supplied Dockerfile may be any program: the user's command goes through it, but the
    check does not. Of a rendered one, it may be a tool, to which the script would be an argument.
    """
    options_of_run: tuple[str, ...] = ("--entrypoint", f"{inputs.workdir}/entrypoint.sh")
    shell: tuple[str, ...] = ("bash", "-euo", "pipefail", "-c")
    script = inputs.test_command or activation_check()
    if inputs.dockerfile and inputs.test_command:
        options_of_run = ()
    elif inputs.dockerfile:
        options_of_run, shell, script = ("--entrypoint", "sh"), ("-euc",), own_image_check()
    elif not inputs.test_command:
        options_of_run = (*_CHECK_AS, *options_of_run)
    if options.builder.platform:
        options_of_run = ("--platform", options.builder.platform, *options_of_run)
    words = ("--rm", "--name", options.test_container, *options_of_run, options.local_image, *shell, script)
    return Command("test", ("docker", "run", *words))


def _for_one_manifest(annotations: tuple[str, ...], platform: str) -> tuple[str, ...]:
    """Return the annotations of the manifest: a build for one platform makes no index, and refuses the others."""
    return tuple(
        f"manifest:{key}={value}" for key, value in annotations_at(annotations, "manifest", platform).items()
    )
