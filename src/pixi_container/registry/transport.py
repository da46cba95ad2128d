"""How a registry is asked: who we are to it, how long we wait, what is tried again, and what its refusals mean.

Sources: https://distribution.github.io/distribution/spec/auth/token/ and, for identity tokens,
https://distribution.github.io/distribution/spec/auth/oauth/
"""

from __future__ import annotations

import base64
import json
import re
import socket
import time
import zlib
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from functools import cached_property, lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, parse_http_list, parse_keqv_list, proxy_bypass

from pixi_container.addresses import DOCKER_HUB, DOCKER_HUB_API, GITHUB_REGISTRY
from pixi_container.display import one_line
from pixi_container.errors import RegistryRefusedError, RegistryUnavailableError
from pixi_container.registry.immutable_tags import HOW_WITH_IMMUTABLE_TAGS, IMMUTABLE
from pixi_container.registry.reference import is_loopback
from pixi_container.retries import retry

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping

    import httpcore
    import httpx
    from httpcore import SOCKET_OPTION

    from pixi_container.registry.credentials import Credential
    from pixi_container.registry.reference import ImageReference

T = TypeVar("T")

_ANSWER_BYTES = 4 * 1024 * 1024
"""The most that an answer may hold which is kept in memory; what registries let manifests have:
https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests
"""

_ANSWER_PARTS = 100_000
"""The most pieces that an answer may come in: each costs the same time, however few bytes it has."""

_HEADER_BYTES = 256 * 1024
"""The most that may come before an answer's content, with any number of answers like ``100 Continue``."""

_ATTEMPTS = 4
_RETRY_AFTER_SECONDS = 30.0
_TIMEOUT_SECONDS = 20.0
_UPLOAD_TIMEOUT_SECONDS = 300.0
_ANSWER_SECONDS = 60.0
"""The most that one attempt may take in all, redirects and tokens included; what has a size gets more."""

_LEAST_BYTES_PER_SECOND = 32 * 1024
_CHUNK_BYTES = 1024 * 1024
_WRITTEN_AT_ONCE = 16 * 1024
_MOST_ADDRESSES = 8
_MOST_REDIRECTS = 20
_MOST_TOKEN_CHARACTERS = 64 * 1024
_IDENTITY_USER = "<token>"
"""The user name under which a credential helper gives an identity token:
https://github.com/docker/docker-credential-helpers/blob/master/README.md
"""


class TransientError(Exception):
    """Trouble of one attempt that may be over at the next; ``wait`` is how many seconds the registry asks for."""

    def __init__(self, registry: str, url: str, trouble: str, wait: float = 0) -> None:
        super().__init__(trouble)
        self.registry = registry
        self.url = _shown_url(url)
        self.wait = wait


@dataclass(frozen=True)
class RegistryCall:
    """One thing to ask of a repository.

    ``path`` is below the repository, or a URL that the registry gave. ``push`` asks for the right to push, and
    ``mount_from`` names another repository of the registry that is to be read too. Answers with a status in
    ``expected`` are given back like those below 300. ``content`` is bytes, or gives ``size`` bytes in parts, from
    the start each time that it is called; without it, ``size`` is what the answer may have beyond the usual.
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
            document = json.loads(self.content.decode(), parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise RegistryUnavailableError(f"{_shown_url(self.url)} answers with something else than JSON")
        return document


@dataclass
class _Limit:
    """What is left of the time and the bytes that one attempt may take of a registry."""

    registry: str
    seconds: float
    deadline: float
    bytes_left: int

    def left(self, timeout: float | None = None) -> float:
        """Return the seconds left, at most ``timeout``. Raises ``RegistryUnavailableError`` if none are."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise RegistryUnavailableError(
                f"the registry {self.registry} takes more than {self.seconds:.0f} seconds for one answer"
            )
        return left if timeout is None else min(left, timeout)

    def count(self, received: int) -> None:
        """Take bytes off what may come. Raises ``RegistryUnavailableError`` when they are too many."""
        self.bytes_left -= received
        if self.bytes_left < 0:
            raise RegistryUnavailableError(f"the registry {self.registry} answers with more than it may")


