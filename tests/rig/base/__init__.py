"""The base images of builds: a builder with a stand-in pixi, and a slim runtime."""

from tests.rig.base.images import push
from tests.rig.base.rootfs import ensure_rootfs

__all__ = ["ensure_rootfs", "push"]
