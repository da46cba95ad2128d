"""The Docker engine and buildx: the machine's own where they are good enough, otherwise ones from Debian.

An engine of the rig runs in process and mount namespaces of its own: when their first process ends, for
whatever reason, the kernel ends every container, shim and mount with it. Only bridges and control groups
outlive it; `clean` tells them by a name derived from the state folder and by their addresses.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import subprocess
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from tests.rig import daemon, debian, network
from tests.rig.errors import RigError

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "engine"
_OLDEST_SERVER = 23
_OLDEST_BUILDX = (0, 12)
_ANSWER_SECONDS = 10
_READY_SECONDS = 60
_PROGRAMS = ("docker.io", "docker-cli", "containerd", "docker-buildx")
# Bookworm's engine is too old for `COPY --link`. Sid's programs run with bookworm's libc so far; trixie's are
# there for the day when they no longer do.
_SUITES = ("sid", "trixie")
# runc is linked to libc as newer releases have it, so it comes from the oldest one.
_RUNTIME = ("runc", "tini")
_SOCKET_PATH_MAX = 107  # unix(7): sun_path has 108 bytes with its final zero
_IMAGE_OF_CHECK = "pixi-container-rig-check"

# What the daemons write below /run and /opt goes to a memory file system that ends with the namespace; what
# the machine has there (such as the resolver's files) stays readable.
_IN_NAMESPACES = """
mount -n -t tmpfs tmpfs "$1"
cd "$1"
for name in run opt; do
    mkdir -p $name/upper $name/work
    mount -n -t overlay overlay -o lowerdir=/$name,upperdir=$name/upper,workdir=$name/work /$name
done
cd /
exec tini-static -- dockerd --config-file "$2"
"""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """How to reach an engine. The texts are empty for the machine's own."""

    docker_host: str
    docker_config: str
    path: str
    gateway: str
    """The address of this machine as containers see it."""


def of_machine() -> Engine | None:
    """The machine's own engine if it is running and new enough for what the rig is for.

    Raises RigError when it is not and this user cannot start one.
    """
    server = _output("docker", "version", "--format", "{{.Server.Version}}")
    buildx = _output("docker", "buildx", "version")
    gateway_field = "{{(index .IPAM.Config 0).Gateway}}"
    gateway = _output("docker", "network", "inspect", "bridge", "--format", gateway_field)
    if _version(server) < (_OLDEST_SERVER,) or _version(buildx) < _OLDEST_BUILDX or not gateway:
        if os.getuid() != 0:
            msg = (
                f"no Docker >= {_OLDEST_SERVER} with buildx >= {'.'.join(map(str, _OLDEST_BUILDX))} and its "
                "bridge network answers to this user; start one, or run the rig as root: it then brings its own"
            )
            raise RigError(msg)
        return None
    return Engine(docker_host="", docker_config="", path="", gateway=gateway)


def install(cache: Path) -> tuple[Path, Path]:
    """Folders with Docker's programs and with the container runtime, unpacked in the cache."""
    runtime = debian.unpacked(_RUNTIME, suite="bookworm", cache=cache)
    for suite in _SUITES:
        programs = debian.unpacked(_PROGRAMS, suite=suite, cache=cache)
        if all(_output(str(programs / name), "--version") for name in ("usr/sbin/dockerd", "usr/bin/containerd")):
            return programs, runtime
    msg = f"Docker of Debian {' and '.join(_SUITES)} does not run here; install Docker >= 23 with buildx"
    raise RigError(msg)


