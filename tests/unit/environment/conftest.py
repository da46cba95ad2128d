from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pixi_container.image import layers
from pixi_container.registry.repository import Registries
from tests.unit.environment.archives import Item, Made, package, text
from tests.unit.environment.publishing import Place, put_base
from tests.unit.registry.loopback import loopback_registry


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Where every package has a layer of its own, as those of the tests are small."""
    monkeypatch.setattr(layers, "OWN_LAYER_BYTES", 1)
    folder = tmp_path / "temp"
    folder.mkdir()
    with loopback_registry() as server, Registries(lambda _: None) as registries:
        put_base(server)
        yield Place(server, registries, folder)


@pytest.fixture
def packages(tmp_path: Path) -> list[Made]:
    """Three packages, of which one is made for Python and one activates something."""
    folder = tmp_path / "channel"
    names = ["alpha", "beta", "gamma"]
    made = [package(folder, name, [Item(f"lib/{name}.txt", name.encode() * 100_000)]) for name in names]
    items = [
        Item("etc/conda/activate.d/hooked.sh", b"export SCRIPT=1\n"),
        Item("etc/conda/env_vars.d/hooked.json", b'{"VARIABLE": "1"}'),
        text("bin/tool", "#!/bin/sh\necho PREFIX\n", 0o755),
    ]
    return [*made, package(folder, "hooked", items)]
