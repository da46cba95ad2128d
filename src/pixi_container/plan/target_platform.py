"""The platforms that images are made for, and whether the machine can run something for each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pixi_container.docker.builder import NO_BUILDER, machine_platform
from pixi_container.errors import ToolUnavailableError, UserError
from pixi_container.image.base_images import choose_base_images
from pixi_container.image.own_dockerfile import read_own_dockerfile
from pixi_container.image_choice import EVERY_PLATFORM
from pixi_container.workspace.workspace import read_workspace

if TYPE_CHECKING:
    from pixi_container.log import Log
    from pixi_container.plan.looked_up import LookedUp
    from pixi_container.registry.client import Registry
    from pixi_container.request import Request


@dataclass(frozen=True)
class MachineEngine:
    """The platform to build for, and why there is no engine; empty if there is one or none is wanted.

    ``is_foreign`` tells that the platform is not the engine's own.
    """

    platform: str
    missing: str = ""
    is_foreign: bool = False


def machine_engine(request: Request, looked_up: LookedUp) -> MachineEngine:
    """Return the platform to build for: the request's, or else that of the engine.

    Where there is no engine, and none is needed to push or to build on nodes, it is this machine's; where jobs on
    runners make the images, it is that of the platform's runner. Raises ``ToolUnavailableError`` where one is
    needed.
    """
    wanted = request.platform
    if looked_up.runners:
        native, missing = looked_up.runners.native_platform(wanted), ""
    elif request.inputs.builder == NO_BUILDER:
        native, missing = machine_platform(), ""
    else:
        try:
            native, missing = looked_up.native_platform, ""
        except ToolUnavailableError as error:
            if not does_without_builder(request) and not _does_without_engine(request):
                raise
            native, missing = machine_platform(), "" if request.inputs.nodes else error.message
    return MachineEngine(wanted or native, missing, is_foreign=wanted not in {"", native})


def does_without_builder(request: Request) -> bool:
    """Tell whether a missing builder is no error yet: none is named, and a push needs no engine."""
    return not request.inputs.builder and not request.inputs.nodes and request.may_push


def _does_without_engine(request: Request) -> bool:
    """Tell whether other machines build the image, and it is not loaded into an engine to be tested or kept."""
    inputs = request.inputs
    loaded = request.keep or inputs.test_command or (inputs.dockerfile and not inputs.test_target)
    return bool(inputs.nodes) and not loaded


def requests_by_platform(
    request: Request, registry: Registry | None, looked_up: LookedUp, log: Log
) -> tuple[Request, ...]:
    """Return the requests for the platforms' images; the request itself if it names no platform.

    Of several, none gets the user's tags, which are for the index of them. Without a ``registry``, neither that
    nor the engine is asked.
    """
    wanted = request.inputs.platforms
    if not wanted:
        return (request,)
    names = _every_platform(request, registry, looked_up) if wanted == (EVERY_PLATFORM,) else wanted
    requests = tuple(replace(request, platform=name) for name in names)
    if len(requests) > 1:
        untagged = replace(request.inputs, push_untagged=True)
        requests = tuple(replace(each, inputs=untagged, with_others=True) for each in requests)
    if registry is None:
        return requests
    return tuple(_without_impossible_test(each, looked_up, log) for each in requests)


def _every_platform(request: Request, registry: Registry | None, looked_up: LookedUp) -> tuple[str, ...]:
    """Return the platforms that the environment is locked for, and that the runtime image has."""
    own = read_own_dockerfile(request.inputs)
    workspace = read_workspace(
        request.inputs,
        needs_environment=own is None or own.builds_on_environment,
        read=looked_up.manifest_and_lock,
    )
    locked = workspace.docker_platforms
    if registry is None:
        return locked
    runtime = choose_base_images(request.inputs, workspace, published=registry.get_tags).runtime
    manifest = registry.get_manifest(runtime if runtime.tag or runtime.digest else runtime.tagged("latest"))
    if manifest is None or not manifest.is_index:
        return (machine_engine(request, looked_up).platform,)
    both = tuple(name for name in locked if manifest.has(name))
    if not both:
        raise UserError(
            f"input 'platforms': the image {runtime} has none of the platforms that environment "
            f"'{workspace.environment}' is locked for: {', '.join(locked)}",
            hint="Choose another 'runtime-image', or add a platform to the workspace.",
        )
    return both


def _without_impossible_test(request: Request, looked_up: LookedUp, log: Log) -> Request:
    """Return the request without its test if no container runs here for the platform; then it counts as untested.

    The fingerprint of an image has its test, so that a machine that can run it does.
    """
    inputs = request.inputs
    if not inputs.test_command or inputs.emulation or inputs.builder == NO_BUILDER:
        return request
    engine = machine_engine(request, looked_up)
    if not engine.is_foreign or engine.missing:
        return request
    if not looked_up.runners and engine.platform in looked_up.engine_platforms:
        return request
    whose = "its runner's engine" if looked_up.runners else "this machine's engine"
    log.warning(f"{engine.platform}: 'test-command' is not run, because {whose} cannot run it")
    return replace(request, inputs=replace(inputs, test_command=""))
