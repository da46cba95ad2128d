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
from tests.rig.base import layers, rootfs
from tests.rig.errors import RigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.rig.base.layers import Layer
    from tests.rig.base.pixi import Pixi

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
class Image:
    """An image to push: its layers with what made them, and the search path of its processes."""

    name: str
    tags: tuple[str, ...]
    layers: tuple[tuple[Blob, str, str], ...]  # blob, diff id, what made it
    path: str


def push(cache: Path, *, pixi: Pixi, registry: str, mirror: str, say: Callable[[str], None]) -> None:
    """Puts the builder image with `pixi` and the slim runtime image into `registry` (`host:port`, plain HTTP).

    `mirror` is the URL at which build containers reach the rig's channel. What is there already is not sent again.
    Raises RigError when the registry refuses.
    """
    debian = _of_layer(rootfs.rootfs(cache, say), "mmdebstrap --variant=minbase bookworm")
    program = _of_layer(rootfs.pixi(cache, pixi, say), str(pixi))
    config = _config_layer(mirror)
    images = (
        Image("library/debian", ("bookworm-slim",), (debian,), _PATH),
        Image(
            "prefix-dev/pixi",
            (f"{pixi.version}-noble", pixi.version, "noble", "latest"),
            (debian, program, config),
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
    config = Blob.of(_json(_image_config(image)))
    manifest = Blob.of(
        _json(
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": _descriptor(config, _CONFIG),
                "layers": [_descriptor(blob, _LAYER) for blob, _, _ in image.layers],
            }
        )
    )
    described = {**_descriptor(manifest, _MANIFEST), "platform": {"architecture": "amd64", "os": "linux"}}
    index = _json({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [described]})
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda blob: _upload(client, image.name, blob), [config, *(b for b, _, _ in image.layers)]))
    _put_manifest(client, image.name, manifest.digest, _MANIFEST, b"".join(manifest.chunks()))
    for tag in image.tags:
        _put_manifest(client, image.name, tag, _INDEX, index)


def _upload(client: httpx.Client, name: str, blob: Blob) -> None:
    if client.head(f"{name}/blobs/{blob.digest}").status_code == httpx.codes.OK:
        return
    started = client.post(f"{name}/blobs/uploads/").raise_for_status()
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


def _image_config(image: Image) -> Mapping[str, object]:
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(layers.CREATED))
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": created,
        "config": {"Env": [f"PATH={image.path}"], "Cmd": ["bash"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id, _ in image.layers]},
        "history": [{"created": created, "created_by": made_by} for _, _, made_by in image.layers],
    }


def _descriptor(blob: Blob, media_type: str) -> Mapping[str, object]:
    return {"mediaType": media_type, "digest": blob.digest, "size": blob.size}


def _json(value: Mapping[str, object] | Sequence[object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
