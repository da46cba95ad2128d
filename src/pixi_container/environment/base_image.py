"""The base of an environment's image, as its repository or folder has it."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

from pixi_container.environment.base_files import own_bashrc
from pixi_container.environment.entries import PathEntry
from pixi_container.environment.image_config import read_base
from pixi_container.environment.package_set import hashed
from pixi_container.environment.shared_work import once
from pixi_container.errors import RegistryError
from pixi_container.registry.client import Descriptor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pixi_container.environment.image_config import BaseImage
    from pixi_container.environment.shared_work import SharedWork
    from pixi_container.registry.blobs import Parts
    from pixi_container.registry.repository import ImageSource


def read_base_image(repository: ImageSource, name: str, platform: str) -> BaseImage:
    """Return the image of a tag or digest for a platform; an index with one image gives that one.

    Raises ``RegistryError`` where there is none.
    """
    manifest = repository.get_manifest(name)
    if manifest and manifest.is_index:
        child = manifest.child(platform)
        manifest = repository.get_manifest(child.digest) if child else None
    if manifest is None or manifest.config is None:
        shown = f"{repository.reference.name}{'@' if ':' in name else ':'}{name}"
        raise RegistryError(f"there is no image {shown} for {platform}")
    return read_base(repository.get(manifest.config), manifest.content)


def stored_layers(base: BaseImage) -> tuple[Descriptor, ...]:
    """Return the layers that registries store, each once."""
    layers = {layer.digest: layer for layer in map(_blob, base.layers)}
    return tuple(layer for layer in layers.values() if not layer.is_nondistributable)


def bashrc(
    base: BaseImage,
    repository: ImageSource,
    through: Callable[[Iterator[bytes]], Parts],
    shared: SharedWork | None = None,
    check: Callable[[], None] = lambda: None,
) -> PathEntry | None:
    """Return the base's ``/etc/bash.bashrc``; what is read of its layers goes ``through`` a function.

    It is read once for all that share work. ``check`` is called while another one reads it, and may raise.
    """

    def read() -> str:
        entry = own_bashrc(
            base.layers,
            lambda layer, read_parts: repository.scan(_blob(layer), lambda parts: read_parts(through(parts))),
        )
        if entry is None:
            return "null"
        content = b64encode(b"".join(entry.content)).decode()
        return json.dumps({"path": entry.path, "mode": entry.mode, "size": entry.size, "content": content})

    text, _ = once(shared, hashed(["bashrc", *(layer["digest"] for layer in base.layers)]), read, check)
    kept = json.loads(text)
    return PathEntry(**kept | {"content": (b64decode(kept["content"]),)}) if kept else None


def _blob(descriptor: Mapping[str, object]) -> Descriptor:
    urls = descriptor.get("urls") or ()
    return Descriptor(
        digest=str(descriptor["digest"]),
        size=int(str(descriptor["size"])),
        media_type=str(descriptor.get("mediaType", "")),
        urls=tuple(urls) if isinstance(urls, list) else (),
    )
