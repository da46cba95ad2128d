"""The image of an environment, made from the lock and brought to a registry or a folder, without an engine.

Layers that the image before has are taken by their digest; the packages of the others are downloaded, linked and
compressed by some threads, while others upload what is ready. Tags come last: what they name is always whole.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pixi_container.environment.base_image import bashrc, read_base_image, stored_layers
from pixi_container.environment.downloads import Downloads, rattler_client
from pixi_container.environment.environment_image import EnvironmentImage, Published, catalogue_tag
from pixi_container.environment.image_config import ImageLayer, configuration, image_manifest
from pixi_container.environment.image_store import ImageStore, put_bytes
from pixi_container.environment.known_layers import put_catalogue, read_image_before
from pixi_container.environment.layer_keys import LAYOUT_VERSION, KeyedLayer
from pixi_container.environment.layer_making import LayerMaking, MadeLayer
from pixi_container.environment.package_set import hashed, package_set
from pixi_container.environment.progress import Progress, ProgressCount
from pixi_container.environment.start_check import check_annotations, check_key, starting_packages
from pixi_container.environment.threads import Stop, Threads, finish
from pixi_container.errors import UserError
from pixi_container.registry.client import Descriptor
from pixi_container.registry.repository import ImageRepository
from pixi_container.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from pixi_container.environment.catalogue import PackageFiles
    from pixi_container.environment.image_config import BaseImage, Document
    from pixi_container.environment.layer_tar import LayerBlob
    from pixi_container.registry.blobs import Parts

__all__ = ["EnvironmentImage", "ImageStore", "Progress", "Published", "catalogue_tag", "publish"]

SHELLS = "shells"
"""The lowest layer of ours: the shells' start-up files."""

_UPLOADS = 6


