"""One repository, for a pool of threads that bring layers to it at the same time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol, TypeVar

from pixi_container.registry.client import Registry
from pixi_container.registry.reference import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from typing_extensions import Self

    from pixi_container.registry.blobs import Parts
    from pixi_container.registry.client import Descriptor, ImageManifest
    from pixi_container.registry.credentials import Credential
    from pixi_container.registry.reference import ImageReference

T = TypeVar("T")


class ImageSource(Protocol):
    """Where an image comes from: a repository, or a folder. Any thread may call it."""

    reference: ImageReference

    def read(self, blob: Descriptor) -> Parts:
        """Yield a blob in parts, in one attempt; raises at its end for wrong bytes."""

    def scan(self, blob: Descriptor, read: Callable[[Iterator[bytes]], T]) -> T:
        """Return what ``read`` makes of a blob's parts, all of which it has to take."""

    def get(self, blob: Descriptor) -> bytes:
        """Return a small blob."""

    def get_manifest(self, name: str) -> ImageManifest | None:
        """Return what a tag or a digest names."""


class Registries:
    """Connections to registries, for each thread its own. To be closed when no thread uses them any more."""

    def __init__(self, credential_for: Callable[[str], Credential | None]) -> None:
        self._credential_for = credential_for
        self._local = threading.local()
        self._opened: list[tuple[threading.Thread, Registry]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for _thread, opened in self._opened:
            opened.close()

    def give_up(self, threads: Collection[threading.Thread]) -> None:
        """Have all calls of these threads fail, now and later."""
        for thread, opened in list(self._opened):
            if thread in threads:
                opened.give_up()

    def own(self) -> Registry:
        """Return the calling thread's."""
        if not hasattr(self._local, "registry"):
            self._local.registry = Registry(self._credential_for)
            self._opened.append((threading.current_thread(), self._local.registry))
        registry: Registry = self._local.registry
        return registry


class ImageRepository:
    """What one repository has, and takes; every method may be called by any thread, and raises as ``Registry``."""

    def __init__(self, registries: Registries, reference: ImageReference) -> None:
        self._registries = registries
        self.reference = reference

    def give_up(self, threads: Collection[threading.Thread]) -> None:
        """Have all calls of these threads fail, now and later."""
        self._registries.give_up(threads)

    def has(self, digest: str) -> bool:
        """Tell whether it has a blob; asks with the right to push."""
        return self._registries.own().blobs(self.reference).has(digest)

    def put(self, digest: str, size: int, content: Callable[[], Parts]) -> bool:
        """Upload a blob unless it is there, and tell whether it had to be; see ``Blobs.put``."""
        return self._registries.own().blobs(self.reference).put(digest, size, content)

    def take(self, blob: Descriptor, source: ImageSource, through: Callable[[Parts], Parts]) -> None:
        """Have a blob from elsewhere here, unless it is there already; from a repository, see ``Blobs.copy``."""
        blobs = self._registries.own().blobs(self.reference)
        if isinstance(source, ImageRepository):
            if not blobs.has(blob.digest):
                blobs.copy(blob.digest, blob.size, source.reference, through)
        else:
            blobs.put(blob.digest, blob.size, lambda: through(source.read(blob)))

    def mount(self, digest: str, source: ImageRepository) -> bool:
        """Have the registry mount a blob of another of its repositories here; return whether it did."""
        return self._registries.own().blobs(self.reference).mount(digest, source.reference)

    def scan(self, blob: Descriptor, read: Callable[[Iterator[bytes]], T]) -> T:
        """Return what ``read`` makes of a blob's parts, all of which it has to take, anew after each trouble."""
        return self._registries.own().blobs(self.reference).scan(blob.digest, blob.size, read)

    def read(self, blob: Descriptor) -> Parts:
        """Yield a blob in parts, in one attempt; see ``Blobs.read``."""
        return self._registries.own().blobs(self.reference).read(blob.digest, blob.size)

    def get(self, blob: Descriptor) -> bytes:
        """Return a blob that is small enough for memory."""
        return self._registries.own().blobs(self.reference).get(blob.digest, blob.size)

    def get_manifest(self, name: str) -> ImageManifest | None:
        """Return the manifest of a tag or a digest; None when there is none."""
        named = self.reference.pinned(name) if ":" in name else self.reference.tagged(name)
        return self._registries.own().get_manifest(named)

    def put_manifest(self, name: str, content: bytes, media_type: str) -> str:
        """Upload a manifest under a tag or its digest, and return its digest."""
        return self._registries.own().put_manifest(self.reference, name, content, media_type)

    def put_untagged(self, content: bytes, media_type: str) -> str:
        """Upload a manifest under its digest alone, and return that."""
        return self.put_manifest(digest_of(content), content, media_type)
