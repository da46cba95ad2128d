"""Which layer of the image each package of an environment belongs to, so that a bump leaves the others alone."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.inputs import MOST_LAYERS
from pixi_container.workspace.wheels import is_wheel, wheel_tags

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pixi_container.workspace.lock import LockedPackage

OWN_LAYER_BYTES = 3_000_000
"""Compressed size from which a conda package has a layer of its own."""

_FOR_THE_WORKSPACE = 15

REST = "rest"
"""The last layer: what belongs to no package, or to more than one."""

_SHARED_LAYERS = 16
_WHEEL_LAYERS = 8

# Names become folders and words of a table. What is named otherwise is left to the last layer.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Layer:
    """A layer and its packages, each as ``conda:name`` or ``pypi:name``, sorted."""

    name: str
    packages: tuple[str, ...] = ()


def environment_layers(packages: Iterable[LockedPackage], most: int = MOST_LAYERS) -> tuple[Layer, ...]:
    """Return the layers of an environment from the lowest to the last, at most ``most`` of them.

    Where a package goes depends on its own kind, name and size, as long as no more packages are large than there
    are own layers; else the largest have them. Its layer's name depends on nothing else either. The largest comes
    first, since a layer that changes has those above it unpacked again wherever the image is pulled. A lock has no
    sizes of PyPI packages: wheels with compiled code, which may be large, are kept apart from the others.
    """
    from packaging.utils import canonicalize_name

    shared = min(_SHARED_LAYERS, max(1, (most - 1) // 4))
    wheels = min(_WHEEL_LAYERS, (most - 1) // 8)
    own: list[tuple[int, str]] = []
    members: defaultdict[str, list[str]] = defaultdict(list)
    for package in packages:
        if not _NAME.fullmatch(package.name) or most == 1:
            continue
        name = canonicalize_name(package.name) if package.kind == "pypi" else package.name
        if package.kind == "conda" and (package.size or 0) >= OWN_LAYER_BYTES:
            own.append((package.size or 0, name))
        elif package.kind == "pypi" and wheels and _is_compiled(package.location):
            members[f"wheels-{_bucket(name, wheels)}"].append(f"pypi:{name}")
        else:
            members[f"shared-{_bucket(name, shared):02}"].append(f"{package.kind}:{name}")
    own.sort(key=lambda entry: (-entry[0], entry[1]))
    alone = max(0, most - 1 - shared - wheels)
    for _, name in own[alone:]:
        members[f"shared-{_bucket(name, shared):02}"].append(f"conda:{name}")
    grouped = sorted(members.items(), key=lambda item: (item[0].startswith("shared-"), item[0]))
    return (
        *(Layer(f"own-{name}", (f"conda:{name}",)) for _, name in own[:alone]),
        *(Layer(name, tuple(sorted(members_of))) for name, members_of in grouped),
        Layer(REST),
    )


def layers_beside(others: int, most: int) -> int:
    """Return how many layers of the asked ones the environment may have, where the workspace has ``others``."""
    return max(1, min(most, MOST_LAYERS + _FOR_THE_WORKSPACE - others))


def _is_compiled(location: str) -> bool:
    """Tell whether a wheel is for one platform; one whose name says nothing may be, and may be as large."""
    if not is_wheel(location):
        return False
    tags = wheel_tags(location)
    return not tags or any((tag.abi, tag.platform) != ("none", "any") for tag in tags)


def _bucket(name: str, count: int) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % count
