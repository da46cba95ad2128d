"""The registry client against real registries, and behind a server that makes trouble as registries do."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from pixi_container.errors import UserError
from pixi_container.image_reference import ImageReference
from pixi_container.inputs import Credential
from pixi_container.registry import Registry, RegistryUnavailableError
from tests.end_to_end.conftest import image_name
from tests.rig.registry_front import Front, in_front_of
from tests.rig.rig import Rig

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


def put_image(registry: str, name: str, tags: list[str], auth: tuple[str, str] | None = None) -> str:
    """Push an image of one layer under each tag, and give its digest."""
    with httpx.Client(base_url=f"http://{registry}/v2/{name}/", auth=auth) as client:
        descriptors = []
        for content in (b"{}", b"a layer"):
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            location = client.post("blobs/uploads/").headers["location"]
            client.put(f"{location}&digest={digest}", content=content).raise_for_status()
            descriptors.append({"mediaType": "application/octet-stream", "digest": digest, "size": len(content)})
        manifest = json.dumps(
            {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": descriptors[0], "layers": descriptors[1:]}
        ).encode()
        for tag in tags:
            headers = {"content-type": MANIFEST_TYPE}
            client.put(f"manifests/{tag}", content=manifest, headers=headers).raise_for_status()
    return f"sha256:{hashlib.sha256(manifest).hexdigest()}"


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return image_name(request.node.name)


@pytest.fixture
def front(rig: Rig) -> Iterator[Front]:
    with in_front_of(rig.registry) as made:
        yield made


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited between attempts."""
    found: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", found.append)
    return found


@contextmanager
def client(registry: str, account: tuple[str, str] | None = None) -> Iterator[Registry]:
    credential = Credential(registry=registry, username=account[0], password=account[1]) if account else None
    with Registry(lambda asked: credential if asked == registry else None) as made:
        yield made


def test_what_a_registry_has(rig: Rig, name: str) -> None:
    digest = put_image(rig.registry, name, ["1.0", "latest"])
    reference = ImageReference(rig.registry, name)
    with client(rig.registry) as registry:
        assert registry.digest(reference.tagged("1.0")) == digest
        assert registry.digest(reference.pinned(digest)) == digest
        assert sorted(registry.tags(reference)) == ["1.0", "latest"]
        image = registry.image(reference.tagged("latest"))
    assert image
    assert image.digest == digest
    assert image.config == f"sha256:{hashlib.sha256(b'{}').hexdigest()}"
    assert image.layer_sizes == (len(b"a layer"),)


def test_what_a_registry_does_not_have(rig: Rig, name: str) -> None:
    absent = ImageReference(rig.registry, name, "latest")
    with client(rig.registry) as registry:
        assert registry.digest(absent) is None
        assert registry.image(absent) is None
        assert registry.tags(absent) == ()


def test_asking_whether_a_push_is_taken_leaves_nothing(rig: Rig, name: str, front: Front) -> None:
    reference = ImageReference(front.address, name)
    with client(front.address) as registry:
        registry.check_push(reference)
        assert registry.tags(reference) == ()
    opened, given_up, _ = front.requests
    assert opened == f"POST /v2/{name}/blobs/uploads/"
    assert given_up.startswith(f"DELETE /v2/{name}/blobs/uploads/")
    answer = httpx.get(f"http://{rig.registry}{given_up.removeprefix('DELETE ')}")
    assert answer.status_code == 404


def test_a_password_opens_the_registry(rig: Rig, name: str) -> None:
    account = (rig.username, rig.password)
    digest = put_image(rig.password_registry, name, ["one"], auth=account)
    reference = ImageReference(rig.password_registry, name, "one")
    with client(rig.password_registry, account) as registry:
        registry.check_push(reference)
        assert registry.digest(reference) == digest
    with client(rig.password_registry, (rig.username, "wrong")) as registry:
        for ask in (registry.check_push, registry.digest, registry.tags, registry.image):
            with pytest.raises(UserError, match=f"refuses to let us .* user '{rig.username}'") as caught:
                ask(reference)
            assert "wrong" not in str(caught.value)
    with (
        client(rig.password_registry) as registry,
        pytest.raises(UserError, match="anonymous access, as no credentials are set"),
    ):
        registry.tags(reference)


def test_tokens_as_ghcr_gives_them(front: Front, name: str) -> None:
    digest = put_image(front.registry, name, ["one"])
    front.account = ("someone", 'token: with, "all" sorts')
    reference = ImageReference(front.address, name, "one")
    with client(front.address, front.account) as registry:
        assert registry.digest(reference) == digest
        registry.check_push(reference)
        assert registry.tags(reference) == ("one",)
        assert sum("/token" in request for request in front.requests) == 2
    with client(front.address) as registry:
        assert registry.digest(reference) == digest
        with pytest.raises(UserError, match="refuses to let us push"):
            registry.check_push(reference)
    with client(front.address, ("someone", "wrong")) as registry, pytest.raises(UserError, match="refuses"):
        registry.digest(reference)


def test_every_page_of_tags_is_read(front: Front, name: str) -> None:
    tags = [f"v{number}" for number in range(7)]
    put_image(front.registry, name, tags)
    front.page = 3
    with client(front.address) as registry:
        assert registry.tags(ImageReference(front.address, name)) == tuple(tags)
    assert len(front.requests) == 3


@pytest.mark.parametrize("fault", [429, 500, 502, 503, 0])
def test_passing_trouble_passes(front: Front, name: str, fault: int, waits: list[float]) -> None:
    digest = put_image(front.registry, name, ["one"])
    front.faults = [fault] * 3
    with client(front.address) as registry:
        assert registry.digest(ImageReference(front.address, name, "one")) == digest
    assert len(front.requests) == 4
    assert len(waits) == 3
    assert all(0 < wait <= 5 for wait in waits)


@pytest.mark.parametrize(
    ("fault", "said"), [(503, "HTTP status 503"), (429, "HTTP status 429"), (0, "disconnected")]
)
def test_lasting_trouble_is_said(front: Front, name: str, fault: int, said: str, waits: list[float]) -> None:
    front.faults = [fault] * 100
    with client(front.address) as registry, pytest.raises(RegistryUnavailableError, match=said) as caught:
        registry.check_push(ImageReference(front.address, name))
    assert f"the registry {front.address} cannot be used" in caught.value.message
    assert "reachable" in caught.value.hint
    assert len(front.requests) == 4
    assert len(waits) == 3


def test_nobody_there(waits: list[float], name: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with client(address) as registry, pytest.raises(RegistryUnavailableError, match="refused"):
            registry.digest(ImageReference(address, name, "one"))


@pytest.mark.parametrize("status", [400, 404, 405])
def test_other_answers_are_told(front: Front, name: str, status: int) -> None:
    front.faults = [status]
    with client(front.address) as registry, pytest.raises(UserError, match=f"answers {status}"):
        registry.check_push(ImageReference(front.address, name))


def test_a_token_that_ran_out_is_got_anew(front: Front, name: str) -> None:
    digest = put_image(front.registry, name, ["one"])
    front.account = ("someone", "password")
    reference = ImageReference(front.address, name, "one")
    with client(front.address, front.account) as registry:
        assert registry.digest(reference) == digest
        front.generation += 1
        assert registry.digest(reference) == digest
