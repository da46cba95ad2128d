"""A server in front of a registry of the rig, for what that one does not do: tokens, pages, and trouble.

Tokens as https://distribution.github.io/distribution/spec/auth/token/ has them and ghcr.io gives them.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx

_READING = {"GET", "HEAD"}
_PASSED_ON = ("accept", "content-type", "authorization")
_PASSED_BACK = ("content-type", "docker-content-digest", "docker-upload-uuid", "range", "www-authenticate")


@dataclass
class Front:
    """How it behaves; may be changed while it runs. ``requests`` are those that came, as ``METHOD path``."""

    registry: str
    faults: list[int] = field(default_factory=list)
    """What the next requests get in place of an answer: an HTTP status, or 0 for a connection that is cut."""
    page: int = 0
    """The most tags that one answer has; 0 for all."""
    account: tuple[str, str] | None = None
    """User name and password for a token that allows pushing; without one anybody may do everything."""
    generation: int = 0
    """Tokens of another generation have run out."""
    requests: list[str] = field(default_factory=list)
    address: str = ""


@contextmanager
def in_front_of(registry: str) -> Iterator[Front]:
    """Run one in this process, at ``address``."""
    front = Front(registry)
    handler = type("Handler", (_Handler,), {"front": front})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        front.address = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield front
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    front: Front
    protocol_version = "HTTP/1.1"

    def handle_request(self) -> None:
        front, url = self.front, urlsplit(self.path)
        front.requests.append(f"{self.command} {self.path}")
        if front.faults:
            self._fail(front.faults.pop(0))
        elif url.path == "/token":
            self._token(parse_qs(url.query)["scope"][0])
        elif front.account and not self._has_token():
            self._answer(401, {"www-authenticate": self._challenge()})
        elif front.page and url.path.endswith("/tags/list"):
            self._tags(url.path, parse_qs(url.query))
        else:
            self._pass_on()

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self.handle_request
        raise AttributeError(name)

    def _fail(self, status: int) -> None:
        if status:
            self._answer(status, {})
        else:
            self.close_connection = True

    def _scope(self) -> str:
        found = re.match(r"/v2/(.+?)/(?:manifests|blobs|tags)/", self.path)
        return f"repository:{found[1] if found else ''}:{'pull' if self.command in _READING else 'pull,push'}"

    def _challenge(self) -> str:
        realm = f"http://{self.front.address}/token"
        return f'Bearer realm="{realm}",service="{self.front.address}",scope="{self._scope()}"'

    def _has_token(self) -> bool:
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        return token.startswith(f"{self.front.generation} {self._scope()}")

    def _token(self, scope: str) -> None:
        given = self.headers.get("authorization", "").removeprefix("Basic ")
        known = self.front.account and base64.b64encode(":".join(self.front.account).encode()).decode()
        allowed = given == known or (not given and scope.endswith(":pull"))
        answer = {"token": f"{self.front.generation} {scope}"} if allowed else {"errors": [{"code": "DENIED"}]}
        body = json.dumps(answer).encode()
        self._answer(200 if allowed else 403, {"content-type": "application/json"}, body)

    def _tags(self, path: str, query: dict[str, list[str]]) -> None:
        tags = sorted(httpx.get(f"http://{self.front.registry}{path}").json()["tags"])
        rest = [tag for tag in tags if tag > query.get("last", [""])[0]]
        page = rest[: self.front.page]
        headers = {"content-type": "application/json"}
        if len(rest) > len(page):
            headers["link"] = f'<{path}?n={self.front.page}&last={page[-1]}>; rel="next"'
        self._answer(200, headers, json.dumps({"tags": page}).encode())

    def _pass_on(self) -> None:
        answer = httpx.request(
            self.command,
            f"http://{self.front.registry}{self.path}",
            headers={
                name: self.headers[name]
                for name in _PASSED_ON
                if name in self.headers and not (name == "authorization" and self.front.account)
            },
            content=self.rfile.read(int(self.headers.get("content-length", 0))),
        )
        headers = {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
        if "location" in answer.headers:
            location = urlsplit(answer.headers["location"])
            headers["location"] = f"http://{self.front.address}{location.path}?{location.query}"
        self._answer(answer.status_code, headers, answer.content)

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_request(self, *_: object) -> None:
        pass
