"""The application's image, made and brought to repositories: the same one to each. Tags come last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.application.application_image import application_configuration, application_manifest
from pixi_container.application.context_files import copied_entries
from pixi_container.environment.base_image import stored_layers
from pixi_container.environment.image_config import read_base
from pixi_container.environment.image_store import put_bytes
from pixi_container.environment.layer_tar import LayerBlob, LayerWriter, file_parts
from pixi_container.environment.threads import Stop, Threads, end, finish
from pixi_container.errors import RegistryError, UserError
from pixi_container.registry.repository import ImageRepository
from pixi_container.temporary_folder import temporary_folder
from pixi_container.workspace.build_context import read_docker_ignore

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pixi_container.application.application_image import ApplicationImage
    from pixi_container.environment.image_config import BaseImage, Document
    from pixi_container.environment.image_store import ImageStore

_UPLOADS = 6


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where the image goes, and the tags that it gets there, in order.

    ``environment`` is the repository that the environment's layers are taken over from; None where they are in
    the store already, because the environment's image is.
    """

    store: ImageStore
    tags: tuple[str, ...]
    environment: ImageRepository | None = None


@dataclass(frozen=True, kw_only=True)
class PushedApplication:
    """The image as it was pushed: the digest that every tag points to, and that of the configuration.

    ``uploaded`` counts the bytes of layers that a store did not have.
    """

    digest: str
    config: str
    uploaded: int


@dataclass(frozen=True)
class _WrittenLayer:
    """A layer in a file."""

    blob: LayerBlob
    file: Path


def read_environment(store: ImageStore, name: str) -> BaseImage:
    """Return the environment's image of a tag or digest. Raises ``RegistryError`` when there is no such image."""
    manifest = store.get_manifest(name)
    if manifest is None or manifest.config is None:
        raise RegistryError(
            f"the environment's image '{name}' {'is an index' if manifest else 'does not exist'}",
            hint="Did something remove it, or push the same tag, while this run used it?",
        )
    return read_base(store.get(manifest.config), manifest.content)


def push_application(
    image: ApplicationImage, destinations: Sequence[Destination], *, env: Mapping[str, str]
) -> PushedApplication:
    """Make the image, and push it to each destination.

    Raises ``UserError`` for files that cannot be copied, and what registries raise. Whatever is raised before the
    first tag, no tag has changed; no file is left.
    """
    with temporary_folder(env) as folder:
        layers = _write_layers(image, folder)
        blobs = [layer.blob for layer in layers]
        config = application_configuration(image, blobs)
        manifest = application_manifest(image, blobs, config)
        uploaded = sum(_put_blobs(destination, image, layers, config) for destination in destinations)
    for destination in destinations:
        for tag in destination.tags:
            destination.store.put_manifest(tag, manifest.content, manifest.media_type)
    return PushedApplication(digest=manifest.digest, config=config.digest, uploaded=uploaded)


def _write_layers(image: ApplicationImage, folder: Path) -> list[_WrittenLayer]:
    """Return a layer for each copy of the stage."""
    ignore, _ = read_docker_ignore(image.context)
    written = []
    for number, copy in enumerate(image.stage.copies):
        file = folder / str(number)
        try:
            with file.open("wb") as out:
                writer = LayerWriter(out, image.compression)
                writer.add(copied_entries(image.context, copy, ignore))
                written.append(_WrittenLayer(writer.finish(), file))
        except OSError as error:
            raise UserError(
                f"a layer cannot be written: {error.strerror or error}",
                file=str(file),
                hint="Layers need room of about the included files' size, in RUNNER_TEMP or TMPDIR.",
            ) from error
    return written


def _put_blobs(
    destination: Destination, image: ApplicationImage, layers: Sequence[_WrittenLayer], config: Document
) -> int:
    """Have everything there that the manifest names, and return how many bytes of layers were uploaded."""
    store, source, stop, uploaded = destination.store, destination.environment, Stop(), list[int]()
    repositories = [place for place in (store, source) if isinstance(place, ImageRepository)]
    threads = Threads(_UPLOADS, "upload", repositories)

    def put(layer: _WrittenLayer) -> None:
        if store.put(layer.blob.digest, layer.blob.size, lambda: stop.checked(file_parts(layer.file))):
            uploaded.append(layer.blob.size)

    try:
        taken = stored_layers(image.environment) if source else ()
        work = [threads.submit(store.take, blob, source, stop.checked) for blob in taken]
        finish([*work, *(threads.submit(put, layer) for layer in layers)], lambda _: ())
        put_bytes(store, config.content)
    except BaseException:
        stop.set()
        raise
    finally:
        end(threads)
    return sum(uploaded)
