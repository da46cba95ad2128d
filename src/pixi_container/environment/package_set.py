"""The packages of an environment by name, and the layers that they are in."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.environment.catalogue import identity
from pixi_container.environment.clobbers import lost_paths
from pixi_container.environment.layer_keys import KeyedLayer, environment_python, keyed_layers
from pixi_container.image.environment_way import LAYOUT_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from pixi_container.environment.catalogue import PackageFiles
    from pixi_container.environment.locked import LockedEnvironment
    from pixi_container.environment.package_metadata import Python
    from pixi_container.environment.records import CondaRecord
    from pixi_container.workspace.lock import LockedPackage


@dataclass(frozen=True)
class PackageSet:
    """The packages of an environment, each as ``conda:name`` or ``pypi:name``.

    ``records`` are those of the conda packages by their bare name, dependencies first. ``identities`` tell
    whether the files of a package are still the same.
    """

    prefix: str
    python: Python | None
    packages: Mapping[str, LockedPackage]
    records: Mapping[str, CondaRecord]
    identities: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.packages)

    def download_size(self, names: Iterable[str]) -> int:
        """Return the bytes of the archives, as far as the lock tells them."""
        return sum(self.packages[name].size or 0 for name in names)

    def identities_below(self, prefix: str) -> dict[str, str]:
        """Return the identities that the packages would have in another folder."""
        return _identities(self.packages, self.records, prefix, self.python)

    def lost(self, files: Mapping[str, PackageFiles]) -> dict[str, frozenset[str]]:
        """Return what packages lose to others, as far as their ``files`` are known."""
        order = [*(f"conda:{name}" for name in self.records), *sorted(self.packages)]
        names = [name for name in dict.fromkeys(order) if name in files]
        return lost_paths(files[name].table for name in names)

    def layers(self, most: int, lost: Mapping[str, AbstractSet[str]]) -> tuple[KeyedLayer, ...]:
        """Return the layers of all packages, from the lowest on, at most ``most`` with the last one."""
        layers = keyed_layers(self.packages.values(), self.records, self.prefix, most, lost)
        left = self.packages.keys() - {name for layer in layers for name in layer.packages}
        return (*layers, self._layer_of_the_others(sorted(left), lost)) if left else layers

    def with_post_link_scripts(self, files: Mapping[str, PackageFiles]) -> tuple[str, ...]:
        """Return the names of conda packages with a script that an installer may run."""
        return tuple(
            name for name in self.records if f"bin/.{name}-post-link.sh" in files[f"conda:{name}"].table.files
        )

    def _layer_of_the_others(self, names: list[str], lost: Mapping[str, AbstractSet[str]]) -> KeyedLayer:
        """Return the layer of what has no layer by its name, or of everything where there is to be one alone."""
        basis = [
            LAYOUT_VERSION,
            [[self.identities[name], sorted(lost.get(name, ()))] for name in names],
            [dict(record.fields) for record in self.records.values() if f"conda:{record.name}" in names],
        ]
        return KeyedLayer("others", hashed(basis), tuple(names))


def package_set(environment: LockedEnvironment, prefix: str) -> PackageSet:
    """Return the packages of an environment whose prefix is ``prefix``."""
    records = environment.records
    python = environment_python(records.values())
    packages = {_name(package): package for package in environment.packages}
    return PackageSet(prefix, python, packages, records, _identities(packages, records, prefix, python))


def _identities(
    packages: Mapping[str, LockedPackage], records: Mapping[str, CondaRecord], prefix: str, python: Python | None
) -> dict[str, str]:
    return {
        name: identity(package, records[package.name] if package.kind == "conda" else None, prefix, python)
        for name, package in packages.items()
    }


def hashed(basis: object) -> str:
    """Return a digest of JSON values, the same for equal ones."""
    return hashlib.sha256(json.dumps(basis, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _name(package: LockedPackage) -> str:
    from packaging.utils import canonicalize_name

    return f"{package.kind}:{canonicalize_name(package.name) if package.kind == 'pypi' else package.name}"
