"""A layer's key changes with what its tar depends on, and with nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from pixi_container.environment import layer_keys
from pixi_container.environment.layer_keys import KeyedLayer, environment_python, keyed_layers
from pixi_container.environment.package_metadata import Python
from pixi_container.environment.records import CondaRecord
from pixi_container.image.environment_way import LAYOUT_VERSION
from pixi_container.workspace.lock import LockedPackage
from pixi_container.workspace.package_ways import package_ways

PREFIX = "/app/.pixi/envs/default"


def conda(name: str, size: int = 100_000, **more: Any) -> LockedPackage:  # noqa: ANN401
    location = f"https://conda.anaconda.org/conda-forge/linux-64/{name}-1.0-0.conda"
    fields = {"version": "1.0", "build": "0", "sha256": "a" * 64, "location": location, **more}
    return LockedPackage(name=name, kind="conda", size=size, md5="", **fields)


def wheel(name: str, location: str = "", sha256: str = "b" * 64) -> LockedPackage:
    location = location or f"https://files.pythonhosted.org/{name}-1.0-py3-none-any.whl"
    return LockedPackage(
        name=name, version="1.0", build="", kind="pypi", size=None, sha256=sha256, md5="", location=location
    )


def record(package: LockedPackage, **fields: Any) -> CondaRecord:  # noqa: ANN401
    known = {"name": package.name, "sha256": package.sha256, "url": package.location}
    return CondaRecord(package.name, package.version, package.build, {**known, **fields})


@dataclass(frozen=True)
class Environment:
    """What the keys are made from."""

    packages: tuple[LockedPackage, ...]
    records: dict[str, CondaRecord]
    prefix: str = PREFIX
    lost: dict[str, frozenset[str]] = field(default_factory=dict)

    def layers(self) -> tuple[KeyedLayer, ...]:
        return keyed_layers(self.packages, self.records, self.prefix, 65, self.lost)

    def keys(self) -> dict[str, str]:
        """The key of each package's layer."""
        return {package: layer.key for layer in self.layers() for package in layer.packages}

    def with_record(self, name: str, **fields: Any) -> Environment:  # noqa: ANN401
        changed = replace(self.records[name], fields={**self.records[name].fields, **fields})
        return replace(self, records={**self.records, name: changed})


PACKAGES = (
    conda("python", 9_000_000, version="3.11.2"),
    conda("large", 5_000_000),
    conda("other", 4_000_000),
    conda("rich", 3_500_000),
    wheel("Mixed.Case"),
)
ENVIRONMENT = Environment(
    PACKAGES,
    {
        package.name: record(package, noarch="python") if package.name == "rich" else record(package)
        for package in PACKAGES
        if package.kind == "conda"
    },
)
ALL = {"conda:python", "conda:large", "conda:other", "conda:rich", "pypi:mixed-case"}
CHANGES: list[tuple[str, Callable[[Environment], Environment], set[str]]] = [
    ("nothing", lambda it: it, set()),
    ("order of packages", lambda it: replace(it, packages=it.packages[::-1]), set()),
    ("prefix", lambda it: replace(it, prefix="/app/.pixi/envs/gpu"), ALL),
    ("digest of a package", lambda it: it.with_record("large", sha256="c" * 64), {"conda:large"}),
    ("what the lock says of one", lambda it: it.with_record("large", depends=["x"]), {"conda:large"}),
    ("where it comes from", lambda it: it.with_record("large", channel="other"), {"conda:large"}),
    ("lost path", lambda it: replace(it, lost={"conda:other": frozenset({"bin/x"})}), {"conda:other"}),
    (
        "version of Python",
        lambda it: replace(
            it, records={**it.records, "python": record(conda("python", version="3.12.0"))}
        ).with_record("python", sha256="c" * 64),
        {"conda:python", "conda:rich", "pypi:mixed-case"},
    ),
    (
        "patch of Python",
        lambda it: it.with_record("python", sha256="c" * 64),
        {"conda:python"},
    ),
    (
        "site-packages",
        lambda it: it.with_record("python", python_site_packages_path="lib/python3.11t/site-packages"),
        {"conda:python", "conda:rich", "pypi:mixed-case"},
    ),
    (
        "digest of a wheel",
        lambda it: replace(it, packages=(*it.packages[:-1], wheel("Mixed.Case", sha256="c" * 64))),
        {"pypi:mixed-case"},
    ),
    (
        "url of a wheel, of which pixi notes some",
        lambda it: replace(
            it, packages=(*it.packages[:-1], wheel("Mixed.Case", "direct+https://x/a-py3-none-any.whl"))
        ),
        {"pypi:mixed-case"},
    ),
]


