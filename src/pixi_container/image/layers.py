"""Assign each package of an environment to a layer, so that updating one leaves the other layers unchanged."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.input_table import MOST_LAYERS
from pixi_container.workspace.wheels import is_wheel, wheel_tags

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pixi_container.workspace.lock import LockedPackage

OWN_LAYER_BYTES = 3_000_000
"""Compressed size in bytes from which a conda package gets its own layer."""

_FOR_THE_WORKSPACE = 15

REST = "rest"
"""The last layer: files of no package, or of more than one."""

_SHARED_LAYERS = 16
_WHEEL_LAYERS = 8

# Names become folders and words of a table. Packages with other names go to the last layer.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Layer:
    """A layer and its packages, each as ``conda:name`` or ``pypi:name``, sorted."""

    name: str
    packages: tuple[str, ...] = ()


def environment_layers(packages: Iterable[LockedPackage], most: int = MOST_LAYERS) -> tuple[Layer, ...]:
    """Return the layers of an environment, lowest first, at most ``most``.

    A package's layer depends only on its own kind, name and size, unless there are more large packages than own
    layers; then the largest packages get them. The largest layers come first, because a changed layer makes every
    client unpack the layers above it again. A lock has no sizes of PyPI packages, so wheels with compiled code,
    which may be large, are kept apart from the others.
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


def layer_budget(others: int, most: int) -> int:
    """Return the number of layers for the environment, at most ``most``, if the image has ``others`` as well."""
    return max(1, min(most, MOST_LAYERS + _FOR_THE_WORKSPACE - others))


def layer_budgets(most: int, environments: int) -> tuple[int, ...]:
    """Return how many of an image's ``most`` layers each environment may have, of which each needs one.

    The parts depend on nothing but the two numbers, so that a bump moves no package to another layer.
    """
    others = max(1, most // environments)
    return (max(1, most - others * (environments - 1)), *(others for _ in range(environments - 1)))


def _is_compiled(location: str) -> bool:
    """Tell whether a wheel is for a specific platform; one whose name does not tell counts as well."""
    if not is_wheel(location):
        return False
    tags = wheel_tags(location)
    return not tags or any((tag.abi, tag.platform) != ("none", "any") for tag in tags)


def _bucket(name: str, count: int) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % count
