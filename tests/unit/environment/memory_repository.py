"""Repositories in memory, for what does not depend on how a registry is asked."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from pixi_container.environment.catalogue import PackageFiles
from pixi_container.environment.entries import text_entry
from pixi_container.environment.image_config import CONFIG, MANIFEST
from pixi_container.environment.layer_making import MadeLayer
from pixi_container.environment.layer_tar import LayerWriter
from pixi_container.errors import RegistryError
from pixi_container.registry.blobs import Parts
from pixi_container.registry.client import Descriptor, ImageManifest, parse_manifest
from pixi_container.registry.reference import ImageReference, digest_of
from pixi_container.registry.repository import ImageRepository, ImageSource, Registries

T = TypeVar("T")


class MemoryRepository(ImageRepository):
    """A repository; ``calls`` are the methods that were called, and those in ``troubles`` raise."""

    def __init__(self, repository: str = "lab/study", registry: str = "ghcr.io") -> None:
        super().__init__(Registries(lambda _: None), ImageReference(registry, repository))
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.calls: list[str] = []
        self.troubles: dict[str, Exception] = {}
        self.mounts = True

    def _called(self, method: str) -> None:
        self.calls.append(method)
        if method in self.troubles:
            raise self.troubles[method]

    def give_up(self, threads: Collection[Thread]) -> None:
        """Nothing waits for anything here."""

    def has(self, digest: str) -> bool:
        self._called("has")
        return digest in self.blobs

    def put(self, digest: str, size: int, content: Callable[[], Parts]) -> bool:
        self._called("put")
        if digest in self.blobs:
            return False
        blob = b"".join(content())
        assert (digest_of(blob), len(blob)) == (digest, size)
        self.blobs[digest] = blob
        return True

    def take(self, blob: Descriptor, source: ImageSource, through: Callable[[Parts], Parts]) -> None:
        self._called("take")
        if blob.digest not in self.blobs:
            content = source.get(blob)
            self.blobs[blob.digest] = b"".join(through(part for part in (content,)))

    def mount(self, digest: str, source: ImageRepository) -> bool:
        self._called("mount")
        if self.mounts and isinstance(source, MemoryRepository):
            self.blobs[digest] = source.blobs[digest]
        return self.mounts

    def scan(self, blob: Descriptor, read: Callable[[Iterator[bytes]], T]) -> T:
        return read(iter([self.get(blob)]))

    def get(self, blob: Descriptor) -> bytes:
        self._called("get")
        content = self.blobs.get(blob.digest)
        if content is None or len(content) != blob.size:
            raise RegistryError(f"{blob.digest} is not there")
        return content

    def get_manifest(self, name: str) -> ImageManifest | None:
        self._called("get_manifest")
        named = [entry for tag, entry in self.manifests.items() if name in {tag, digest_of(entry[1])}]
        return parse_manifest(named[0][1], named[0][0], digest_of(named[0][1]), self.reference) if named else None

    def put_manifest(self, name: str, content: bytes, media_type: str) -> str:
        self._called("put_manifest")
        self.manifests[name] = media_type, content
        return digest_of(content)

    def document(self, name: str) -> dict[str, Any]:
        """Return a manifest as JSON."""
        document: dict[str, Any] = json.loads(self.manifests[name][1])
        return document

    def change(self, name: str, change: Callable[[dict[str, Any]], object]) -> None:
        """Change a manifest."""
        document = self.document(name)
        change(document)
        self.manifests[name] = self.manifests[name][0], json.dumps(document).encode()

    def add(self, content: bytes, media_type: str) -> dict[str, Any]:
        """Add a blob, and return its descriptor."""
        self.blobs[digest_of(content)] = content
        return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}

    def put_image(self, name: str, config: object, *layers: bytes, kind: str = "") -> bytes:
        """Put an image with these layers, and return its manifest."""
        layer = f"application/vnd.oci.image.layer.v1.tar{kind}"
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.add(json.dumps(config).encode(), CONFIG),
            "layers": [self.add(content, layer) for content in layers],
        }
        content = json.dumps(manifest).encode()
        self.put_manifest(name, content, MANIFEST)
        return content


def put_base(repository: MemoryRepository, name: str = "1", bashrc: str = "echo base\n") -> None:
    """Put a base with bash and its start-up file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, content in (("bin/bash", b"\x7fELF"), ("etc/bash.bashrc", bashrc.encode())):
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(content), 0o755
            tar.addfile(info, io.BytesIO(content))
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": [digest_of(out.getvalue())]}}
    repository.put_image(name, config, out.getvalue())


def made_layer(folder: Path, name: str, packages: Mapping[str, PackageFiles]) -> MadeLayer:
    """Make a layer of one file."""
    file = folder / name
    with file.open("wb") as out:
        writer = LayerWriter(out)
        writer.add([text_entry(name, name)])
        layer = writer.finish()
    return MadeLayer(name, hashlib.sha256(name.encode()).hexdigest(), layer, file, packages)
