"""A registry in memory, as the distribution specification has it, with or without logging in.

Sources: https://github.com/opencontainers/distribution-spec/blob/main/spec.md and
https://distribution.github.io/distribution/spec/auth/token/
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pixi_container.registry.client import Registry
from pixi_container.registry.credentials import Credential
from pixi_container.registry.reference import ImageReference
from tests.unit.loopback import Reply, Request, Server, as_json, serving

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
USER, PASSWORD = "me", "hunter2"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass
class RegistryServer:
    """What is in the registry, by repository; ``manifests`` by digest and by tag.

    ``interfere`` may answer a request in the registry's place. With ``logs_in`` every request needs a token, which
    USER gets for what was asked for, or only to pull with ``only_pull``.
    """

    blobs: dict[str, dict[str, bytes]] = field(default_factory=lambda: defaultdict(dict))
    manifests: dict[str, dict[str, tuple[str, bytes]]] = field(default_factory=lambda: defaultdict(dict))
    uploads: set[str] = field(default_factory=set)
    interfere: Callable[[Request], Reply | None] = lambda _: None
    tells_digests: bool = True
    mounts: bool = True
    logs_in: bool = False
    only_pull: bool = False
    server: Server = field(default_factory=lambda: Server(lambda _: Reply()))

    @property
    def address(self) -> str:
        return self.server.address

    @property
    def asked(self) -> list[str]:
        return self.server.asked

    @property
    def written(self) -> list[str]:
        """What was changed: each PUT of a manifest, in order."""
        return [
            str(request) for request in self.server.requests if request.method == "PUT" and "manif" in request.path
        ]

    def name(self, repository: str = "lab/study") -> ImageReference:
        return ImageReference(self.address, repository)

    def client(self, password: str = "") -> Registry:
        credential = Credential(registry=self.address, username=USER, password=password) if password else None
        return Registry({self.address: credential}.get)

    def put_blob(
        self, repository: str, content: bytes, media_type: str = OCI_LAYER, **more: object
    ) -> dict[str, Any]:
        """Return its descriptor."""
        self.blobs[repository][digest_of(content)] = content
        return {"mediaType": media_type, "digest": digest_of(content), "size": len(content), **more}

    def put_manifest(self, repository: str, document: Mapping[str, object], *tags: str) -> dict[str, Any]:
        """Return its descriptor."""
        content = json.dumps({"schemaVersion": 2, **document}, indent=3).encode()
        media_type = str(document["mediaType"])
        for name in (digest_of(content), *tags):
            self.manifests[repository][name] = (media_type, content)
        return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}

    def put_image(
        self,
        repository: str,
        *tags: str,
        labels: Mapping[str, object] | None = None,
        layers: tuple[bytes, ...] = (),
    ) -> dict[str, Any]:
        """Return the descriptor of an image with these labels and layers."""
        config = json.dumps({"config": {"Labels": labels}}).encode()
        image = {
            "mediaType": OCI_MANIFEST,
            "config": self.put_blob(repository, config, OCI_CONFIG),
            "layers": [self.put_blob(repository, layer) for layer in layers],
        }
        return self.put_manifest(repository, image, *tags)

    def digest(self, repository: str, name: str) -> str:
        """Return what a tag points to, empty when there is none."""
        stored = self.manifests[repository].get(name)
        return digest_of(stored[1]) if stored else ""

    def tags(self, repository: str) -> set[str]:
        return {name for name in self.manifests[repository] if not name.startswith("sha256:")}

    def answer(self, request: Request) -> Reply:
        return self.interfere(request) or (
            self._token(request) if request.path == "/token" else self._of_repository(request)
        )

    def _of_repository(self, request: Request) -> Reply:
        place = re.fullmatch("/v2/(.+?)/(manifests|blobs/uploads|blobs|tags|referrers)/(.*)", request.path)
        if not place:
            return as_json({"errors": [{"code": "NAME_UNKNOWN"}]}, 404)
        repository, kind, name = place.groups()
        if self.logs_in and (refusal := self._challenge(request, repository)):
            return refusal
        if kind == "manifests":
            return self._manifest(request, repository, name)
        if kind == "blobs/uploads":
            return self._upload(request, repository, name)
        content = self.blobs[repository].get(name) if kind == "blobs" else None
        return as_json({"errors": [{"code": "BLOB_UNKNOWN"}]}, 404) if content is None else Reply(200, content)

    def _token(self, request: Request) -> Reply:
        basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if request.headers.get("authorization", basic) != basic:
            return as_json({"errors": [{"code": "UNAUTHORIZED"}]}, 401)
        scopes = request.query.get("scope", [])
        if self.only_pull or "authorization" not in request.headers:
            scopes = [scope.replace("pull,push", "pull") for scope in scopes]
        return as_json({"token": base64.b64encode(json.dumps(scopes).encode()).decode()})

    def _challenge(self, request: Request, repository: str) -> Reply | None:
        right = "pull" if request.method in {"GET", "HEAD"} else "push"
        token = request.headers.get("authorization", "").partition("Bearer ")[2]
        for scope in json.loads(base64.b64decode(token)) if token else []:
            _, name, rights = scope.split(":")
            if name == repository and right in rights.split(","):
                return None
        challenge = f'Bearer realm="http://{self.address}/token",service="the registry"'
        if token:
            challenge += f',error="insufficient_scope",scope="repository:{repository}:{right}"'
        return as_json({"errors": [{"message": "authentication required"}]}, 401, www_authenticate=challenge)

    def _manifest(self, request: Request, repository: str, name: str) -> Reply:
        stored = self.manifests[repository]
        if request.method == "PUT":
            document = json.loads(request.content)
            parts = [*document.get("manifests", []), *document.get("layers", []), document.get("config")]
            present = {*stored, *self.blobs[repository]}
            if any(part and not part.get("urls") and part["digest"] not in present for part in parts):
                return as_json({"errors": [{"code": "MANIFEST_BLOB_UNKNOWN"}]}, 400)
            entry = (request.headers["content-type"], request.content)
            stored[name] = stored[digest_of(request.content)] = entry
            return Reply(201)
        if name not in stored:
            return as_json({"errors": [{"code": "MANIFEST_UNKNOWN"}]}, 404)
        media_type, content = stored[name]
        assert media_type in request.headers["accept"]
        told = {"docker-content-digest": digest_of(content)} if self.tells_digests else {}
        return Reply(200, content, {"content-type": media_type, **told})

    def _upload(self, request: Request, repository: str, name: str) -> Reply:
        if request.method == "POST":
            mount, origin = (request.query.get(key, [""])[0] for key in ("mount", "from"))
            if self.mounts and mount in self.blobs.get(origin, {}):
                self.blobs[repository][mount] = self.blobs[origin][mount]
                return Reply(201)
            upload = f"upload-{len(self.server.requests)}"
            self.uploads.add(upload)
            return Reply(202, headers={"location": f"/v2/{repository}/blobs/uploads/{upload}?state=1"})
        assert name in self.uploads
        self.uploads.remove(name)
        if request.method == "DELETE":
            return Reply(204)
        digest = digest_of(request.content)
        assert request.query["state"] == ["1"]
        if request.query["digest"] != [digest]:
            return as_json({"errors": [{"code": "DIGEST_INVALID"}]}, 400)
        self.blobs[repository][digest] = request.content
        return Reply(201)


@contextmanager
def serving_registry() -> Iterator[RegistryServer]:
    """Yield an empty registry on this machine."""
    made = RegistryServer()
    with serving(made.answer) as server:
        made.server = server
        yield made
