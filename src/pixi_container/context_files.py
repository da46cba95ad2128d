"""The files of the build context: which of them a build sees, and digests of their content."""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.paths import NEVER_COPIED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CHUNK = 1 << 20


@dataclass(frozen=True)
class DockerIgnore:
    """What a ``.dockerignore`` keeps out of the build; ``patterns`` in the file's order.

    The last pattern that matches a path, or a folder above it, decides; one with ``!`` takes back in.
    Source: https://docs.docker.com/build/concepts/context/#dockerignore-files
    """

    patterns: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> DockerIgnore:
        """Read the file's text."""
        found = []
        for line in text.removeprefix("\ufeff").splitlines():
            pattern = line.strip()
            if not pattern or line.startswith("#"):
                continue
            negated = pattern.startswith("!")
            cleaned = posixpath.normpath(pattern.removeprefix("!").strip()).lstrip("/")
            found.append(f"{'!' if negated else ''}{cleaned}")
        return cls(tuple(found))

    def hides(self, path: str) -> bool:
        """Tell whether the build does not see the file."""
        if not self.patterns:
            return False
        from wcmatch import glob

        parts = path.split("/")
        places = ["/".join(parts[: end + 1]) for end in range(len(parts))]
        hidden = False
        for pattern in self.patterns:
            plain = pattern.removeprefix("!")
            matches = any(glob.globmatch(place, plain, flags=glob.GLOBSTAR | glob.DOTGLOB) for place in places)
            if matches:
                hidden = not pattern.startswith("!")
        return hidden


def read_docker_ignore(context: Path, dockerfile: str = "") -> tuple[DockerIgnore, str]:
    """Give what hides files from the build, and the text that says so; a Dockerfile's own file comes first.

    Source: https://docs.docker.com/build/concepts/context/#filename-and-location
    """
    for name in ([f"{dockerfile}.dockerignore"] if dockerfile else []) + [".dockerignore"]:
        try:
            text = (context / name).read_text("utf-8", errors="replace")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UserError(f"'{name}' cannot be read: {error.strerror or error}") from error
        return DockerIgnore.parse(text), text
    return DockerIgnore(), ""


def digest_of(context: Path, paths: Iterable[str], ignore: DockerIgnore) -> str:
    """Give one SHA-256 over every file at or below ``paths`` that the build sees: path, content, mode.

    The same on any machine, whatever the order, dates, owners and umask: of the mode counts whether it is
    executable. A symbolic link counts by what it says, a path that is one itself by what it leads to, as COPY
    takes it.
    """
    total = hashlib.sha256()
    for path, file in sorted(dict(_files(context, paths)).items()):
        if not ignore.hides(path):
            total.update(os.fsencode(f"{path}\0{_digest(file)}\n"))
    return total.hexdigest()


def _files(context: Path, paths: Iterable[str]) -> Iterator[tuple[str, Path]]:
    for path in sorted(set(paths)):
        place = context / path
        if not place.is_dir():
            if place.exists():
                yield path, place.resolve()
            continue
        top = place.resolve()
        for folder, folders, files in os.walk(top):
            at = Path(folder)
            hidden = NEVER_COPIED if path == "." and at == top else frozenset()
            folders[:] = [name for name in folders if name not in hidden]
            links = [name for name in folders if (at / name).is_symlink()]
            for name in {*files, *links} - hidden:
                below = (at / name).relative_to(top).as_posix()
                yield (below if path == "." else f"{path}/{below}"), at / name


def _digest(file: Path) -> str:
    try:
        mode = file.lstat().st_mode
        if stat.S_ISLNK(mode):
            return f"link {file.readlink()}"
        if not stat.S_ISREG(mode):
            return "neither a file nor a link"
        content = hashlib.sha256()
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                content.update(chunk)
    except OSError as error:
        raise UserError(
            f"a file of the build context cannot be read: {error.strerror or error}", file=str(file)
        ) from error
    return f"{'executable' if mode & stat.S_IXUSR else 'file'} {content.hexdigest()}"
