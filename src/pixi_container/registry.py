"""The registry: what it has under a name, and whether it will take what is to be pushed.

Source: https://github.com/opencontainers/distribution-spec/blob/main/spec.md and, for tokens,
https://distribution.github.io/distribution/spec/auth/token/
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.request import parse_http_list, parse_keqv_list

from pixi_container.addresses import DOCKER_HUB, DOCKER_HUB_API, GITHUB_REGISTRY
from pixi_container.errors import UserError
from pixi_container.image_reference import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from typing_extensions import Self

    from pixi_container.image_reference import ImageReference
    from pixi_container.inputs import Credential

_ACCEPT = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.list.v2",
        "docker.distribution.manifest.v2",
    )
)
_ATTEMPTS = 4
_TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class PublishedImage:
    """An image as a registry has it; ``layer_sizes`` are compressed bytes, base first.

    ``config`` is the digest of its configuration, which names the uncompressed content: it is the same wherever
    the image lies, while ``digest`` changes where a registry's copy was compressed in another way.
    """

    digest: str
    config: str
    layer_sizes: tuple[int, ...]


class RegistryUnavailableError(UserError):
    """The registry gave no usable answer: not reachable, too busy or broken."""


class Registry:
    """Calls to registries with the credentials at hand, repeated within bounds when a registry is busy."""

    def __init__(self, credential_for: Callable[[str], Credential | None]) -> None:
        import httpx

        self._credential_for = credential_for
        self._tokens: dict[tuple[str, str], str] = {}
        self._client = httpx.Client(timeout=_TIMEOUT_SECONDS, follow_redirects=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def digest(self, reference: ImageReference) -> str | None:
        """Give the digest that the reference's tag points to, or None when there is no such image."""
        response = self._call("HEAD", reference, f"manifests/{reference.digest or reference.tag}")
        if response.status_code == 404:
            return None
        self._accept(response, reference, "read")
        return str(response.headers.get("docker-content-digest", "")) or None

    def tags(self, reference: ImageReference) -> tuple[str, ...]:
        """Give every tag of the repository, none when it does not exist."""
        found: list[str] = []
        path = "tags/list?n=1000"
        while path:
            response = self._call("GET", reference, path)
            if response.status_code == 404:
                break
            self._accept(response, reference, "read")
            found += response.json().get("tags") or []
            following = re.search(r'<[^>]*/(tags/list\?[^>]*)>;\s*rel="?next', response.headers.get("link", ""))
            path = following[1] if following else ""
        return tuple(found)

    def image(self, reference: ImageReference) -> PublishedImage | None:
        """Give the image of one platform; None when there is none."""
        response = self._call("GET", reference, f"manifests/{reference.digest or reference.tag}")
        if response.status_code == 404:
            return None
        self._accept(response, reference, "read")
        manifest = response.json()
        return PublishedImage(
            digest=response.headers.get("docker-content-digest", ""),
            config=manifest.get("config", {}).get("digest", ""),
            layer_sizes=tuple(layer.get("size", 0) for layer in manifest.get("layers", [])),
        )

    def check_push(self, reference: ImageReference) -> None:
        """Make sure that the registry takes pushes to this name, by opening an upload and giving it up again.

        Raises ``UserError`` with the likely cause when it does not.
        """
        response = self._call("POST", reference, "blobs/uploads/", write=True)
        self._accept(response, reference, "push to")
        location = response.headers.get("location", "")
        if location:
            # A registry may not let an upload be cancelled; it then forgets it by itself.
            self._client.request(
                "DELETE", response.url.join(location), headers=self._authorization(reference, "pull,push")
            )

    def _call(self, method: str, reference: ImageReference, path: str, *, write: bool = False) -> httpx.Response:
        import httpx
        from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

        scheme = "http" if is_loopback(reference.registry) else "https"
        host = DOCKER_HUB_API if reference.registry == DOCKER_HUB else reference.registry
        url = f"{scheme}://{host}/v2/{reference.repository}/{path}"
        actions = "pull,push" if write else "pull"

        def once() -> httpx.Response:
            response = self._client.request(
                method, url, headers={"accept": _ACCEPT, **self._authorization(reference, actions)}
            )
            if response.status_code == 401 and self._log_in(response, reference, actions):
                response = self._client.request(
                    method, url, headers={"accept": _ACCEPT, **self._authorization(reference, actions)}
                )
            if response.status_code == 429 or response.status_code >= 500:
                raise httpx.HTTPStatusError(
                    f"HTTP status {response.status_code}", request=response.request, response=response
                )
            return response

        attempts = Retrying(
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_exponential_jitter(multiplier=0.3, max=5),
            retry=retry_if_exception_type((httpx.TransportError, httpx.HTTPStatusError)),
            reraise=True,
        )
        try:
            return attempts(once)
        except (httpx.TransportError, httpx.HTTPStatusError) as error:
            raise RegistryUnavailableError(
                f"the registry {reference.registry} cannot be used: {error or type(error).__name__}",
                hint=f"Asked {_ATTEMPTS} times for {url}. Is the name right, and the registry up and reachable?",
            ) from error

    def _authorization(self, reference: ImageReference, actions: str) -> dict[str, str]:
        token = self._tokens.get((reference.name, actions))
        return {"authorization": token} if token else {}

    def _log_in(self, response: httpx.Response, reference: ImageReference, actions: str) -> bool:
        """Get what the challenge asks for; whether there is something new to try."""
        import httpx

        credential = self._credential_for(reference.registry)
        basic = httpx.BasicAuth(credential.username, credential.password) if credential else None
        kind, _, parameters = response.headers.get("www-authenticate", "").partition(" ")
        if kind.lower() == "basic" and basic:
            request = next(basic.auth_flow(httpx.Request("GET", response.url)))
            self._tokens[reference.name, actions] = request.headers["authorization"]
            return True
        challenge: dict[str, Any] = parse_keqv_list(parse_http_list(parameters))
        if kind.lower() != "bearer" or not challenge.get("realm"):
            return False
        answer = self._client.get(
            challenge["realm"],
            params={
                "service": challenge.get("service", ""),
                "scope": f"repository:{reference.repository}:{actions}",
            },
            auth=basic,
        )
        if answer.status_code != 200:
            return False
        body = answer.json()
        self._tokens[reference.name, actions] = f"Bearer {body.get('token') or body.get('access_token')}"
        return True

    def _accept(self, response: httpx.Response, reference: ImageReference, purpose: str) -> None:
        if response.status_code < 400:
            return
        if response.status_code not in {401, 403}:
            raise RegistryUnavailableError(
                f"the registry {reference.registry} answers {response.status_code} to an attempt to {purpose} "
                f"{reference.name}: {response.text[:200]}"
            )
        credential = self._credential_for(reference.registry)
        who = f"user '{credential.username}'" if credential else "anonymous access, as no credentials are set"
        raise UserError(
            f"the registry {reference.registry} refuses to let us {purpose} {reference.name}: {who}",
            hint=_login_hint(reference.registry),
        )


def _login_hint(registry: str) -> str:
    if registry == GITHUB_REGISTRY:
        return (
            "Give the job `permissions: packages: write`. If the package exists already, give this repository the "
            "role 'Write' in the package's settings under 'Manage Actions access'."
        )
    return "Check 'username' and 'password', or 'registry-auth', and that the user may push to this name."
