"""Fixtures for images of two platforms, beside a fixture `rig`. A conftest that imports them offers them."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.rig import emulation
from tests.rig import rig as rig_module
from tests.rig.errors import UnavailableError
from tests.rig.folders import Folders

_INSTALLER = 'COPY qemu install /\nENTRYPOINT ["/bin/bash", "-eu", "/install"]\n'
_INSTALL = """\
[ "$*" = "--install arm64" ] || exit 2
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
printf '%s' '{line}' > /proc/sys/fs/binfmt_misc/register
"""

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.rig.rig import Rig


@pytest.fixture(scope="session")
def rig_with_arm64(rig: Rig) -> Rig:
    """The rig with base images for linux/amd64 and linux/arm64; `rig` itself keeps those for linux/amd64."""
    try:
        return rig_module.with_arm64(Folders.from_environment(os.environ), print)
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture
def emulated(rig: Rig) -> Iterator[None]:
    """The machine runs programs for arm64, also in containers."""
    try:
        with rig_module.emulated(Folders.from_environment(os.environ), print):
            yield
    except emulation.UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture
def not_emulated() -> Iterator[None]:
    """The machine runs no programs for arm64."""
    try:
        with rig_module.not_emulated(Folders.from_environment(os.environ), print):
            yield
    except emulation.UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def one_platform(rig: Rig) -> Iterator[str]:
    """The name of a builder that runs instructions for linux/amd64 alone."""
    try:
        with rig_module.one_platform(Folders.from_environment(os.environ), print) as name:
            yield name
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def two_daemons(rig: Rig) -> Mapping[str, str]:
    """The addresses of a BuildKit daemon for linux/amd64 and of one for linux/arm64, by platform."""
    try:
        return rig_module.two_daemons(Folders.from_environment(os.environ), print)
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def two_nodes(rig: Rig) -> Iterator[str]:
    """The name of a builder with a node for linux/amd64 and one for linux/arm64."""
    try:
        with rig_module.two_nodes(Folders.from_environment(os.environ), print) as name:
            yield name
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture
def emulating_image(rig: Rig, tmp_path: Path) -> Iterator[str]:
    """A stand-in for tonistiigi/binfmt on the rig's registry: it registers QEMU for arm64, and nothing else.

    What it has registered is taken away at the end.
    """
    folders = Folders.from_environment(os.environ)
    image = f"{rig.registry}/stand-in/binfmt:latest"
    environment = {**os.environ, **rig.environment()}
    try:
        with emulation.left_to_others(folders.cache, folders.state, print) as program:
            shutil.copy(program, tmp_path / "qemu")
            (tmp_path / "install").write_text(_INSTALL.format(line=emulation.registration("/qemu")))
            (tmp_path / "Dockerfile").write_text(f"FROM {rig.slim_image}\n{_INSTALLER}")
            build = ["docker", "buildx", "build", "--push", "--provenance=false", "--tag", image, str(tmp_path)]
            subprocess.run(build, env=environment, check=True, capture_output=True)
            yield image
    except emulation.UnavailableError as error:
        pytest.skip(str(error))
