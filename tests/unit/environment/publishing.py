"""A registry with a base, and images of environments that are published to it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

from pixi_container.environment.activation import Activation
from pixi_container.environment.entries import text_entry
from pixi_container.environment.environment_image import EnvironmentImage, Published
from pixi_container.environment.image_config import KEY_ANNOTATION, Settings
from pixi_container.environment.locked import LockedEnvironment
from pixi_container.environment.publish import publish
from pixi_container.environment.records import conda_record
from pixi_container.environment.start_check import StartCheck
from pixi_container.interrupts import Interrupted, stop_on_signals
from pixi_container.registry.reference import ImageReference
from pixi_container.registry.repository import ImageRepository, Registries
from pixi_container.workspace.lock import LockedPackage
from tests.unit.environment.archives import Made
from tests.unit.environment.rattler_install import repodata_record
from tests.unit.loopback import listening
from tests.unit.registry.loopback import MANIFEST, Loopback, digest_of

PREFIX = "/app/.pixi/envs/default"
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"


def base_layer(bashrc: str = "echo base\n") -> tuple[bytes, bytes]:
    """Return the tar and the blob of a base's layer."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in (("bin/bash", b"\x7fELF"), ("etc/bash.bashrc", bashrc.encode())):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue(), gzip.compress(out.getvalue(), mtime=0)


def put_base(server: Loopback, bashrc: str = "echo base\n") -> None:
    plain, blob = base_layer(bashrc)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["PATH=/usr/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(plain)]},
    }
    content = json.dumps(config).encode()
    for each in (blob, content):
        server.blobs["base"][digest_of(each)] = each
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": "config", "digest": digest_of(content), "size": len(content)},
        "layers": [{"mediaType": GZIP, "digest": digest_of(blob), "size": len(blob)}],
    }
    server.put_manifest("base", "1", json.dumps(manifest).encode())


def locked(packages: Sequence[Made]) -> LockedEnvironment:
    """Return a lock of packages in this order."""
    records = [conda_record(repodata_record(made.archive, made.index)) for made in packages]
    return LockedEnvironment(
        packages=tuple(
            LockedPackage(
                name=record.name,
                version=record.version,
                build=record.build,
                kind="conda",
                size=made.archive.stat().st_size,
                sha256=hashlib.sha256(made.archive.read_bytes()).hexdigest(),
                md5="",
                location=made.archive.as_uri(),
            )
            for made, record in zip(packages, records, strict=True)
        ),
        others=(),
        records={record.name: record for record in records},
        subdir="linux-64",
        virtual_packages=(),
        lock_hash="0",
    )


def image_of(*packages: Made, **changes: Any) -> EnvironmentImage:  # noqa: ANN401 - any field
    activation = Activation(
        prefix=PREFIX, workdir="/app", image_variables=(), variables=(("CONDA_PREFIX", PREFIX),)
    )
    image = EnvironmentImage(
        environment=locked(packages),
        activation=activation,
        prefix_files=(text_entry("conda-meta/history", "// not relevant"),),
        workspace_files=(text_entry(".gitignore", "*\n"),),
        base="1",
        platform="linux/amd64",
        settings=Settings(prefix=PREFIX, workdir="/app", variables=()),
        tags=("env-default-1", "env-default"),
        before="env-default",
        layers=65,
    )
    return replace(image, **changes)


@dataclass
class Place:
    """A registry with a base, and a folder for temporary files that has to be empty after each run."""

    server: Loopback
    registries: Registries
    folder: Path

    def publish(self, image: EnvironmentImage, **options: Any) -> Published:  # noqa: ANN401
        if callable(check := options.get("check")):
            options["check"] = StartCheck(check)
        target = ImageRepository(self.registries, ImageReference(self.server.address, "lab/study"))
        base = ImageRepository(self.registries, ImageReference(self.server.address, "base"))
        try:
            return publish(image, target, base, env={"RUNNER_TEMP": str(self.folder)}, **options)
        finally:
            assert list(self.folder.iterdir()) == []

    def manifest(self, tag: str = "env-default") -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads(self.server.manifests["lab/study"][tag][1])
        return manifest

    def tree(self, tag: str = "env-default") -> dict[str, bytes]:
        """Return the files of an image by their paths, after every digest was checked."""
        manifest, files = self.manifest(tag), dict[str, bytes]()
        blobs = self.server.blobs["lab/study"]
        config = json.loads(blobs[manifest["config"]["digest"]])
        for layer, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
            blob = blobs[layer["digest"]]
            assert (len(blob), digest_of(blob)) == (layer["size"], layer["digest"])
            plain = gzip.decompress(blob)
            assert digest_of(plain) == diff_id
            with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
                for info in tar:
                    file = tar.extractfile(info) if info.isreg() else None
                    if file:
                        files[info.name] = file.read()
        return files

    def layer_keys(self) -> list[str]:
        return [layer["annotations"][KEY_ANNOTATION] for layer in self.manifest()["layers"][1:]]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder; gives its URL."""
    handler: Any = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with listening(handler) as address:
        yield f"http://{address}"


def as_a_command(address: str, folder: str, channel: str) -> int:
    """Publish what is in a channel, as a process of its own does that can be stopped."""
    names = sorted(Path(channel).glob("*.conda"))
    made = [Made(path, path.with_suffix(".index.json"), path.stem.split("-")[0]) for path in names]
    with stop_on_signals(), Registries(lambda _: None) as registries:
        try:
            target, base = (
                ImageRepository(registries, ImageReference(address, name)) for name in ("lab/study", "base")
            )
            publish(image_of(*made), target, base, env={"RUNNER_TEMP": folder})
        except Interrupted as interrupt:
            return 128 + interrupt.number
    return 0


def process(place: Place, channel: Path) -> subprocess.Popen[bytes]:
    code = f"import sys; from {__name__} import as_a_command; sys.exit(as_a_command(*sys.argv[1:]))"
    root = Path(__file__).parents[3]
    argv = [sys.executable, "-c", code, place.server.address, str(place.folder), str(channel)]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{root}/src:{root}"}
    return subprocess.Popen(argv, env=env, stderr=subprocess.PIPE)
