"""A server in front of a registry of the rig, for what that one does not do: tokens, pages, other hosts, trouble.

Tokens as https://distribution.github.io/distribution/spec/auth/token/ has them and ghcr.io gives them.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx

_READING = {"GET", "HEAD"}
_PASSED_ON = ("accept", "content-type", "authorization")
_PASSED_BACK = ("content-type", "docker-content-digest", "docker-upload-uuid", "range", "www-authenticate")
_JSON = {"content-type": "application/json"}


@dataclass
class Front:
    """How it behaves; may be changed while it runs. ``requests`` are those that came, as ``METHOD path``."""

    registry: str
    faults: list[int | None] = field(default_factory=list)
    """What the next requests get in place of an answer: an HTTP status, or 0 for a connection that is cut. None
    leaves that request alone."""
    retry_after: str = ""
    """What a fault says of when to come again."""
    torn: dict[str, int] = field(default_factory=dict)
    """How many of the next uploads (``PUT``) or downloads (``GET``) of a blob are cut in their middle."""
    page: int = 0
    """The most tags that one answer has; 0 for all."""
    next_page: str = "{path}?{query}"
    """How the link to the next page is written."""
    account: tuple[str, str] | None = None
    """User name and password for a token that allows pushing; without one anybody may do everything."""
    identity_token: str = ""
    """Is as good as the account, for those who send it as a form."""
    token_path: str = "/token"
    """Where the token server is said to be; at ``/moved`` it sends to ``storage``."""
    generation: int = 0
    """Tokens of another generation have run out."""
    refusal: int = 0
    """How a push is refused to everybody: 403 as ghcr.io does, 401 as Docker Hub does; 0 for not at all."""
    one_scope: bool = False
    """Whether a token is for one repository at most, as with some token servers."""
    runs_out_at: str = ""
    """The method of the next request at which all tokens run out."""
    mounts: int = 201
    """How it answers when it should take a blob over from another repository: 202 opens an upload in its place."""
    storage: str = ""
    """The host that blobs are fetched from, or empty when it gives them itself."""
    uploads: str = ""
    """The host that uploads go to, or empty for itself."""
    silent: tuple[str, ...] = ()
    """The methods whose answers do not tell the digest in a header."""
    altered: str = ""
    """Pattern of what is given with another last byte."""
    padded: str = ""
    """Pattern of what is given with a byte more."""
    compresses: bool = False
    """Whether answers are compressed on the way for whoever says that this is welcome, as by some proxies."""
    given: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """Media type and content of what is answered, by how the path ends."""
    loses_tags: bool = False
    """Whether manifests are accepted and not kept."""
    referrers: list[dict[str, Any]] | None = None
    """What says that it is about whatever is asked for; None for a registry that does not have the call."""
    site: str = ""
    """The web site that a call which it does not have is sent to, as ghcr.io does."""
    requests: list[str] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    """The header of each request, empty for none."""
    address: str = ""
    client: httpx.Client = field(default_factory=httpx.Client)

    @contextmanager
    def recording(self) -> Iterator[list[str]]:
        """Yield a list that gets, at the end of the context, the requests that came meanwhile."""
        first, recorded = len(self.requests), list[str]()
        try:
            yield recorded
        finally:
            recorded += self.requests[first:]


def by_call(requests: Iterable[str]) -> Counter[str]:
    """How often each call was made, as `HEAD blobs`, `PUT uploads` or `GET tags/list`."""
    calls: Counter[str] = Counter()
    for request in requests:
        method, _, target = request.partition(" ")
        path = urlsplit(target).path
        found = re.search(r"/blobs/(uploads)/|/(manifests|blobs|referrers)/[^/]+$|/(tags/list)$", path)
        calls[f"{method} {next(filter(None, found.groups())) if found else path}"] += 1
    return calls


@contextmanager
def in_front_of(registry: str) -> Iterator[Front]:
    """Run one in this process, at ``address``."""
    front = Front(registry)
    handler = type("Handler", (_Handler,), {"front": front})
    with front.client, ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
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
    wbufsize = -1
    disable_nagle_algorithm = True
    content = b""

    def handle_request(self) -> None:
        front, url = self.front, urlsplit(self.path)
        front.requests.append(f"{self.command} {self.path}")
        front.authorizations.append(self.headers.get("authorization", ""))
        size = int(self.headers.get("content-length", 0))
        if self._is_torn("PUT", "/blobs/uploads/"):
            self.rfile.read(size // 2)
            self._fail(0)
            return
        self.content = self.rfile.read(size)
        if self.command == front.runs_out_at:
            front.generation, front.runs_out_at = front.generation + 1, ""
        fault = front.faults.pop(0) if front.faults else None
        given = next((given for path, given in front.given.items() if url.path.endswith(path)), None)
        if fault is not None:
            self._fail(fault)
        elif given:
            self._answer(200, {"content-type": given[0]}, given[1])
        elif url.path == "/moved":
            self._answer(307, {"location": f"http://{front.storage}/token?{url.query}"})
        elif url.path == "/token":
            self._token()
        elif front.account and not self._has_token():
            self._answer(401, {"www-authenticate": self._challenge()})
        elif front.refusal and self.command not in _READING:
            self._refuse()
        else:
            self._serve(url.path, parse_qs(url.query))

    def _serve(self, path: str, query: dict[str, list[str]]) -> None:
        front = self.front
        if front.page and path.endswith("/tags/list"):
            self._tags(path, query)
        elif "/referrers/" in path and front.site:
            self._answer(303, {"location": front.site})
        elif "/referrers/" in path and front.referrers is not None:
            self._referrers(path, int(query.get("from", ["0"])[0]))
        elif front.storage and self.command in _READING and "/blobs/sha256:" in path:
            self._answer(307, {"location": f"http://{front.storage}{path}?signature=secret"})
        elif front.mounts >= 400 and "mount" in query:
            self._answer(front.mounts, {})
        elif front.loses_tags and self.command == "PUT" and "/manifests/" in path:
            self._answer(201, {})
        else:
            self._pass_on()

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self.handle_request
        raise AttributeError(name)

    def _is_torn(self, method: str, path: str) -> bool:
        if self.command != method or path not in self.path or not self.front.torn.get(method):
            return False
        self.front.torn[method] -= 1
        return True

    def _fail(self, status: int) -> None:
        if status:
            self._answer(status, {"retry-after": self.front.retry_after} if self.front.retry_after else {})
        else:
            self.close_connection = True

    def _refuse(self) -> None:
        if self.front.refusal == 401:
            self._answer(401, {"www-authenticate": f'{self._challenge()},error="insufficient_scope"'})
        else:
            self._denied("permission_denied: write_package")

    def _denied(self, message: str) -> None:
        body = json.dumps({"errors": [{"code": "DENIED", "message": message}]}).encode()
        self._answer(403, _JSON, body)

    def _scopes(self) -> list[str]:
        """The rights that the request needs."""
        found = re.match(r"/v2/(.+?)/(?:manifests|blobs|tags|referrers)/", self.path)
        actions = "pull" if self.command in _READING else "pull,push"
        source = parse_qs(urlsplit(self.path).query).get("from", []) if "mount=" in self.path else []
        return [
            f"repository:{found[1] if found else ''}:{actions}",
            *(f"repository:{name}:pull" for name in source),
        ]

    def _challenge(self) -> str:
        realm = f"http://{self.front.address}{self.front.token_path}"
        return f'Bearer realm="{realm}",service="{self.front.address}",scope="{" ".join(self._scopes())}"'

    def _has_token(self) -> bool:
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        generation, *scopes = token.split(" ")
        given = {scope.replace("pull,push", action) for scope in scopes for action in ("pull", "pull,push")}
        return generation == str(self.front.generation) and given.issuperset(self._scopes())

    def _token(self) -> None:
        front = self.front
        if self.command == "POST":
            form = parse_qs(self.content.decode())
            scopes = form["scope"][0].split(" ")
            allowed = form["grant_type"] == ["refresh_token"] and form["refresh_token"] == [front.identity_token]
        else:
            scopes = parse_qs(urlsplit(self.path).query)["scope"]
            given = self.headers.get("authorization", "").removeprefix("Basic ")
            known = front.account and base64.b64encode(":".join(front.account).encode()).decode()
            allowed = given == known or (not given and all(scope.endswith(":pull") for scope in scopes))
        if allowed and not (front.one_scope and len(scopes) > 1):
            body = json.dumps({"token": " ".join([str(front.generation), *scopes])}).encode()
            self._answer(200, _JSON, body)
        else:
            self._denied("requested access to the resource is denied")

    def _tags(self, path: str, query: dict[str, list[str]]) -> None:
        tags = sorted(self.front.client.get(f"http://{self.front.registry}{path}").json()["tags"])
        rest = [tag for tag in tags if tag > query.get("last", [""])[0]]
        page = rest[: self.front.page]
        headers = dict(_JSON)
        if len(rest) > len(page):
            link = self.front.next_page.format(path=path, query=f"n={self.front.page}&last={page[-1]}")
            headers["link"] = f'<{link}>; rel="next"'
        self._answer(200, headers, json.dumps({"tags": page}).encode())

    def _referrers(self, path: str, first: int) -> None:
        found = self.front.referrers or []
        headers = {"content-type": "application/vnd.oci.image.index.v1+json"}
        if first + 1 < len(found):
            headers["link"] = f'<{path}?from={first + 1}>; rel="next"'
        body = {"schemaVersion": 2, "mediaType": headers["content-type"], "manifests": found[first : first + 1]}
        self._answer(200, headers, json.dumps(body).encode())

    def _pass_on(self) -> None:
        front, url = self.front, urlsplit(self.path)
        query = [pair for pair in parse_qsl(url.query) if front.mounts == 201 or pair[0] not in {"mount", "from"}]
        answer = front.client.request(
            self.command,
            f"http://{front.registry}{url.path}?{urlencode(query)}",
            headers={
                name: self.headers[name]
                for name in _PASSED_ON
                if name in self.headers and not (name == "authorization" and front.account)
            },
            content=self.content,
        )
        headers = {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
        if self.command in front.silent:
            headers.pop("docker-content-digest", None)
        if "location" in answer.headers:
            location = urlsplit(answer.headers["location"])
            host = front.uploads or front.address
            headers["location"] = f"http://{host}{location.path}?{location.query}"
        body = answer.content
        if front.altered and re.search(front.altered, self.path):
            body = body[:-1] + b" "
        if front.padded and re.search(front.padded, self.path):
            body += b" "
        self._answer(answer.status_code, headers, body)

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        if self.front.compresses and "gzip" in self.headers.get("accept-encoding", ""):
            headers, body = {**headers, "content-encoding": "gzip"}, gzip.compress(body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self._is_torn("GET", "/blobs/sha256:"):
            body = body[: len(body) // 2]
            self.close_connection = True
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_request(self, *_: object) -> None:
        pass