class _Stream:
    """A connection of httpcore, of whose reads and writes the limit says how long each may take.

    A time limit of httpx is for one read, and so none for an answer that trickles:
    https://www.python-httpx.org/advanced/timeouts/
    """

    def __init__(self, stream: httpcore.NetworkStream, limit: Callable[[], _Limit]) -> None:
        self._stream = stream
        self._limit = limit

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._stream.read(max_bytes, self._limit().left(timeout))
        self._limit().count(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _WRITTEN_AT_ONCE):
            part = buffer[start : start + _WRITTEN_AT_ONCE]
            self._stream.write(part, self._limit().left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._limit().left(timeout))
        return cast("httpcore.NetworkStream", _Stream(stream, self._limit))

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - as httpcore has it
        return self._stream.get_extra_info(info)


class _Connections:
    """The transport of an ``httpx.Client`` whose connections keep to the limit of the current attempt.

    It serves one thread. This machine itself is never asked by way of a proxy, as with Go and so with Docker:
    https://pkg.go.dev/net/http#ProxyFromEnvironment
    """

    def __init__(self) -> None:
        self._transports: dict[str, httpx.HTTPTransport] = {}
        self._limit: _Limit | None = None

    @property
    def limit(self) -> _Limit:
        """The limit of the current attempt. Raises ``RuntimeError`` when there is none."""
        if self._limit is None:
            raise RuntimeError("a registry is asked outside of any attempt")
        return self._limit

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        import httpx

        proxy = _proxy(request.url)
        if proxy not in self._transports:
            transport = httpx.HTTPTransport(verify=_tls(), proxy=proxy or None)
            # httpx has no parameter for it: https://www.encode.io/httpcore/network-backends/
            transport._pool._network_backend = cast("httpcore.NetworkBackend", self)  # noqa: SLF001
            self._transports[proxy] = transport
        return self._transports[proxy].handle_request(request)

    def close(self) -> None:
        for transport in self._transports.values():
            transport.close()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        import httpcore

        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        first, *others = list(dict.fromkeys(str(entry[4][0]) for entry in entries))[:_MOST_ADDRESSES]

        def connect(address: str) -> httpcore.NetworkStream:
            stream = httpcore.SyncBackend().connect_tcp(
                address, port, self.limit.left(timeout), local_address, socket_options
            )
            return cast("httpcore.NetworkStream", _Stream(stream, lambda: self.limit))

        for address in others:
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return connect(first)
            first = address
        return connect(first)

    @contextmanager
    def within(self, registry: str, seconds: float) -> Iterator[_Limit]:
        """Limit an attempt, unless it is part of one that is limited already."""
        if self._limit:
            yield self._limit
            return
        self._limit = _Limit(registry, seconds, time.monotonic() + seconds, _HEADER_BYTES)
        try:
            yield self._limit
        finally:
            self._limit = None


