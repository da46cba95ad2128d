"""Layers by key in one repository, for all repositories of an organisation.

Each layer has a manifest of its own, tagged by its key, with the layer and the paths of its packages. Who may
write to the repository is trusted with the content of layers. Trouble with it is never an error: layers are made.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.environment.catalogue import MEDIA_TYPE, catalogue_bytes, read_catalogue
from pixi_container.environment.image_config import KEY_ANNOTATION, Document
from pixi_container.environment.image_store import put_artifact, put_bytes
from pixi_container.environment.known_layers import MOST_CATALOGUE_BYTES, KnownLayers
from pixi_container.environment.layer_tar import MEDIA_TYPES, LayerBlob
from pixi_container.environment.threads import Threads, end
from pixi_container.errors import RegistryError, RegistryUnavailableError, UserError
from pixi_container.registry.reference import DIGEST
from pixi_container.registry.repository import ImageRepository

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pixi_container.environment.catalogue import PackageFiles
    from pixi_container.environment.image_store import ImageStore
    from pixi_container.environment.layer_keys import KeyedLayer
    from pixi_container.environment.layer_making import MadeLayer
    from pixi_container.environment.layer_tar import Compression
    from pixi_container.registry.blobs import Parts
    from pixi_container.registry.client import ImageManifest

DIFF_ID_ANNOTATION = "pixi-container.diff-id"
"""The digest of a layer's tar, which an image's configuration has to tell."""

_THREADS = 8
_SECONDS = 20.0
"""How long all look-ups of one kind may take."""


@dataclass(frozen=True)
class _CachedLayer:
    layer: LayerBlob
    files: Mapping[str, PackageFiles]


class LayerCache:
    """A repository of layers, for one image. It is written to if it ``writes``, by any thread."""

    def __init__(
        self,
        repository: ImageRepository,
        compression: Compression,
        identities: Mapping[str, str],
        *,
        writes: bool,
    ) -> None:
        self.repository = repository
        self._compression: Compression = compression
        self._identities = identities
        self._writes = writes
        self._reads = True
        self._asked: set[str] = set()
        self._notes: dict[str, str] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of trouble with it."""
        return tuple(self._notes.values())

    def look_up(self, layers: Sequence[KeyedLayer]) -> KnownLayers:
        """Return those of the layers that it has, each of which is looked up once."""
        new = [layer for layer in layers if layer.key not in self._asked]
        if not new or not self._reads:
            return KnownLayers()
        self._asked |= {layer.key for layer in new}
        threads = Threads(_THREADS, "cache", [self.repository])
        try:
            futures = {layer.key: threads.submit(self._read, layer) for layer in new}
            _, late = wait(futures.values(), _SECONDS)
            if late:
                self.refuse("read", f"it did not answer within {_SECONDS:.0f} seconds")
        finally:
            end(threads)
        cached = {
            key: future.result()
            for key, future in futures.items()
            if future not in late and not future.cancelled() and future.exception() is None
        }
        known = {key: each for key, each in cached.items() if isinstance(each, _CachedLayer)}
        files = {name: each for layer in known.values() for name, each in layer.files.items()}
        return KnownLayers({key: each.layer for key, each in known.items()}, files)

    def add(self, made: MadeLayer, target: ImageStore, through: Callable[[Parts], Parts]) -> None:
        """Add a layer that ``target`` has; what has to be uploaded goes ``through`` a function."""
        if not self._writes:
            return
        layer, repository = made.layer, self.repository
        catalogue = Document(MEDIA_TYPE, catalogue_bytes(made.packages))
        annotations = {KEY_ANNOTATION: made.key, DIFF_ID_ANNOTATION: layer.diff_id}
        descriptor = {
            "mediaType": layer.media_type,
            "digest": layer.digest,
            "size": layer.size,
            "annotations": annotations,
        }
        try:
            if not _mounted(layer.digest, repository, target):
                repository.put(layer.digest, layer.size, lambda: through(made.parts()))
            put_bytes(repository, catalogue.content)
            put_artifact(repository, cache_tag(made.key, self._compression), [descriptor, catalogue.descriptor])
        except UserError as error:
            self.refuse("written", error.message)

    def refuse(self, what: str, problem: str) -> None:
        """Note that it cannot be ``read`` or ``written``, and try that no more."""
        self._notes.setdefault(
            what, f"the layer cache {self.repository.reference.name} cannot be {what}: {problem}"
        )
        if what == "read":
            self._reads = False
        else:
            self._writes = False

    def _read(self, keyed: KeyedLayer) -> _CachedLayer | None:
        if not self._reads:
            return None
        try:
            manifest = self.repository.get_manifest(cache_tag(keyed.key, self._compression))
            return self._verified(keyed, manifest) if manifest else None
        except RegistryUnavailableError as error:
            self.refuse("read", error.message)
        except (RegistryError, ValueError):
            # Not what this program writes.
            pass
        except UserError as error:
            self.refuse("read", error.message)
        return None

    def _verified(self, keyed: KeyedLayer, manifest: ImageManifest) -> _CachedLayer | None:
        """Return a layer if its manifest is one of ours, and of this key."""
        if len(manifest.layers) != 2:
            return None
        blob, catalogue = manifest.layers
        diff_id = blob.annotations.get(DIFF_ID_ANNOTATION, "")
        if (
            blob.annotations.get(KEY_ANNOTATION) != keyed.key
            or blob.media_type != MEDIA_TYPES[self._compression]
            or not DIGEST.fullmatch(diff_id)
            or catalogue.size > MOST_CATALOGUE_BYTES
        ):
            return None
        files = read_catalogue(self.repository.get(catalogue))
        if {name: each.identity for name, each in files.items()} != {
            name: self._identities[name] for name in keyed.packages
        }:
            return None
        return _CachedLayer(LayerBlob(blob.media_type, blob.digest, blob.size, diff_id), files)


def cache_tag(key: str, compression: Compression) -> str:
    """Return the tag of a layer in the cache."""
    return f"layer-{hashlib.sha256(f'{key}{compression}'.encode()).hexdigest()[:40]}"


def _mounted(digest: str, repository: ImageRepository, target: ImageStore) -> bool:
    """Have a blob mounted, where both are repositories of one registry."""
    return (
        isinstance(target, ImageRepository)
        and target.reference.registry == repository.reference.registry
        and repository.mount(digest, target)
    )
