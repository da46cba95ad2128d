"""A thread that waits for a registry can be stopped from outside, whatever it waits for."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from pixi_container.errors import RegistryUnavailableError
from pixi_container.registry.connections import Connections


@pytest.fixture
def silent() -> Iterator[int]:
    """Take connections, and say nothing; gives the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def read(connections: Connections, port: int) -> None:
    with closing(connections.connect_tcp("127.0.0.1", port, 20)) as stream:
        stream.read(1, 20)


def start_tls(connections: Connections, port: int) -> None:
    connections.connect_tcp("127.0.0.1", port, 20).start_tls(ssl.create_default_context(), "localhost", 20)


@pytest.mark.slow
@pytest.mark.parametrize("work", [read, start_tls])
def test_what_waits_is_given_up(silent: int, work: Callable[[Connections, int], None]) -> None:
    connections = Connections()
    assert seconds_to_give_up(connections, lambda: work(connections, silent)) < 2


@pytest.mark.slow
def test_an_attempt_to_connect_is_given_up() -> None:
    connections = Connections()
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        # Further connections wait until somebody takes this one.
        with socket.create_connection(("127.0.0.1", port)):
            assert seconds_to_give_up(connections, lambda: read(connections, port)) < 5


def test_nothing_is_asked_after_that(silent: int) -> None:
    connections = Connections()
    connections.give_up()
    with pytest.raises(RegistryUnavailableError), connections.within("registry", 20):
        pass


def seconds_to_give_up(connections: Connections, work: Callable[[], None]) -> float:
    """Return how long work goes on after it was given up; it has to fail."""

    def limited() -> None:
        with connections.within("registry", 60):
            work()

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(limited)
        time.sleep(0.2)
        assert not future.done()
        start = time.monotonic()
        connections.give_up()
        error = future.exception(timeout=30)
    assert error is not None
    connections.close()
    return time.monotonic() - start
