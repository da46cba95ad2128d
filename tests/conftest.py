from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.rig import rig
from tests.rig.errors import RigError
from tests.rig.folders import Folders

# Of `make unit` and `make security`: few examples, and the same ones each time. `make test` has Hypothesis' own.
settings.register_profile("quick", max_examples=10, derandomize=True, database=None, deadline=None)


_ON_THE_RIG = [Path(__file__).parent / name for name in ("end_to_end", "real", "rig")]

_IN_MINUTES = [
    Path(__file__).parent / name
    for name in (
        "real",
        "rig/test_stand_in_pixi.py",
        "end_to_end/test_random_walk.py",
        "end_to_end/test_shapes_of_services.py",
        "end_to_end/test_shapes_of_tools.py",
    )
]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the rig by its folder, so that the rest can run in several processes."""
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in _ON_THE_RIG):
            item.add_marker(pytest.mark.engine)
        if any(item.path.is_relative_to(place) for place in _IN_MINUTES):
            item.add_marker(pytest.mark.slow)


def pytest_report_header() -> str:
    """Say which pixi the tests on real components run, as what they prove depends on it."""
    try:
        return (
            f"pixi in the builder image: {rig.pixi_for_people(Folders.from_environment(os.environ), os.environ)}"
        )
    except RigError as error:
        raise pytest.UsageError(str(error)) from error