class Transport:
    """Calls to registries with the credentials at hand; ``credential_for`` gives them by registry."""

    def __init__(self, credential_for: Callable[[str], Credential | None]) -> None:
        self._credential_for = credential_for
        self._authorizations: dict[tuple[str, tuple[str, ...]], str] = {}
        self._connections = _Connections()

    @cached_property
    def _client(self) -> httpx.Client:
        """What makes the calls. Made for the first one, as a run that asks nothing has no use for it."""
        import httpx

        return httpx.Client(
            timeout=_TIMEOUT_SECONDS,
            # What is passed on must have the bytes that its digest is of.
            headers={"accept-encoding": "identity"},
            # What one registry gives to keep is sent to no other.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            transport=cast("httpx.BaseTransport", self._connections),
        )

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()

    def ask(self, call: RegistryCall) -> Answer:
        """Make a call, again when the trouble may pass, and give the answer.

        Raises ``RegistryRefusedError`` and ``RegistryUnavailableError``.
        """
        return self.ask_again(lambda: self.ask_once(call))

    def ask_again(self, attempt: Callable[[], T]) -> T:
        """Return what ``attempt`` gives, which is called anew after a ``TransientError``, a few times.

        Raises ``RegistryUnavailableError`` when the trouble lasts.
        """
        try:
            return retry(attempt, on=TransientError, attempts=_ATTEMPTS, least_wait=lambda trouble: trouble.wait)
        except TransientError as trouble:
            raise RegistryUnavailableError(
                f"the registry {trouble.registry} cannot be used: {trouble}",
                hint=f"Asked {_ATTEMPTS} times for {trouble.url}. "
                "Is the name right, and the registry up and reachable?",
            ) from trouble

    def ask_once(self, call: RegistryCall) -> Answer:
        """Make a call one time; raises ``TransientError`` in addition to what ``ask`` raises."""
        with self._response(call) as response:
            return _answer(response)

    def stream(self, call: RegistryCall) -> Generator[bytes, None, None]:
        """Make a call one time and yield the answer's content in parts, of any length; raises as ``ask_once``."""
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
        with self._connections.within(registry, seconds) as limit:
            try:
                response = self._send(call, url)
                if response.status_code == 401 and self._log_in(call, response):
                    response.close()
                    response = self._send(call, url)
                with closing(response):
                    self._check(call, response)
                    yield response
            except httpx.RequestError as error:
                limit.left()
                trouble = self._quoted(call, str(error) or type(error).__name__)
                raise TransientError(registry, url, trouble) from error
            except (httpx.InvalidURL, UnicodeError, OverflowError) as error:
                raise _no_url(registry, url) from error

    def _send(self, call: RegistryCall, url: str) -> httpx.Response:
        import httpx

        headers = dict(call.headers)
        key = (call.reference.registry, call.scopes)
        if key in self._authorizations and _is_of(call, httpx.URL(url)):
            headers["authorization"] = self._authorizations[key]
        if isinstance(call.content, bytes):
            request = self._client.build_request(call.method, url, headers=headers, content=call.content)
            # What has content is sent to no other place than the one that it was meant for.
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
        """Send a request and follow redirects, of which httpx would read any amount of content.

        What authorizes a request goes with it to its own place alone:
        https://github.com/encode/httpx/blob/0.28.1/httpx/_client.py (``_redirect_headers``)
        """
        import httpx

        limit = self._connections.limit
        for _ in range(_MOST_REDIRECTS + 1):
            _require_encryption(call, request.url)
            limit.bytes_left = _HEADER_BYTES
            # Without an `auth`, a user and a password in the URL would become one.
            response = self._client.send(request, auth=httpx.Auth(), stream=True, follow_redirects=False)
            # The framing of parts comes on top.
            limit.bytes_left = 2 * _ANSWER_BYTES + _HEADER_BYTES + 2 * call.size
            if not follow or response.next_request is None:
                return response
            with closing(response):
                _content(response)
            request = response.next_request
        raise RegistryUnavailableError(
            f"the registry {call.reference.registry} answers with more than {_MOST_REDIRECTS} redirects"
        )

    def _log_in(self, call: RegistryCall, response: httpx.Response) -> bool:
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
                f"the registry {registry} answers {status} to an attempt to {attempt}{reason}",
                hint=HOW_WITH_IMMUTABLE_TAGS if is_immutable else "",
            )
        credential = self._credential_for(registry)
        who = f"user '{credential.username}'" if credential else "anonymous access, as no credentials are set"
        challenge = _challenges(response).get("bearer", {})
        missing = challenge.get("scope", "") if challenge.get("error") == "insufficient_scope" else ""
        raise RegistryRefusedError(
            f"the registry {registry} refuses to let us {attempt}: {who}"
            + (f"; the permission {self._quoted(call, missing)} is missing" if missing else "")
            + (f"; it says{reason}" if said else ""),
            hint=_permission_hint(registry, push=call.push),
        )

    def _quoted(self, call: RegistryCall, text: str) -> str:
        """Return what others say as one short line; a registry may repeat the secret that it was given."""
        credential = self._credential_for(call.reference.registry)
        authorizations = [*self._authorizations.values(), *([_basic(credential)] if credential else [])]
        secrets = [authorization.partition(" ")[2] for authorization in authorizations]
        if credential:
            secrets.append(credential.password)
        for secret in sorted(filter(None, secrets), key=len, reverse=True):
            text = text.replace(secret, "***")
        return one_line(text)


def joined_url(base: str, reference: str, registry: str) -> str:
    """Return the URL that a registry means by ``reference``. Raises ``RegistryUnavailableError`` if it is none."""
    try:
        return urljoin(base, reference)
    except ValueError:
        raise _no_url(registry, reference) from None


def _shown_url(url: str) -> str:
    """Return a URL without what may be secret: a query may hold a signature, and a host a user's password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "a URL that is none"
    host = parts.netloc.rpartition("@")[2]
    return one_line(f"{parts.scheme}://{host}{parts.path}" if host else parts.path)


def _no_url(registry: str, url: str) -> RegistryUnavailableError:
    return RegistryUnavailableError(
        f"the registry {registry} cannot be used: {_shown_url(url)} is no address that can be asked, "
        "or leads to one that is none"
    )


def _is_of(call: RegistryCall, url: httpx.URL) -> bool:
    """Whether a URL is the registry's own: nobody else gets its credentials, wherever it sends us."""
    import httpx

    own = httpx.URL(call.base)
    return (url.scheme, url.raw_host, url.port) == (own.scheme, own.raw_host, own.port)


