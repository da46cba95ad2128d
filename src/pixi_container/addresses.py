"""Every address outside of the machine that the product uses by default; an input overrides each."""

from __future__ import annotations

GITHUB = "https://github.com"
GITHUB_API = "https://api.github.com"
"""What a runner says in GITHUB_SERVER_URL and GITHUB_API_URL, unless it is one of an Enterprise Server."""

GITHUB_REGISTRY = "ghcr.io"

DOCKER_HUB = "docker.io"
"""The registry that a name without one means to Docker."""

DOCKER_HUB_API = "registry-1.docker.io"
"""Where Docker Hub's registry API answers; ``docker.io`` itself is a web site."""

DOCKER_HUB_CREDENTIALS = "https://index.docker.io/v1/"
"""The key under which Docker keeps credentials of Docker Hub."""

PIXI_IMAGE = "ghcr.io/prefix-dev/pixi"
"""The official Pixi images, tagged ``<pixi version>-<base>``: https://github.com/prefix-dev/pixi-docker"""

PIXI_IMAGE_BASE = "noble"
