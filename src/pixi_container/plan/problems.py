"""What keeps a workspace from becoming an image although its manifest and lock can be read."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.image.workspace_stage import is_name
from pixi_container.paths import (
    HOW_TO_BE_INSIDE,
    HOW_TO_FETCH_LFS,
    can_be_mounted,
    exists,
    is_empty_folder,
    is_lfs_pointer,
    read_text,
)
from pixi_container.shortening import shortened
from pixi_container.workspace.local_packages import is_inside
from pixi_container.workspace.lock import LOCK_NAME
from pixi_container.workspace.workspace import MOST_PROBLEMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixi_container.workspace.local_packages import OwnSource
    from pixi_container.workspace.workspace import Workspace


def problems_of(workspace: Workspace) -> tuple[UserError, ...]:
    """Return an error for each file and package that the build would miss; none when it can start.

    Of very many there are the first, and one that says so.
    """
    first = tuple(islice(_problems(workspace), MOST_PROBLEMS + 1))
    return (
        first
        if len(first) <= MOST_PROBLEMS
        else (*first[:MOST_PROBLEMS], UserError("there are more problems of this kind"))
    )


def _problems(workspace: Workspace) -> Iterator[UserError]:
    yield from workspace.stale
    manifest = str(workspace.context / workspace.manifest.file)
    for path in workspace.missing_files:
        yield UserError(
            f"the manifest names '{shortened(path)}', which does not exist: Pixi refuses the manifest without it",
            file=manifest,
            hint="Is it in the checkout? Otherwise take its name out of the manifest.",
        )
    for path in workspace.find_links:
        if not is_inside(path):
            yield UserError(
                f"the environment's packages are in '{shortened(path)}', outside of the context",
                file=manifest,
                hint=HOW_TO_BE_INSIDE,
            )
        elif not exists(workspace.context, path):
            yield UserError(
                f"the environment's packages are in '{shortened(path)}', "
                f"which does not exist in '{workspace.context}'",
                file=manifest,
                hint="It must be in the checkout before this step.",
            )
    for script in workspace.activation_scripts:
        if problem := _of_script(script, workspace):
            yield problem
    for package in workspace.own_source:
        if problem := _of_package(package, workspace):
            yield problem


def _of_script(script: str, workspace: Workspace) -> UserError | None:
    """Find what keeps bash from reading a script: an image is active by its scripts, and they fail in silence."""
    problem = hint = ""
    if is_lfs_pointer(workspace.context, script):
        problem, hint = "is a Git LFS pointer, not the script itself", HOW_TO_FETCH_LFS
    elif "\r\n" in read_text(workspace.context, script, what="the activation script", errors="replace"):
        problem = "has Windows' line ends, which bash takes for part of its commands"
        hint = "Add a line such as '*.sh text eol=lf' to .gitattributes, and check the file out again."
    place = str(workspace.context / script)
    return (
        UserError(f"the activation script '{shortened(script)}' {problem}", file=place, hint=hint)
        if problem
        else None
    )


def _of_package(package: OwnSource, workspace: Workspace) -> UserError | None:
    problem = hint = ""
    place = f"comes from '{shortened(package.path)}'"
    if not package.is_inside:
        outside = next(path for path in (package.path, *package.inputs) if not is_inside(path))
        problem, hint = f"comes from '{shortened(outside)}', outside of the context", HOW_TO_BE_INSIDE
    elif not exists(workspace.context, package.path):
        problem = f"{place}, which does not exist"
        hint = "Is it a Git submodule, or generated? It must be in the checkout before this step."
    elif is_empty_folder(workspace.context, package.path):
        problem = f"{place}, an empty folder"
        hint = "A Git submodule is empty until it is checked out: give actions/checkout `submodules: true`."
    elif is_lfs_pointer(workspace.context, package.path):
        problem, hint = f"{place}, which is a Git LFS pointer, not the file itself", HOW_TO_FETCH_LFS
    elif not can_be_mounted(package.path):
        problem = f"{place}, a path that a Dockerfile cannot name in a mount"
        hint = "Accepted: letters, digits and . _ @ + - between slashes."
    elif not is_name(package.name):
        problem, hint = "has an invalid name", "Run `pixi lock` and commit the result."
    elif package.kind == "conda-source" and workspace.lock_version < 7:
        problem = f"is built by conda, for which version {workspace.lock_version} of the lock is too old"
        hint = f"Run `pixi lock` with pixi 0.68 or newer and commit {LOCK_NAME}."
    if not problem:
        return None
    return UserError(
        f"package '{shortened(package.name)}' {problem}", file=str(workspace.context / LOCK_NAME), hint=hint
    )
