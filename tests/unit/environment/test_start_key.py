"""What starting an environment depends on: with anything else the same, it is not tried again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pixi_container.environment.catalogue import PackageFiles
from pixi_container.environment.clobbers import PathTable
from pixi_container.environment.entries import text_entry
from pixi_container.environment.environment_image import EnvironmentImage
from pixi_container.environment.image_config import BaseImage, Document, document
from pixi_container.environment.package_set import PackageSet
from pixi_container.environment.records import CondaRecord
from pixi_container.environment.start_check import (
    CHECK_KEY,
    CHECKED_BY,
    check_annotations,
    check_keys,
    recorded_checks,
    starting_packages,
)
from pixi_container.registry.reference import digest_of
from pixi_container.workspace.lock import LockedPackage
from tests.unit.environment.publishing import image_of

DIGEST = digest_of(b"tried")


def package_set_of(**depends: tuple[str, ...]) -> PackageSet:
    """Return conda packages by name with what they depend on."""
    records = {name: CondaRecord(name, "1", "0", {"depends": list(specs)}) for name, specs in depends.items()}
    identities = {f"conda:{name}": f"id of {name}" for name in records}
    packages = {
        f"conda:{name}": LockedPackage(
            name=name,
            version="1",
            build="0",
            kind="conda",
            size=1,
            sha256="ab" * 32,
            md5="",
            location=f"https://c.example/{name}",
        )
        for name in records
    }
    return PackageSet("/app/.pixi/envs/default", None, packages, records, identities)


def files_of(packages: PackageSet, *activating: str) -> dict[str, PackageFiles]:
    script = "etc/conda/activate.d/{}.sh"
    return {
        f"conda:{name}": PackageFiles(
            name,
            PathTable(f"conda:{name}", (f"lib/{name}",)),
            {script.format(name): b""} if name in activating else {},
        )
        for name in packages.records
    }


@pytest.mark.parametrize(
    ("spec", "needed"),
    [
        ("zlib", True),
        ("zlib >=1.3,<2.0a0", True),
        ("zlib>=1.3", True),
        ("ZLib", True),
        ("conda-forge::zlib", True),
        ("conda-forge/label/x::zlib >=1", True),
        ("zlib[version='>=1']", True),
        ("zlib-ng", False),
        ("__glibc >=2.17", False),
    ],
)
def test_python_starts_with_all_that_it_depends_on(spec: str, needed: bool) -> None:
    packages = package_set_of(python=("first", spec), zlib=(), other=())
    starting = starting_packages(packages, files_of(packages))
    assert starting == {"conda:python", *(["conda:zlib"] if needed else [])}


def test_what_activates_starts_too_with_dependencies_of_dependencies() -> None:
    packages = package_set_of(a=("b",), b=("c", "a"), c=(), d=("a",), e=())
    assert starting_packages(packages, files_of(packages)) == frozenset()
    assert starting_packages(packages, files_of(packages, "a")) == {"conda:a", "conda:b", "conda:c"}
    assert starting_packages(packages, files_of(packages, "c", "e")) == {"conda:c", "conda:e"}


def test_a_record_without_dependencies_needs_nothing() -> None:
    packages = package_set_of(python=())
    bare = replace(packages, records={"python": CondaRecord("python", "1", "0", {})})
    assert starting_packages(bare, files_of(bare)) == {"conda:python"}


PACKAGES = package_set_of(python=("zlib",), zlib=(), other=())
CONFIG = {"config": {"Env": ["A=1"], "Labels": {"a": "1"}}, "created": "1980"}
BASE = BaseImage(config={"rootfs": {"diff_ids": ["sha256:1"]}}, layers=({},))
IMAGE = replace(image_of(), platform="linux/amd64")


def key(
    image: EnvironmentImage = IMAGE,
    base: BaseImage = BASE,
    config: dict[str, Any] = CONFIG,
    packages: PackageSet = PACKAGES,
    files: dict[str, PackageFiles] | None = None,
) -> str:
    made: Document = document("config", config)
    return check_keys(image, base, made, packages, files or files_of(packages)).exact


def identified(name: str) -> PackageSet:
    """Return the packages, of which one is another one of the same name."""
    return replace(PACKAGES, identities={**PACKAGES.identities, f"conda:{name}": "another id"})


def activated(**changes: Any) -> EnvironmentImage:  # noqa: ANN401
    return replace(IMAGE, activation=replace(IMAGE.activation, **changes))


@pytest.mark.parametrize(
    ("change", "again"),
    [
        pytest.param(key, False, id="nothing"),
        pytest.param(lambda: key(config={**CONFIG, "created": "1990"}), False, id="a date"),
        pytest.param(lambda: key(config={"config": {"Env": ["A=1"], "Labels": {"a": "2"}}}), False, id="a label"),
        pytest.param(lambda: key(config={"config": {"Env": ["A=2"]}}), True, id="a variable"),
        pytest.param(lambda: key(replace(IMAGE, platform="linux/arm64")), True, id="the platform"),
        pytest.param(
            lambda: key(base=BaseImage(config={"rootfs": {"diff_ids": ["sha256:2"]}}, layers=({},))),
            True,
            id="the base",
        ),
        pytest.param(lambda: key(packages=identified("python")), True, id="Python"),
        pytest.param(lambda: key(packages=identified("zlib")), True, id="what Python needs"),
        pytest.param(lambda: key(packages=identified("other")), False, id="another package"),
        pytest.param(
            lambda: key(
                files={
                    **files_of(PACKAGES),
                    "conda:other": PackageFiles("other", PathTable("conda:other", ("lib/zlib",))),
                }
            ),
            True,
            id="a path that another package takes",
        ),
        pytest.param(lambda: key(files=files_of(PACKAGES, "zlib")), True, id="a script of a package"),
        pytest.param(lambda: key(activated(workdir="/srv")), True, id="the working folder"),
        pytest.param(lambda: key(activated(prefix="/srv/env")), True, id="the prefix"),
        pytest.param(lambda: key(activated(environment=(("A", "1"),))), True, id="a variable of the manifest"),
        pytest.param(
            lambda: key(activated(script_files=(text_entry("a.sh", "a"),))), True, id="a script of the workspace"
        ),
        pytest.param(lambda: key(replace(IMAGE, tags=("other",), layers=3)), False, id="tags and layers"),
    ],
)
def test_when_an_environment_is_tried_again(change: Callable[[], str], again: bool) -> None:
    assert (change() != key()) is again


def test_the_text_and_mode_of_a_script_count() -> None:
    texts = [("a", 0o644), ("b", 0o644), ("a", 0o755)]
    keys = {key(activated(script_files=(text_entry("a.sh", text, mode),))) for text, mode in texts}
    assert len(keys) == 3


@pytest.mark.parametrize(
    ("annotations", "checks"),
    [
        ({CHECK_KEY: "k", CHECKED_BY: DIGEST}, {"k": DIGEST}),
        ({CHECK_KEY: "k"}, {}),
        ({CHECKED_BY: DIGEST}, {}),
        ({CHECK_KEY: "", CHECKED_BY: DIGEST}, {}),
        ({CHECK_KEY: "k", CHECKED_BY: "sha256:1"}, {}),
        ({CHECK_KEY: "k", CHECKED_BY: f"{DIGEST}0"}, {}),
        ({CHECK_KEY: "k", CHECKED_BY: 1}, {}),
        (None, {}),
        ([], {}),
    ],
)
def test_what_the_image_before_tells_of_a_check(annotations: object, checks: dict[str, str]) -> None:
    assert recorded_checks(json.dumps({"annotations": annotations}).encode()) == checks


def test_an_image_tells_later_ones_of_its_check() -> None:
    manifest = {"annotations": check_annotations("k", DIGEST)}
    assert recorded_checks(json.dumps(manifest).encode()) == {"k": DIGEST}
    assert check_annotations("k", "") == {}
    assert recorded_checks(b"[]") == {}


def anyhow(name: str, **variables: str) -> str:
    """Return the key of an environment of any name."""
    place = f"/app/.pixi/envs/{name}"
    made: Document = document("config", {"config": {"Env": [f"CONDA_PREFIX={place}"]}})
    image = activated(prefix=place, variables=tuple(variables.items()))
    return check_keys(image, BASE, made, replace(PACKAGES, prefix=place), files_of(PACKAGES)).named_anyhow


def test_environments_that_differ_in_their_name_alone_have_one_key() -> None:
    assert anyhow("gpu", PIXI_ENVIRONMENT_NAME="gpu") == anyhow("cpu", PIXI_ENVIRONMENT_NAME="cpu")
    assert anyhow("gpu", A="gpu") != anyhow("cpu", A="gpu")
    assert anyhow("gpu", A="1") != anyhow("cpu", A="2")
    assert anyhow("py", A="python") == anyhow("default", A="python"), "a name is a word of its own"