def _require_encryption(call: RegistryCall, url: httpx.URL) -> None:
    """Raise ``RegistryUnavailableError`` for all but HTTPS, and HTTP from this machine's registry to itself."""
    host = url.netloc.decode("ascii")
    if url.scheme == "https" and url.raw_host:
        return
    if url.scheme != "http":
        raise RegistryUnavailableError(
            f"the registry {call.reference.registry} sends us to {_shown_url(str(url))}, which is not HTTPS"
        )
    if not (is_loopback(host) and is_loopback(call.reference.registry)):
        raise RegistryUnavailableError(
            f"we are sent to http://{one_line(host)}, which is not encrypted: only this machine itself may be "
            "spoken to so, and only a registry on it may send us there"
        )


def _realm(call: RegistryCall, text: str) -> httpx.URL:
    """Return where tokens are to be got. Raises ``RegistryUnavailableError`` where no password may be sent.

    It may be any host, as with Docker: https://distribution.github.io/distribution/spec/auth/token/
    """
    import httpx

    try:
        url = httpx.URL(text)
        usable = url.is_absolute_url and not url.userinfo
    except httpx.InvalidURL:
        usable = False
    if not usable:
        raise RegistryUnavailableError(
            f"the registry {call.reference.registry} sends us for a token to '{_shown_url(text)}', "
            "which is no address"
        )
    _require_encryption(call, url)
    return url


@lru_cache
def _tls() -> ssl.SSLContext:
    """Return what verifies servers, read once for all threads."""
    import httpx

    return httpx.create_ssl_context()


def _proxy(url: httpx.URL) -> str:
    """Return the proxy that the environment names for a URL, empty for none."""
    host = url.netloc.decode("ascii")
    if is_loopback(host) or proxy_bypass(host):
        return ""
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all") or ""
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _basic(credential: Credential) -> str:
    return "Basic " + base64.b64encode(f"{credential.username}:{credential.password}".encode()).decode()


def _challenges(response: httpx.Response) -> dict[str, dict[str, str]]:
    """Return the parameters of each authentication scheme that is offered, by its name in lower case."""
    offered = {}
    for challenge in response.headers.get_list("www-authenticate"):
        scheme, _, parameters = challenge.partition(" ")
        parts = [part for part in parse_http_list(parameters) if re.fullmatch("[^=]+=.+", part)]
        offered[scheme.lower()] = parse_keqv_list(parts)
    return offered


def _answer(response: httpx.Response) -> Answer:
    return Answer(response.status_code, str(response.url), response.headers, _content(response))


def _content(response: httpx.Response) -> bytes:
    """Return the decoded content. Raises ``RegistryUnavailableError`` if it is more than an answer may hold."""
    url = _shown_url(str(response.url))
    too_long = RegistryUnavailableError(f"{url} answers with more than {_ANSWER_BYTES} bytes")
    content = bytearray()
    for number, part in enumerate(response.iter_raw()):
        content += part
        if len(content) > _ANSWER_BYTES or number >= _ANSWER_PARTS:
            raise too_long
    # What httpx decodes may be a thousand times as much in memory, for each encoding in the header.
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
    raise RegistryUnavailableError(f"{url} answers in an encoding that nobody asked for: {one_line(encoding)}")


def _message(content: bytes) -> str:
    """Say what an answer gives as its reason.

    Source: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes
    """
    with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
        errors = islice(json.loads(content)["errors"], 5)
        return "; ".join(error.get("message") or error["code"] for error in errors)
    return content.decode(errors="replace")


def _refuse_constant(constant: str) -> NoReturn:
    """Raise ``ValueError`` for NaN and Infinity, which JSON does not have: https://www.rfc-editor.org/rfc/rfc8259."""
    raise ValueError(constant)


def _seconds(retry_after: str) -> float:
    """Read a Retry-After header: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after."""
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
        "Check 'username' and 'password', or 'registry-auth', and that the user may "
        f"{'push to' if push else 'read'} this name."
    )
