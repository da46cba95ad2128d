"""A server of Git repositories and other files for build containers; what is below /private/ has a password."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.end_to_end.conftest import GitRepository
from tests.rig.rig import Rig

USER, PASSWORD = "me", "hunter2-of-the-forge"
_BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.startswith("/private/") and self.headers.get("Authorization") != _BASIC:
            self.send_response(HTTPStatus.UNAUTHORIZED)
            self.send_header("WWW-Authenticate", 'Basic realm="forge"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing of requests."""


@dataclass(frozen=True)
class Forge:
    """The server's address, ``host:port``, and the folder that it serves."""

    address: str
    folder: Path

    def url(self, path: str) -> str:
        """Return the address of a file."""
        return f"http://{self.address}/{path}"

    def commit(self, path: str, files: Mapping[str, str]) -> str:
        """Commit files to the repository at a path, and return the commit."""
        repository = self.folder / path
        if not repository.exists():
            repository.mkdir(parents=True)
            GitRepository(repository).git("init", "--quiet", "--initial-branch=main")
        for name, text in files.items():
            (repository / name).parent.mkdir(parents=True, exist_ok=True)
            (repository / name).write_text(text)
        sha = GitRepository(repository).commit()
        # For Git's protocol on plain files, which needs a list of the references.
        GitRepository(repository).git("update-server-info")
        return sha


def containers_see(rig: Rig) -> str:
    """Return the address at which the engine reaches this machine from its containers."""
    gateway = "{{(index .IPAM.Config 0).Gateway}}"
    argv = ["docker", "network", "inspect", "bridge", "--format", gateway]
    return subprocess.check_output(argv, env={**os.environ, **rig.environment()}, text=True).strip()


@contextmanager
def serving_forge(address: str, folder: Path) -> Iterator[Forge]:
    """Serve a folder at an address of this machine."""
    server = ThreadingHTTPServer((address, 0), lambda *args: _Handler(*args, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Forge(f"{address}:{server.server_port}", folder)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