def start(installed: tuple[Path, Path], *, state: Path) -> Engine:
    """Starts an empty engine with a bridge of its own, and makes sure that it can run a container."""
    programs, runtime = installed
    folder = state / NAME
    docker_socket = folder / "docker.sock"
    if len(os.fsencode(docker_socket)) > _SOCKET_PATH_MAX:
        msg = f"{docker_socket} is too long for a socket; set PIXI_CONTAINER_RIG_STATE to a shorter path"
        raise RigError(msg)
    (folder / "memory").mkdir(parents=True)
    config = folder / "docker-config"
    (config / "cli-plugins").mkdir(parents=True)
    (config / "cli-plugins/docker-buildx").symlink_to(programs / "usr/libexec/docker/cli-plugins/docker-buildx")
    cli = folder / "bin"
    if _version(_output("docker", "--version")) < (_OLDEST_SERVER,):
        cli.mkdir()
        (cli / "docker").symlink_to(programs / "usr/bin/docker")
    bridge = network.create(_identity(state))
    configuration = {
        "data-root": str(folder / "data"),
        "exec-root": "/run/pixi-container-rig",  # in the namespace, below a /run of its own
        "pidfile": "/run/pixi-container-rig.pid",
        "init-path": str(runtime / "usr/bin/tini-static"),
        "hosts": [f"unix://{docker_socket}"],
        "group": "root",
        "bridge": bridge.bridge,
        "default-address-pools": [{"base": bridge.pool, "size": 28}],
        "iptables": False,
        "ip6tables": False,
        "ip-forward": False,
        "ip-masq": False,
        "features": {"containerd-snapshotter": True},
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "cgroup-parent": f"/{_identity(state)}",
        "log-level": "warn",
    }
    _configuration(state).write_text(json.dumps(configuration, indent=1), encoding="utf-8")
    folders = [root / sub for root in (programs, runtime) for sub in ("usr/sbin", "usr/bin")]
    search = os.pathsep.join([*map(str, folders), os.environ.get("PATH", os.defpath)])
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    daemon.start(
        NAME,
        [*namespaces, "sh", "-ec", _IN_NAMESPACES, "sh", folder / "memory", _configuration(state)],
        state=state,
        ready=lambda: healthy(f"unix://{docker_socket}"),
        seconds=_READY_SECONDS,
        env={**os.environ, "PATH": search},
    )
    engine = Engine(
        docker_host=f"unix://{docker_socket}",
        docker_config=str(config),
        path=str(cli) if cli.exists() else "",
        gateway=bridge.address,
    )
    _check_that_containers_run(engine, programs, runtime)
    return engine


def healthy(docker_host: str) -> bool:
    """Whether an engine answers: `GET /_ping` of the Docker Engine API; without a host, `docker version`."""
    if not docker_host:
        return bool(_output("docker", "version", "--format", "{{.Server.Version}}"))
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_ANSWER_SECONDS)
            connection.connect(docker_host.removeprefix("unix://"))
            connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in connection.recv(64)
    except OSError:
        return False


def clean(state: Path) -> None:
    """Removes what outlives an engine of the rig: its bridges and its control groups."""
    try:
        configuration = json.loads(_configuration(state).read_text(encoding="utf-8"))
        pool = configuration["default-address-pools"][0]["base"]
    except (FileNotFoundError, ValueError, LookupError):
        pool = ""  # killed before it was written, so that no engine was started
    if pool or Path(f"/sys/class/net/{_identity(state)}").exists():
        network.remove(_identity(state), pool)
    mounts = (line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines())
    for _, hierarchy, kind, *_ in mounts:
        group = Path(hierarchy) / _identity(state)
        if kind in {"cgroup", "cgroup2"} and group.is_dir():
            for folder, _, _ in os.walk(group, topdown=False):
                Path(folder).rmdir()


def _identity(state: Path) -> str:
    """A name for what belongs to the rig outside its folders; interface names have 15 bytes at most."""
    return f"pixi-rig-{hashlib.sha256(os.fsencode(state)).hexdigest()[:6]}"


def _configuration(state: Path) -> Path:
    return state / NAME / "daemon.json"


def _check_that_containers_run(engine: Engine, programs: Path, runtime: Path) -> None:
    """Runs a container of one static program, with a network, and leaves no image behind."""
    docker: list[str | Path] = [programs / "usr/bin/docker", "--host", engine.docker_host]
    docker += ["--config", engine.docker_config]
    archive = BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(runtime / "usr/bin/tini-static", "tini")
    steps: Sequence[tuple[Sequence[str], bytes | None]] = (
        (["import", "--change", 'CMD ["/tini", "--version"]', "-", _IMAGE_OF_CHECK], archive.getvalue()),
        (["run", "--rm", _IMAGE_OF_CHECK], None),
        (["rmi", _IMAGE_OF_CHECK], None),
    )
    for arguments, given in steps:
        done = subprocess.run([*docker, *arguments], input=given, capture_output=True, check=False)
        if done.returncode:
            msg = (
                f"Docker starts, but cannot run containers here (`docker {arguments[0]}`): "
                f"{done.stderr.decode(errors='replace').strip()}\n"
                "It needs overlayfs, bridges, namespaces and mounted control groups (/sys/fs/cgroup)."
            )
            raise RigError(msg)


def _output(*command: str) -> str:
    """What a command prints; nothing when it fails, hangs or is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_ANSWER_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _version(text: str) -> tuple[int, ...]:
    found = re.search(r"(\d+)\.(\d+)", text)
    return tuple(map(int, found.groups())) if found else ()
