from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.registry_server import RegistryServer, serving_registry


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    """An empty registry."""
    with serving_registry() as made:
        yield made


@pytest.fixture
def other() -> Iterator[RegistryServer]:
    """Another registry, which shares nothing with the first."""
    with serving_registry() as made:
        yield made
