"""Image references: registry, repository, tag and digest, in the grammar of distribution/reference.

Source: https://github.com/distribution/reference/blob/main/reference.go
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_address

from pixi_container.addresses import DOCKER_HUB
from pixi_container.errors import UserError

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REGISTRY = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?")
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+))(?::[0-9]{1,5})?")
_SHOWN = 300

TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class ImageReference:
    """``registry/repository[:tag][@digest]``, with Docker Hub's short names expanded."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """Registry and repository."""
        return f"{self.registry}/{self.repository}"

    @property
    def is_bare(self) -> bool:
        """Whether it has neither tag nor digest."""
        return not self.tag and not self.digest

    def tagged(self, tag: str) -> ImageReference:
        """Return the same name with this tag and no digest."""
        return replace(self, tag=tag, digest="")

    def pinned(self, digest: str) -> ImageReference:
        """Return the same name and tag with this digest."""
        return replace(self, digest=digest)

    def __str__(self) -> str:
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def parse_reference(text: str, *, source: str) -> ImageReference:
    """Parse an image reference. Raises ``UserError`` that names ``source``, the place that the text comes from."""
    rest, _, digest = text.partition("@")
    tag = ""
    if ":" in rest.rpartition("/")[2]:
        rest, _, tag = rest.rpartition(":")
    first, slash, remainder = rest.partition("/")
    if slash and (first == "localhost" or "." in first or ":" in first or first != first.lower()):
        registry, repository = first, remainder
    else:
        registry, repository = DOCKER_HUB, rest if slash else f"library/{rest}"
    valid = (
        len(repository) <= 255
        and _REGISTRY.fullmatch(registry)
        and _REPOSITORY.fullmatch(repository)
        and ("@" not in text or DIGEST.fullmatch(digest))
        and (not tag or TAG.fullmatch(tag))
        and not text.endswith(":")
    )
    if not valid:
        raise UserError(
            f"{source}: {text[:_SHOWN]!r} is not a valid image reference",
            hint="Accepted: [registry/]repository[:tag][@sha256:…], lower-case, such as ghcr.io/owner/name.",
        )
    return ImageReference(registry, repository, tag, digest)


def digest_of(content: bytes) -> str:
    """Return the digest of a content, as references have it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def name_of(tag: str) -> str:
    """Return the registry and repository of a full image name with a tag."""
    return parse_reference(tag, source="tag").name


def is_image_name(text: str) -> bool:
    """Tell whether a text is an image name without tag and digest."""
    try:
        return parse_reference(text, source="").is_bare
    except UserError:
        return False


def is_loopback(registry: str) -> bool:
    """Tell whether a registry's name means this machine, so that Docker uses plain HTTP.

    These are ``localhost`` and the addresses 127.0.0.0/8 and ::1, with or without a port; no other name, whatever
    it resolves to. Sources: https://docs.docker.com/reference/cli/dockerd/#insecure-registries and, for names,
    https://github.com/containerd/containerd/blob/main/core/remotes/docker/registry.go (``MatchLocalhost``)
    """
    host = _HOST.fullmatch(registry)
    if not host:
        return False
    if host[2] == "localhost":
        return True
    with suppress(ValueError):
        address = ip_address(host[1] or host[2])
        return address.is_loopback and (address.version == 6) == bool(host[1])
    return False
