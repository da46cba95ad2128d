"""What is asked of a registry, and what it answers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urljoin, urlsplit

from pixi_container.addresses import DOCKER_HUB, DOCKER_HUB_API
from pixi_container.display import one_line
from pixi_container.errors import RegistryUnavailableError
from pixi_container.registry.reference import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Mapping

    from pixi_container.registry.reference import ImageReference


class TransientError(Exception):
    """A failure that may not happen again; ``wait`` is the delay in seconds that the registry asked for."""

    def __init__(self, registry: str, url: str, trouble: str, wait: float = 0) -> None:
        super().__init__(trouble)
        self.registry = registry
        self.url = shown_url(url)
        self.wait = wait


@dataclass(frozen=True)
class RegistryCall:
    """One request to a repository.

    ``path`` is below the repository, or a URL from the registry. ``push`` asks for permission to push, and
    ``mount_from`` names another repository of the registry to read from. Answers with a status in ``expected`` are
    returned like those below 300. ``content`` is bytes, or a function that yields ``size`` bytes in chunks, from
    the start on every call; without content, ``size`` is added to the usual size limit of the answer.
    """

    method: str
    reference: ImageReference
    path: str
    push: bool = False
    mount_from: str = ""
    expected: Collection[int] = ()
    redirects: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | Callable[[], Generator[bytes, None, None]] = b""
    size: int = 0

    @property
    def scopes(self) -> tuple[str, ...]:
        """The permissions that it needs: https://distribution.github.io/distribution/spec/auth/scope/."""
        own = f"repository:{self.reference.repository}:{'pull,push' if self.push else 'pull'}"
        return (own, f"repository:{self.mount_from}:pull") if self.mount_from else (own,)

    @property
    def base(self) -> str:
        """The URL that ``path`` is relative to."""
        registry = self.reference.registry
        scheme = "http" if is_loopback(registry) else "https"
        host = DOCKER_HUB_API if registry == DOCKER_HUB else registry
        return f"{scheme}://{host}/v2/{self.reference.repository}/"


@dataclass(frozen=True)
class Answer:
    """A registry's answer; ``url`` is its address after all redirects."""

    status: int
    url: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)

    def json(self) -> dict[str, Any]:
        """Parse the content. Raises ``RegistryUnavailableError`` if it is not a JSON object."""
        try:
            document = json.loads(self.content.decode(), parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise RegistryUnavailableError(f"{shown_url(self.url)} did not return a JSON object")
        return document


def joined_url(base: str, reference: str, registry: str) -> str:
    """Return ``reference`` resolved against ``base``. Raises ``RegistryUnavailableError`` if it is not a URL."""
    try:
        return urljoin(base, reference)
    except ValueError:
        raise invalid_url(registry, reference) from None


def shown_url(url: str) -> str:
    """Return a URL without possible secrets: the query may hold a signature, and the host part a password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(a malformed URL)"
    host = parts.netloc.rpartition("@")[2]
    return one_line(f"{parts.scheme}://{host}{parts.path}" if host else parts.path)


def invalid_url(registry: str, url: str) -> RegistryUnavailableError:
    """Return the error for a URL that a registry gave and nobody can ask."""
    return RegistryUnavailableError(
        f"the registry {registry} cannot be used: {shown_url(url)} is not a valid URL, "
        "or redirects to an invalid one"
    )


def _refuse_constant(constant: str) -> NoReturn:
    """Raise ``ValueError`` for NaN and Infinity, which are not JSON: https://www.rfc-editor.org/rfc/rfc8259."""
    raise ValueError(constant)
