"""An archive that several environments need is downloaded once, and never used before it is whole."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from pixi_container.environment.downloads import DownloadError, Downloads, rattler_client
from pixi_container.environment.shared_archives import SharedArchives
from pixi_container.environment.shared_work import SharedWork
from pixi_container.workspace.lock import LockedPackage
from tests.unit.loopback import listening

CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PROCESS = """
import os, sys
from pathlib import Path
from tests.unit.environment.test_shared_archives import downloads, package

path = downloads(Path(sys.argv[2])).download(package(sys.argv[1]), Path(sys.argv[3]))
sys.stdout.buffer.write(path.read_bytes())
sys.stdout.flush()
os._exit(0)
"""


@dataclass
class Channel:
    """A server of one file, which stops in its middle while it ``stalls``."""

    address: str = ""
    requests: int = 0
    stalls: bool = False
    is_half: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)


class _Handler(BaseHTTPRequestHandler):
    channel: Channel

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.channel.requests += 1
        self.send_response(200)
        self.send_header("content-length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:1000])
        if self.channel.stalls:
            self.wfile.flush()
            self.channel.is_half.set()
            self.channel.ended.wait(60)
        self.wfile.write(CONTENT[1000:])


@pytest.fixture
def channel() -> Iterator[Channel]:
    channel = Channel()
    with listening(type("Handler", (_Handler,), {"channel": channel})) as address:
        channel.address = f"http://{address}"
        yield channel
        channel.ended.set()


def package(address: str, sha256: str = SHA256, size: int | None = len(CONTENT)) -> LockedPackage:
    return LockedPackage(
        name="a",
        version="1",
        build="0",
        kind="conda",
        size=size,
        sha256=sha256,
        md5="",
        location=f"{address}/a-1-0.conda",
    )


def downloads(folder: Path, reserve: int = 0, **options: object) -> Downloads:
    shared = SharedArchives(SharedWork(folder, reserve))
    return Downloads(rattler_client(), shared=shared, **options)  # type: ignore[arg-type]


def new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def process(channel: Channel, shared: Path, folder: Path) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-c", PROCESS, channel.address, str(shared), str(new(folder))]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, env={"PYTHONPATH": "src:."})


@pytest.mark.slow
def test_two_processes_download_it_once(channel: Channel, tmp_path: Path) -> None:
    shared = new(tmp_path / "shared")
    processes = [process(channel, shared, tmp_path / name) for name in "ab"]
    assert [each.communicate()[0] for each in processes] == [CONTENT, CONTENT]
    assert channel.requests == 1


def test_threads_download_it_once(channel: Channel, tmp_path: Path) -> None:
    spared: list[int] = []
    shared = downloads(new(tmp_path / "shared"), spare=spared.append)

    def download(name: str) -> bytes:
        return shared.download(package(channel.address), new(tmp_path / name)).read_bytes()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(download, "abcd")) == {CONTENT}
    assert channel.requests == 1
    assert spared == [len(CONTENT)] * 3


def test_what_an_environment_removes_is_there_for_others(channel: Channel, tmp_path: Path) -> None:
    shared = downloads(new(tmp_path / "shared"))
    for name in "ab":
        path = shared.download(package(channel.address), new(tmp_path / name))
        assert path.name == "a-1-0.conda"
        path.unlink()
    assert channel.requests == 1


@pytest.mark.slow
def test_a_process_that_dies_in_the_middle_leaves_nothing_that_is_used(channel: Channel, tmp_path: Path) -> None:
    shared = new(tmp_path / "shared")
    channel.stalls = True
    dying = process(channel, shared, tmp_path / "a")
    assert channel.is_half.wait(60)
    dying.kill()
    dying.communicate()
    channel.stalls = False
    assert downloads(shared).download(package(channel.address), tmp_path / "a").read_bytes() == CONTENT
    assert channel.requests == 2


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_another_file_than_the_lock_says_is_not_kept(channel: Channel, tmp_path: Path, size: int | None) -> None:
    shared = new(tmp_path / "shared")
    for _ in range(2):
        with pytest.raises(DownloadError, match="the lock says"):
            downloads(shared).download(package(channel.address, sha256="0" * 64, size=size), tmp_path)
    assert channel.requests == 2
    assert [path.name for path in shared.iterdir()] == [f".{'0' * 64}.lock"]


def test_a_file_that_lost_its_end_is_downloaded_again(channel: Channel, tmp_path: Path) -> None:
    shared = new(tmp_path / "shared")
    (shared / SHA256).write_bytes(CONTENT[:-1])
    assert downloads(shared).download(package(channel.address), tmp_path).read_bytes() == CONTENT
    assert (shared / SHA256).read_bytes() == CONTENT


def test_where_the_disk_is_full_nothing_is_kept(channel: Channel, tmp_path: Path) -> None:
    shared = new(tmp_path / "shared")
    for name in "ab":
        path = downloads(shared, reserve=1 << 60).download(package(channel.address), new(tmp_path / name))
        assert path.read_bytes() == CONTENT
        assert not path.is_symlink()
    assert channel.requests == 2
    assert not (shared / SHA256).exists()
