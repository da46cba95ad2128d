"""BuildKit daemons, as the builders of hosted runners are: nothing is unpacked into an engine.

Debian has none and its image is out of reach of most machines, so it is built with Go. A daemon runs in
process and mount namespaces of its own, as the engine does, and `engine.clean` removes its control groups.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from tests.rig import daemon, engine, errors
from tests.rig.errors import RigError

VERSION = "v0.34.2"
_MODULE = "github.com/moby/buildkit"
_SOCKET = "buildkitd.sock"
_DOWNLOAD_SECONDS = 60
_BUILD_SECONDS = 1200
_ANSWER_SECONDS = 10
_READY_SECONDS = 30
# RFC 9113, section 3.4: how a client begins, here with empty settings; the server answers with its own (type 4).
_HTTP2_BEGIN = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_HTTP2_SETTINGS = 4


class UnavailableError(errors.UnavailableError):
    """This machine cannot have a BuildKit daemon; the text says why."""


def install(cache: Path, say: Callable[[str], None]) -> Path:
    """The program buildkitd in the cache, built there once (minutes, and 1.4 GB meanwhile).

    It is built in the module's own folder, so with the versions and checksums of its go.mod and go.sum:
    `go install` refuses the module, as it excludes some versions (https://go.dev/ref/mod#go-install).
    Raises UnavailableError without root, without Go, or when the module proxy does not answer.
    """
    program = cache / "buildkit" / f"buildkitd-{VERSION}"
    if os.getuid() != 0:
        msg = "buildkitd needs root"
        raise UnavailableError(msg)
    if program.exists():
        return program
    if not shutil.which("go"):
        msg = f"there is no Go to build buildkitd {VERSION} with"
        raise UnavailableError(msg)
    say(f"buildkitd {VERSION} is built, once; this takes minutes")
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".build-", dir=program.parent) as name:
        folder = Path(name)
        modules, fresh = folder / "modules", folder / "buildkitd"
        environment = {
            **os.environ,
            "CGO_ENABLED": "0",
            "GOPATH": str(folder),
            "GOMODCACHE": str(modules),
            "GOCACHE": str(folder / "cache"),
            "GOFLAGS": "-modcacherw",  # otherwise read-only, also for who removes it
            "GOWORK": "off",
        }
        _go("mod", "download", f"{_MODULE}@{VERSION}", cwd=folder, env=environment, seconds=_DOWNLOAD_SECONDS)
        linked = f"-s -w -X {_MODULE}/version.Version={VERSION}"
        build = ["build", "-buildvcs=false", "-trimpath", "-ldflags", linked, "-o", str(fresh), "./cmd/buildkitd"]
        _go(*build, cwd=modules / f"{_MODULE}@{VERSION}", env=environment, seconds=_BUILD_SECONDS)
        fresh.replace(program)
    return program


def start(name: str, *, program: Path, cache: Path, state: Path, platform: str = "") -> str:
    """Starts an empty daemon and gives its address for buildx's driver `remote`.

    With a `platform` (`linux/arm64`), that is the only one it says it has: what need not run it builds on any
    machine, and instructions that run need emulation. Its containers have the network of this machine.
    Registries on loopback it takes for plain HTTP by itself.
    """
    folder = state / name
    address = _address(folder)
    if len(os.fsencode(folder / _SOCKET)) > engine._SOCKET_PATH_MAX:
        msg = f"{folder / _SOCKET} is too long for a socket; set PIXI_CONTAINER_RIG_STATE to a shorter path"
        raise RigError(msg)
    shutil.rmtree(folder, ignore_errors=True)  # of one that has ended
    (folder / "tmp").mkdir(parents=True)
    runc = shutil.which("runc") or engine.install(cache)[1] / "usr/sbin/runc"
    # Without the collection of garbage a build finds what the last one left, however full the disk is.
    (folder / "buildkitd.toml").write_text(
        f"""root = "{folder}/data"
[log]
level = "warn"
[grpc]
address = ["{address}"]
[otel]
socketPath = "{folder}/otel.sock"
[cdi]
disabled = true
[worker.containerd]
enabled = false
[worker.oci]
enabled = true
binary = "{runc}"
snapshotter = "overlayfs"
networkMode = "host"
gc = false
platforms = {json.dumps([platform] if platform else [])}
defaultCgroupParent = "/{engine._identity(state)}"
""",
        encoding="utf-8",
    )
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    daemon.start(
        name,
        [*namespaces, program, "--config", folder / "buildkitd.toml"],
        state=state,
        ready=lambda: healthy(address),
        seconds=_READY_SECONDS,
        env={**os.environ, "TMPDIR": str(folder / "tmp")},
    )
    return address


def stop(name: str, *, state: Path) -> None:
    """Ends a daemon and removes all that it has."""
    daemon.stop(state, name)
    shutil.rmtree(state / name, ignore_errors=True)


def healthy(address: str) -> bool:
    """Whether a daemon answers. It listens before it has a worker, but speaks only when it has one."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_ANSWER_SECONDS)
            connection.connect(address.removeprefix("unix://"))
            connection.sendall(_HTTP2_BEGIN)
            return connection.recv(9)[3:4] == bytes((_HTTP2_SETTINGS,))
    except OSError:
        return False


def started(state: Path) -> Mapping[str, str]:
    """The addresses of the daemons that were started, by name."""
    return {folder.name: _address(folder) for folder in sorted(path.parent for path in state.glob(f"*/{_SOCKET}"))}


@contextmanager
def builder(
    *addresses: str, environment: Mapping[str, str], platforms: Mapping[str, str] | None = None
) -> Iterator[str]:
    """A builder of buildx with a node per address, for as long as the context lasts; its name.

    `environment` is what `docker` needs to reach the rig. `platforms` has, by address, what a node is used for
    before others that can do it too.
    """
    name = f"pixi-container-rig-{uuid4().hex[:8]}"
    create = ["create", "--name", name, "--driver", "remote"]
    first, *others = (
        (*(("--platform", platforms[address]) if platforms and address in platforms else ()), address)
        for address in addresses
    )
    _buildx(*create, *first, environment=environment)
    try:
        for node in others:
            _buildx(*create, "--append", *node, environment=environment)
        yield name
    finally:
        _buildx("rm", "--force", name, environment=environment)


def prune(name: str, *, environment: Mapping[str, str]) -> None:
    """Empties the cache of a builder's nodes."""
    _buildx("prune", "--builder", name, "--all", "--force", environment=environment)


def _address(folder: Path) -> str:
    return f"unix://{folder / _SOCKET}"


def _buildx(*arguments: str, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        ["docker", "buildx", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        msg = f"`docker buildx {' '.join(arguments)}` failed: {done.stderr.strip()}"
        raise RigError(msg)


def _go(*arguments: str, cwd: Path, env: Mapping[str, str], seconds: float) -> None:
    command = f"`go {arguments[0]}` of buildkitd {VERSION}"
    try:
        done = subprocess.run(
            ["go", *arguments], cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        msg = f"{command} did not end within {seconds:.0f} s"
        raise UnavailableError(msg) from None
    if done.returncode:
        wrong = re.sub(r"^go: downloading .*\n", "", done.stderr, flags=re.MULTILINE)
        msg = f"{command} failed: {wrong.strip()[-2000:]}"
        raise UnavailableError(msg)
