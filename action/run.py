"""Start the program with only its own packages; `python -I` ignores the files in the checkout."""

import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "src"), os.environ["PIXI_CONTAINER_PACKAGES"]]

from pixi_container.cli import main  # noqa: E402

sys.exit(main())
