"""A web server in this process, which answers as a function says and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    """What came; the names of ``headers`` are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    content: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    def __str__(self) -> str:
        return f"{self.method} {self.target}"


@dataclass(frozen=True)
class Reply:
    """What goes back."""

    status: int = 200
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def as_json(document: object, status: int = 200, **headers: str | None) -> Reply:
    """Return JSON with these headers, in whose names an underscore stands for a dash; None leaves one out."""
    named = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
    return Reply(status, json.dumps(document).encode(), {"content-type": "application/json", **named})


@dataclass
class Server:
    """A server on this machine's own address; ``requests`` has everything that it was asked."""

    answer: Callable[[Request], Reply]
    address: str = ""
    requests: list[Request] = field(default_factory=list)

    @property
    def asked(self) -> list[str]:
        """Method and target of every request."""
        return [str(request) for request in self.requests]


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Have requests handled until the end of the block; gives the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def serving(answer: Callable[[Request], Reply]) -> Iterator[Server]:
    """Yield a server, which stops at the end of the block."""
    server = Server(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            content = self.rfile.read(int(headers.get("content-length", 0)))
            request = Request(self.command, self.path, headers, content)
            server.requests.append(request)
            reply = server.answer(request)
            lines = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
            length = "" if "content-length" in reply.headers else f"content-length: {len(reply.content)}\r\n"
            head = f"HTTP/1.1 {reply.status} -\r\n{lines}{length}\r\n".encode()
            # In one piece, or Nagle's algorithm holds the second one back.
            self.wfile.write(head + (b"" if request.method == "HEAD" else reply.content))

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        http.block_on_close = False
        server.address = f"127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.005})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
