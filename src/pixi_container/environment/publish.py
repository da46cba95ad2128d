"""The image of an environment, made from the lock and brought to a registry or a folder, without an engine.

Layers that the image before has are taken by their digest; the packages of the others are downloaded, linked and
compressed by some threads, while others upload what is ready. Tags come last: what they name is always whole.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from pixi_container.environment.base_image import read_base_image
from pixi_container.environment.downloads import Downloads, rattler_client
from pixi_container.environment.environment_image import EnvironmentImage, Published
from pixi_container.environment.image_config import configuration, image_manifest
from pixi_container.environment.image_store import ImageStore, put_bytes
from pixi_container.environment.known_layers import put_catalogue
from pixi_container.environment.layer_cache import LayerCache
from pixi_container.environment.layer_making import LayerMaking
from pixi_container.environment.layers_in_place import LayersInPlace, Places, Workers
from pixi_container.environment.package_set import package_set
from pixi_container.environment.progress import Progress, ProgressCount
from pixi_container.environment.start_check import check_annotations, check_key, starting_packages
from pixi_container.environment.threads import Stop, Threads, end
from pixi_container.errors import UserError
from pixi_container.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pixi_container.environment.image_config import BaseImage, Document
    from pixi_container.environment.known_layers import KnownLayers
    from pixi_container.environment.layer_keys import KeyedLayer
    from pixi_container.environment.package_set import PackageSet
    from pixi_container.environment.start_check import StartCheck
    from pixi_container.registry.repository import ImageRepository, ImageSource

_UPLOADS = 6


def publish(
    image: EnvironmentImage,
    target: ImageStore,
    base: ImageSource,
    *,
    env: Mapping[str, str],
    before: ImageRepository | None = None,
    show: Callable[[Progress], None] = lambda _: None,
    workers: int = 0,
    check: StartCheck | None = None,
    cache: ImageRepository | None = None,
    cache_writes: bool = False,
) -> Published:
    """Make the image and give it its tags; ``workers`` threads make layers, one for each core if there are none.

    ``before`` is where the image before lies and its layers are taken from, where that is not ``target`` itself.
    ``check`` starts the environment of an image in ``target``, unless the image before was checked for the same,
    see ``start_check``.
    ``cache`` has layers that were made for other repositories, and gets those made here if ``cache_writes``.
    Raises ``NotDirectError`` where only pixi can make this environment, and what downloads and registries raise.
    Whatever is raised, no tag has changed, and no file is left.
    """
    with temporary_folder(env) as folder:
        packages = package_set(image.environment, image.activation.prefix)
        layer_cache = (
            LayerCache(cache, image.compression, packages.identities, writes=cache_writes) if cache else None
        )
        places = Places(target, base, before, layer_cache)
        publication = _Publication(image, packages, places, folder, show, workers or os.cpu_count() or 1)
        try:
            with publication.ended():
                return publication.publish(check)
        except OSError as error:
            raise UserError(
                f"the layers of the environment cannot be written: {error.strerror or error}",
                file=error.filename or str(folder),
                hint="They need room of about the largest packages' size for each core, in RUNNER_TEMP or TMPDIR.",
            ) from error


class _Publication:
    """One image on its way, by the thread that has it."""

    def __init__(
        self,
        image: EnvironmentImage,
        packages: PackageSet,
        places: Places,
        folder: Path,
        show: Callable[[Progress], None],
        makers: int,
    ) -> None:
        self._image = image
        self._target = places.target
        self._base = places.base
        self._cache = places.cache
        self._packages = packages
        self._stop = stop = Stop()
        self._progress = progress = ProgressCount(show)
        repositories = places.repositories
        self._workers = Workers(
            Threads(makers, "layer", repositories), Threads(_UPLOADS, "upload", repositories), stop, progress
        )
        downloads = Downloads(
            rattler_client(image.mirrors, image.auth_file),
            stop.check,
            lambda size: progress.count(downloaded=size),
        )
        making = LayerMaking(image, packages, downloads, folder, makers + _UPLOADS, stop, progress)
        self._layers = LayersInPlace(image, packages, places, making, self._workers)

    @contextmanager
    def ended(self) -> Iterator[None]:
        """Have the threads end after the block; after an error they give up what they are doing."""
        try:
            yield
        except BaseException:
            self._stop.set()
            self._progress.end()
            raise
        finally:
            end(self._workers.makers, self._workers.uploads)

    def publish(self, check: StartCheck | None) -> Published:
        """Make the layers that are missing, and put everything in its place."""
        self._progress.tell("looking at what is there")
        base = read_base_image(self._base, self._image.base, self._image.platform)
        before = self._layers.learn_from_before()
        # Where nothing was checked before, the check is certain to come.
        with check.preparing() if check and not before.checks else nullcontext():
            return self._published(base, before, check)

    def _published(self, base: BaseImage, before: KnownLayers, check: StartCheck | None) -> Published:
        image, target = self._image, self._target
        layers = (*self._layers.complete(base), self._layers.add_last())
        config = self._configuration(base, layers)
        key = check_key(image, base, config, self._packages, self._layers.files)
        checked_by = before.checks.get(key, "")
        checked_now = not checked_by and check is not None
        if check is not None and checked_now:
            checked_by = self._check_start(base, layers, check)
        self._progress.tell("writing the manifest")
        annotations = {**image.annotations, **check_annotations(key, checked_by)}
        manifest = image_manifest(base, self._layers.as_image_layers(layers), config, annotations)
        put_bytes(target, config.content)
        if image.before:
            files = {name: self._layers.files[name] for name in self._packages.packages}
            put_catalogue(target, image.before, files)
        for tag in image.tags:
            target.put_manifest(tag, manifest.content, manifest.media_type)
        return Published(
            digest=manifest.digest,
            layers=len(layers),
            made=tuple(self._layers.made),
            not_run=self._packages.with_post_link_scripts(self._layers.files),
            progress=self._progress.now,
            checked_by=checked_by,
            checked_now=checked_now,
            notes=self._cache.notes if self._cache else (),
        )

    def _check_start(self, base: BaseImage, layers: Sequence[KeyedLayer], check: StartCheck) -> str:
        """Return the digest of an image that was checked: of what starting needs, without any other package."""
        starting = starting_packages(self._packages, self._layers.files)
        needed = [layer for layer in layers if not layer.packages or starting.intersection(layer.packages)]
        config = self._configuration(base, needed)
        manifest = image_manifest(base, self._layers.as_image_layers(needed), config, {})
        put_bytes(self._target, config.content)
        digest = self._target.put_untagged(manifest.content, manifest.media_type)
        self._progress.tell("checking that the environment starts")
        check.run(digest)
        return digest

    def _configuration(self, base: BaseImage, layers: Iterable[KeyedLayer]) -> Document:
        return configuration(base, self._layers.as_image_layers(layers), self._image.settings)
