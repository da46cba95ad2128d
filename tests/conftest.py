from __future__ import annotations

import os

import pytest

from tests.rig import rig
from tests.rig.errors import RigError
from tests.rig.folders import Folders


def pytest_report_header() -> str:
    """Say which pixi the tests on real components run, as what they prove depends on it."""
    try:
        return (
            f"pixi in the builder image: {rig.pixi_for_people(Folders.from_environment(os.environ), os.environ)}"
        )
    except RigError as error:
        raise pytest.UsageError(str(error)) from error
