from __future__ import annotations

import os

import pytest
from hypothesis import settings

from tests.rig import rig
from tests.rig.errors import RigError
from tests.rig.folders import Folders

# Of `make unit` and `make security`: few examples, and the same ones each time. `make test` has Hypothesis' own.
settings.register_profile("quick", max_examples=10, derandomize=True, database=None, deadline=None)


def pytest_report_header() -> str:
    """Say which pixi the tests on real components run, as what they prove depends on it."""
    try:
        return (
            f"pixi in the builder image: {rig.pixi_for_people(Folders.from_environment(os.environ), os.environ)}"
        )
    except RigError as error:
        raise pytest.UsageError(str(error)) from error
