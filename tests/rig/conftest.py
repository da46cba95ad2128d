from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from tests.rig import conda_packages
from tests.rig import rig as rig_module
from tests.rig.channel import Server
from tests.rig.fixtures import emulated, not_emulated, rig_with_arm64, two_nodes
from tests.rig.folders import Folders

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rig.rig import Rig

__all__ = ["emulated", "not_emulated", "rig_with_arm64", "two_nodes"]


@pytest.fixture(scope="session")
def rig() -> Iterator[Rig]:
    """Real components; taken down again unless they were up before."""
    with rig_module.borrowed(Folders.from_environment(os.environ), print) as components:
        yield components


@pytest.fixture(scope="session")
def channel() -> Iterator[str]:
    """The URL of the rig's channel, without the rest of the rig."""
    folder = conda_packages.build(Folders.from_environment(os.environ).cache, lambda _: None)
    server = Server(("127.0.0.1", 0), folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/conda-forge/"
    server.shutdown()
    server.server_close()
