"""The workspaces of one repository, which globs of their manifests choose."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.image_choice import MANIFEST_NAMES
from pixi_container.paths import NEVER_COPIED, is_folder
from pixi_container.shortening import listed, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def chosen_manifests(context: Path, globs: Sequence[str]) -> tuple[str, ...]:
    """Return the manifests below ``context`` whose last matching glob has no ``!`` in front, sorted.

    A leading exclusion chooses among all. Links to folders are not followed. Raises ``UserError`` if a glob
    without ``!`` matches nothing, if nothing is left, and for a path that cannot be shown as it is.
    """
    from wcmatch import glob as wildcards

    if not is_folder(context, "."):
        raise UserError(f"the context '{shortened(str(context))}' is not a folder")
    manifests = sorted(_manifests_below(context))
    chosen = {manifest: globs[0].startswith("!") for manifest in manifests}
    for glob in globs:
        pattern = glob.removeprefix("!")
        flags = wildcards.GLOBSTAR | wildcards.DOTGLOB
        matching = [manifest for manifest in manifests if wildcards.globmatch(manifest, pattern, flags=flags)]
        if not matching and pattern == glob:
            raise UserError(
                f"input 'contexts': '{shortened(glob)}' matches no file below '{context}'",
                hint=f"Manifests there: {listed(manifests)}." if manifests else "",
            )
        chosen |= dict.fromkeys(matching, pattern == glob)
    names = tuple(manifest for manifest, is_chosen in chosen.items() if is_chosen)
    if not names:
        raise UserError("input 'contexts' excludes every manifest", hint=f"Manifests: {listed(manifests)}.")
    if odd := next((name for name in names if not name.isprintable()), ""):
        raise UserError(
            f"input 'contexts' matches a path with a character that cannot be shown: {shortened(odd)!r}",
            hint="Rename the folder, or exclude it with '!'.",
        )
    return names


def _manifests_below(context: Path) -> Iterator[str]:
    for folder, names, files in os.walk(context):
        names[:] = [name for name in names if name not in NEVER_COPIED]
        for name in set(files).intersection(MANIFEST_NAMES):
            yield Path(folder, name).relative_to(context).as_posix()
