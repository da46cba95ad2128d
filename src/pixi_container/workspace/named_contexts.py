"""Folders of the checkout that a build gets as further contexts, and a digest of what the build sees of them."""

from __future__ import annotations

import hashlib
import os.path
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.paths import NEVER_COPIED, check_possible
from pixi_container.runner.checkout import checkout_around
from pixi_container.shortening import shortened
from pixi_container.workspace.build_context import digest_of, read_docker_ignore

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pixi_container.build_inputs import BuildContext


@dataclass(frozen=True)
class NamedFolder:
    """A folder under its name in the build: its ``place`` without links, and its ``paths`` below the checkout.

    It has several paths if links lead to it; the one of the checkout's root is empty.
    """

    name: str
    place: Path
    paths: tuple[str, ...]


def named_folders(context: Path, contexts: Iterable[BuildContext]) -> tuple[NamedFolder, ...]:
    """Return the folders among the build contexts.

    Raises ``UserError`` for one that does not exist, or is outside of the checkout after following links: the
    checkout may be a stranger's, and a link of it may lead anywhere. Without a checkout, ``context`` is the limit.
    """
    checkout = checkout_around(context)
    root = checkout.root if checkout else context.resolve()
    return tuple(_folder(context, root, each) for each in contexts if each.is_folder)


def digest_of_folders(folders: Iterable[NamedFolder]) -> str:
    """Return one SHA-256 of all files that the build sees in the folders, as ``digest_of`` has it."""
    total = hashlib.sha256()
    for folder in folders:
        # A named context has a .dockerignore of its own: ``NamedContext.load`` in
        # https://github.com/moby/buildkit/blob/master/frontend/dockerui/namedcontext.go
        ignore, text = read_docker_ignore(folder.place)
        content = digest_of(folder.place, (".",), ignore, with_never_copied=True)
        total.update(f"{folder.name}\0{content}\0{text}\0".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def _folder(context: Path, root: Path, given: BuildContext) -> NamedFolder:
    source = f"input 'build-contexts': '{given.name}'"
    check_possible(given.value, source=source)
    shown = shortened(given.value)
    try:
        place = (context / given.value).resolve()
        is_folder = place.is_dir()
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"{source}: '{shown}' cannot be read: {error}") from error
    if not place.is_relative_to(root) or NEVER_COPIED & set(place.relative_to(root).parts):
        raise UserError(
            f"{source}: '{shown}' leads out of the checkout",
            hint="A build context can be a folder of the checkout. Put the files there, or into an image that "
            "'docker-image://…' names.",
        )
    if not is_folder:
        raise UserError(
            f"{source}: there is no folder '{shown}' in '{context}'",
            hint="Paths are relative to 'context'.",
        )
    return NamedFolder(given.name, place, tuple(sorted(_paths(context, root, given.value, place))))


def _paths(context: Path, root: Path, value: str, place: Path) -> set[str]:
    """Return the folder's path as written and without links, where both are below the root."""
    written = Path(os.path.normpath(context.resolve() / value))  # must not follow links
    return {
        "" if way == root else way.relative_to(root).as_posix()
        for way in (place, written)
        if way.is_relative_to(root)
    }
