"""How a registry is asked: who we are to it, how long we wait, what is tried again, and what its refusals mean.

Sources: https://distribution.github.io/distribution/spec/auth/token/ and, for identity tokens,
https://distribution.github.io/distribution/spec/auth/oauth/
"""

from __future__ import annotations

import base64
import json
import re
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin
from urllib.request import parse_http_list, parse_keqv_list

from pixi_container.addresses import DOCKER_HUB, DOCKER_HUB_API, GITHUB_REGISTRY
from pixi_container.errors import UserError
from pixi_container.image_reference import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator, Mapping

    import httpx
    from tenacity import RetryCallState

    from pixi_container.image_reference import ImageReference
    from pixi_container.inputs import Credential

T = TypeVar("T")

_ANSWER_BYTES = 4 * 1024 * 1024
"""The most that an answer may hold which is kept in memory; what registries let manifests have:
https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests
"""

_ATTEMPTS = 4
_RETRY_AFTER_SECONDS = 30.0
_TIMEOUT_SECONDS = 20.0
_UPLOAD_TIMEOUT_SECONDS = 300.0
_CHUNK_BYTES = 1024 * 1024
_IDENTITY_USER = "<token>"
"""The user name under which a credential helper gives an identity token:
https://github.com/docker/docker-credential-helpers/blob/master/README.md
"""


class RegistryUnavailableError(UserError):
    """The registry gave no usable answer: not reachable, too busy or broken."""


class RegistryRefusedError(UserError):
    """The registry does not let us do this."""


class TransientError(Exception):
    """Trouble of one attempt that may be over at the next; ``wait`` is how many seconds the registry asks for."""

    def __init__(self, registry: str, url: str, trouble: str, wait: float = 0) -> None:
        super().__init__(trouble)
        self.registry = registry
        # A query may hold a signature.
        self.url = url.partition("?")[0]
        self.wait = wait


@dataclass(frozen=True)
class Call:
    """One thing to ask of a repository.

    ``path`` is below the repository, or a URL that the registry gave. ``push`` asks for the right to push, and
    ``mount_from`` names another repository of the registry that is to be read too. Answers with a status in
    ``expected`` are given back like those below 300. ``content`` is bytes, or gives ``size`` bytes in parts, from
    the start each time that it is called.
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
        """The rights that it needs: https://distribution.github.io/distribution/spec/auth/scope/."""
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
    """What a registry answered; ``url`` is where the answer came from after all redirects."""

    status: int
    url: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)

    def json(self) -> dict[str, Any]:
        """Parse the content. Raises ``RegistryUnavailableError`` when it is no JSON object."""
        try:
            document = json.loads(self.content)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise RegistryUnavailableError(f"{_without_query(self.url)} answers with something else than JSON")
        return document


