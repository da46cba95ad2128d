"""The layers of an image, each brought to where the image goes: taken from what is there, or made and uploaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.environment.base_image import bashrc, stored_layers
from pixi_container.environment.image_config import ImageLayer
from pixi_container.environment.known_layers import read_image_before
from pixi_container.environment.layer_keys import KeyedLayer
from pixi_container.environment.layer_making import MadeLayer
from pixi_container.environment.package_set import hashed
from pixi_container.environment.threads import finish
from pixi_container.errors import UserError
from pixi_container.image.environment_way import LAYOUT_VERSION
from pixi_container.registry.client import Descriptor
from pixi_container.registry.repository import ImageRepository

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from concurrent.futures import Future

    from pixi_container.environment.catalogue import PackageFiles
    from pixi_container.environment.environment_image import EnvironmentImage
    from pixi_container.environment.image_config import BaseImage
    from pixi_container.environment.image_store import ImageStore
    from pixi_container.environment.known_layers import KnownLayers
    from pixi_container.environment.layer_cache import LayerCache
    from pixi_container.environment.layer_making import LayerMaking
    from pixi_container.environment.layer_tar import LayerBlob
    from pixi_container.environment.package_set import PackageSet
    from pixi_container.environment.progress import ProgressCount
    from pixi_container.environment.shared_work import SharedWork
    from pixi_container.environment.threads import Stop, Threads
    from pixi_container.registry.blobs import Parts
    from pixi_container.registry.repository import ImageSource

SHELLS = "shells"
"""The lowest layer of ours: the shells' start-up files."""


@dataclass(frozen=True)
class Places:
    """Where the image goes, and where its base, the image before and layers of others are."""

    target: ImageStore
    base: ImageSource
    before: ImageRepository | None = None
    cache: LayerCache | None = None

    @property
    def repositories(self) -> tuple[ImageRepository, ...]:
        """Those that threads use."""
        cache = self.cache.repository if self.cache else None
        places = (self.target, self.base, self.before, cache)
        return tuple(place for place in places if isinstance(place, ImageRepository))


@dataclass(frozen=True)
class Workers:
    """The threads that make layers, and those that upload; what stops them, and where they count."""

    makers: Threads
    uploads: Threads
    stop: Stop
    progress: ProgressCount


@dataclass(frozen=True)
class _NotTaken:
    """What comes of a layer that a cache lists and cannot give."""

    key: str


