"""A Debian archive of small packages over HTTP, so that a real apt-get installs in builds without the internet."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.rig import debian


@dataclass(frozen=True)
class AptArchive:
    """A flat archive (sources.list(5)) in a folder; ``requests`` are the paths that were asked for."""

    folder: Path
    url: str
    requests: list[str] = field(default_factory=list)

    @property
    def sources(self) -> str:
        """The line for /etc/apt/sources.list; nothing signs the archive."""
        return f"deb [trusted=yes] {self.url} ./"

    def add(self, name: str, version: str, program: str = "") -> None:
        """Add a package with a shell script of its own name; an older version is replaced.

        Without a ``program``, the script says name and version.
        """
        with tempfile.TemporaryDirectory(dir=self.folder) as made:
            tree = Path(made)
            (tree / "DEBIAN").mkdir()
            (tree / "usr/bin").mkdir(parents=True)
            (tree / "usr/bin" / name).write_text(f"#!/bin/sh\n{program or f'echo {name} {version}'}\n")
            (tree / "usr/bin" / name).chmod(0o755)
            for folder in (tree, tree / "DEBIAN", tree / "usr", tree / "usr/bin"):
                folder.chmod(0o755)
            (tree / "DEBIAN/control").write_text(
                f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: the rig <rig@localhost>\n"
                f"Description: a package of the rig\n"
            )
            subprocess.run(
                ["dpkg-deb", "--root-owner-group", "--build", tree, self.folder / f"{name}.deb"],
                check=True,
                capture_output=True,
            )
        (self.folder / "Packages").write_text("\n".join(map(_index_of, sorted(self.folder.glob("*.deb")))))


@contextmanager
def served(folder: Path, host: str) -> Iterator[AptArchive]:
    """Yield an archive in an empty folder, served on an address of this machine that builds reach."""
    debian.architecture()
    requests: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            super().do_GET()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Says nothing."""

    with ThreadingHTTPServer((host, 0), partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield AptArchive(folder, f"http://{host}:{server.server_address[1]}/", requests)
        finally:
            server.shutdown()
            thread.join()


def _index_of(deb: Path) -> str:
    control = subprocess.run(["dpkg-deb", "--field", deb], check=True, capture_output=True, text=True).stdout
    digest = hashlib.sha256(deb.read_bytes()).hexdigest()
    return f"{control}Filename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n"
