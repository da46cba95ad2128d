"""The last stage of the Dockerfile: what it copies from the context, and how a container starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.image.instructions import NO_INSTRUCTIONS, Instructions
from pixi_container.input_values import Variable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pixi_container.input_values import Healthcheck
    from pixi_container.inputs import Inputs
    from pixi_container.workspace.included import IncludedCopy
    from pixi_container.workspace.workspace import Workspace

_TAKEN_FOR_A_HOSTS = ("PYTHONHOME", "PYTHONPATH")


@dataclass(frozen=True)
class ContextCopy:
    """One COPY from the context: its sources, relative to the context, and its place in the image.

    A destination that ends with a slash is a folder to copy into; any other is the copy itself. ``owner`` is a
    user and a group by number, ``1000:1000``, and ``mode`` is octal; files keep their own mode where it is empty.
    """

    sources: tuple[str, ...]
    destination: str
    owner: str = ""
    mode: str = ""

    @property
    def words(self) -> list[str]:
        """The arguments of the instruction."""
        return [*self.sources, self.destination]

    @property
    def flags(self) -> tuple[str, ...]:
        """The options of the instruction."""
        options = (("--chown", self.owner), ("--chmod", self.mode))
        return tuple(f"{name}={value}" for name, value in options if value)


@dataclass(frozen=True, kw_only=True)
class ProductionStage:
    """What the stage ``production`` puts on the environment, in the order of its instructions.

    ``variables`` are the workspace's and ``env`` the user's. An empty value keeps what the environment's image
    has, as does a ``command`` of None. ``entrypoint`` begins with the activation.
    """

    manifest_copies: tuple[ContextCopy, ...]
    include_copies: tuple[ContextCopy, ...]
    variables: tuple[tuple[str, str], ...]
    env: tuple[Variable, ...] = ()
    expose: tuple[str, ...]
    volumes: tuple[str, ...] = ()
    working_directory: str = ""
    healthcheck: Healthcheck | None = None
    stop_signal: str = ""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] | None
    user: str = ""
    instructions: Instructions = NO_INSTRUCTIONS

    @property
    def copies(self) -> tuple[ContextCopy, ...]:
        """All copies, each of which is a layer."""
        return (*self.manifest_copies, *self.include_copies)


def production_stage(workspace: Workspace, inputs: Inputs, instructions: Instructions) -> ProductionStage:
    """Return the stage for a workspace and the user's settings. Raises ``UserError`` for settings that collide."""
    workdir, version = inputs.workdir, workspace.manifest.version
    activated = {name for name, _ in workspace.activation_env}
    for variable in inputs.env:
        if variable.name in activated and variable.name != "PATH":
            raise UserError(
                f"input 'env' sets {variable.name}, which [activation.env] of the manifest sets as well",
                file=str(workspace.context / workspace.manifest.file),
                hint="Keep one of the two: Pixi's activation would undo the other whenever a shell starts.",
            )
    return ProductionStage(
        manifest_copies=copies_by_folder(workspace.install_files, workdir),
        include_copies=tuple(_included(copy, workdir) for copy in workspace.include_copies),
        variables=(("PIXI_PROJECT_VERSION", version),) if version else (),
        env=(*inputs.env, *_kept(inputs.env)),
        expose=inputs.expose,
        volumes=inputs.volumes,
        working_directory=inputs.working_directory,
        healthcheck=inputs.healthcheck,
        stop_signal=inputs.stop_signal,
        entrypoint=(f"{workdir}/entrypoint.sh", *inputs.entrypoint) if inputs.entrypoint else (),
        command=_command(inputs, instructions),
        user=inputs.user,
        instructions=instructions,
    )


def _kept(env: Iterable[Variable]) -> tuple[Variable, ...]:
    """Return the variable by which the activation keeps those that it would remove as a host's."""
    names = [variable.name for variable in env if variable.name in _TAKEN_FOR_A_HOSTS]
    return (Variable("PIXI_CONTAINER_KEEP", (" ".join(names),)),) if names else ()


def _command(inputs: Inputs, instructions: Instructions) -> tuple[str, ...] | None:
    """Return the command; None where the user's instructions decide, as ours would be an argument of theirs."""
    if inputs.command or inputs.entrypoint:
        return inputs.command
    return None if instructions.keywords & {"CMD", "ENTRYPOINT"} else ("bash",)


def _included(copy: IncludedCopy, workdir: str) -> ContextCopy:
    place = copy.destination.removeprefix("./")
    destination = place if place.startswith("/") else f"{workdir}/{place}"
    return ContextCopy(copy.sources, destination, copy.owner, copy.mode)


def copies_by_folder(paths: Iterable[str], workdir: str) -> tuple[ContextCopy, ...]:
    """Return a copy for each folder with some of the files, because a COPY has one destination."""
    folders: dict[str, list[str]] = {}
    for path in paths:
        parent = str(PurePosixPath(path).parent)
        folders.setdefault(f"{workdir}/" if parent == "." else f"{workdir}/{parent}/", []).append(path)
    return tuple(ContextCopy(tuple(files), folder) for folder, files in folders.items())