@pytest.mark.parametrize(("change", "affected"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_a_change_reaches_the_layers_that_it_concerns(
    change: Callable[[Environment], Environment], affected: set[str]
) -> None:
    before, after = ENVIRONMENT.keys(), change(ENVIRONMENT).keys()
    assert before.keys() == after.keys() == ALL
    assert {package for package in before if before[package] != after[package]} == affected


def test_the_layout_is_a_part_of_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = ENVIRONMENT.keys()
    monkeypatch.setattr(layer_keys, "LAYOUT_VERSION", LAYOUT_VERSION + 1)
    after = ENVIRONMENT.keys()
    assert all(before[package] != after[package] for package in ALL)


def test_layers_do_not_depend_on_the_order_of_the_lock() -> None:
    packages = [conda(f"p{number}", 10_000 * number) for number in range(500)]
    records = {package.name: record(package) for package in packages}
    expected = Environment(tuple(packages), records).layers()
    chance = random.Random(1)  # noqa: S311
    for _ in range(3):
        chance.shuffle(packages)
        assert Environment(tuple(packages), records).layers() == expected
    assert len(expected) < 65
    assert sum(len(layer.packages) for layer in expected) == 500


PYTHONS = [
    ({}, None),
    ({"python": "3.11.2"}, Python("3.11", "lib/python3.11/site-packages")),
    ({"python": "3.14.0rc1"}, Python("3.14", "lib/python3.14/site-packages")),
]


@pytest.mark.parametrize(("versions", "python"), PYTHONS)
def test_the_python_of_an_environment(versions: dict[str, str], python: Python | None) -> None:
    records = [record(conda(name, version=version)) for name, version in versions.items()]
    assert environment_python([record(conda("other")), *records]) == python


def test_a_python_may_say_where_its_packages_are() -> None:
    place = "lib/python3.13t/site-packages"
    python = record(conda("python", version="3.13.1"), python_site_packages_path=place)
    assert environment_python([python]) == Python("3.13", place)


WAYS = [
    (conda("a"), "direct", ""),
    (conda("a", location="https://x/a-1.0-0.tar.bz2"), "direct", ""),
    (conda("a", location="file:///channel/linux-64/a-1.0-0.conda"), "direct", ""),
    (conda("a", location="./packages/a-1.0-0.conda"), "pixi", "comes from a file of the workspace"),
    (conda("a", location="https://x/a-1.0-0.conda?token=1#x"), "direct", ""),
    (conda("a", location="./recipe", from_source=True), "stage", "is built from its source"),
    (conda("a", sha256=""), "pixi", "has no sha256 in the lock"),
    (conda("a", location="https://x/a.whl"), "pixi", "is neither a .conda nor a .tar.bz2 file"),
    (conda("a", location="https://[x/a-1.0-0.conda"), "pixi", "comes from a file of the workspace"),
    (wheel("a", "https://[x/a-1.0-py3-none-any.whl"), "stage", "comes from a file or folder of the workspace"),
    (wheel("a"), "direct", ""),
    (wheel("a", "direct+https://x/a-1.0-py3-none-any.whl"), "direct", ""),
    (wheel("a", "https://x/a-1.0-py3-none-any.whl?x=1"), "direct", ""),
    (wheel("a", "https://x/a-1.0-py3-none-any.whl", sha256=""), "pixi", "is a wheel without a sha256 in the lock"),
    (wheel("a", "https://x/a-1.0.tar.gz"), "stage", "is a source distribution, which has to be built"),
    (wheel("a", "git+https://github.com/x/a?rev=1#2"), "stage", "comes from a Git repository"),
    (wheel("a", "."), "stage", "comes from a file or folder of the workspace"),
    (wheel("a", "./a-1.0-py3-none-any.whl"), "stage", "comes from a file or folder of the workspace"),
    (wheel("a", "file:///wheels/a-1.0-py3-none-any.whl"), "stage", "comes from a file or folder of the workspace"),
]


@pytest.mark.parametrize(("package", "way", "reason"), WAYS)
def test_the_way_of_a_package(package: LockedPackage, way: str, reason: str) -> None:
    assert [(each.way, each.reason) for each in package_ways([package])] == [(way, reason)]


def test_keys_are_those_of_every_release_with_this_layout() -> None:
    """Where this fails, ``LAYOUT_VERSION`` has to be raised if layers have changed, or no layer is found again."""
    keys = ENVIRONMENT.keys()
    assert {name: key[:8] for name, key in keys.items()} == {
        "conda:python": "b570731b",
        "conda:large": "97394ddb",
        "conda:other": "152c7790",
        "conda:rich": "f08f0745",
        "pypi:mixed-case": "a03c33be",
    }
    assert {len(key) for key in keys.values()} == {64}


def test_a_package_for_any_python_of_an_environment_without_python_has_a_key() -> None:
    records = {name: ENVIRONMENT.records[name] for name in ("large", "other", "rich")}
    bare = replace(ENVIRONMENT, packages=PACKAGES[1:4], records=records)
    assert bare.keys().keys() == ALL - {"conda:python", "pypi:mixed-case"}
    assert bare.keys()["conda:large"] == ENVIRONMENT.keys()["conda:large"]
    assert bare.keys()["conda:rich"] != ENVIRONMENT.keys()["conda:rich"]
