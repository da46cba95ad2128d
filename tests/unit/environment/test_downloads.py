"""Downloads of packages: what is verified, what is tried again, and what is said when nothing helps."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from pixi_container.environment import downloads as module
from pixi_container.environment.downloads import DownloadError, Downloads, rattler_client, run, shown
from pixi_container.workspace.lock import LockedPackage
from tests.unit.loopback import listening

CONTENT = bytes(range(256)) * 10_000


@dataclass
class Channel:
    """A server that gives the same file everywhere, after the next ``faults``.

    A fault is a status, ``cut`` for a connection that ends midway, ``short`` for half of the file, ``stalled`` for
    one that stops sending.
    """

    address: str = ""
    faults: list[int | str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    authorization: str = ""
    hanging: threading.Event = field(default_factory=threading.Event)


class _Handler(BaseHTTPRequestHandler):
    channel: Channel

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.channel.paths.append(self.path)
        fault = self.channel.faults.pop(0) if self.channel.faults else 200
        if self.channel.authorization and self.headers.get("authorization") != self.channel.authorization:
            fault = 401
        content = CONTENT[: len(CONTENT) // 2] if fault == "short" else CONTENT
        self.send_response(fault if isinstance(fault, int) else 200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        if fault in {"cut", "stalled"}:
            self.wfile.write(content[:1000])
            self.wfile.flush()
            if fault == "stalled":
                self.channel.hanging.wait(20)
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self.wfile.write(content)


@pytest.fixture
def channel() -> Iterator[Channel]:
    channel = Channel()
    handler = type("Handler", (_Handler,), {"channel": channel})
    with listening(handler) as address:
        channel.address = f"http://{address}"
        yield channel
        channel.hanging.set()


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited between attempts."""
    waits: list[float] = []
    monkeypatch.setattr("pixi_container.retries.pause", lambda seconds, _: waits.append(seconds))
    return waits


