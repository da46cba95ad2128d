"""What threads are doing is given up soon, whatever they wait for."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler

import pytest

from pixi_container.errors import UserError
from tests.unit.environment.archives import Made
from tests.unit.environment.publishing import Place, image_of, locked, process
from tests.unit.loopback import listening
from tests.unit.registry.loopback import SILENT

SECONDS = 4.5
"""After five seconds files are removed from under threads that are still there."""

WAITING = [
    "PUT .*uploads",
    *(pytest.param(it, marks=pytest.mark.slow) for it in ("HEAD", "POST", "GET .*base/blobs")),
]


@contextmanager
def refusing_once(place: Place, pattern: str) -> Iterator[str]:
    """Serve a file that turns out not to be there once the registry has got a request; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            end = time.monotonic() + 20
            while not place.server.count(pattern) and time.monotonic() < end:
                time.sleep(0.01)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with listening(Handler) as address:
        yield f"http://{address}"


@pytest.mark.parametrize("pattern", WAITING)
def test_a_registry_that_does_not_answer_holds_up_no_error(
    place: Place, packages: list[Made], pattern: str
) -> None:
    # The first request for the base's configuration is the main thread's.
    place.server.faults = [("GET .*base/blobs", None), (pattern, SILENT)]
    environment = locked(packages)
    first, *others = environment.packages
    with refusing_once(place, pattern) as url:
        gone = replace(first, location=f"{url}/alpha.conda")
        image = image_of(environment=replace(environment, packages=(gone, *others)))
        start = time.monotonic()
        with pytest.raises(UserError, match="package 'alpha' cannot be downloaded"):
            place.publish(image, workers=3)
        assert time.monotonic() - start < SECONDS
    assert [each.name for each in threading.enumerate() if each.name.startswith(("layer", "upload"))] == []


@pytest.mark.slow
@pytest.mark.parametrize("status", [SILENT, 429])
@pytest.mark.parametrize("pattern", ["PUT .*uploads", "GET", "POST", "HEAD"])
def test_a_signal_ends_the_process_whatever_it_waits_for(
    place: Place, packages: list[Made], pattern: str, status: int
) -> None:
    place.server.faults = [(pattern, status)] * 50
    with process(place, packages[0].archive.parent) as running:
        end = time.monotonic() + 20
        while not place.server.count(pattern) and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.3)
        start = time.monotonic()
        running.send_signal(signal.SIGTERM)
        _, said = running.communicate(timeout=60)
        assert time.monotonic() - start < SECONDS
    assert running.returncode == 128 + signal.SIGTERM, said.decode()
    assert list(place.folder.iterdir()) == []
    assert place.server.tags("lab/study") == set()
