"""Every remote address that the program uses by default; an input overrides each."""

from __future__ import annotations

GITHUB = "https://github.com"
GITHUB_API = "https://api.github.com"
"""The values of GITHUB_SERVER_URL and GITHUB_API_URL, except on GitHub Enterprise Server."""

GITHUB_REGISTRY = "ghcr.io"

DOCKER_HUB = "docker.io"
"""The registry of image names without a registry."""

DOCKER_HUB_API = "registry-1.docker.io"
"""The host of Docker Hub's registry API; ``docker.io`` itself is a web site."""

DOCKER_HUB_CREDENTIALS = "https://index.docker.io/v1/"
"""The key under which Docker stores credentials for Docker Hub."""

PIXI_IMAGE = "ghcr.io/prefix-dev/pixi"
"""The official Pixi images, tagged ``<pixi version>-<base>``: https://github.com/prefix-dev/pixi-docker"""

PIXI_IMAGE_BASE = "noble"

EMULATION_IMAGE = (
    "docker.io/tonistiigi/binfmt:qemu-v10.2.3"
    "@sha256:400a4873b838d1b89194d982c45e5fb3cda4593fbfd7e08a02e76b03b21166f0"
)
"""The image that registers QEMU with the kernel, pinned as it runs privileged: https://github.com/tonistiigi/binfmt
"""
