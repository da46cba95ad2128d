"""``python -m pixi_container``."""

import sys

from pixi_container.cli import main

if __name__ == "__main__":
    sys.exit(main())
