"""What a repository has: its workspace, environments, Dockerfiles and workflows. Nothing is changed here."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.init.workflow_text import WORKFLOW
from pixi_container.inputs import Inputs
from pixi_container.paths import exists, is_file, is_folder, read_text
from pixi_container.settings import TABLE
from pixi_container.shortening import listed
from pixi_container.workspace.manifest import read_manifest
from pixi_container.workspace.workspace import read_manifest_and_lock, workspace_with

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WORKFLOWS = ".github/workflows"
_TEXT_BYTES = 256 * 1024
_DOCKERFILE = re.compile(r"(?:Dockerfile|Containerfile)(?:\..+)?|.+\.(?:Dockerfile|Containerfile)", re.IGNORECASE)
_NO_DOCKERFILE = re.compile(r".*\.(?:dockerignore|md|txt|j2|template)", re.IGNORECASE)
_NOT_ENTERED = {"node_modules", "__pycache__", "venv"}
_MOST_FILES = 20_000
_MOST_ENVIRONMENTS = 20
_BRANCH = re.compile(r"ref: refs/remotes/origin/(?P<name>[A-Za-z0-9._/-]+)\s*")


@dataclass(frozen=True, kw_only=True)
class RepositorySurvey:
    """A repository: its ``root`` and, relative to it, its texts; and ``context``, the workspace's folder in it.

    ``files`` are those of the context. ``locked`` are the environments that can be built for Linux, and
    ``lock_problem`` is why the first other one cannot. ``tasks`` are the commands of Pixi's tasks by
    name, empty for those that are more than a text.
    """

    root: Path
    context: str
    manifest: str
    manifest_text: str
    has_settings: bool
    files: frozenset[str]
    tasks: Mapping[str, str]
    locked: tuple[str, ...]
    lock_problem: UserError | None
    dockerfiles: Mapping[str, str]
    workflows: Mapping[str, str]
    branch: str

    @property
    def folder(self) -> Path:
        """The workspace's folder."""
        return self.root / self.context

    @property
    def manifest_place(self) -> str:
        """The manifest, relative to the repository."""
        return self.manifest if self.context == "." else f"{self.context}/{self.manifest}"


def survey(context: Path, manifest_path: str = "") -> RepositorySurvey:
    """Return the repository around the workspace in ``context``. Raises ``UserError`` if there is no workspace."""
    manifest = read_manifest(context, manifest_path)
    folder = context.resolve()
    root = next((each for each in (folder, *folder.parents) if exists(each, ".git")), folder)
    listed_files = tuple(_files(root))
    place = folder.relative_to(root).as_posix()
    prefix = "" if place == "." else f"{place}/"
    locked, problem = _locked(context, manifest_path, manifest.environment_names)
    tables = [feature.table for feature in manifest.all_features]
    tables += [
        target.table(name) for table in tables for target in [table.table("target")] for name in target.values
    ]
    return RepositorySurvey(
        root=root,
        context=place,
        manifest=manifest.file,
        manifest_text=read_text(context, manifest.file, what="the manifest"),
        has_settings=TABLE in manifest.document.table("tool"),
        files=frozenset(file.removeprefix(prefix) for file in listed_files if file.startswith(prefix)),
        tasks={
            name: command if isinstance(command, str) else ""
            for table in tables
            for name, command in table.table("tasks").values.items()
        },
        locked=locked,
        lock_problem=problem,
        dockerfiles={
            file: read_text(root, file, what=f"'{file}'", limit=_TEXT_BYTES, errors="replace")
            for file in listed_files
            if _DOCKERFILE.fullmatch(file.rpartition("/")[2]) and not _NO_DOCKERFILE.fullmatch(file)
        },
        workflows={
            file: read_text(root, file, what=f"'{file}'", limit=_TEXT_BYTES, errors="replace")
            for file in _workflow_files(root)
        },
        branch=_default_branch(root),
    )


def _files(root: Path) -> Iterator[str]:
    """Yield the regular files, without following links, up to a number; hidden folders are left out."""
    count = 0
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _NOT_ENTERED)
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_symlink() or not path.is_file():
                continue
            count += 1
            if count > _MOST_FILES:
                return
            yield path.relative_to(root).as_posix()


def _workflow_files(root: Path) -> list[str]:
    if not is_folder(root, _WORKFLOWS):
        return []
    names = sorted(path.name for path in (root / _WORKFLOWS).iterdir() if path.suffix in {".yml", ".yaml"})
    files = (f"{_WORKFLOWS}/{name}" for name in names)
    return [file for file in files if file != WORKFLOW and is_file(root, file)]


def _locked(context: Path, manifest_path: str, names: tuple[str, ...]) -> tuple[tuple[str, ...], UserError | None]:
    """Return the environments that can be built for Linux, and the first problem with the lock."""
    locked: list[str] = []
    problem: UserError | None = None
    inputs = Inputs(context=str(context), manifest_path=manifest_path, environment=names[0], include=())
    try:
        files = read_manifest_and_lock(inputs)
    except UserError as error:
        return (), error
    for name in names[:_MOST_ENVIRONMENTS]:
        try:
            workspace = workspace_with(files, replace(inputs, environment=name))
        except UserError as error:
            problem = problem or error
            continue
        problem = next(iter(workspace.stale), None) or problem
        locked.append(name)
    return tuple(locked), problem


def _default_branch(root: Path) -> str:
    """Return the branch that the checkout's remote has as its default, or else ``main``."""
    try:
        # Nothing below `.git` may be read as a file of the checkout; a branch is all that is taken from this one.
        head = read_text(root / ".git", "refs/remotes/origin/HEAD", what="the remote's default branch", limit=1024)
    except (FileNotFoundError, UserError):
        return "main"
    match = _BRANCH.fullmatch(head)
    return match["name"] if match else "main"


def dockerfile_of(repository: RepositorySurvey, asked: str, built: tuple[str, ...]) -> str:
    """Return the Dockerfile to take over: that which is asked for, or built by a workflow, or the one with Pixi.

    Empty if there is none. Raises ``UserError`` if there are several, or not the one that is asked for.
    """
    with_pixi = [file for file, text in repository.dockerfiles.items() if "pixi" in text]
    if asked and asked not in repository.dockerfiles:
        raise UserError(
            f"there is no Dockerfile '{asked}' in the repository",
            hint=f"Dockerfiles: {listed(repository.dockerfiles)}.",
        )
    choices = [asked] if asked else [file for file in with_pixi if file in built] or with_pixi
    if len(choices) > 1:
        raise UserError(
            f"several Dockerfiles use Pixi: {listed(choices)}",
            hint="Choose one by --from-dockerfile; each can be an image of its own.",
        )
    return choices[0] if choices else ""
