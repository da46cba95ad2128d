"""Makes the example for this machine, with a lock, in a new folder: `python -m tests.real FOLDER`."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.real.services import Services
from tests.rig import rig
from tests.rig.folders import Folders

if __name__ == "__main__":
    with ExitStack() as after:
        folders = Folders.from_environment(os.environ)
        services = Services.from_environment(os.environ, lambda: after.enter_context(rig.borrowed(folders, print)))
        print(services.example(Path(sys.argv[1])))
