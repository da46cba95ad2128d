"""An image with several environments: each has its own layers, which a bump of one leaves as they are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pixi_container.environment.activation import Activation
from pixi_container.environment.environment_image import EnvironmentImage
from pixi_container.registry.reference import ImageReference
from pixi_container.registry.repository import ImageRepository
from tests.unit.environment.archives import Item, Made, package
from tests.unit.environment.publishing import PREFIX, Place, image_of

TOOLS = "/app/.pixi/envs/tools"
NAMES = ("default", "tools")


def together(first: list[Made], second: list[Made]) -> EnvironmentImage:
    def activation(prefix: str) -> Activation:
        variables = (("CONDA_PREFIX", prefix),)
        return Activation(
            prefix=prefix,
            workdir="/app",
            image_variables=(("PIXI_FROZEN", "true"),),
            variables=variables,
            environments=NAMES,
        )

    more = replace(image_of(*second), activation=activation(TOOLS), workspace_files=(), layers=20)
    return replace(image_of(*first), activation=activation(PREFIX), layers=20, more=(more,))


def test_each_has_its_files_and_the_image_starts_with_the_first(place: Place, packages: list[Made]) -> None:
    checked: list[str] = []
    place.publish(together(packages[:2], packages[1:]), check=checked.append)
    tree = place.tree()
    for prefix, names in ((PREFIX, ("alpha", "beta")), (TOOLS, ("beta", "gamma", "hooked"))):
        records = {path.rpartition("/")[2] for path in tree if path.startswith(f"{prefix[1:]}/conda-meta/")}
        assert records == {"history", *(f"{name}-1.0-0.json" for name in names)}
    assert f"{TOOLS[1:]}/bin/tool" in tree
    assert f"{PREFIX[1:]}/bin/tool" not in tree
    assert b"VARIABLE" not in tree["app/.pixi/hook.sh"]
    assert b"VARIABLE" in tree["app/.pixi/hook-tools.sh"]
    assert b". /app/.pixi/hook-tools.sh" in tree["app/.pixi/activate-tools.sh"]
    assert b"for __pixi_container_name in default tools; do" in tree["app/.pixi/activate.sh"]
    assert b"default tools" not in tree["app/.pixi/activate-tools.sh"]
    config = json.loads(place.server.blobs["lab/study"][place.manifest()["config"]["digest"]])
    assert config["config"]["Env"][0] == f"PATH={PREFIX}/bin:/usr/bin"
    assert len(checked) == 1


@pytest.mark.more_cases
def test_one_environment_has_the_layers_that_it_has_in_an_image_of_its_own(
    place: Place, packages: list[Made]
) -> None:
    place.publish(image_of(*packages, layers=20))
    alone = place.layer_keys()
    image = together(packages, packages[1:])
    packages[0].archive.unlink()
    done = place.publish(image)
    assert set(alone[:-1]) < set(place.layer_keys()), "all but the one of the activation"
    assert sorted(done.made) == ["own-beta", "own-gamma", "own-hooked", "rest", "rest"]


@pytest.mark.more_cases
def test_a_bump_in_one_of_them_makes_one_layer(place: Place, packages: list[Made], tmp_path: Path) -> None:
    checked: list[str] = []
    place.publish(together(packages, packages), check=checked.append)
    keys = place.layer_keys()
    assert len(set(keys)) == 1 + 2 * (len(packages) + 1)
    bumped = package(tmp_path / "channel", "beta", [Item("lib/beta.txt", b"new")], version="2.0")
    image = together(packages, [packages[0], bumped, *packages[2:]])
    for made in packages:
        made.archive.unlink()
    done = place.publish(image, check=checked.append)
    assert sorted(done.made) == ["own-beta", "rest", "rest"]
    assert done.progress.downloaded == bumped.archive.stat().st_size
    assert len(set(keys) - set(place.layer_keys())) == 2, "of the package, and of what belongs to none"
    tree = place.tree()
    assert tree[f"{TOOLS[1:]}/lib/beta.txt"] == b"new"
    assert tree[f"{PREFIX[1:]}/lib/beta.txt"] == b"beta" * 100_000
    assert len(checked) == 1, "nothing that starts has changed"


def test_the_start_of_each_is_tried(place: Place, packages: list[Made], tmp_path: Path) -> None:
    checked: list[str] = []
    place.publish(together(packages[:1], packages), check=checked.append)
    items = [Item("etc/conda/activate.d/hooked.sh", b"export SCRIPT=2\n")]
    bumped = package(tmp_path / "channel", "hooked", items, version="2.0")
    place.publish(together(packages[:1], [*packages[:3], bumped]), check=checked.append)
    assert len(checked) == 2


@pytest.mark.slow
def test_layers_come_from_a_cache_for_each(place: Place, packages: list[Made]) -> None:
    cache = ImageRepository(place.registries, ImageReference(place.server.address, "lab/layers"))
    place.publish(together(packages, packages), cache=cache, cache_writes=True)
    again = replace(together(packages, packages), before="", tags=("other",))
    for made in packages:
        made.archive.unlink()
    done = place.publish(replace(again, more=tuple(replace(each, before="") for each in again.more)), cache=cache)
    assert sorted(done.made) == ["rest", "rest"]
