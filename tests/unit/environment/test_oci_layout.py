"""An OCI layout as the place of an image: the same image as on a registry, whole at every moment."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from pixi_container.environment.oci_layout import OciLayout
from pixi_container.environment.publish import publish
from pixi_container.errors import RegistryError, UserError
from pixi_container.registry.client import Descriptor
from pixi_container.registry.reference import ImageReference
from pixi_container.registry.repository import ImageRepository, Registries
from tests.unit.environment.archives import Item, Made, package
from tests.unit.environment.publishing import image_of, put_base
from tests.unit.registry.loopback import MANIFEST, Loopback, digest_of, loopback_registry

CONTENT = b"content" * 1000
DIGEST = digest_of(CONTENT)
BLOB = Descriptor(digest=DIGEST, size=len(CONTENT), media_type="layer")


@pytest.fixture
def server() -> Iterator[Loopback]:
    with loopback_registry() as server:
        put_base(server)
        yield server


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    monkeypatch.setattr("pixi_container.retries.pause", lambda seconds, _: waits.append(seconds))
    return waits


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "layout"


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def parts(content: bytes = CONTENT) -> Generator[bytes, None, None]:
    yield content[:10]
    yield content[10:]


def test_a_folder_gives_what_it_has(folder: Path, server: Loopback, tmp_path: Path) -> None:
    layout = OciLayout(folder)
    layout.put(DIGEST, len(CONTENT), parts)
    assert layout.scan(BLOB, b"".join) == CONTENT
    other = OciLayout(tmp_path / "other")
    other.take(BLOB, layout, lambda passed: passed)
    assert other.get(BLOB) == CONTENT
    with Registries(lambda _: None) as registries:
        repository = ImageRepository(registries, ImageReference(server.address, "lab/study"))
        repository.take(BLOB, layout, lambda passed: passed)
        assert b"".join(repository.read(BLOB)) == CONTENT


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT + b"x", b"x" * len(CONTENT), None])
def test_a_folder_gives_no_wrong_bytes(folder: Path, tmp_path: Path, content: bytes | None) -> None:
    layout = OciLayout(folder)
    if content is not None:
        (folder / "blobs/sha256" / DIGEST.partition(":")[2]).write_bytes(content)
    with pytest.raises(RegistryError, match="wrong bytes"):
        layout.scan(BLOB, b"".join)
    with pytest.raises(RegistryError, match="wrong bytes"):
        OciLayout(tmp_path / "other").take(BLOB, layout, lambda passed: passed)


def test_a_blob_is_there_once_it_is_whole(folder: Path) -> None:
    layout = OciLayout(folder)
    assert not layout.has(DIGEST)
    assert layout.put(DIGEST, len(CONTENT), parts)
    assert not layout.put(DIGEST, len(CONTENT), parts)
    assert layout.get(BLOB) == CONTENT
    file = folder / "blobs/sha256" / DIGEST.partition(":")[2]
    assert file.stat().st_mode & 0o777 == 0o644
    assert files(folder).keys() == {"oci-layout", str(file.relative_to(folder))}


def _broken() -> Generator[bytes, None, None]:
    yield CONTENT[:10]
    raise KeyError("stopped")


def test_what_fails_leaves_nothing(folder: Path) -> None:
    layout = OciLayout(folder)
    before = files(folder)
    with pytest.raises(RegistryError, match=f"wrong bytes for {DIGEST}"):
        layout.put(DIGEST, len(CONTENT), lambda: parts(CONTENT[1:]))
    with pytest.raises(KeyError):
        layout.put(DIGEST, len(CONTENT), _broken)
    with pytest.raises(RegistryError, match="no digest"):
        layout.put("sha256:../../x", len(CONTENT), parts)
    assert files(folder) == before


def test_tags_name_manifests(folder: Path) -> None:
    layout = OciLayout(folder)
    for number in (1, 2):
        text = json.dumps({"mediaType": MANIFEST, "config": {"digest": DIGEST, "size": number, "mediaType": "c"}})
        digest = layout.put_manifest("latest", text.encode(), MANIFEST)
        layout.put_manifest(f"v{number}", text.encode(), MANIFEST)
    manifest = OciLayout(folder).get_manifest("latest")
    assert manifest
    assert (manifest.digest, manifest.config and manifest.config.size) == (digest, 2)
    assert layout.get_manifest(digest) == manifest
    assert layout.get_manifest("v1") != manifest
    assert layout.get_manifest("absent") is None
    index = json.loads((folder / "index.json").read_text())
    assert [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in index["manifests"]] == [
        "v1",
        "latest",
        "v2",
    ]


def test_a_damaged_layout_is_an_error(folder: Path) -> None:
    layout = OciLayout(folder)
    layout.put(DIGEST, len(CONTENT), parts)
    (folder / "blobs/sha256" / DIGEST.partition(":")[2]).write_bytes(b"other")
    with pytest.raises(RegistryError, match="wrong bytes"):
        layout.get(BLOB)
    (folder / "index.json").write_text("[]")
    with pytest.raises(UserError, match="index cannot be read"):
        layout.get_manifest("latest")
    file = folder.parent / "file"
    file.touch()
    with pytest.raises(UserError, match="cannot be an OCI layout"):
        OciLayout(file)


def test_a_base_is_copied_whatever_happens_on_the_way(folder: Path, server: Loopback) -> None:
    server.blobs["base"][DIGEST] = CONTENT
    server.faults = [("^GET", 0), ("^GET", 503)]
    with Registries(lambda _: None) as registries:
        OciLayout(folder).take(
            BLOB, ImageRepository(registries, ImageReference(server.address, "base")), lambda parts: parts
        )
    assert OciLayout(folder).get(BLOB) == CONTENT
    assert len(files(folder)) == 2


@pytest.fixture
def packages(tmp_path: Path) -> list[Made]:
    return [package(tmp_path / "channel", name, [Item(f"lib/{name}", name.encode())]) for name in ("one", "two")]


@pytest.mark.slow
def test_it_has_the_image_that_a_registry_would_have(
    folder: Path, server: Loopback, packages: list[Made], tmp_path: Path
) -> None:
    image = image_of(*packages)
    with Registries(lambda _: None) as registries:
        base = ImageRepository(registries, ImageReference(server.address, "base"))
        pushed = publish(
            image, ImageRepository(registries, ImageReference(server.address, "lab/study")), base, env={}
        )
        done = publish(image, OciLayout(folder), base, env={})
        for made in packages:
            made.archive.unlink()
        again = publish(image, OciLayout(folder), base, env={})
    assert done.digest == again.digest == pushed.digest
    assert again.made == ("rest",)
    manifest = server.manifests["lab/study"]["env-default"][1]
    entries = {
        json.loads(manifest)["config"]["digest"],
        *(row["digest"] for row in json.loads(manifest)["layers"]),
    }
    for digest in entries:
        assert (folder / "blobs/sha256" / digest.partition(":")[2]).read_bytes() == server.blobs["lab/study"][
            digest
        ]
