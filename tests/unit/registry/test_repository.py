"""What a repository has and takes, for several threads at once, from a registry that makes trouble."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from pixi_container.environment.image_store import put_bytes
from pixi_container.errors import RegistryError, RegistryUnavailableError
from pixi_container.registry.client import Descriptor
from pixi_container.registry.reference import ImageReference
from pixi_container.registry.repository import ImageRepository, Registries
from tests.unit.registry.loopback import MANIFEST, Loopback, digest_of, loopback_registry

CONTENT = bytes(range(256)) * 8000
DIGEST = digest_of(CONTENT)
BLOB = Descriptor(digest=DIGEST, size=len(CONTENT), media_type="layer")


@pytest.fixture
def server() -> Iterator[Loopback]:
    with loopback_registry() as server:
        yield server


@pytest.fixture
def registries() -> Iterator[Registries]:
    with Registries(lambda _: None) as registries:
        yield registries


@pytest.fixture
def repository(server: Loopback, registries: Registries) -> ImageRepository:
    return ImageRepository(registries, ImageReference(server.address, "lab/study"))


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited between attempts."""
    waits: list[float] = []
    monkeypatch.setattr("pixi_container.retries.pause", lambda seconds, _: waits.append(seconds))
    return waits


def parts() -> Generator[bytes, None, None]:
    for start in range(0, len(CONTENT), 1 << 20):
        yield CONTENT[start : start + (1 << 20)]


def test_a_blob_that_is_missing_is_uploaded_once(server: Loopback, repository: ImageRepository) -> None:
    assert not repository.has(DIGEST)
    assert repository.put(DIGEST, len(CONTENT), parts)
    assert repository.has(DIGEST)
    assert not repository.put(DIGEST, len(CONTENT), parts)
    assert repository.get(BLOB) == CONTENT
    assert server.count("PUT") == 1
    assert put_bytes(repository, b"{}") == digest_of(b"{}")
    assert server.blobs["lab/study"] == {DIGEST: CONTENT, digest_of(b"{}"): b"{}"}


@pytest.mark.parametrize(
    ("method", "status"),
    [
        ("PUT", 404),
        *(("PUT", status) for status in (0, 429, 500, 503)),
        *(
            pytest.param(method, status, marks=pytest.mark.slow)
            for method in ("HEAD", "POST")
            for status in (0, 429, 500, 503)
        ),
    ],
)
def test_an_upload_that_fails_midway_starts_again(
    server: Loopback, repository: ImageRepository, method: str, status: int
) -> None:
    server.faults = [(f"^{method}", status)] * 3
    repository.put(DIGEST, len(CONTENT), parts)
    assert server.blobs["lab/study"] == {DIGEST: CONTENT}
    assert server.count(f"^{method}") == 4


def test_trouble_that_lasts_is_an_error(server: Loopback, repository: ImageRepository) -> None:
    server.faults = [("^PUT", 500)] * 9
    with pytest.raises(RegistryUnavailableError, match="500"):
        repository.put(DIGEST, len(CONTENT), parts)
    assert server.blobs["lab/study"] == {}


def test_wrong_bytes_are_not_given(server: Loopback, repository: ImageRepository) -> None:
    server.blobs["lab/study"][DIGEST] = CONTENT[:-1] + b"x"
    with pytest.raises(RegistryError, match=f"content that does not match {DIGEST}"):
        repository.get(BLOB)


def test_a_download_that_breaks_off_starts_again(server: Loopback, repository: ImageRepository) -> None:
    server.blobs["lab/study"][DIGEST] = CONTENT
    server.faults = [("^GET", 0)]
    assert repository.get(BLOB) == CONTENT
    assert server.count("^GET") == 2


@pytest.mark.parametrize("mounts", [True, False])
def test_a_blob_of_another_repository_is_mounted_or_copied(
    server: Loopback, repository: ImageRepository, registries: Registries, *, mounts: bool
) -> None:
    server.mounts = mounts
    server.blobs["base"][DIGEST] = CONTENT
    source = ImageRepository(registries, ImageReference(server.address, "base"))
    repository.take(BLOB, source, lambda parts: parts)
    assert server.blobs["lab/study"] == {DIGEST: CONTENT}
    assert server.count("^GET .*blobs/sha256") == (0 if mounts else 1)
    requests = len(server.requests)
    repository.take(BLOB, source, lambda parts: parts)
    assert server.requests[requests:] == [f"HEAD /v2/lab/study/blobs/{DIGEST}"]


def test_a_copy_that_breaks_off_on_either_side_starts_again(
    server: Loopback, repository: ImageRepository, registries: Registries
) -> None:
    with loopback_registry() as other:
        other.blobs["base"][DIGEST] = CONTENT
        other.faults = [("^GET", 0)]
        server.faults = [("^PUT", 0)]
        repository.take(
            BLOB, ImageRepository(registries, ImageReference(other.address, "base")), lambda parts: parts
        )
        assert server.blobs["lab/study"] == {DIGEST: CONTENT}
        assert server.count("^PUT") >= 2


def test_manifests_go_by_tag_and_digest(repository: ImageRepository) -> None:
    config = {"mediaType": "config", "digest": DIGEST, "size": 1}
    content = f'{{"mediaType": "{MANIFEST}", "config": {config}, "layers": []}}'.replace("'", '"').encode()
    assert repository.get_manifest("env-default") is None
    digest = repository.put_manifest("env-default", content, MANIFEST)
    assert digest == digest_of(content)
    for name in ("env-default", digest):
        manifest = repository.get_manifest(name)
        assert manifest
        assert manifest.content == content
        assert manifest.config
        assert manifest.config.digest == DIGEST


@pytest.mark.slow
def test_many_threads_use_one_repository(server: Loopback, repository: ImageRepository) -> None:
    contents = [bytes([number]) * 100_000 for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        digests = list(pool.map(partial(put_bytes, repository), contents))
    assert server.blobs["lab/study"] == dict(zip(digests, contents, strict=True))
