"""Configuration and manifest of an environment's image, as the Dockerfile's stages make them on the same base.

Sources: https://github.com/opencontainers/image-spec/blob/main/config.md and manifest.md; for instructions,
https://github.com/moby/buildkit/blob/master/frontend/dockerfile/dockerfile2llb/convert.go
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pixi_container.environment.refusals import NotDirectError
from pixi_container.errors import RegistryError
from pixi_container.json_object import object_in, object_under
from pixi_container.registry.reference import digest_of
from pixi_container.shortening import shortened
from pixi_container.workspace.folder import HERE, below

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pixi_container.environment.layer_tar import LayerBlob

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"

KEY_ANNOTATION = "pixi-container.layer-key"
"""What a layer of ours is found by in the manifest of the image before."""

_CREATED = "1980-01-01T00:00:00Z"
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What a base without a PATH has: https://github.com/moby/buildkit/blob/master/util/system/path.go"""

_KNOWN = ("architecture", "os", "os.version", "os.features", "variant", "author")
_DOCKER_LAYER = "application/vnd.docker.image.rootfs."
_OCI_TYPES = {
    "application/vnd.docker.image.rootfs.diff.tar": "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": (
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
    ),
}


class UnfitBaseError(NotDirectError):
    """A sound base image that only a builder can build on: ``reason`` completes a sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__("", reason)
        self.args = (f"the base image {reason}",)


@dataclass(frozen=True)
class ImageLayer:
    """A layer of ours in an image: what it is called in the history, and the key that it is found by."""

    name: str
    key: str
    layer: LayerBlob


@dataclass(frozen=True, kw_only=True)
class BaseImage:
    """An image of one platform, as its registry has it: its configuration, and its layers' descriptors."""

    config: Mapping[str, Any]
    layers: tuple[Mapping[str, Any], ...]

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """The digests of the layers' tars, base first."""
        return tuple(object_under(self.config, "rootfs").get("diff_ids", ()))

    @property
    def settings(self) -> dict[str, Any]:
        """What a container is started with."""
        return object_under(self.config, "config")

    @property
    def fields(self) -> dict[str, Any]:
        """What images on top of it take over besides: the platform and the author."""
        return {name: self.config[name] for name in _KNOWN if name in self.config}

    @property
    def history(self) -> list[dict[str, Any]]:
        """The history, made up where it is not that of the layers."""
        history = [object_in(entry) for entry in self.config.get("history") or ()]
        if sum(not entry.get("empty_layer") for entry in history) == len(self.layers):
            return history
        return [{"created": _CREATED, "created_by": "base image"} for _ in self.layers]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the environment's image sets beside its files. ``variables`` are in the order of the Dockerfile.

    ``folder`` is the workspace's, relative to ``workdir``.
    """

    prefix: str
    workdir: str
    variables: tuple[tuple[str, str], ...]
    folder: str = HERE
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Document:
    """A JSON document to be uploaded."""

    media_type: str
    content: bytes

    @property
    def digest(self) -> str:
        """What it is named by."""
        return digest_of(self.content)

    @property
    def descriptor(self) -> dict[str, Any]:
        """How another document refers to it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content)}


def document(media_type: str, value: Mapping[str, Any]) -> Document:
    """Return a document; the same values give the same bytes."""
    return Document(media_type, json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


def read_base(config: bytes, manifest: bytes) -> BaseImage:
    """Read a base. Raises ``RegistryError`` where the two do not fit, and ``UnfitBaseError`` for ``ONBUILD``."""
    try:
        base = BaseImage(config=json.loads(config), layers=tuple(json.loads(manifest)["layers"]))
        _check_types(base)
        sound = len(base.diff_ids) == len(base.layers)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RegistryError(f"the base image cannot be read: {error!r}") from error
    if not sound:
        raise RegistryError(
            "the base image cannot be read: its configuration is of other layers than its manifest"
        )
    if base.settings.get("OnBuild"):
        raise UnfitBaseError("has instructions for builds on top of it (ONBUILD)")
    return base


def _check_types(base: BaseImage) -> None:
    """Raise ``TypeError`` for a configuration whose values are not of the types that OCI states."""
    settings = object_under(base.config, "config")
    lists = (settings.get("Env"), base.config.get("history"), base.diff_ids)
    tables = (base.config, settings.get("Labels"), settings.get("ExposedPorts"))
    texts = (*(settings.get("Env") or ()), *base.diff_ids)
    if (
        any(not isinstance(value, list | tuple | None) for value in lists)
        or any(not isinstance(value, dict | None) for value in tables)
        or any(not isinstance(value, str) for value in texts)
    ):
        raise TypeError("a value of its configuration has the wrong type")


def configuration(base: BaseImage, layers: Sequence[ImageLayer], settings: Settings) -> Document:
    """Return the configuration of ``layers`` on ``base``."""
    return document(
        CONFIG,
        {
            "created": _CREATED,
            **base.fields,
            "config": _started_with(base.settings, settings),
            "rootfs": {
                "type": "layers",
                "diff_ids": [*base.diff_ids, *(layer.layer.diff_id for layer in layers)],
            },
            "history": [
                *base.history,
                *({"created": _CREATED, "created_by": f"pixi-container: layer {layer.name}"} for layer in layers),
            ],
        },
    )


def image_manifest(
    base: BaseImage, layers: Sequence[ImageLayer], config: Document, annotations: Mapping[str, str]
) -> Document:
    """Return the manifest, in which each layer of ours has its key. Raises ``UnfitBaseError`` for odd bases."""
    table: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.descriptor,
        "layers": [*map(oci_descriptor, base.layers), *map(_descriptor, layers)],
    }
    return document(MANIFEST, {**table, "annotations": dict(annotations)} if annotations else table)


def _started_with(base: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Return what ENV, WORKDIR and ENTRYPOINT of the stage ``base`` make of the base's own settings."""
    env = dict(entry.partition("=")[::2] for entry in base.get("Env") or ())
    env["PATH"] = f"{settings.prefix}/bin:{env.get('PATH', _DEFAULT_PATH)}"
    env |= settings.variables
    env["BASH_ENV"] = f"{below(settings.workdir, settings.folder)}/.pixi/activate.sh"
    labels = {**(base.get("Labels") or {}), **settings.labels}
    own = {
        "Env": [f"{name}={value}" for name, value in env.items()],
        "Entrypoint": [f"{settings.workdir}/entrypoint.sh"],
        "WorkingDir": settings.workdir,
        **({"Labels": labels} if labels else {}),
    }
    # An entrypoint takes the base's command away.
    return {**{name: value for name, value in base.items() if name not in {"Cmd", "ArgsEscaped"}}, **own}


def oci_descriptor(descriptor: Mapping[str, Any]) -> dict[str, Any]:
    """Return a layer's descriptor with OCI's media type. Raises ``UnfitBaseError`` for one that OCI has not."""
    media_type = str(descriptor.get("mediaType", ""))
    converted = _OCI_TYPES.get(media_type, media_type)
    if converted.startswith(_DOCKER_LAYER):
        raise UnfitBaseError(f"has a layer of the kind {shortened(media_type)}")
    return {**descriptor, "mediaType": converted}


def _descriptor(layer: ImageLayer) -> dict[str, Any]:
    written = layer.layer
    return {
        "mediaType": written.media_type,
        "digest": written.digest,
        "size": written.size,
        "annotations": {KEY_ANNOTATION: layer.key},
    }
