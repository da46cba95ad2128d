"""Connections to registries that keep to a limit of time and bytes for each attempt."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from urllib.request import getproxies, proxy_bypass

from pixi_container.errors import RegistryUnavailableError
from pixi_container.registry.reference import is_loopback

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator

    import httpcore
    import httpx
    from httpcore import SOCKET_OPTION

HEADER_BYTES = 256 * 1024
"""Maximum number of bytes before an answer's content, including interim answers such as ``100 Continue``."""

_WRITTEN_AT_ONCE = 16 * 1024
_MOST_ADDRESSES = 8
_CONNECTING_SECONDS = 4.0
"""How long one attempt to connect lasts: nobody can end it from outside."""


@dataclass
class Limit:
    """The time and the bytes that one attempt has left."""

    registry: str
    seconds: float
    deadline: float
    bytes_left: int

    def left(self, timeout: float | None = None) -> float:
        """Return the seconds left, at most ``timeout``. Raises ``RegistryUnavailableError`` if time is up."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise RegistryUnavailableError(
                f"the registry {self.registry} took more than {self.seconds:.0f} seconds for one answer"
            )
        return left if timeout is None else min(left, timeout)

    def count(self, received: int) -> None:
        """Subtract received bytes from the limit. Raises ``RegistryUnavailableError`` if it is exceeded."""
        self.bytes_left -= received
        if self.bytes_left < 0:
            raise RegistryUnavailableError(f"the registry {self.registry} sent an answer that is too large")


class _OpenSockets:
    """The sockets of one thread, each with a second handle by which another thread may shut it down."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handles: set[socket.socket] = set()
        self.is_shut = False

    def add(self, opened: socket.socket) -> socket.socket:
        """Return the handle of a socket; it stays valid whatever becomes of the object, as when TLS starts."""
        handle = opened.dup()
        with self._lock:
            self._handles.add(handle)
            if self.is_shut:
                _shut(handle)
        return handle

    def remove(self, handle: socket.socket) -> None:
        with self._lock:
            self._handles.discard(handle)
            handle.close()

    def shut(self) -> None:
        with self._lock:
            self.is_shut = True
            for handle in self._handles:
                _shut(handle)


class _LimitedStream:
    """An httpcore connection whose reads and writes keep to the limit of the whole attempt.

    A timeout of httpx applies to a single read, so it does not stop an answer that trickles in:
    https://www.python-httpx.org/advanced/timeouts/
    """

    def __init__(
        self,
        stream: httpcore.NetworkStream,
        limit: Callable[[], Limit],
        sockets: _OpenSockets,
        handle: socket.socket,
    ) -> None:
        self._stream = stream
        self._limit = limit
        self._sockets = sockets
        self._handle = handle

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
        # Only after its last handle is closed does the other side learn of it.
        self._sockets.remove(self._handle)

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            stream = self._stream.start_tls(ssl_context, server_hostname, self._limit().left(timeout))
        except BaseException:
            self.close()
            raise
        limited = _LimitedStream(stream, self._limit, self._sockets, self._handle)
        return cast("httpcore.NetworkStream", limited)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - as httpcore has it
        return self._stream.get_extra_info(info)


class Connections:
    """The transport of an ``httpx.Client``; its connections keep to the limit of the current attempt.

    It serves one thread, and another one may have it give up. As in Go, and therefore in Docker, requests to this
    machine never use a proxy:
    https://pkg.go.dev/net/http#ProxyFromEnvironment
    """

    def __init__(self) -> None:
        self._transports: dict[str, httpx.HTTPTransport] = {}
        self._limit: Limit | None = None
        self._sockets = _OpenSockets()

    @property
    def limit(self) -> Limit:
        """The limit of the current attempt. Raises as ``check``, and ``RuntimeError`` outside of an attempt."""
        self.check()
        if self._limit is None:
            raise RuntimeError("a registry request was made outside of an attempt")
        return self._limit

    def give_up(self) -> None:
        """Have the attempt fail that the thread is making, and every later one. Any other thread may call this."""
        self._sockets.shut()

    def check(self) -> None:
        """Raise ``RegistryUnavailableError`` if it was given up."""
        if self._sockets.is_shut:
            raise RegistryUnavailableError("a registry was not asked to the end, as something else failed")

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, as the transport of a client."""
        import httpx

        proxy = _proxy(request.url)
        if proxy not in self._transports:
            transport = httpx.HTTPTransport(verify=_tls(), proxy=proxy or None)
            # httpx has no parameter for it: https://www.encode.io/httpcore/network-backends/
            transport._pool._network_backend = cast("httpcore.NetworkBackend", self)  # noqa: SLF001
            self._transports[proxy] = transport
        return self._transports[proxy].handle_request(request)

    def close(self) -> None:
        """Close all connections."""
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
        """Connect within the limit, as the backend of httpcore; a later address is tried if one refuses."""
        import httpcore

        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        first, *others = list(dict.fromkeys(str(entry[4][0]) for entry in entries))[:_MOST_ADDRESSES]

        def connect(address: str) -> httpcore.NetworkStream:
            end = time.monotonic() + self.limit.left(timeout)
            while True:
                left = min(self.limit.left(), end - time.monotonic())
                try:
                    stream = httpcore.SyncBackend().connect_tcp(
                        address, port, min(left, _CONNECTING_SECONDS), local_address, socket_options
                    )
                except httpcore.ConnectTimeout:
                    if left <= _CONNECTING_SECONDS:
                        raise
                else:
                    handle = self._sockets.add(stream.get_extra_info("socket"))
                    limited = _LimitedStream(stream, lambda: self.limit, self._sockets, handle)
                    return cast("httpcore.NetworkStream", limited)

        for address in others:
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return connect(first)
            first = address
        return connect(first)

    @contextmanager
    def within(self, registry: str, seconds: float) -> Iterator[Limit]:
        """Limit an attempt; one inside another attempt shares the outer limit. Raises as ``check``."""
        self.check()
        if self._limit:
            yield self._limit
            return
        self._limit = Limit(registry, seconds, time.monotonic() + seconds, HEADER_BYTES)
        try:
            yield self._limit
        finally:
            self._limit = None


def _shut(handle: socket.socket) -> None:
    # Unlike closing, this wakes a thread that waits for the other side.
    with suppress(OSError):
        handle.shutdown(socket.SHUT_RDWR)


@lru_cache
def _tls() -> ssl.SSLContext:
    """Return what verifies servers, read once for all threads."""
    import httpx

    return httpx.create_ssl_context()


def _proxy(url: httpx.URL) -> str:
    """Return the proxy that the environment sets for a URL; empty for none."""
    host = url.netloc.decode("ascii")
    if is_loopback(host) or proxy_bypass(host):
        return ""
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all") or ""
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"
