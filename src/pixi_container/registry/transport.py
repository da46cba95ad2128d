"""Requests to registries: authentication, time and size limits, retries, and the meaning of refusals.

Sources: https://distribution.github.io/distribution/spec/auth/token/ and, for identity tokens,
https://distribution.github.io/distribution/spec/auth/oauth/
"""

from __future__ import annotations

import base64
import json
import re
import time
import zlib
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from email.utils import parsedate_to_datetime
from functools import cached_property
from http.cookiejar import CookieJar, DefaultCookiePolicy
from itertools import islice
from typing import TYPE_CHECKING, TypeVar, cast
from urllib.request import parse_http_list, parse_keqv_list

from pixi_container.addresses import GITHUB_REGISTRY
from pixi_container.display import one_line
from pixi_container.errors import RegistryRefusedError, RegistryUnavailableError
from pixi_container.registry.call import Answer, RegistryCall, TransientError, invalid_url, joined_url, shown_url
from pixi_container.registry.connections import HEADER_BYTES, Connections
from pixi_container.registry.immutable_tags import HOW_WITH_IMMUTABLE_TAGS, IMMUTABLE
from pixi_container.registry.reference import is_loopback
from pixi_container.retries import retry

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    import httpx

    from pixi_container.registry.credentials import Credential

T = TypeVar("T")

_ANSWER_BYTES = 4 * 1024 * 1024
"""Maximum size of an answer kept in memory; the limit that registries set for manifests:
https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests
"""

_ANSWER_PARTS = 100_000
"""Maximum number of chunks of an answer: each costs the same time, however few bytes it has."""


_ATTEMPTS = 4
_RETRY_AFTER_SECONDS = 30.0
_TIMEOUT_SECONDS = 20.0
_UPLOAD_TIMEOUT_SECONDS = 300.0
_ANSWER_SECONDS = 60.0
"""Total time for one attempt, including redirects and tokens; transfers of a known size get more."""

_LEAST_BYTES_PER_SECOND = 32 * 1024
_CHUNK_BYTES = 1024 * 1024
_MOST_REDIRECTS = 20
_MOST_TOKEN_CHARACTERS = 64 * 1024
_IDENTITY_USER = "<token>"
"""The user name under which a credential helper gives an identity token:
https://github.com/docker/docker-credential-helpers/blob/master/README.md
"""