def publish(
    image: EnvironmentImage,
    target: ImageStore,
    base: ImageRepository,
    *,
    env: Mapping[str, str],
    before: ImageRepository | None = None,
    show: Callable[[Progress], None] = lambda _: None,
    workers: int = 0,
    check: Callable[[str], None] | None = None,
) -> Published:
    """Make the image and give it its tags; ``workers`` threads make layers, one for each core if there are none.

    ``before`` is where the image before lies and its layers are taken from, where that is not ``target`` itself.
    ``check`` gets the digest of an image in ``target``, and raises if no environment starts in it; it is called
    unless the image before was checked for the same, see ``start_check``.
    Raises ``NotDirectError`` where only pixi can make this environment, and what downloads and registries raise.
    Whatever is raised, no tag has changed, and no file is left.
    """
    with temporary_folder(env) as folder:
        publication = _Publication(image, target, base, before, folder, show, workers or os.cpu_count() or 1)
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
    """One image on its way. The main thread decides; others make layers, and upload."""

    def __init__(
        self,
        image: EnvironmentImage,
        target: ImageStore,
        base: ImageRepository,
        before: ImageRepository | None,
        folder: Path,
        show: Callable[[Progress], None],
        makers: int,
    ) -> None:
        self._image = image
        self._target = target
        self._base = base
        self._before = before
        self._packages = package_set(image.environment, image.activation.prefix)
        self._layers: dict[str, LayerBlob] = {}
        """Those that there are, by key."""
        self._elsewhere: dict[str, ImageRepository] = {}
        """Where layers are that the target does not have yet, by key."""
        self._files: dict[str, PackageFiles] = {}
        self._checks: Mapping[str, str] = {}
        self._made: list[str] = []
        self._stop = Stop()
        self._progress = ProgressCount(show)
        repositories = [each for each in (target, base, before) if isinstance(each, ImageRepository)]
        self._makers = Threads(makers, "layer", repositories)
        self._uploads = Threads(_UPLOADS, "upload", repositories)
        downloads = Downloads(
            rattler_client(image.mirrors),
            image.context,
            self._stop.check,
            lambda size: self._progress.count(downloaded=size),
        )
        self._making = LayerMaking(
            image, self._packages, downloads, folder, makers + _UPLOADS, self._stop, self._progress
        )

    @contextmanager
    def ended(self) -> Iterator[None]:
        """Have the threads end after the block; after an error they give up what they are doing."""
        try:
            yield
        except BaseException:
            self._stop.set()
            raise
        finally:
            self._makers.end()
            self._uploads.end()

    def publish(self, check: Callable[[str], None] | None) -> Published:
        """Make the layers that are missing, and put everything in its place."""
        image, target = self._image, self._target
        self._progress.tell("looking at what is there")
        base = read_base_image(self._base, image.base, image.platform)
        self._learn_from_before()
        taken = [self._take(layer, self._base) for layer in stored_layers(base)]
        shells = self._shells(base)
        keyed = self._make_missing(shells, base, taken)
        rest = self._making.make_rest(self._files)
        self._learn(rest)
        self._upload(rest)
        whole = [shells, *keyed, KeyedLayer(rest.name, rest.key, ())]
        config = self._configuration(base, whole)
        key = check_key(image, base, config, self._packages, self._files, self._packages.lost(self._files))
        checked_by, checked_now = self._check_start(key, base, whole, check)
        self._progress.tell("writing the manifest")
        annotations = {**image.annotations, **check_annotations(key, checked_by)}
        manifest = image_manifest(base, self._image_layers(whole), config, annotations)
        put_bytes(target, config.content)
        if image.before:
            put_catalogue(target, image.before, {name: self._files[name] for name in self._packages.packages})
        for tag in image.tags:
            target.put_manifest(tag, manifest.content, manifest.media_type)
        return Published(
            digest=manifest.digest,
            layers=len(whole),
            made=tuple(self._made),
            not_run=self._packages.with_post_link_scripts(self._files),
            progress=self._progress.now,
            checked_by=checked_by,
            checked_now=checked_now,
        )

    def _check_start(
        self, key: str, base: BaseImage, whole: Sequence[KeyedLayer], check: Callable[[str], None] | None
    ) -> tuple[str, bool]:
        """Return the image by which this one is checked, empty for none, and whether that was now.

        That image has the layers that starting needs, and no other package.
        """
        checked_by = self._checks.get(key, "")
        if checked_by or check is None:
            return checked_by, False
        starting = starting_packages(self._packages, self._files)
        layers = [layer for layer in whole if not layer.packages or starting.intersection(layer.packages)]
        config = self._configuration(base, layers)
        manifest = image_manifest(base, self._image_layers(layers), config, {})
        put_bytes(self._target, config.content)
        digest = self._target.put_untagged(manifest.content, manifest.media_type)
        self._progress.tell("checking that the environment starts")
        check(digest)
        return digest, True

    def _configuration(self, base: BaseImage, layers: Iterable[KeyedLayer]) -> Document:
        return configuration(base, self._image_layers(layers), self._image.settings)

    def _image_layers(self, layers: Iterable[KeyedLayer]) -> list[ImageLayer]:
        return [ImageLayer(layer.name, layer.key, self._layers[layer.key]) for layer in layers]

    def _learn_from_before(self) -> None:
        store = self._before or self._target
        image = self._image
        known = read_image_before(store, image.before, image.compression, self._packages.identities)
        self._layers |= known.layers
        self._files |= known.files
        self._checks = known.checks
        if self._before is not None:
            self._elsewhere |= dict.fromkeys(known.layers, self._before)

    def _shells(self, base: BaseImage) -> KeyedLayer:
        activation = self._image.activation
        basis = [SHELLS, LAYOUT_VERSION, base.diff_ids, activation.prefix, activation.workdir]
        return KeyedLayer(SHELLS, hashed(basis), ())

    def _make_missing(
        self, shells: KeyedLayer, base: BaseImage, pending: Sequence[Future[object]]
    ) -> tuple[KeyedLayer, ...]:
        """Have all layers but the last in their place, and return those of packages. Waits for ``pending`` too."""
        work = [*pending]
        if shells.key not in self._layers:
            work.append(self._makers.submit(self._make_shells, shells, base))
        lost = self._packages.lost(self._files)
        keyed = self._keyed_layers(lost)
        while True:
            missing = [layer for layer in keyed if layer.key not in self._layers]
            # The largest first, so that none of them is alone at the end.
            missing.sort(key=lambda layer: -self._packages.download_size(layer.packages))
            self._expect(missing)
            work += [self._makers.submit(self._making.make, layer, lost) for layer in missing]
            work += self._take_from_elsewhere([shells, *keyed])
            finish(work, self._upload_next)
            # Again for layers with a path that another package turned out to have as well.
            lost = self._packages.lost(self._files)
            keyed = self._keyed_layers(lost)
            if all(layer.key in self._layers for layer in keyed):
                return keyed
            work = []

    def _make_shells(self, shells: KeyedLayer, base: BaseImage) -> MadeLayer:
        return self._making.make_shells(shells, bashrc(base, self._base, self._stop.checked))

    def _keyed_layers(self, lost: Mapping[str, frozenset[str]]) -> tuple[KeyedLayer, ...]:
        """Return the layers of packages; one whose packages' paths are not known is to be made again."""
        layers = self._packages.layers(self._image.layers, lost)
        for layer in layers:
            if any(name not in self._files for name in layer.packages):
                self._layers.pop(layer.key, None)
        return layers

    def _expect(self, missing: Sequence[KeyedLayer]) -> None:
        """Show what is to be done for the layers that are missing."""
        names = {name for layer in missing for name in layer.packages}
        everything = len(self._packages)
        self._progress.expect(
            packages=everything - len(names), of=everything, more_bytes=self._packages.download_size(names)
        )

    def _upload_next(self, made: object) -> Iterable[Future[object]]:
        """Have a layer uploaded that a thread has made; other results need nothing more."""
        if isinstance(made, MadeLayer):
            self._learn(made)
            yield self._uploads.submit(self._upload, made)

    def _learn(self, made: MadeLayer) -> None:
        self._layers[made.key] = made.layer
        self._files |= made.packages
        self._made.append(made.name)

    def _upload(self, made: MadeLayer) -> None:
        """Bring a layer to its place, and remove its file."""
        self._target.put(made.layer.digest, made.layer.size, lambda: self._counted(made.parts()))
        self._making.remove(made)

    def _counted(self, parts: Parts) -> Parts:
        for part in self._stop.checked(parts):
            self._progress.count(uploaded=len(part))
            yield part

    def _take_from_elsewhere(self, keyed: Iterable[KeyedLayer]) -> list[Future[object]]:
        """Have the layers brought to the target that are in another repository."""
        taken = []
        for each in keyed:
            source = self._elsewhere.pop(each.key, None)
            if source is not None and each.key in self._layers:
                layer = self._layers[each.key]
                blob = Descriptor(digest=layer.digest, size=layer.size, media_type=layer.media_type)
                taken.append(self._take(blob, source))
        return taken

    def _take(self, blob: Descriptor, source: ImageRepository) -> Future[object]:
        """Have a blob brought to the target."""
        return self._uploads.submit(self._target.take, blob, source, self._stop.checked)
