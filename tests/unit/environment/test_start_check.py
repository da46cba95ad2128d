"""That an environment starts is tried once for each key, with the layers that this needs alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pixi_container.environment.catalogue import PackageFiles
from pixi_container.environment.clobbers import PathTable
from pixi_container.environment.environment_image import EnvironmentImage
from pixi_container.environment.oci_layout import UNTAGGED, OciLayout
from pixi_container.environment.package_set import package_set
from pixi_container.environment.publish import publish
from pixi_container.environment.shared_work import SharedWork
from pixi_container.environment.start_check import CHECK_KEY, CHECKED_BY, StartCheck, starting_packages
from pixi_container.errors import ImageTestFailedError
from pixi_container.registry.reference import ImageReference
from pixi_container.registry.repository import ImageRepository
from tests.unit.environment.archives import Item, Made, package
from tests.unit.environment.publishing import PREFIX, Place, image_of, locked, put_base


def made(folder: Path, name: str, version: str = "1.0", *, depends: tuple[str, ...] = (), **more: Any) -> Made:  # noqa: ANN401
    items = [Item(f"share/{name}", version.encode()), *more.pop("items", ())]
    return package(folder, name, items, version=version, depends=list(depends), **more)


HOOK = Item("etc/conda/activate.d/hooked.sh", b"export HOOKED=1\n")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, Made]:
    """Packages by name, dependencies first: Python and another one need something, the last is not needed."""
    folder = tmp_path / "channel"
    return {
        "zlib": made(folder, "zlib"),
        "python": made(folder, "python", "3.11.1", depends=("__glibc >=2.17", "zlib >=1.0,<2.0a0")),
        "settings": made(folder, "settings"),
        "hooked": made(folder, "hooked", depends=("conda-forge::settings[version='>=1']",), items=[HOOK]),
        "unrelated": made(folder, "unrelated", depends=("python",)),
    }


def image(environment: dict[str, Made], **changes: Any) -> EnvironmentImage:  # noqa: ANN401
    return image_of(*environment.values(), **changes)


def noted(place: Place) -> dict[str, str]:
    listed: dict[str, str] = place.manifest().get("annotations", {})
    return listed


def test_what_starting_needs_is_tried_before_anything_has_a_tag(
    place: Place, environment: dict[str, Made]
) -> None:
    tried = []

    def check(digest: str) -> None:
        tried.append(digest)
        assert place.server.tags("lab/study") == set()
        tree = place.tree(digest)
        names = {path.rpartition("/")[2] for path in tree if "/share/" in path}
        assert names == {"zlib", "python", "settings", "hooked"}
        assert {"app/entrypoint.sh", "etc/bash.bashrc", "bin/bash"} <= tree.keys()
        assert b"hooked.sh" in tree["app/.pixi/hook.sh"]

    done = place.publish(image(environment), check=check)
    assert (tried, done.checked_by, done.checked_now) == ([done.checked_by], done.checked_by, True)
    assert noted(place)[CHECKED_BY] == done.checked_by
    whole, small = (config(place, name)["config"] for name in ("env-default", done.checked_by))
    assert whole == small, "both start in the same way"


def config(place: Place, name: str) -> dict[str, Any]:
    manifest = place.manifest(name)
    loaded: dict[str, Any] = json.loads(place.server.blobs["lab/study"][manifest["config"]["digest"]])
    return loaded


def test_an_image_that_does_not_start_gets_no_tag(place: Place, environment: dict[str, Made]) -> None:
    def check(_: str) -> None:
        raise ImageTestFailedError("it does not start")

    with pytest.raises(ImageTestFailedError):
        place.publish(image(environment), check=check)
    assert place.server.tags("lab/study") == set()
    # Nor is the next one taken for checked.
    assert place.publish(image(environment), check=lambda _: None).checked_now


def never(_: str) -> None:
    raise AssertionError("this was tried before")


@pytest.mark.slow
def test_the_same_is_not_tried_again(place: Place, environment: dict[str, Made]) -> None:
    first = place.publish(image(environment), check=lambda _: None)
    second = place.publish(image(environment), check=never)
    assert (second.digest, second.checked_by, second.checked_now) == (first.digest, first.checked_by, False)
    without = place.publish(image(environment))
    assert (without.digest, without.checked_by) == (first.digest, first.checked_by)


@pytest.mark.slow
def test_nothing_is_said_of_an_image_that_nobody_tried(place: Place, environment: dict[str, Made]) -> None:
    done = place.publish(image(environment, annotations={"own": "1"}))
    assert (done.checked_by, done.checked_now) == ("", False)
    assert noted(place) == {"own": "1"}
    tried = place.publish(image(environment, annotations={"own": "1"}), check=lambda _: None)
    assert tried.checked_now
    assert noted(place) == {
        "own": "1",
        CHECK_KEY: noted(place)[CHECK_KEY],
        CHECKED_BY: tried.checked_by,
    }


BUMPS = {"unrelated": False, "python": True, "zlib": True, "hooked": True, "settings": True}


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in BUMPS])
def test_a_bump_is_tried_where_starting_needs_the_package(
    place: Place, environment: dict[str, Made], tmp_path: Path, name: str
) -> None:
    first = place.publish(image(environment), check=lambda _: None)
    items = [HOOK] if name == "hooked" else []
    depends = json.loads(environment[name].index.read_text())["depends"]
    environment[name] = made(tmp_path / "channel", name, "3.11.2", depends=tuple(depends), items=items)
    done = place.publish(image(environment), check=lambda _: None)
    assert done.checked_now == BUMPS[name]
    assert (done.checked_by != first.checked_by) == BUMPS[name]
    assert noted(place)[CHECKED_BY] == done.checked_by


@pytest.mark.slow
def test_an_unrelated_package_in_the_layer_of_python_is_not_tried_either(
    place: Place, environment: dict[str, Made], tmp_path: Path
) -> None:
    place.publish(image(environment, layers=1), check=lambda _: None)
    environment["unrelated"] = made(tmp_path / "channel", "unrelated", "2.0", depends=("python",))
    place.publish(image(environment, layers=1), check=never)


@pytest.mark.more_cases
@pytest.mark.parametrize("change", ["variable", "script", *(pytest.param("base", marks=pytest.mark.slow),)])
def test_what_else_decides_about_starting_is_tried(
    place: Place, environment: dict[str, Made], change: str
) -> None:
    asked = image(environment)
    place.publish(asked, check=lambda _: None)
    if change == "base":
        put_base(place.server, "echo new\n")
    elif change == "variable":
        asked = replace(asked, settings=replace(asked.settings, variables=(("NEW", "1"),)))
    else:
        asked = replace(asked, activation=replace(asked.activation, environment=(("NEW", "1"),)))
    assert place.publish(asked, check=lambda _: None).checked_now


@pytest.mark.slow
def test_a_new_label_is_not_tried(place: Place, environment: dict[str, Made]) -> None:
    asked = image(environment)
    place.publish(asked, check=lambda _: None)
    asked = replace(asked, settings=replace(asked.settings, labels={"new": "1"}))
    place.publish(asked, check=never)


@pytest.mark.slow
@pytest.mark.parametrize("value", ["garbage", "", 1])
def test_a_record_that_makes_no_sense_counts_for_nothing(
    place: Place, environment: dict[str, Made], value: object
) -> None:
    place.publish(image(environment), check=lambda _: None)
    manifest = place.manifest()
    manifest["annotations"][CHECKED_BY] = value
    place.server.put_manifest("lab/study", "env-default", json.dumps(manifest).encode())
    assert place.publish(image(environment), check=lambda _: None).checked_now


@pytest.mark.slow
def test_a_layout_has_a_tag_for_what_is_tried(place: Place, environment: dict[str, Made], tmp_path: Path) -> None:
    layout = OciLayout(tmp_path / "layout")
    tried = []

    def check(digest: str) -> None:
        named = layout.get_manifest(UNTAGGED)
        assert named
        tried.append((digest, named.digest))
        assert layout.get_manifest("env-default") is None

    base = ImageRepository(place.registries, ImageReference(place.server.address, "base"))
    env = {"RUNNER_TEMP": str(place.folder)}
    done = publish(image(environment), layout, base, env=env, check=StartCheck(check))
    assert tried == [(done.checked_by, done.checked_by)]
    in_registry = place.publish(image(environment), check=lambda _: None)
    assert (in_registry.digest, in_registry.checked_by) == (done.digest, done.checked_by)


def test_dependencies_in_a_circle_end(tmp_path: Path) -> None:
    folder = tmp_path / "channel"
    circle = [
        made(folder, "python", depends=("pip",)),
        made(folder, "pip", depends=("Python >=3", "setuptools")),
        made(folder, "other"),
    ]
    packages = package_set(locked(circle), PREFIX)
    files = {name: PackageFiles("", PathTable(name)) for name in packages.packages}
    assert starting_packages(packages, files) == {"conda:python", "conda:pip"}


def noting(events: list[str]) -> StartCheck:
    """Return a check that adds to ``events`` what is done."""

    @contextmanager
    def preparing() -> Iterator[None]:
        events.append("preparing")
        yield
        events.append("prepared")

    return StartCheck(lambda _: events.append("checked"), preparing)


def test_the_check_is_prepared_only_where_it_is_certain_to_come(
    place: Place, environment: dict[str, Made]
) -> None:
    events: list[str] = []
    check = noting(events)
    place.publish(image(environment), check=check)
    assert events == ["preparing", "checked", "prepared"]
    events.clear()
    place.publish(image(environment, annotations={"own": "1"}), check=check)
    assert events == []


def test_environments_of_one_step_prepare_and_check_once(
    place: Place, environment: dict[str, Made], tmp_path: Path
) -> None:
    events: list[str] = []
    check = noting(events)
    shared = SharedWork(tmp_path / "shared")
    for tag in ("env-one", "env-two"):
        place.publish(image(environment, tags=(tag,), before=tag), check=check, shared=shared)
    assert events == ["preparing", "checked", "prepared"]
