"""Problems of a workspace with a readable manifest and lock that would still make the build fail."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.image.workspace_stage import is_name
from pixi_container.paths import (
    HOW_TO_FETCH_LFS,
    can_be_mounted,
    exists,
    is_empty_folder,
    is_lfs_pointer,
    read_text,
)
from pixi_container.shortening import shortened
from pixi_container.workspace.build_context import read_docker_ignore
from pixi_container.workspace.folder import HERE, covers, how_to_be_inside, in_context
from pixi_container.workspace.local_packages import is_inside
from pixi_container.workspace.lock import LOCK_NAME
from pixi_container.workspace.lock_commands import lock_command
from pixi_container.workspace.workspace import MOST_PROBLEMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pixi_container.workspace.local_packages import OwnSource
    from pixi_container.workspace.workspace import Workspace


def problems_of(workspace: Workspace, *, copies_included: bool = True) -> tuple[UserError, ...]:
    """Return an error for each file or package that would make the build fail; empty if it can start.

    ``copies_included`` tells whether the build copies the included files, which a user-supplied Dockerfile does
    not. The number is limited; a last error says if there are more.
    """
    problems = (
        problem
        for each in workspace.all_environments
        for problem in _problems(each, copies_included=copies_included)
    )
    first = tuple(islice(_each_once(problems), MOST_PROBLEMS + 1))
    return (
        first
        if len(first) <= MOST_PROBLEMS
        else (*first[:MOST_PROBLEMS], UserError("there are more problems like these"))
    )


def _each_once(problems: Iterable[UserError]) -> Iterator[UserError]:
    """Yield the problems, of which several environments may have the same."""
    seen = set()
    for problem in problems:
        if (text := str(problem)) not in seen:
            seen.add(text)
            yield problem


def _problems(workspace: Workspace, *, copies_included: bool) -> Iterator[UserError]:
    yield from workspace.stale
    manifest = str(workspace.context / workspace.manifest.file)
    for path in workspace.missing_files:
        yield UserError(
            f"the manifest names '{shortened(path)}', which does not exist; Pixi rejects the manifest without it",
            file=manifest,
            hint="Add the file to the checkout, or remove its name from the manifest.",
        )
    for path in workspace.find_links:
        if not is_inside(path):
            yield UserError(
                f"the environment's packages are in '{shortened(path)}', outside of the context",
                file=manifest,
                hint=how_to_be_inside(workspace.context, path, workspace.manifest.file),
            )
        elif not exists(workspace.context, path):
            yield UserError(
                f"the environment's packages are in '{shortened(path)}', "
                f"which does not exist in '{workspace.context}'",
                file=manifest,
                hint="Put it into the checkout before this step.",
            )
    for script in workspace.activation_scripts:
        if problem := _of_script(script, workspace):
            yield problem
    if copies_included:
        yield from filter(None, (_of_included(path, workspace) for path in workspace.include))
    yield from filter(None, (_of_package(package, workspace) for package in workspace.own_source))


def _of_script(script: str, workspace: Workspace) -> UserError | None:
    """Return an error if bash cannot read an activation script, which would fail without a message; else None."""
    problem = hint = ""
    if is_lfs_pointer(workspace.context, script):
        problem, hint = "is a Git LFS pointer, not the script itself", HOW_TO_FETCH_LFS
    elif "\r\n" in read_text(workspace.context, script, what="the activation script", errors="replace"):
        problem = "has Windows line endings, which bash reads as part of the commands"
        hint = "Add a line such as '*.sh text eol=lf' to .gitattributes, and check out the file again."
    place = str(workspace.context / script)
    return (
        UserError(f"the activation script '{shortened(script)}' {problem}", file=place, hint=hint)
        if problem
        else None
    )


def _of_included(path: str, workspace: Workspace) -> UserError | None:
    """Return an error if an included folder has environments of this machine, which would hide the image's."""
    environments = in_context(".pixi/envs", workspace.folder)
    if (
        workspace.folder == HERE
        or not covers(path, workspace.folder)
        or not exists(workspace.context, environments)
        or not read_docker_ignore(workspace.context)[0].sees(environments)
    ):
        return None
    return UserError(
        f"the included folder '{shortened(path)}' has this machine's environments, in '{environments}'",
        file=str(workspace.context / ".dockerignore"),
        hint=f"Add the line '{environments}' to .dockerignore, or name what the image needs of that folder.",
    )


def _of_package(package: OwnSource, workspace: Workspace) -> UserError | None:
    problem = hint = ""
    place = f"comes from '{shortened(package.path)}'"
    if not package.is_inside:
        outside = next(path for path in (package.path, *package.inputs) if not is_inside(path))
        problem = f"comes from '{shortened(outside)}', outside of the context"
        hint = how_to_be_inside(workspace.context, outside, workspace.manifest.file)
    elif not exists(workspace.context, package.path):
        problem = f"{place}, which does not exist"
        hint = "If it is a Git submodule or generated, put it into the checkout before this step."
    elif is_empty_folder(workspace.context, package.path):
        problem = f"{place}, an empty folder"
        hint = "A Git submodule is empty until it is checked out: set `submodules: true` for actions/checkout."
    elif is_lfs_pointer(workspace.context, package.path):
        problem, hint = f"{place}, which is a Git LFS pointer, not the file itself", HOW_TO_FETCH_LFS
    elif not can_be_mounted(package.path):
        problem = f"{place}, a path that a Dockerfile cannot name in a mount"
        hint = "Accepted: letters, digits and . _ @ + - between slashes."
    elif not is_name(package.name):
        problem, hint = (
            "has an invalid name",
            f"Run `{lock_command(workspace.context / workspace.folder)}` and commit the result.",
        )
    elif package.kind == "conda-source" and workspace.lock_version < 7:
        problem = f"is a conda package from source, but version {workspace.lock_version} of the lock is too old"
        command = lock_command(workspace.context / workspace.folder)
        hint = f"Run `{command}` with pixi 0.68 or newer, and commit {LOCK_NAME}."
    if not problem:
        return None
    return UserError(
        f"package '{shortened(package.name)}' {problem}",
        file=str(workspace.context / workspace.folder / LOCK_NAME),
        hint=hint,
    )
