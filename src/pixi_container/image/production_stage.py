"""The last stage of the Dockerfile: what it copies from the context, and how a container starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pixi_container.workspace.workspace import Workspace


@dataclass(frozen=True)
class ContextCopy:
    """One COPY from the context: its sources, relative to the context, and its place in the image.

    A destination that ends with a slash is a folder to copy into; any other is the copy itself.
    """

    sources: tuple[str, ...]
    destination: str

    @property
    def words(self) -> list[str]:
        """The arguments of the instruction."""
        return [*self.sources, self.destination]


@dataclass(frozen=True, kw_only=True)
class ProductionStage:
    """What the stage ``production`` puts on the environment, in the order of its instructions."""

    manifest_copies: tuple[ContextCopy, ...]
    include_copies: tuple[ContextCopy, ...]
    variables: tuple[tuple[str, str], ...]
    expose: tuple[str, ...]
    command: tuple[str, ...]

    @property
    def copies(self) -> tuple[ContextCopy, ...]:
        """All copies, each of which is a layer."""
        return (*self.manifest_copies, *self.include_copies)


def production_stage(
    workspace: Workspace, *, workdir: str, expose: Sequence[str], command: Sequence[str]
) -> ProductionStage:
    """Return the stage for a workspace and the user's settings."""
    version = workspace.manifest.version
    return ProductionStage(
        manifest_copies=copies_by_folder(workspace.install_files, workdir),
        include_copies=tuple(ContextCopy((path,), f"{workdir}/{path}") for path in workspace.include),
        variables=(("PIXI_PROJECT_VERSION", version),) if version else (),
        expose=tuple(expose),
        command=tuple(command or ("bash",)),
    )


def copies_by_folder(paths: Iterable[str], workdir: str) -> tuple[ContextCopy, ...]:
    """Return a copy for each folder with some of the files, because a COPY has one destination."""
    folders: dict[str, list[str]] = {}
    for path in paths:
        parent = str(PurePosixPath(path).parent)
        folders.setdefault(f"{workdir}/" if parent == "." else f"{workdir}/{parent}/", []).append(path)
    return tuple(ContextCopy(tuple(files), folder) for folder, files in folders.items())
