"""Several environments of one workspace in one image: whether they go together, and what they require together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.shortening import listed, shortened
from pixi_container.versions import version_order
from pixi_container.workspace.lock import LOCK_NAME
from pixi_container.workspace.package_ways import package_ways

if TYPE_CHECKING:
    from pixi_container.workspace.workspace import Workspace


def together(first: Workspace, others: tuple[Workspace, ...]) -> Workspace:
    """Return the workspace with the first environment, which has the others as ``more``.

    What the image requires of a machine is the highest that one of them does. The CUDA version is the first one's
    if it has one. Raises ``UserError`` for environments that cannot be in one image.
    """
    for each in others:
        _check_sources(each)
    cuda = _cuda(first, others)
    glibc = max((first, *others), key=lambda each: version_order(each.glibc) if each.glibc else ())
    return replace(
        first,
        cuda=cuda.cuda,
        cuda_source=cuda.cuda_source,
        glibc=glibc.glibc,
        glibc_source=glibc.glibc_source,
        # Each has the one version for which all are installed.
        more=tuple(replace(each, cuda=cuda.cuda if each.cuda else "") for each in others),
    )


def _cuda(first: Workspace, others: tuple[Workspace, ...]) -> Workspace:
    """Return the environment whose CUDA version is that of the image."""
    with_cuda = [each for each in (first, *others) if each.cuda]
    if not with_cuda:
        return first
    highest = max(with_cuda, key=lambda each: version_order(each.cuda))
    chosen = first if first.cuda else highest
    if version_order(chosen.cuda) < version_order(highest.cuda):
        raise UserError(
            f"environment '{highest.environment}' is for CUDA {shortened(highest.cuda)} or newer, and "
            f"'{first.environment}', the first of the image, for {shortened(first.cuda)}",
            file=str(first.context / first.manifest.file),
            hint=f"Set 'cuda-version' to {shortened(highest.cuda)} or newer, or make an image of each.",
        )
    return chosen


def _check_sources(each: Workspace) -> None:
    """Raise ``UserError`` if a further environment has packages that are built from their source."""
    names = [way.package.name for way in package_ways(each.platform.packages) if way.way == "stage"]
    if names:
        raise UserError(
            f"environment '{each.environment}' has packages that are built from source: {listed(names)}. Only the "
            "first environment of an image may have such packages",
            file=str(each.context / each.folder / LOCK_NAME),
            hint="Name it first in 'environment', if the others have none; or make an image of each.",
        )