class Transport:
    """Calls to registries with the credentials at hand; ``credential_for`` gives them by registry."""

    def __init__(self, credential_for: Callable[[str], Credential | None]) -> None:
        self._credential_for = credential_for
        self._authorizations: dict[tuple[str, tuple[str, ...]], str] = {}
        self._close: Callable[[], None] = lambda: None

    @cached_property
    def _client(self) -> httpx.Client:
        """What makes the calls. Made for the first one, as a run that asks nothing has no use for it."""
        import httpx

        client = httpx.Client(
            timeout=_TIMEOUT_SECONDS,
            # What is passed on must have the bytes that its digest is of.
            headers={"accept-encoding": "identity"},
            event_hooks={"request": [_refuse_plain_http]},
        )
        self._close = client.close
        return client

    def close(self) -> None:
        """Close all connections."""
        self._close()

    def ask(self, call: Call) -> Answer:
        """Make a call, again when the trouble may pass, and give the answer.

        Raises ``RegistryRefusedError`` and ``RegistryUnavailableError``.
        """
        return self.repeat(lambda: self.once(call))

    def repeat(self, attempt: Callable[[], T]) -> T:
        """Give what ``attempt`` gives, which is called anew after a ``TransientError``, a few times.

        Raises ``RegistryUnavailableError`` when the trouble lasts.
        """
        from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

        backoff = wait_exponential_jitter(multiplier=0.3, max=5)

        def wait(state: RetryCallState) -> float:
            trouble = state.outcome.exception() if state.outcome else None
            return max(backoff(state), trouble.wait if isinstance(trouble, TransientError) else 0)

        attempts = Retrying(
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait,
            retry=retry_if_exception_type(TransientError),
            reraise=True,
        )
        try:
            return attempts(attempt)
        except TransientError as trouble:
            raise RegistryUnavailableError(
                f"the registry {trouble.registry} cannot be used: {trouble}",
                hint=f"Asked {_ATTEMPTS} times for {trouble.url}. "
                "Is the name right, and the registry up and reachable?",
            ) from trouble

    def once(self, call: Call) -> Answer:
        """Make a call one time; raises ``TransientError`` in addition to what ``ask`` raises."""
        with self._response(call) as response:
            return _answer(response)

    def chunks(self, call: Call) -> Generator[bytes, None, None]:
        """Make a call one time and give the answer's content in parts, however long it is; raises as ``once``."""
        with self._response(call) as response:
            yield from response.iter_raw(_CHUNK_BYTES)

    @contextmanager
    def _response(self, call: Call) -> Iterator[httpx.Response]:
        import httpx

        url = urljoin(call.base, call.path)
        try:
            response = self._send(call, url)
            if response.status_code == 401 and self._log_in(call, response):
                response.close()
                response = self._send(call, url)
            with closing(response):
                self._check(call, response)
                yield response
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise TransientError(call.reference.registry, url, str(error) or type(error).__name__) from error

    def _send(self, call: Call, url: str) -> httpx.Response:
        import httpx

        headers = dict(call.headers)
        key = (call.reference.registry, call.scopes)
        if key in self._authorizations and _is_of(call, httpx.URL(url)):
            headers["authorization"] = self._authorizations[key]
        if isinstance(call.content, bytes):
            request = self._client.build_request(call.method, url, headers=headers, content=call.content)
            # What has content is sent to no other place than the one that it was meant for.
            follow = call.redirects and not call.content
            return self._client.send(request, stream=True, follow_redirects=follow)
        with closing(call.content()) as content:
            request = self._client.build_request(
                call.method,
                url,
                headers={**headers, "content-length": str(call.size)},
                content=content,
                timeout=httpx.Timeout(
                    _TIMEOUT_SECONDS, read=_UPLOAD_TIMEOUT_SECONDS, write=_UPLOAD_TIMEOUT_SECONDS
                ),
            )
            return self._client.send(request, stream=True, follow_redirects=False)

    def _log_in(self, call: Call, response: httpx.Response) -> bool:
        """Get what the challenge asks for; whether there is something new to try."""
        import httpx

        if not _is_of(call, response.url):
            return False
        key = (call.reference.registry, call.scopes)
        credential = self._credential_for(call.reference.registry)
        basic = {"authorization": _basic(credential)} if credential else {}
        challenges = _challenges(response)
        challenge = challenges.get("bearer", {})
        if not challenge.get("realm"):
            if not credential or "basic" not in challenges:
                return False
            self._authorizations[key] = basic["authorization"]
            return True
        service = {"service": challenge["service"]} if challenge.get("service") else {}
        if credential and credential.username == _IDENTITY_USER:
            form = {
                "grant_type": "refresh_token",
                "client_id": "pixi-container",
                **service,
                "scope": " ".join(call.scopes),
                "refresh_token": credential.password,
            }
            request = self._client.build_request("POST", challenge["realm"], data=form)
        else:
            scopes = [("scope", scope) for scope in call.scopes]
            url = httpx.URL(challenge["realm"]).copy_merge_params(httpx.QueryParams([*service.items(), *scopes]))
            request = self._client.build_request("GET", url, headers=basic)
        with closing(self._client.send(request, stream=True, follow_redirects=request.method == "GET")) as answer:
            self._check(replace(call, expected=()), answer)
            given = _answer(answer).json()
        token = str(given.get("token") or given.get("access_token") or "")
        # What is no header would be shown in the error that says so.
        if not token.isascii() or not token.isprintable():
            return False
        self._authorizations[key] = f"Bearer {token}"
        return bool(token)

    def _check(self, call: Call, response: httpx.Response) -> None:
        status, registry = response.status_code, call.reference.registry
        busy = status == 429 or status >= 500
        if status < 300 or (status in call.expected and not busy):
            return
        said = _message(_content(response))
        reason = f": {said}" if said else ""
        if busy:
            wait = _seconds(response.headers.get("retry-after", ""))
            raise TransientError(registry, str(response.url), f"HTTP status {status}{reason}", wait)
        attempt = f"{'push to' if call.push else 'read'} {call.reference.name}"
        if status not in {401, 403}:
            raise RegistryUnavailableError(
                f"the registry {registry} answers {status} to an attempt to {attempt}{reason}"
            )
        credential = self._credential_for(registry)
        who = f"user '{credential.username}'" if credential else "anonymous access, as no credentials are set"
        challenge = _challenges(response).get("bearer", {})
        missing = challenge.get("scope", "") if challenge.get("error") == "insufficient_scope" else ""
        raise RegistryRefusedError(
            f"the registry {registry} refuses to let us {attempt}: {who}"
            + (f"; the permission {missing} is missing" if missing else "")
            + (f"; it says{reason}" if said else ""),
            hint=_permission_hint(registry, push=call.push),
        )


