"""Connections: what one attempt may take in time and bytes, and which address is tried."""

from __future__ import annotations

import socket
import ssl
import time
from typing import Any

import httpcore
import pytest

from pixi_container.errors import RegistryUnavailableError
from pixi_container.registry.connections import HEADER_BYTES, Connections, Limit, _LimitedStream


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
    return seconds


class Stream:
    """Stands for a connection: notes what it is asked, and has a name."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []

    def read(self, *arguments: object) -> bytes:
        self.asked.append(("read", *arguments))
        return b"12345"

    def write(self, part: bytes, timeout: float) -> None:
        self.asked.append(("write", len(part), timeout))

    def close(self) -> None:
        self.asked.append(("close",))

    def start_tls(self, *arguments: object) -> Stream:
        self.asked.append(("start_tls", *arguments))
        return self

    def get_extra_info(self, info: str) -> str:
        return f"its {info}"


def limit_of(seconds: float = 60.0, size: int = 10) -> Limit:
    return Limit("r.example", seconds, 100.0 + seconds, size)


def test_an_attempt_has_so_many_seconds(now: list[float]) -> None:
    limit = limit_of()
    assert limit.left() == 60
    assert limit.left(20) == 20
    now[0] = 150
    assert limit.left(20) == 10
    now[0] = 160
    with pytest.raises(RegistryUnavailableError) as caught:
        limit.left()
    assert caught.value.message == "the registry r.example took more than 60 seconds for one answer"


def test_an_attempt_has_so_many_bytes() -> None:
    limit = limit_of()
    limit.count(4)
    limit.count(6)
    assert limit.bytes_left == 0
    with pytest.raises(RegistryUnavailableError) as caught:
        limit.count(1)
    assert caught.value.message == "the registry r.example sent an answer that is too large"


def test_a_connection_keeps_to_the_limit(now: list[float]) -> None:
    stream, limit = Stream(), limit_of()
    limited = _LimitedStream(stream, lambda: limit)  # type: ignore[arg-type]
    assert limited.read(9, 70) == b"12345"
    assert limit.bytes_left == 5
    limited.write(b"x" * (16 * 1024 + 1), 20)
    limited.close()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    encrypted: Any = limited.start_tls(context, "r.example", 5)
    assert encrypted.read(1) == b"12345"
    assert limit.bytes_left == 0
    assert stream.asked == [
        ("read", 9, 60),
        ("write", 16 * 1024, 20),
        ("write", 1, 20),
        ("close",),
        ("start_tls", context, "r.example", 5),
        ("read", 1, 60),
    ]
    assert limited.get_extra_info("name") == "its name"
    with pytest.raises(RegistryUnavailableError):
        encrypted.read(1)


def test_an_attempt_inside_another_shares_its_limit(now: list[float]) -> None:
    made = Connections()
    with pytest.raises(RuntimeError):
        made.limit  # noqa: B018
    with made.within("r.example", 60) as outer:
        assert made.limit is outer
        assert outer == Limit("r.example", 60, 160, HEADER_BYTES)
        with made.within("q.example", 5) as inner:
            assert inner is outer
        assert made.limit is outer
    with pytest.raises(RuntimeError):
        made.limit  # noqa: B018
    assert HEADER_BYTES == 256 * 1024


class Network:
    """Stands for the network: a name's addresses, those that refuse, and which were tried."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, addresses: list[str], refusing: set[str]) -> None:
        self.tried: list[tuple[object, ...]] = []
        self._refusing = refusing
        listed = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: listed)
        monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", self._connect)

    def _connect(self, address: str, *arguments: object) -> Stream:
        self.tried.append((address, *arguments))
        if address in self._refusing:
            raise httpcore.ConnectError("refused")
        return Stream()

    def connect(self) -> Any:  # noqa: ANN401
        made = Connections()
        with made.within("r.example", 60):
            return made.connect_tcp("r.example", 443, 7, "local", [])


@pytest.mark.parametrize(
    ("addresses", "refusing", "tried"),
    [
        (["a"], set(), ["a"]),
        (["a", "a", "b"], set(), ["a"]),
        (["a", "b", "c"], {"a"}, ["a", "b"]),
        (["a", "b", "c"], {"a", "b"}, ["a", "b", "c"]),
        (list("abcdefghi"), set("abcdefg"), list("abcdefgh")),
    ],
)
def test_a_later_address_is_tried_if_one_refuses(
    monkeypatch: pytest.MonkeyPatch, now: list[float], addresses: list[str], refusing: set[str], tried: list[str]
) -> None:
    network = Network(monkeypatch, addresses, refusing)
    network.connect()
    assert network.tried == [(address, 443, 7, "local", []) for address in tried]


def test_eight_addresses_are_tried_and_the_last_refusal_told(
    monkeypatch: pytest.MonkeyPatch, now: list[float]
) -> None:
    network = Network(monkeypatch, list("abcdefghi"), set("abcdefgh"))
    with pytest.raises(httpcore.ConnectError):
        network.connect()
    assert len(network.tried) == 8


def test_a_name_without_an_address_is_trouble_that_may_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(httpcore.ConnectError, match="Name or service not known"):
        Connections().connect_tcp("gone.example", 443)