class Transport:
    """Calls to registries; ``credential_for`` returns the credential for a registry, or None."""

    def __init__(self, credential_for: Callable[[str], Credential | None]) -> None:
        self._credential_for = credential_for
        self._authorizations: dict[tuple[str, tuple[str, ...]], str] = {}
        self._connections = Connections()

    @cached_property
    def _client(self) -> httpx.Client:
        """The HTTP client, created on first use because importing httpx takes time."""
        import httpx

        return httpx.Client(
            timeout=_TIMEOUT_SECONDS,
            # A copied blob must keep the exact bytes of its digest.
            headers={"accept-encoding": "identity"},
            # A cookie of one registry must not reach another.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            transport=cast("httpx.BaseTransport", self._connections),
        )

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()

    def give_up(self) -> None:
        """Have the call fail that a thread is making, and every later one. Any other thread may call this."""
        self._connections.give_up()

    def ask(self, call: RegistryCall) -> Answer:
        """Make a call, with retries after transient failures, and return the answer.

        Raises ``RegistryRefusedError`` and ``RegistryUnavailableError``.
        """
        return self.ask_again(lambda: self.ask_once(call))

    def ask_again(self, attempt: Callable[[], T]) -> T:
        """Return the result of ``attempt``, with a few retries after ``TransientError``.

        Raises ``RegistryUnavailableError`` if every attempt fails.
        """
        try:
            return retry(
                attempt,
                on=TransientError,
                attempts=_ATTEMPTS,
                least_wait=lambda trouble: trouble.wait,
                check=self._connections.check,
            )
        except TransientError as trouble:
            raise RegistryUnavailableError(
                f"the registry {trouble.registry} cannot be used: {trouble}",
                hint=f"All {_ATTEMPTS} requests for {trouble.url} failed. "
                "Check the name, and that the registry is up and reachable.",
            ) from trouble

    def ask_once(self, call: RegistryCall) -> Answer:
        """Make a call once; raises ``TransientError`` in addition to what ``ask`` raises."""
        with self._response(call) as response:
            return _answer(response)

    def stream(self, call: RegistryCall) -> Generator[bytes, None, None]:
        """Make a call once and yield the answer's content, of any length, in chunks; raises as ``ask_once``."""
        with self._response(call) as response:
            yield from response.iter_raw(_CHUNK_BYTES)

    @contextmanager
    def _response(self, call: RegistryCall) -> Iterator[httpx.Response]:
        import httpx

        registry = call.reference.registry
        url = joined_url(call.base, call.path, registry)
        seconds = _ANSWER_SECONDS
        if callable(call.content):
            seconds += _UPLOAD_TIMEOUT_SECONDS + call.size / _LEAST_BYTES_PER_SECOND
        with self._connections.within(registry, seconds):
            try:
                response = self._send(call, url)
                if response.status_code == 401 and self._log_in(call, response):
                    response.close()
                    response = self._send(call, url)
                with closing(response):
                    self._check(call, response)
                    yield response
            except httpx.RequestError as error:
                self._connections.limit.left()
                trouble = self._quoted(call, str(error) or type(error).__name__)
                raise TransientError(registry, url, trouble) from error
            except (httpx.InvalidURL, UnicodeError, OverflowError) as error:
                raise invalid_url(registry, url) from error

    def _send(self, call: RegistryCall, url: str) -> httpx.Response:
        import httpx

        headers = dict(call.headers)
        key = (call.reference.registry, call.scopes)
        if key in self._authorizations and _is_of(call, httpx.URL(url)):
            headers["authorization"] = self._authorizations[key]
        if isinstance(call.content, bytes):
            request = self._client.build_request(call.method, url, headers=headers, content=call.content)
            # A request with content must not be redirected elsewhere.
            return self._exchange(call, request, follow=call.redirects and not call.content)
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
            return self._exchange(call, request, follow=False)

    def _exchange(self, call: RegistryCall, request: httpx.Request, *, follow: bool) -> httpx.Response:
        """Send a request and follow redirects with a limit on their content, which httpx would not set.

        The authorization header never goes to another host:
        https://github.com/encode/httpx/blob/0.28.1/httpx/_client.py (``_redirect_headers``)
        """
        import httpx

        limit = self._connections.limit
        for _ in range(_MOST_REDIRECTS + 1):
            _require_encryption(call, request.url)
            limit.bytes_left = HEADER_BYTES
            # Without an explicit `auth`, httpx would use a user name and password in the URL.
            response = self._client.send(request, auth=httpx.Auth(), stream=True, follow_redirects=False)
            # Chunked encoding adds framing bytes.
            limit.bytes_left = 2 * _ANSWER_BYTES + HEADER_BYTES + 2 * call.size
            if not follow or response.next_request is None:
                return response
            with closing(response):
                _content(response)
            request = response.next_request
        raise RegistryUnavailableError(
            f"the registry {call.reference.registry} redirected more than {_MOST_REDIRECTS} times"
        )

    def _log_in(self, call: RegistryCall, response: httpx.Response) -> bool:
        """Get the authorization that the challenge asks for; return whether a retry can succeed."""
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
        realm = _realm(call, challenge["realm"])
        service = {"service": challenge["service"]} if challenge.get("service") else {}
        if credential and credential.username == _IDENTITY_USER:
            form = {
                "grant_type": "refresh_token",
                "client_id": "pixi-container",
                **service,
                "scope": " ".join(call.scopes),
                "refresh_token": credential.password,
            }
            request = self._client.build_request("POST", realm, data=form)
        else:
            scopes = [("scope", scope) for scope in call.scopes]
            url = realm.copy_merge_params(httpx.QueryParams([*service.items(), *scopes]))
            request = self._client.build_request("GET", url, headers=basic)
        with closing(self._exchange(call, request, follow=request.method == "GET")) as answer:
            self._check(replace(call, expected=()), answer)
            given = _answer(answer).json()
        token = given.get("token") or given.get("access_token")
        # An invalid header would leak the token in the error.
        if (
            not isinstance(token, str)
            or not (token.isascii() and token.isprintable())
            or len(token) > _MOST_TOKEN_CHARACTERS
        ):
            return False
        self._authorizations[key] = f"Bearer {token}"
        return True

    def _check(self, call: RegistryCall, response: httpx.Response) -> None:
        status, registry = response.status_code, call.reference.registry
        busy = status == 429 or status >= 500
        if 200 <= status < 300 or (status in call.expected and not busy):
            return
        said = self._quoted(call, _message(_content(response)))
        reason = f": {said}" if said else ""
        if busy:
            wait = _seconds(response.headers.get("retry-after", ""))
            raise TransientError(registry, str(response.url), f"HTTP status {status}{reason}", wait)
        attempt = f"{'push to' if call.push else 'read'} {call.reference.name}"
        is_immutable = call.push and bool(re.search(IMMUTABLE, said, re.IGNORECASE))
        if status not in {401, 403} or is_immutable:
            raise RegistryUnavailableError(
                f"the registry {registry} answered {status} to an attempt to {attempt}{reason}",
                hint=HOW_WITH_IMMUTABLE_TAGS if is_immutable else "",
            )
        credential = self._credential_for(registry)
        who = f"user '{credential.username}'" if credential else "anonymous access, because no credentials are set"
        challenge = _challenges(response).get("bearer", {})
        missing = challenge.get("scope", "") if challenge.get("error") == "insufficient_scope" else ""
        raise RegistryRefusedError(
            f"the registry {registry} denied permission to {attempt}: {who}"
            + (f"; missing permission: {self._quoted(call, missing)}" if missing else "")
            + (f"; the registry said{reason}" if said else ""),
            hint=_permission_hint(registry, push=call.push),
        )

    def _quoted(self, call: RegistryCall, text: str) -> str:
        """Return a registry's words as one short line without secrets, which a registry may repeat."""
        credential = self._credential_for(call.reference.registry)
        authorizations = [*self._authorizations.values(), *([_basic(credential)] if credential else [])]
        secrets = [authorization.partition(" ")[2] for authorization in authorizations]
        if credential:
            secrets.append(credential.password)
        for secret in sorted(filter(None, secrets), key=len, reverse=True):
            text = text.replace(secret, "***")
        return one_line(text)