def package(location: str, **changes: object) -> LockedPackage:
    made = LockedPackage(
        name="numpy",
        version="1.0",
        build="0",
        kind="conda",
        size=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        md5="",
        location=location,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture
def downloads() -> Downloads:
    return Downloads(rattler_client())


def test_the_archive_has_the_name_and_the_bytes_of_the_lock(
    channel: Channel, downloads: Downloads, tmp_path: Path
) -> None:
    counted: list[int] = []
    path = replace(downloads, count=counted.append).download(
        package(f"{channel.address}/noarch/a%2Bb-1.0-0.conda"), tmp_path
    )
    assert path == tmp_path / "a+b-1.0-0.conda"
    assert path.read_bytes() == CONTENT
    assert sum(counted) == len(CONTENT)


def test_a_wheel_by_url_has_no_size(channel: Channel, downloads: Downloads, tmp_path: Path) -> None:
    wheel = package(f"direct+{channel.address}/numpy-1.0-py3-none-any.whl#x=1", kind="pypi", size=None)
    assert downloads.download(wheel, tmp_path).name == "numpy-1.0-py3-none-any.whl"


def test_a_channel_may_be_a_folder(downloads: Downloads, tmp_path: Path) -> None:
    source = tmp_path / "a channel" / "numpy.conda"
    source.parent.mkdir()
    source.write_bytes(CONTENT)
    (tmp_path / "out").mkdir()
    assert downloads.download(package(source.as_uri()), tmp_path / "out").read_bytes() == CONTENT
    source.unlink()
    with pytest.raises(DownloadError, match="No such file"):
        downloads.download(package(source.as_uri()), tmp_path / "out")


@pytest.mark.parametrize("fault", [429, 500, 502, 503, "cut", "short"])
def test_trouble_that_passes_is_overcome(
    channel: Channel, downloads: Downloads, tmp_path: Path, waits: list[float], fault: int | str
) -> None:
    channel.faults = [fault] * 4
    assert downloads.download(package(f"{channel.address}/numpy.conda"), tmp_path).read_bytes() == CONTENT
    assert len(channel.paths) == 5
    assert (min(waits) >= 10) == (fault == 429)


@pytest.mark.slow
def test_a_server_that_stops_sending_is_asked_again(
    channel: Channel, downloads: Downloads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STALLED_SECONDS", 0.3)
    channel.faults = ["stalled"]
    assert downloads.download(package(f"{channel.address}/numpy.conda"), tmp_path).read_bytes() == CONTENT
    assert len(channel.paths) == 2


@pytest.mark.parametrize(
    ("faults", "changes", "message", "hint", "requests"),
    [
        ([404], {}, "the server answers 404", "pixi update", 1),
        ([403], {}, "the server answers 403, which is no access", "RATTLER_AUTH_FILE", 1),
        ([503] * 9, {}, "the server answers 503, 5 times", "", 5),
        (["cut"] * 9, {}, "the connection broke, 5 times", "", 5),
        ([], {"sha256": "0" * 64}, "its sha256 is 6d8d", "pixi update", 1),
        ([], {"size": 100}, "it has more than 100 bytes", "", 1),
    ],
)
def test_an_error_names_package_and_place_and_no_secret(
    channel: Channel,
    downloads: Downloads,
    tmp_path: Path,
    faults: list[int | str],
    changes: dict[str, object],
    message: str,
    hint: str,
    requests: int,
) -> None:
    channel.faults = faults
    host = channel.address.removeprefix("http://")
    location = f"http://me:hunter2@{host}/t/tk-hunter2/noarch/numpy.conda?token=hunter2"
    if "sha256" in changes:
        message = f"its sha256 is {hashlib.sha256(CONTENT).hexdigest()}, and the lock says 0000"
    with pytest.raises(DownloadError) as raised:
        downloads.download(package(location, **changes), tmp_path)
    shown_place = f"http://{host}/t/***/noarch/numpy.conda"
    assert f"package 'numpy' cannot be downloaded from {shown_place}: {message}" in str(raised.value)
    assert hint in raised.value.hint
    assert "hunter2" not in str(raised.value)
    assert len(channel.paths) == requests
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_named(downloads: Downloads, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"from http://127\.0\.0\.1:1/x\.conda: the server cannot be reached"):
        downloads.download(package("http://127.0.0.1:1/x.conda"), tmp_path)


def test_credentials_are_those_of_rattlers_file(
    channel: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel.authorization = "Bearer s3cret"
    file = tmp_path / "auth.json"
    file.write_text(json.dumps({"127.0.0.1": {"BearerToken": "s3cret"}}))
    location = f"{channel.address}/numpy.conda"
    with pytest.raises(DownloadError, match="no access"):
        Downloads(rattler_client()).download(package(location), tmp_path)
    monkeypatch.setenv("RATTLER_AUTH_FILE", str(file))
    assert Downloads(rattler_client()).download(package(location), tmp_path).read_bytes() == CONTENT


def test_a_file_of_credentials_takes_the_place_of_the_machines(
    channel: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel.authorization = "Bearer s3cret"
    own, machines = tmp_path / "own.json", tmp_path / "machines.json"
    own.write_text(json.dumps({"127.0.0.1": {"BearerToken": "s3cret"}}))
    machines.write_text(json.dumps({"127.0.0.1": {"BearerToken": "another"}}))
    location = f"{channel.address}/numpy.conda"
    monkeypatch.setenv("RATTLER_AUTH_FILE", str(machines))
    assert Downloads(rattler_client(auth_file=own)).download(package(location), tmp_path).read_bytes() == CONTENT
    monkeypatch.setenv("RATTLER_AUTH_FILE", str(own))
    nothing = tmp_path / "nothing.json"
    nothing.write_text("{}")
    with pytest.raises(DownloadError, match="no access"):
        Downloads(rattler_client(auth_file=nothing)).download(package(location), tmp_path)


class StoppedError(BaseException):
    pass


@pytest.mark.parametrize("faults", [[], ["stalled"]])
def test_a_download_is_stopped_from_outside(
    channel: Channel, downloads: Downloads, tmp_path: Path, faults: list[int | str]
) -> None:
    def check() -> None:
        raise StoppedError

    channel.faults = faults
    with pytest.raises(StoppedError):
        replace(downloads, check=check).download(package(f"{channel.address}/numpy.conda"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_at_once(channel: Channel, downloads: Downloads, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no device that is always full")
    (tmp_path / "numpy.conda").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as raised:
        downloads.download(package(f"{channel.address}/numpy.conda"), tmp_path)
    assert raised.value.errno == errno.ENOSPC
    assert len(channel.paths) == 1


@pytest.mark.parametrize(
    ("location", "text"),
    [
        (
            "https://conda.anaconda.org/conda-forge/noarch/a.conda",
            "https://conda.anaconda.org/conda-forge/noarch/a.conda",
        ),
        ("https://me:pw@host:8080/a.conda?sig=1#b", "https://host:8080/a.conda"),
        ("https://host/t/tk-1/x/a.conda", "https://host/t/***/x/a.conda"),
        ("https://[broken/a.conda", "a URL that is none"),
    ],
)
def test_a_place_is_shown_without_secrets(location: str, text: str) -> None:
    assert shown(location) == text


ENDING = """\
import sys
from rattler.package_streaming import download_to_writer
from pixi_container.environment.downloads import rattler_client, run
class Target:
    def write(self, part):
        return len(part)
try:
    run(download_to_writer(rattler_client(), sys.argv[1], Target()))
except RuntimeError:
    sys.exit(7)
"""


@pytest.mark.slow
def test_a_process_that_ends_right_after_a_download_ends_well(channel: Channel) -> None:
    """Without the wait at its end one in four crashes."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(module.__file__).parents[2])}

    def ended(location: str) -> int:
        argv = [sys.executable, "-c", ENDING, location]
        return subprocess.run(argv, env=env, check=False, capture_output=True).returncode

    with ThreadPoolExecutor(2) as pool:
        codes = list(pool.map(ended, [f"{channel.address}/numpy.conda", "http://127.0.0.1:1/numpy.conda"] * 10))
    assert codes == [0, 7] * 10


def test_what_runs_gives_its_error(downloads: Downloads) -> None:
    async def work() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        run(work())
