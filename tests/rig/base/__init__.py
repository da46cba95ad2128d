"""The base images of builds: a builder with pixi or a stand-in for it, and a slim runtime."""

from tests.rig.base.images import BOTH, push
from tests.rig.base.pixi import STAND_IN, Pixi, given
from tests.rig.base.rootfs import ensure_rootfs

__all__ = ["BOTH", "STAND_IN", "Pixi", "ensure_rootfs", "given", "push"]