def _is_of(call: RegistryCall, url: httpx.URL) -> bool:
    """Tell whether a URL belongs to the registry itself: no other host gets its credentials."""
    import httpx

    own = httpx.URL(call.base)
    return (url.scheme, url.raw_host, url.port) == (own.scheme, own.raw_host, own.port)


def _require_encryption(call: RegistryCall, url: httpx.URL) -> None:
    """Raise ``RegistryUnavailableError`` unless it is HTTPS, or HTTP between this machine and its own registry."""
    host = url.netloc.decode("ascii")
    if url.scheme == "https" and url.raw_host:
        return
    if url.scheme != "http":
        raise RegistryUnavailableError(
            f"the registry {call.reference.registry} redirects to {shown_url(str(url))}, which is not HTTPS"
        )
    if not (is_loopback(host) and is_loopback(call.reference.registry)):
        raise RegistryUnavailableError(
            f"the registry {call.reference.registry} redirects to http://{one_line(host)}, which is not "
            "encrypted: plain HTTP is accepted only for a registry on this machine"
        )


def _realm(call: RegistryCall, text: str) -> httpx.URL:
    """Return the URL that issues tokens. Raises ``RegistryUnavailableError`` if no password may be sent there.

    As in Docker, it may be on any host: https://distribution.github.io/distribution/spec/auth/token/
    """
    import httpx

    try:
        url = httpx.URL(text)
        usable = url.is_absolute_url and not url.userinfo
    except httpx.InvalidURL:
        usable = False
    if not usable:
        raise RegistryUnavailableError(
            f"the registry {call.reference.registry} names '{shown_url(text)}' as its token server, "
            "which is not a valid URL"
        )
    _require_encryption(call, url)
    return url


def _basic(credential: Credential) -> str:
    return "Basic " + base64.b64encode(f"{credential.username}:{credential.password}".encode()).decode()


def _challenges(response: httpx.Response) -> dict[str, dict[str, str]]:
    """Return the parameters of each offered authentication scheme by its lower-case name."""
    offered = {}
    for challenge in response.headers.get_list("www-authenticate"):
        scheme, _, parameters = challenge.partition(" ")
        parts = [part for part in parse_http_list(parameters) if re.fullmatch("[^=]+=.+", part)]
        offered[scheme.lower()] = parse_keqv_list(parts)
    return offered


def _answer(response: httpx.Response) -> Answer:
    return Answer(response.status_code, str(response.url), response.headers, _content(response))


def _content(response: httpx.Response) -> bytes:
    """Return the decoded content. Raises ``RegistryUnavailableError`` if it is too large or cannot be decoded."""
    url = shown_url(str(response.url))
    too_long = RegistryUnavailableError(f"{url} returned more than {_ANSWER_BYTES} bytes")
    content = bytearray()
    for number, part in enumerate(response.iter_raw()):
        content += part
        if len(content) > _ANSWER_BYTES or number >= _ANSWER_PARTS:
            raise too_long
    # Decoding in httpx has no limit: each encoding in the header may expand the content a thousand times.
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if not content or encoding in {"", "identity"}:
        return bytes(content)
    if encoding in {"gzip", "x-gzip"}:
        decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        with suppress(zlib.error):
            decoded = decoder.decompress(content, _ANSWER_BYTES + 1)
            if len(decoded) > _ANSWER_BYTES:
                raise too_long
            if decoder.eof:
                return decoded
    raise RegistryUnavailableError(f"{url} returned content in an unusable encoding: {one_line(encoding)}")


def _message(content: bytes) -> str:
    """Return the error messages in an answer, or its whole text if it is not in the registries' format.

    Source: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes
    """
    with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
        errors = islice(json.loads(content)["errors"], 5)
        return "; ".join(error.get("message") or error["code"] for error in errors)
    return content.decode(errors="replace")


def _seconds(retry_after: str) -> float:
    """Return the seconds of a Retry-After header: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after."""
    if re.fullmatch(r"[0-9]{1,9}", retry_after):
        seconds = float(retry_after)
    else:
        try:
            seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
        except (ValueError, OverflowError):
            return 0
    return min(max(seconds, 0), _RETRY_AFTER_SECONDS)


def _permission_hint(registry: str, *, push: bool) -> str:
    if registry == GITHUB_REGISTRY:
        right, role, condition = ("write", "Write", "exists already") if push else ("read", "Read", "is private")
        return (
            f"Give the job `permissions: packages: {right}`. If the package {condition}, give this repository the "
            f"role '{role}' in the package's settings under 'Manage Actions access'."
        )
    return (
        "Check 'username' and 'password', or 'registry-auth', and that the user has permission to "
        f"{'push to' if push else 'read'} this repository."
    )
