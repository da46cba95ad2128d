"""The packages of an environment: their names, what they lose to each other, and the layers that they are in."""

from __future__ import annotations

import pytest

from pixi_container.environment.catalogue import PackageFiles
from pixi_container.environment.clobbers import PathTable
from pixi_container.environment.locked import LockedEnvironment
from pixi_container.environment.package_set import PackageSet, hashed, package_set
from pixi_container.environment.records import CondaRecord
from pixi_container.workspace.lock import LockedPackage
from tests.unit.environment.test_layer_keys import conda, record, wheel

PREFIX = "/app/.pixi/envs/default"


def set_of(*packages: LockedPackage, prefix: str = PREFIX, **fields: str) -> PackageSet:
    """Return packages, with more ``fields`` in the records of conda packages."""
    records = {package.name: record(package, **fields) for package in packages if package.kind == "conda"}
    return package_set(locked(packages, records), prefix)


def locked(packages: tuple[LockedPackage, ...], records: dict[str, CondaRecord]) -> LockedEnvironment:
    return LockedEnvironment(
        packages=packages, others=(), records=records, subdir="linux-64", virtual_packages=(), lock_hash=""
    )


def files(**paths: str) -> dict[str, PackageFiles]:
    return {f"conda:{name}": PackageFiles("", PathTable(f"conda:{name}", (path,))) for name, path in paths.items()}


def test_conda_packages_have_their_own_names_and_wheels_normal_ones() -> None:
    made = set_of(conda("python", version="3.11.1"), conda("_x.y"), wheel("Some_Name.x"))
    assert set(made.packages) == set(made.identities) == {"conda:python", "conda:_x.y", "pypi:some-name-x"}
    assert (len(made), made.python and made.python.version) == (3, "3.11")


def test_the_size_of_a_download_is_that_of_the_lock() -> None:
    made = set_of(conda("a", 5), conda("b", 7), wheel("c"))
    assert made.download_size(["conda:a", "pypi:c"]) == 5
    assert made.download_size(made.packages) == 12


def test_a_later_package_of_the_lock_has_the_path() -> None:
    made = set_of(conda("b"), conda("a"))
    assert made.lost(files(a="lib/x", b="lib/x")) == {"conda:b": {"lib/x"}}
    assert made.lost(files(b="lib/x")) == {}


def test_a_layer_has_every_package_and_at_most_as_many_are_made() -> None:
    made = set_of(conda("a"), conda("b"), conda("c"))
    (alone,) = made.layers(1, {})
    assert (alone.name, alone.packages) == ("others", ("conda:a", "conda:b", "conda:c"))
    several = made.layers(65, {})
    assert sorted(name for layer in several for name in layer.packages) == list(alone.packages)
    assert len({layer.key for layer in several}) == len(several)


def test_the_key_of_the_layer_of_all_packages_changes_with_each_of_them() -> None:
    keys = {
        layers[0].key
        for layers in (
            set_of(conda("a"), conda("b")).layers(1, {}),
            set_of(conda("a"), conda("b")).layers(1, {"conda:a": frozenset({"lib/x"})}),
            set_of(conda("a"), conda("b", sha256="c" * 64)).layers(1, {}),
            set_of(conda("a"), conda("b"), channel="other").layers(1, {}),
            set_of(conda("a"), conda("b"), prefix="/p").layers(1, {}),
        )
    }
    assert len(keys) == 5
    assert set_of(conda("b"), conda("a")).layers(1, {})[0].packages == ("conda:a", "conda:b")


@pytest.mark.parametrize(
    ("path", "is_one"),
    [("bin/.a-post-link.sh", True), ("bin/.a-pre-link.sh", False), ("bin/.b-post-link.sh", False)],
)
def test_a_post_link_script_has_the_name_of_its_package(path: str, is_one: bool) -> None:
    made = set_of(conda("a"))
    assert made.with_post_link_scripts(files(a=path)) == (("a",) if is_one else ())


def test_equal_values_have_one_digest() -> None:
    assert hashed({"a": 1, "b": [2]}) == hashed({"b": [2], "a": 1})
    assert hashed([1, 2]) != hashed([2, 1])
    assert hashed("a") == "ac8d8342bbb2362d13f0a559a3621bb407011368895164b628a54f7fc33fc43c"
