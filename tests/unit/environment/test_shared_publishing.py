"""Images of environments that share their work are those of environments that were made alone."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from pixi_container.environment.activation import Activation
from pixi_container.environment.environment_image import EnvironmentImage
from pixi_container.environment.layer_tar import Compression
from pixi_container.environment.shared_work import SharedWork
from tests.unit.environment.archives import Item, Made, binary, package, text
from tests.unit.environment.publishing import Place, image_of

CHANCE = random.Random(1)  # noqa: S311
NOISE = CHANCE.randbytes(100_000)


@pytest.fixture
def large(tmp_path: Path) -> list[Made]:
    """Two packages with files that are apart in a layer, one of which linking changes."""
    folder = tmp_path / "large"
    first = [Item("lib/noise", NOISE), text("bin/tool", "#!/bin/sh\n" + "echo PREFIX\n" * 10_000, 0o755)]
    second = [Item("lib/other", NOISE[::-1] * 50), binary("lib/binary", NOISE, 0o755)]
    return [package(folder, "one", first), package(folder, "two", second, suffix=".tar.bz2")]


def environment(name: str, packages: list[Made], compression: Compression) -> EnvironmentImage:
    prefix = f"/app/.pixi/envs/{name}"
    activation = Activation(
        prefix=prefix, workdir="/app", image_variables=(), variables=(("CONDA_PREFIX", prefix),)
    )
    tags, before = (f"env-{name}-1", f"env-{name}"), f"env-{name}"
    image = image_of(*packages, activation=activation, compression=compression)
    return replace(image, tags=tags, before=before)


@pytest.mark.slow
@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_an_image_is_the_same_alone_first_and_after_others(
    place: Place, large: list[Made], tmp_path: Path, compression: Compression
) -> None:
    images = {name: environment(name, large, compression) for name in ("a", "another")}

    def publish(name: str, shared: SharedWork | None = None) -> tuple[str, int]:
        for there in (place.server.manifests, place.server.blobs):
            there.pop("lab/study", None)
        published = place.publish(images[name], shared=shared)
        return published.digest, published.progress.downloaded

    (one, downloaded), (other, _) = publish("a"), publish("another")
    assert downloaded == sum(made.archive.stat().st_size for made in large)
    shared = SharedWork(tmp_path / "shared", 0)
    assert publish("a", shared) == (one, downloaded)
    for made in large:
        made.archive.unlink()
    assert publish("another", shared) == (other, 0)
    assert publish("a", shared) == (one, 0)
