"""The image of an environment, made from the lock and brought to a registry or a folder, without an engine.

Layers that the image before has are taken by their digest; the packages of the others are downloaded, linked and
compressed by some threads, while others upload what is ready. Tags come last: what they name is always whole.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
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
from pixi_container.environment.package_set import hashed, package_set
from pixi_container.environment.progress import Progress, ProgressCount
from pixi_container.environment.shared_archives import SharedArchives
from pixi_container.environment.shared_contents import SharedContents
from pixi_container.environment.shared_work import once
from pixi_container.environment.start_check import CheckKeys, check_annotations, check_keys, starting_packages
from pixi_container.environment.threads import Stop, Threads, end
from pixi_container.errors import UserError
from pixi_container.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pixi_container.environment.catalogue import PackageFiles
    from pixi_container.environment.image_config import BaseImage, Document, ImageLayer
    from pixi_container.environment.known_layers import KnownLayers
    from pixi_container.environment.layer_keys import KeyedLayer
    from pixi_container.environment.package_set import PackageSet
    from pixi_container.environment.shared_work import SharedWork
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
    shared: SharedWork | None = None,
) -> Published:
    """Make the image and give it its tags; ``workers`` threads make layers, one for each core if there are none.

    ``before`` is where the image before lies and its layers are taken from, where that is not ``target`` itself.
    ``check`` starts the environment of an image in ``target``, unless the image before was checked for the same,
    see ``start_check``.
    ``cache`` has layers that were made for other repositories, and gets those made here if ``cache_writes``.
    ``shared`` is what other environments have left, and gets what they may use; the image is the same without it.
    Raises ``NotDirectError`` where only pixi can make this environment, and what downloads and registries raise.
    Whatever is raised, no tag has changed, and no file is left.
    """
    with temporary_folder(env) as folder:
        environments = []
        for each in (image, *image.more):
            packages = package_set(each.environment, each.activation.prefix)
            layer_cache = (
                LayerCache(cache, each.compression, packages.identities, writes=cache_writes) if cache else None
            )
            environments.append((each, packages, Places(target, base, before, layer_cache)))
        publication = _Publication(environments, folder, show, workers or os.cpu_count() or 1, shared)
        try:
            with publication.ended():
                return publication.publish(check)
        except OSError as error:
            raise UserError(
                f"the layers of the environment cannot be written: {error.strerror or error}",
                file=error.filename or str(folder),
                hint="They need room of about the largest packages' size for each core, in RUNNER_TEMP or TMPDIR.",
            ) from error


@dataclass(frozen=True)
class _Environment:
    """One of the environments of an image on its way."""

    image: EnvironmentImage
    packages: PackageSet
    layers: LayersInPlace
    cache: LayerCache | None

    @property
    def files(self) -> dict[str, PackageFiles]:
        """The files of its packages."""
        return {name: self.layers.files[name] for name in self.packages.packages}

    @cached_property
    def starting(self) -> frozenset[str]:
        """The packages that starting it needs, once all their files are known."""
        return starting_packages(self.packages, self.layers.files)


class _Publication:
    """One image on its way, by the thread that has it."""

    def __init__(
        self,
        environments: Sequence[tuple[EnvironmentImage, PackageSet, Places]],
        folder: Path,
        show: Callable[[Progress], None],
        makers: int,
        shared: SharedWork | None,
    ) -> None:
        image, _, places = environments[0]
        self._image = image
        self._target = places.target
        self._base = places.base
        self._shared = shared
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
            progress.spare,
            SharedArchives(shared) if shared else None,
        )
        members = SharedContents(shared) if shared else None
        self._environments: list[_Environment] = []
        for each, packages, around in environments:
            making = LayerMaking(each, packages, downloads, folder, makers + _UPLOADS, stop, progress, members)
            layers = LayersInPlace(each, packages, around, making, self._workers, shared)
            self._environments.append(_Environment(each, packages, layers, around.cache))

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
        before, *_ = [each.layers.learn_from_before() for each in self._environments]
        # Where nothing was checked before, the check is certain to come.
        with check.preparing() if check and not before.checks and self._is_first_to_prepare() else nullcontext():
            return self._published(base, before, check)

    def _is_first_to_prepare(self) -> bool:
        """Tell whether no environment that shares work with this one has prepared a check on the same base."""
        return once(self._shared, hashed(["prepared", self._image.base]), str, self._stop.check)[1]

    def _published(self, base: BaseImage, before: KnownLayers, check: StartCheck | None) -> Published:
        image, target, environments = self._image, self._target, self._environments
        placed = [_Placed(each, layer) for each in environments for layer in each.layers.complete(base)]
        placed += [_Placed(each, each.layers.add_last()) for each in environments]
        layers = [each.in_image for each in placed]
        config = configuration(base, layers, image.settings)
        keys = self._check_keys(base, config)
        checked_by, checked_now = before.checks.get(keys.exact, ""), False
        if check is not None and not checked_by:
            start = partial(self._check_start, base, placed, check)
            checked_by, checked_now = once(self._shared, keys.named_anyhow, start, self._stop.check)
        self._progress.tell("writing the manifest")
        annotations = {**image.annotations, **check_annotations(keys.exact, checked_by)}
        manifest = image_manifest(base, layers, config, annotations)
        put_bytes(target, config.content)
        if image.before:
            put_catalogue(target, image.before, *(each.files for each in environments))
        for tag in image.tags:
            target.put_manifest(tag, manifest.content, manifest.media_type)
        not_run = (name for each in environments for name in each.packages.with_post_link_scripts(each.files))
        notes = (note for each in environments if each.cache for note in each.cache.notes)
        return Published(
            digest=manifest.digest,
            layers=len(layers),
            made=tuple(name for each in environments for name in each.layers.made),
            not_run=tuple(dict.fromkeys(not_run)),
            progress=self._progress.now,
            checked_by=checked_by,
            checked_now=checked_now,
            notes=tuple(dict.fromkeys(notes)),
        )

    def _check_keys(self, base: BaseImage, config: Document) -> CheckKeys:
        """Return digests of all that decides whether the environments start."""
        keys = [
            check_keys(each.image, base, config, each.packages, each.layers.files) for each in self._environments
        ]
        if not keys[1:]:
            return keys[0]
        return CheckKeys(hashed([each.exact for each in keys]), hashed([each.named_anyhow for each in keys]))

    def _check_start(self, base: BaseImage, placed: Sequence[_Placed], check: StartCheck) -> str:
        """Return the digest of an image that was checked: of what starting needs, without any other package."""
        needed = [each.in_image for each in placed if each.is_needed_to_start]
        config = configuration(base, needed, self._image.settings)
        manifest = image_manifest(base, needed, config, {})
        put_bytes(self._target, config.content)
        digest = self._target.put_untagged(manifest.content, manifest.media_type)
        self._progress.tell("checking that the environment starts")
        check.run(digest)
        return digest


@dataclass(frozen=True)
class _Placed:
    """A layer of an environment, which is where the image goes."""

    environment: _Environment
    layer: KeyedLayer

    @property
    def in_image(self) -> ImageLayer:
        """The layer as it is in an image."""
        return self.environment.layers.as_image_layers([self.layer])[0]

    @property
    def is_needed_to_start(self) -> bool:
        """Whether it has what starting its environment needs, or belongs to no package."""
        return not self.layer.packages or bool(self.environment.starting.intersection(self.layer.packages))
