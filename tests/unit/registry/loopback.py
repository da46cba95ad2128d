"""A registry on this machine that keeps everything in memory, and makes trouble as it is told."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from tests.unit.loopback import listening

SILENT = -1
"""Instead of a status: there is never an answer."""

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass
class Loopback:
    """What it has, by repository, and how it behaves. ``requests`` are those that came, as ``METHOD path``."""

    address: str = ""
    blobs: defaultdict[str, dict[str, bytes]] = field(default_factory=lambda: defaultdict(dict))
    manifests: defaultdict[str, dict[str, tuple[str, bytes]]] = field(default_factory=lambda: defaultdict(dict))
    requests: list[str] = field(default_factory=list)
    faults: list[tuple[str, int | None]] = field(default_factory=list)
    """The next requests that match a pattern get this status, 0 for a connection that is cut in the middle, None
    for no trouble."""
    mounts: bool = True
    watch: Callable[[int], None] = lambda _: None
    """Is called with the number of each request as it comes."""
    closing: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, request: str) -> int | None:
        """Note a request, and take the fault that is meant for it."""
        with self.lock:
            self.requests.append(request)
            self.watch(len(self.requests))
            for number, (pattern, status) in enumerate(self.faults):
                if re.search(pattern, request):
                    del self.faults[number]
                    return status
        return None

    def put_manifest(self, repository: str, name: str, content: bytes, media_type: str = MANIFEST) -> None:
        for key in (name, digest_of(content)):
            self.manifests[repository][key] = (media_type, content)

    def tags(self, repository: str) -> set[str]:
        return {name for name in self.manifests[repository] if ":" not in name}

    def count(self, pattern: str) -> int:
        return sum(bool(re.search(pattern, request)) for request in self.requests)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    """An answer goes out in one piece, or Nagle's algorithm holds the second one back."""
    registry: Loopback

    def log_message(self, *_: object) -> None:
        pass

    def handle_any(self) -> None:
        url = urlsplit(self.path)
        status = self.registry.fault(f"{self.command} {self.path}")
        length = int(self.headers.get("content-length") or 0)
        if status == 0 and length:
            self.rfile.read(length // 2)
        if status == 0 and (self.command != "GET" or "/blobs/" not in url.path):
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        content = self.rfile.read(length)
        if status == SILENT:
            self.registry.closing.wait()
            self.close_connection = True
            return
        if status:
            self.answer(status, headers={"retry-after": "30"} if status == 429 else {})
            return
        match = re.fullmatch(r"/v2/(.+)/(blobs/uploads|blobs|manifests)/(.*)", url.path)
        if not match:
            self.answer(404)
            return
        repository, kind, name = match.groups()
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        getattr(self, kind.replace("/", "_"))(repository, name, query, content, cut=status == 0)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815 - as the library wants them

    def blobs_uploads(self, repository: str, _name: str, query: dict[str, str], content: bytes, **_: bool) -> None:
        blobs = self.registry.blobs
        if self.command == "PUT":
            if digest_of(content) != query["digest"]:
                self.answer(400)
                return
            blobs[repository][query["digest"]] = content
            self.answer(201)
        elif self.command == "DELETE":
            self.answer(204)
        elif self.registry.mounts and query.get("mount") in blobs[query.get("from", "")]:
            blobs[repository][query["mount"]] = blobs[query["from"]][query["mount"]]
            self.answer(201)
        else:
            self.answer(202, headers={"location": f"/v2/{repository}/blobs/uploads/1?state=2"})

    def blobs(self, repository: str, name: str, _query: dict[str, str], _content: bytes, *, cut: bool) -> None:
        content = self.registry.blobs[repository].get(name)
        self.answer(404 if content is None else 200, content or b"", cut=cut)

    def manifests(self, repository: str, name: str, _query: dict[str, str], content: bytes, **_: bool) -> None:
        if self.command == "PUT":
            self.registry.put_manifest(repository, name, content, self.headers["content-type"])
            self.answer(201)
            return
        media_type, content = self.registry.manifests[repository].get(name, ("", b""))
        headers = {"content-type": media_type, "docker-content-digest": digest_of(content)} if media_type else {}
        self.answer(200 if media_type else 404, content, headers)

    def answer(
        self, status: int, content: bytes = b"", headers: dict[str, str] | None = None, *, cut: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "content-length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True


@contextmanager
def loopback_registry() -> Iterator[Loopback]:
    """Serve a registry that is empty."""
    registry = Loopback()
    handler = type("Handler", (_Handler,), {"registry": registry})
    with listening(handler) as registry.address:
        try:
            yield registry
        finally:
            registry.closing.set()