class LayersInPlace:
    """The layers that an image can have. The thread that has this object decides; others make and upload."""

    def __init__(
        self,
        image: EnvironmentImage,
        packages: PackageSet,
        places: Places,
        making: LayerMaking,
        workers: Workers,
        shared: SharedWork | None = None,
    ) -> None:
        self._shared = shared
        self._image = image
        self._packages = packages
        self._places = places
        self._target = places.target
        self._making = making
        self._workers = workers
        self._layers: dict[str, LayerBlob] = {}
        """Those that there are, by key."""
        self._elsewhere: dict[str, ImageRepository] = {}
        """Where layers are that the target may not have yet, by key."""
        self._files: dict[str, PackageFiles] = {}
        self.made: list[str] = []
        """The names of layers that were made, as often as they were."""

    @property
    def files(self) -> Mapping[str, PackageFiles]:
        """The files of packages that are known."""
        return self._files

    def learn_from_before(self) -> KnownLayers:
        """Learn what the image before has, and return it."""
        image, before = self._image, self._places.before
        identities = self._packages.identities
        known = read_image_before(before or self._target, image.before, image.compression, identities)
        self._learn(known, before)
        return known

    def complete(self, base: BaseImage) -> tuple[KeyedLayer, ...]:
        """Have the base's layers and all of ours but the last in their place; return ours, from the lowest on.

        A further environment of an image has no layers but those of its packages.
        """
        shells: tuple[KeyedLayer, ...] = ()
        work: list[Future[object]] = []
        if not self._image.activation.is_further:
            shells = (self._shells(base),)
            work += [self._take(layer, self._places.base) for layer in stored_layers(base)]
        while True:
            # Again for layers with a path that another package turned out to have as well.
            lost = self._packages.lost(self._files)
            layers = (*shells, *self._packages.layers(self._image.layers, lost))
            missing = self._missing(layers)
            if self._learn_from_cache(missing):
                continue
            self._expect(missing)
            work += [self._make(layer, lost, base) for layer in missing]
            work += self._take_from_elsewhere(layers)
            if not work:
                return layers
            finish(work, self._go_on)
            work = []

    def add_last(self) -> KeyedLayer:
        """Make the layer on top of all others, and bring it to its place."""
        rest = self._making.make_rest(self._files)
        self._note(rest)
        self._put(rest)
        self._making.remove(rest)
        return KeyedLayer(rest.name, rest.key, ())

    def as_image_layers(self, layers: Iterable[KeyedLayer]) -> list[ImageLayer]:
        """Return layers that are in their place, as they are in an image."""
        return [ImageLayer(layer.name, layer.key, self._layers[layer.key]) for layer in layers]

    # What is there

    def _shells(self, base: BaseImage) -> KeyedLayer:
        activation = self._image.activation
        basis = [SHELLS, LAYOUT_VERSION, base.diff_ids, activation.prefix, activation.workdir]
        return KeyedLayer(SHELLS, hashed(basis), ())

    def _missing(self, layers: Iterable[KeyedLayer]) -> list[KeyedLayer]:
        """Return the layers to be made, which are also those whose packages' paths are not known.

        The largest come first, so that none of them is alone at the end.
        """
        missing = [
            layer
            for layer in layers
            if layer.key not in self._layers or any(name not in self._files for name in layer.packages)
        ]
        return sorted(missing, key=lambda layer: -self._packages.download_size(layer.packages))

    def _learn(self, known: KnownLayers, source: ImageRepository | None) -> None:
        """Take in what is known, of layers in another repository where there is a ``source``."""
        new = {key: layer for key, layer in known.layers.items() if key not in self._layers}
        self._layers |= new
        self._files = {**known.files, **self._files}
        if source is not None:
            self._elsewhere |= dict.fromkeys(new, source)

    def _learn_from_cache(self, missing: Sequence[KeyedLayer]) -> bool:
        """Return whether the cache has some of the layers that are missing."""
        cache = self._places.cache
        if cache is None or not missing:
            return False
        self._workers.progress.tell("looking into the layer cache")
        known = cache.look_up(missing)
        self._learn(known, cache.repository)
        return bool(known.layers)

    def _expect(self, missing: Sequence[KeyedLayer]) -> None:
        names = {name for layer in missing for name in layer.packages}
        everything = len(self._packages)
        self._workers.progress.expect(
            packages=everything - len(names), of=everything, more_bytes=self._packages.download_size(names)
        )

    # What is done about the others

    def _make(self, layer: KeyedLayer, lost: Mapping[str, frozenset[str]], base: BaseImage) -> Future[object]:
        self._elsewhere.pop(layer.key, None)
        if layer.name == SHELLS:
            return self._workers.makers.submit(self._make_shells, layer, base)
        return self._workers.makers.submit(self._making.make, layer, lost)

    def _make_shells(self, layer: KeyedLayer, base: BaseImage) -> MadeLayer:
        stop = self._workers.stop
        return self._making.make_shells(
            layer, bashrc(base, self._places.base, stop.checked, self._shared, stop.check)
        )

    def _go_on(self, result: object) -> Iterable[Future[object]]:
        """Have a layer uploaded that a thread has made."""
        if isinstance(result, MadeLayer):
            self._note(result)
            yield self._workers.uploads.submit(self._upload, result)
        elif isinstance(result, _NotTaken):
            self._layers.pop(result.key, None)

    def _note(self, made: MadeLayer) -> None:
        self._layers[made.key] = made.layer
        self._files |= made.packages
        self.made.append(made.name)

    def _upload(self, made: MadeLayer) -> None:
        self._put(made)
        if self._places.cache:
            self._places.cache.add(made, self._target, self._counted)
        self._making.remove(made)

    def _put(self, made: MadeLayer) -> None:
        self._target.put(made.layer.digest, made.layer.size, lambda: self._counted(made.parts()))

    def _counted(self, parts: Parts) -> Parts:
        for part in self._workers.stop.checked(parts):
            self._workers.progress.count(uploaded=len(part))
            yield part

    def _take_from_elsewhere(self, layers: Iterable[KeyedLayer]) -> list[Future[object]]:
        """Have the layers brought to the target that are in another repository."""
        taken = []
        for each in layers:
            source = self._elsewhere.pop(each.key, None)
            if source is not None:
                layer = self._layers[each.key]
                blob = Descriptor(digest=layer.digest, size=layer.size, media_type=layer.media_type)
                cache = self._places.cache
                if cache and source is cache.repository:
                    taken.append(self._workers.uploads.submit(self._take_from_cache, each.key, blob, cache))
                else:
                    taken.append(self._take(blob, source))
        return taken

    def _take(self, blob: Descriptor, source: ImageSource) -> Future[object]:
        return self._workers.uploads.submit(self._target.take, blob, source, self._workers.stop.checked)

    def _take_from_cache(self, key: str, blob: Descriptor, cache: LayerCache) -> _NotTaken | None:
        try:
            self._target.take(blob, cache.repository, self._workers.stop.checked)
        except UserError as error:
            cache.refuse("read", error.message)
            return _NotTaken(key)
        return None
