"""A SIF on a registry in memory: made of an image there, with the media types that Apptainer asks for."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from pixi_container.environment.oci_layout import OciLayout
from pixi_container.errors import RegistryError
from pixi_container.registry.client import ImageManifest
from pixi_container.registry.reference import digest_of
from pixi_container.sif.artifact import SOURCE, is_sif_of, put_sif, sif_tag
from pixi_container.sif.make_sif import Sif, make_sif

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
NAME = "ghcr.io/lab/study@sha256:" + "1" * 64


def tar_of(**files: str) -> bytes:
    """Return a tar of these files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


def put(layout: OciLayout, content: bytes, media_type: str = "") -> dict[str, object]:
    """Put a blob, and return its descriptor."""

    def parts():  # type: ignore[no-untyped-def] # noqa: ANN202
        yield content

    layout.put(digest_of(content), len(content), parts)
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def image(layout: OciLayout, *layers: bytes, config: bytes = b"") -> ImageManifest:
    """Put an image, and return its manifest."""
    default = {
        "architecture": "arm64",
        "created": "2026-01-02T03:04:05.123456789Z",
        "config": {"Env": ["A=1"], "Labels": {"org.opencontainers.image.revision": "abc"}},
    }
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": put(layout, config or json.dumps(default).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": [put(layout, layer, LAYER) for layer in layers],
    }
    layout.put_manifest("image", json.dumps(document).encode(), MANIFEST)
    made = layout.get_manifest("image")
    assert made
    return made


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A machine whose program for squashfs keeps the tar that it gets."""
    program = tmp_path / "tools/sqfstar"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nfor last in "$@"; do :; done\nexec cat > "$last"\n')
    program.chmod(0o755)
    return {"PATH": f"{program.parent}:{os.environ['PATH']}"}


def test_the_same_image_gives_the_same_sif(tmp_path: Path, env: dict[str, str]) -> None:
    layout = OciLayout(tmp_path / "layout")
    manifest = image(layout, tar_of(a="1", b="2"), tar_of(**{".wh.a": "", "c": "3"}))
    made = []
    for number in (1, 2):
        work = tmp_path / str(number)
        work.mkdir()
        made.append(make_sif(layout, manifest, NAME, work, env))
        assert [file.name for file in work.iterdir()] == ["file-system"]
    first, second = made
    assert first.digest == second.digest
    content = b"".join(first.parts())
    assert (len(content), f"sha256:{hashlib.sha256(content).hexdigest()}") == (first.size, first.digest)
    assert content[45:48] == b"04\0"
    assert f"bootstrap: docker\nfrom: {NAME}\n".encode() in content
    with tarfile.open(first.file_system) as tar:
        names = tar.getnames()
        assert {"b", "c", ".singularity.d/runscript"} <= set(names)
        assert "a" not in names
    assert first.created == 1767323045


@pytest.mark.parametrize("config", [b"[", b'"text"', b'{"config": [], "created": 5}'])
def test_a_strange_configuration(tmp_path: Path, env: dict[str, str], config: bytes) -> None:
    layout = OciLayout(tmp_path / "layout")
    manifest = image(layout, tar_of(a="1"), config=config)
    (tmp_path / "work").mkdir()
    if config == b"[":
        with pytest.raises(RegistryError, match=r"configuration of .* cannot be read"):
            make_sif(layout, manifest, NAME, tmp_path / "work", env)
    else:
        assert make_sif(layout, manifest, NAME, tmp_path / "work", env).created == 0


def test_a_layer_with_other_bytes_is_refused(tmp_path: Path, env: dict[str, str]) -> None:
    layout = OciLayout(tmp_path / "layout")
    manifest = image(layout, tar_of(a="1"))
    blob = tmp_path / "layout/blobs/sha256" / manifest.layers[0].digest.removeprefix("sha256:")
    blob.write_bytes(tar_of(a="2"))
    (tmp_path / "work").mkdir()
    with pytest.raises(RegistryError, match="wrong bytes"):
        make_sif(layout, manifest, NAME, tmp_path / "work", env)


def test_what_is_put_is_found_again_and_nothing_else(tmp_path: Path) -> None:
    layout, file_system = OciLayout(tmp_path / "layout"), tmp_path / "file-system"
    file_system.write_bytes(b"squashed")
    sif = Sif(head=b"head", file_system=file_system, created=0)
    digest, other = digest_of(b"image"), digest_of(b"other")
    labels = {"org.opencontainers.image.revision": "abc", "pixi-container.fingerprint": "f", "secret": "x"}
    put_sif(layout, sif, digest, labels, "study.sif")
    manifest = layout.get_manifest(sif_tag(digest))
    assert manifest
    assert json.loads(manifest.content)["annotations"] == {
        "org.opencontainers.image.revision": "abc",
        "org.opencontainers.image.created": "1970-01-01T00:00:00Z",
        "pixi-container.fingerprint": "f",
        SOURCE: digest,
    }
    assert b"".join(layout.read(manifest.layers[0])) == b"headsquashed"
    assert is_sif_of(manifest, digest)
    assert not is_sif_of(manifest, other)
    assert not is_sif_of(image(layout, tar_of(a="1")), digest)
