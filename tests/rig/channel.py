"""The HTTP server of the rig's conda channel: `python -m tests.rig.channel --folder F --bind IP:PORT …`.

Serves the channel and its index of Python packages below /conda-forge/, with Last-Modified, HEAD and single byte
ranges (RFC 9110, section 14).
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import threading
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, AnyStr, BinaryIO

if TYPE_CHECKING:
    from _typeshed import SupportsRead, SupportsWrite

MOUNT = "/conda-forge"


def mirrors(channel: str) -> str:
    """The part of pixi's config.toml that puts the channel at this URL in the place of conda-forge and PyPI."""
    url = channel.rstrip("/")
    return (
        f'[mirrors]\n"https://conda.anaconda.org/conda-forge" = ["{url}"]\n'
        f'"https://pypi.org/simple" = ["{url}/simple"]\n'
    )


class Handler(SimpleHTTPRequestHandler):
    """Answers GET and HEAD for the files of one channel folder; everything else is a 404."""

    protocol_version = "HTTP/1.1"
    remaining: int | None = None

    def translate_path(self, path: str) -> str:
        inside = path.removeprefix(MOUNT) if path.startswith(f"{MOUNT}/") else "/absent"
        if re.fullmatch(r"/simple/[a-z0-9-]+/", inside):
            inside += "index.html"
        return super().translate_path(inside)

    def send_head(self) -> BinaryIO | None:
        self.remaining = None
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        if wanted is None or not any(wanted.groups()):
            return super().send_head()
        size = path.stat().st_size
        first, last = wanted.groups()
        start = int(first) if first else max(size - int(last), 0)
        stop = min(int(last) + 1, size) if first and last else size
        if start >= stop:
            self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        self.send_response(HTTPStatus.PARTIAL_CONTENT)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        self.send_header("Content-Length", str(stop - start))
        self.send_header("Last-Modified", self.date_time_string(int(path.stat().st_mtime)))
        self.end_headers()
        self.remaining = stop - start
        file = path.open("rb")
        file.seek(start)
        return file

    def end_headers(self) -> None:
        self.send_header("Accept-Ranges", "bytes")
        super().end_headers()

    def copyfile(self, source: SupportsRead[AnyStr], outputfile: SupportsWrite[AnyStr]) -> None:
        if self.remaining is None:
            super().copyfile(source, outputfile)
        else:
            outputfile.write(source.read(self.remaining))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing of requests: the log is for what goes wrong."""


class Server(ThreadingHTTPServer):
    """One listening address of the channel in `folder`."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], folder: Path) -> None:
        super().__init__(address, lambda *args: Handler(*args, directory=os.fspath(folder)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.rig.channel", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="folder with linux-64/, noarch/ …")
    parser.add_argument("--bind", action="append", required=True, metavar="IP:PORT")
    arguments = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    for bind in arguments.bind:
        host, _, port = bind.rpartition(":")
        server = Server((host, int(port)), arguments.folder)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    stop.wait()


if __name__ == "__main__":
    main()
