"""Base images, pushed to a registry through its HTTP API (OCI distribution specification 1.1)."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from tests.rig import channel
from tests.rig.base import foreign, layers, rootfs
from tests.rig.errors import RigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.rig.base.layers import Layer
    from tests.rig.base.pixi import Pixi

BOTH = "both/"
"""Below it are the images of two platforms, so that those of one platform stay as they are."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True)
class Blob:
    """Content of an image by its digest: bytes, or a file."""

    digest: str
    size: int
    content: bytes | Path

    @classmethod
    def of(cls, content: bytes) -> Blob:
        return cls(f"sha256:{hashlib.sha256(content).hexdigest()}", len(content), content)

    def chunks(self) -> Iterator[bytes]:
        if isinstance(self.content, bytes):
            yield self.content
            return
        with self.content.open("rb") as file:
            while chunk := file.read(1 << 20):
                yield chunk


@dataclass(frozen=True)
class Platform:
    """A platform of Linux as OCI names it; most have no variant."""

    architecture: str
    variant: str = ""

    def fields(self) -> Mapping[str, str]:
        """What an index and a configuration say of it."""
        fields = {"architecture": self.architecture, "os": "linux"}
        return {**fields, "variant": self.variant} if self.variant else fields


@dataclass(frozen=True)
class Image:
    """An image to push: for each platform its layers with what made them, and the search path of its processes."""

    name: str
    tags: tuple[str, ...]
    layers: Mapping[Platform, tuple[tuple[Blob, str, str], ...]]  # blob, diff id, what made it
    path: str


def push(
    cache: Path, *, pixi: Pixi, registry: str, mirror: str, say: Callable[[str], None], with_arm64: bool = False
) -> None:
    """Puts the builder image with `pixi` and the slim runtime image into `registry` (`host:port`, plain HTTP).

    `mirror` is the URL at which build containers reach the rig's channel. What is there already is not sent again.
    With arm64 they go to repositories below `BOTH`, and their amd64 images are those without. Raises RigError
    when the registry refuses, and UnavailableError when there is no such pixi for arm64.
    """
    config = _config_layer(mirror)

    def layers_for(subdir: str) -> tuple[tuple[Blob, str, str], ...]:
        program = _of_layer(rootfs.pixi(cache, pixi, say, subdir), str(pixi))
        if subdir == "linux-64":
            return _of_layer(rootfs.rootfs(cache, say), "mmdebstrap --variant=minbase bookworm"), program, config
        made_by = "mmdebstrap --variant=minbase bookworm, with the packages for arm64"
        return _of_layer(foreign.arm64_rootfs(cache, say), made_by), program, config

    by_architecture = {"amd64": layers_for("linux-64")}
    if with_arm64:
        by_architecture["arm64"] = layers_for("linux-aarch64")
    below = BOTH if with_arm64 else ""
    # Docker Hub's images name the variant of arm64, those of buildx do not.
    slim = {
        Platform(name, "v8" if name == "arm64" else ""): (debian,)
        for name, (debian, *_) in by_architecture.items()
    }
    images = (
        Image(f"{below}library/debian", ("bookworm-slim",), slim, _PATH),
        Image(
            f"{below}prefix-dev/pixi",
            (f"{pixi.version}-noble", pixi.version, "noble", "latest"),
            {Platform(name): made for name, made in by_architecture.items()},
            f"/root/.pixi/bin:{_PATH}",
        ),
    )
    try:
        with httpx.Client(base_url=f"http://{registry}/v2/", timeout=60, trust_env=False) as client:
            for image in images:
                _push(client, image)
    except httpx.HTTPError as error:
        msg = f"the base images cannot be pushed to {registry}: {error}"
        raise RigError(msg) from error


def _push(client: httpx.Client, image: Image) -> None:
    manifests = [_push_platform(client, image, platform) for platform in image.layers]
    index = _json({"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests})
    for tag in image.tags:
        _put_manifest(client, image.name, tag, _INDEX, index)


def _push_platform(client: httpx.Client, image: Image, platform: Platform) -> Mapping[str, object]:
    """What an index says of the image of one platform, which is in the registry then."""
    made = image.layers[platform]
    config = Blob.of(_json(_image_config(image, platform)))
    manifest = Blob.of(
        _json(
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": _descriptor(config, _CONFIG),
                "layers": [_descriptor(blob, _LAYER) for blob, _, _ in made],
            }
        )
    )
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda blob: _upload(client, image.name, blob), [config, *(blob for blob, _, _ in made)]))
    _put_manifest(client, image.name, manifest.digest, _MANIFEST, b"".join(manifest.chunks()))
    return {**_descriptor(manifest, _MANIFEST), "platform": platform.fields()}


def _upload(client: httpx.Client, name: str, blob: Blob) -> None:
    if client.head(f"{name}/blobs/{blob.digest}").status_code == httpx.codes.OK:
        return
    source = {"mount": blob.digest, "from": name.removeprefix(BOTH)} if name.startswith(BOTH) else None
    started = client.post(f"{name}/blobs/uploads/", params=source).raise_for_status()
    if started.status_code == httpx.codes.CREATED:
        return
    url = client.base_url.join(started.headers["Location"]).copy_merge_params({"digest": blob.digest})
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)}
    client.put(url, content=blob.chunks(), headers=headers).raise_for_status()


def _put_manifest(client: httpx.Client, name: str, reference: str, media_type: str, content: bytes) -> None:
    client.put(
        f"{name}/manifests/{reference}", content=content, headers={"Content-Type": media_type}
    ).raise_for_status()


def _of_layer(layer: Layer, made_by: str) -> tuple[Blob, str, str]:
    return Blob(layer.digest, layer.size, layer.path), layer.diff_id, made_by


def _config_layer(mirror: str) -> tuple[Blob, str, str]:
    """/etc/pixi/config.toml, which sends requests for conda-forge and PyPI to the rig's channel."""
    text = channel.mirrors(mirror).encode()
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        folder = tarfile.TarInfo("etc/pixi")
        folder.type, folder.mode, folder.mtime = tarfile.DIRTYPE, 0o755, layers.CREATED
        tar.addfile(folder)
        file = tarfile.TarInfo("etc/pixi/config.toml")
        file.size, file.mode, file.mtime = len(text), 0o644, layers.CREATED
        tar.addfile(file, io.BytesIO(text))
    diff_id = f"sha256:{hashlib.sha256(plain.getvalue()).hexdigest()}"
    return Blob.of(gzip.compress(plain.getvalue(), mtime=0)), diff_id, "mirrors of conda-forge and PyPI"


def _image_config(image: Image, platform: Platform) -> Mapping[str, object]:
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(layers.CREATED))
    return {
        **platform.fields(),
        "created": created,
        "config": {"Env": [f"PATH={image.path}"], "Cmd": ["bash"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id, _ in image.layers[platform]]},
        "history": [{"created": created, "created_by": made_by} for _, _, made_by in image.layers[platform]],
    }


def _descriptor(blob: Blob, media_type: str) -> Mapping[str, object]:
    return {"mediaType": media_type, "digest": blob.digest, "size": blob.size}


def _json(value: Mapping[str, object] | Sequence[object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
