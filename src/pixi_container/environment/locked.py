"""What the lock holds of an environment that can be put into an image from archives, in rattler's order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.environment.prefix_files import FILTERED, Installation, lock_hash, requirements
from pixi_container.environment.records import conda_record
from pixi_container.workspace.package_ways import direct_packages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixi_container.environment.records import CondaRecord
    from pixi_container.workspace.lock import Lock, LockedPackage
    from pixi_container.workspace.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class LockedEnvironment:
    """The packages that are installed from their archives, and the ``others``.

    ``records`` are those of the conda packages by name, dependencies first, as rattler orders them.
    """

    packages: tuple[LockedPackage, ...]
    others: tuple[LockedPackage, ...]
    records: Mapping[str, CondaRecord]
    subdir: str
    virtual_packages: tuple[str, ...]
    lock_hash: str


def locked_environment(lock: Lock, workspace: Workspace) -> LockedEnvironment:
    """Return the environment and platform of the lock that the workspace is about."""
    from rattler import PackageRecord

    platform = workspace.platform
    row = next(
        row
        for row in lock.rows(workspace.environment)
        if (row.name, row.subdir) == (platform.name, platform.subdir)
    )
    in_order = lock.packages(workspace.environment, row)
    direct = set(direct_packages(in_order))
    names = {package.name for package in direct if package.kind == "conda"}
    records = [
        record for record in lock.binary_records(workspace.environment, row) if record.name.normalized in names
    ]
    by_name = {record.name.normalized: record for record in records}
    order = [record.name.normalized for record in PackageRecord.sort_topologically(list(records))]
    others = tuple(package for package in in_order if package not in direct)
    return LockedEnvironment(
        packages=tuple(package for package in platform.packages if package in direct),
        others=others,
        records={name: conda_record(by_name[name]) for name in order},
        subdir=row.subdir,
        virtual_packages=row.virtual_packages,
        lock_hash=FILTERED if others else lock_hash(in_order, row.subdir, row.virtual_packages),
    )


def installation(
    environment: LockedEnvironment, workspace: Workspace, workdir: str, pixi_version: str
) -> Installation:
    """Return what pixi would note of the environment in the image."""
    return Installation(
        manifest=f"{workdir}/{workspace.manifest.file}",
        environment=workspace.environment,
        pixi_version=pixi_version,
        lock_hash=environment.lock_hash,
        subdir=environment.subdir,
        virtual_packages=environment.virtual_packages,
        requirements=requirements(environment.records.values()),
    )
