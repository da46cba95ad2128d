"""The layers of an environment, each with a key that tells its tar to the byte before anything is downloaded."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.environment.package_metadata import Python
from pixi_container.image.environment_way import LAYOUT_VERSION
from pixi_container.image.layers import environment_layers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from pixi_container.environment.records import CondaRecord
    from pixi_container.workspace.lock import LockedPackage


@dataclass(frozen=True)
class KeyedLayer:
    """A layer and its packages, each as ``conda:name`` or ``pypi:name``, sorted.

    Layers with the same ``key`` have the same diff id. Their digests differ by how they are compressed.
    """

    name: str
    key: str
    packages: tuple[str, ...]


def environment_python(records: Iterable[CondaRecord]) -> Python | None:
    """Return the Python that the conda packages of an environment have, None where they have none."""
    record = next((record for record in records if record.name == "python"), None)
    if record is None:
        return None
    version = ".".join(record.version.split(".")[:2])
    site_packages = record.fields.get("python_site_packages_path") or f"lib/python{version}/site-packages"
    return Python(version, str(site_packages))


def keyed_layers(
    packages: Iterable[LockedPackage],
    records: Mapping[str, CondaRecord],
    prefix: str,
    most: int,
    lost: Mapping[str, AbstractSet[str]],
) -> tuple[KeyedLayer, ...]:
    """Return the layers of the ``packages`` from the lowest on, without the last one, which has no packages.

    ``records`` are those of the conda packages by name, ``most`` is how many layers there may be with the last
    one, and ``lost`` is from ``lost_paths``. A package that has no name fit for a layer is in none of them: the
    caller adds it to the last.
    """
    from packaging.utils import canonicalize_name

    packages = list(packages)
    wheels = {canonicalize_name(package.name): package for package in packages if package.kind == "pypi"}
    python = environment_python(records.values())
    layers = []
    for layer in environment_layers(packages, most):
        members = [member.partition(":")[::2] for member in layer.packages]
        conda = [records[name] for kind, name in members if kind == "conda"]
        pypi = [wheels[canonicalize_name(name)] for kind, name in members if kind == "pypi"]
        if not conda and not pypi:
            continue
        for_python = bool(pypi) or any(record.fields.get("noarch") == "python" for record in conda)
        basis = {
            "layout": LAYOUT_VERSION,
            "prefix": prefix,
            "python": [python.version, python.site_packages] if python and for_python else None,
            # All that stands in a record of a conda package, of which its digest is a part.
            "conda": [[dict(record.fields), sorted(lost.get(f"conda:{record.name}", ()))] for record in conda],
            "pypi": [[package.location, package.sha256] for package in pypi],
        }
        text = json.dumps(basis, sort_keys=True, separators=(",", ":"))
        layers.append(KeyedLayer(layer.name, hashlib.sha256(text.encode()).hexdigest(), layer.packages))
    return tuple(layers)