def _is_of(call: Call, url: httpx.URL) -> bool:
    """Whether a URL is the registry's own: nobody else gets its credentials, wherever it sends us."""
    import httpx

    own = httpx.URL(call.base)
    return (url.scheme, url.host, url.port) == (own.scheme, own.host, own.port)


def _refuse_plain_http(request: httpx.Request) -> None:
    host = request.url.netloc.decode("ascii")
    if request.url.scheme == "http" and not is_loopback(host):
        raise RegistryUnavailableError(
            f"we are sent to http://{host}, which is not encrypted: only this machine itself may be spoken to so"
        )


def _basic(credential: Credential) -> str:
    return "Basic " + base64.b64encode(f"{credential.username}:{credential.password}".encode()).decode()


def _challenges(response: httpx.Response) -> dict[str, dict[str, str]]:
    """Give the parameters of each authentication scheme that is offered, by its name in lower case."""
    found = {}
    for challenge in response.headers.get_list("www-authenticate"):
        scheme, _, parameters = challenge.partition(" ")
        parts = [part for part in parse_http_list(parameters) if re.fullmatch("[^=]+=.+", part)]
        found[scheme.lower()] = parse_keqv_list(parts)
    return found


def _answer(response: httpx.Response) -> Answer:
    return Answer(response.status_code, str(response.url), response.headers, _content(response))


def _content(response: httpx.Response) -> bytes:
    content = bytearray()
    for part in response.iter_bytes():
        content += part
        if len(content) > _ANSWER_BYTES:
            raise RegistryUnavailableError(
                f"{_without_query(str(response.url))} answers with more than {_ANSWER_BYTES} bytes"
            )
    return bytes(content)


def _message(content: bytes) -> str:
    """Say in one short line what an answer gives as its reason.

    Source: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes
    """
    text = content[:1000].decode(errors="replace")
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        text = "; ".join(error.get("message") or error["code"] for error in json.loads(content)["errors"])
    return " ".join(text.split())[:200]


def _seconds(retry_after: str) -> float:
    """Read a Retry-After header: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after."""
    if re.fullmatch(r"[0-9]{1,9}", retry_after):
        seconds = float(retry_after)
    else:
        try:
            seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
        except ValueError:
            return 0
    return min(max(seconds, 0), _RETRY_AFTER_SECONDS)


def _without_query(url: str) -> str:
    """Leave out what may hold a signature."""
    return url.partition("?")[0]


def _permission_hint(registry: str, *, push: bool) -> str:
    if registry == GITHUB_REGISTRY:
        right, role, condition = ("write", "Write", "exists already") if push else ("read", "Read", "is private")
        return (
            f"Give the job `permissions: packages: {right}`. If the package {condition}, give this repository the "
            f"role '{role}' in the package's settings under 'Manage Actions access'."
        )
    return (
        "Check 'username' and 'password', or 'registry-auth', and that the user may "
        f"{'push to' if push else 'read'} this name."
    )
