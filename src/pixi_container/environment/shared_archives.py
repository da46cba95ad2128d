"""Archives of packages that the environments of one step share: each is downloaded once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pixi_container.environment.shared_work import SharedWork


class SharedArchives:
    """The archives in a shared folder, by their sha256."""

    def __init__(self, work: SharedWork) -> None:
        self._work = work

    def have(
        self,
        sha256: str,
        size: int | None,
        path: Path,
        download: Callable[[Path], None],
        check: Callable[[], None],
    ) -> bool:
        """Have an archive at ``path``, and return whether ``download`` had to bring it.

        ``download`` writes a file, and raises unless it is the archive. ``size`` is None where it is not known.
        ``check`` is called while others download the same archive.
        """
        kept = self._work.file(sha256)
        with self._work.locked(sha256, check):
            is_new = not _is_whole(kept, size)
            if is_new:
                if not self._work.has_room(size or 0):
                    download(path)
                    return True
                with self._work.aside() as aside:
                    download(aside)
                    aside.rename(kept)
        # Without a link of its own, as some file systems have no hard links.
        path.symlink_to(kept)
        return is_new


def _is_whole(kept: Path, size: int | None) -> bool:
    try:
        there = kept.stat().st_size
    except FileNotFoundError:
        return False
    return size is None or there == size
