"""The Docker engine and buildx: the machine's own where they are good enough, otherwise ones from Debian.

An engine of the rig runs in process and mount namespaces of its own: when their first process ends, for
whatever reason, the kernel ends every container, shim and mount with it. Only a bridge and control groups
outlive it; both carry a name that is derived from the state folder, and `clean` removes them.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from tests.rig import daemon, debian
from tests.rig.errors import RigError

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "engine"
_OLDEST_SERVER = 23
_OLDEST_BUILDX = (0, 12)
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
    """The machine's own engine if it is running and new enough for what the rig is for."""
    if not shutil.which("docker"):
        return None
    server = _output("docker", "version", "--format", "{{.Server.Version}}")
    buildx = _output("docker", "buildx", "version")
    if _version(server) < (_OLDEST_SERVER,) or _version(buildx) < _OLDEST_BUILDX:
        return None
    gateway = _output("docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
    return Engine(docker_host="", docker_config="", path="", gateway=gateway)


def install(cache: Path) -> tuple[Path, Path]:
    """Folders with Docker's programs and with the container runtime, unpacked in the cache."""
    if os.getuid() != 0:
        msg = "this machine has no Docker >= 23 with buildx >= 0.12; install it, or run the rig as root"
        raise RigError(msg)
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
    cli.mkdir()
    if not _docker_cli_is_good():
        (cli / "docker").symlink_to(programs / "usr/bin/docker")
    configuration = {
        "data-root": str(folder / "data"),
        "exec-root": "/run/pixi-container-rig",  # in the namespace, below a /run of its own
        "pidfile": "/run/pixi-container-rig.pid",
        "init-path": str(runtime / "usr/bin/tini-static"),
        "hosts": [f"unix://{docker_socket}"],
        "group": "root",
        "bridge": _bridge(state),
        "iptables": False,
        "ip6tables": False,
        "ip-forward": False,
        "ip-masq": False,
        "features": {"containerd-snapshotter": True},
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "cgroup-parent": f"/{_identity(state)}",
        "log-level": "warn",
    }
    (folder / "daemon.json").write_text(json.dumps(configuration, indent=1), encoding="utf-8")
    gateway = _add_bridge(_bridge(state))
    folders = [root / sub for root in (programs, runtime) for sub in ("usr/sbin", "usr/bin")]
    search = os.pathsep.join([*map(str, folders), os.environ.get("PATH", os.defpath)])
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    daemon.start(
        NAME,
        [*namespaces, "sh", "-ec", _IN_NAMESPACES, "sh", folder / "memory", folder / "daemon.json"],
        state=state,
        ready=lambda: healthy(f"unix://{docker_socket}"),
        seconds=_READY_SECONDS,
        env={**os.environ, "PATH": search},
    )
    engine = Engine(
        docker_host=f"unix://{docker_socket}",
        docker_config=str(config),
        path="" if _docker_cli_is_good() else str(cli),
        gateway=gateway,
    )
    _check_that_containers_run(engine, programs, runtime)
    return engine


def healthy(docker_host: str) -> bool:
    """Whether an engine answers: `GET /_ping` of the Docker Engine API; without a host, `docker version`."""
    if not docker_host:
        return bool(_output("docker", "version", "--format", "{{.Server.Version}}"))
    transport = httpx.HTTPTransport(uds=docker_host.removeprefix("unix://"))
    try:
        with httpx.Client(transport=transport, timeout=2) as client:
            return client.get("http://docker/_ping").is_success
    except httpx.HTTPError:
        return False


def clean(state: Path) -> None:
    """Removes what outlives a killed engine of the rig: its bridge and its control groups."""
    if Path(f"/sys/class/net/{_bridge(state)}").exists():
        _ip("link", "delete", _bridge(state))
    mounts = (line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines())
    for _, hierarchy, kind, *_ in mounts:
        group = Path(hierarchy) / _identity(state)
        if kind in {"cgroup", "cgroup2"} and group.is_dir():
            for folder, _, _ in os.walk(group, topdown=False):
                Path(folder).rmdir()


def _identity(state: Path) -> str:
    return f"pixi-rig-{hashlib.sha256(os.fsencode(state)).hexdigest()[:6]}"


def _bridge(state: Path) -> str:
    return _identity(state)


def _add_bridge(bridge: str) -> str:
    """Makes the bridge on a /24 network that no route of the machine touches; its address."""
    routes = json.loads(_ip("-json", "-4", "route", "show", "table", "all"))
    taken = [ipaddress.IPv4Network(route["dst"], strict=False) for route in routes if route["dst"] != "default"]
    candidates = list(ipaddress.IPv4Network("172.29.0.0/16").subnets(new_prefix=24))
    first = int.from_bytes(hashlib.sha256(bridge.encode()).digest()[:2], "big") % len(candidates)
    for network in candidates[first:] + candidates[:first]:
        if not any(network.overlaps(other) for other in taken):
            address = str(network[1])
            _ip("link", "add", bridge, "type", "bridge")
            _ip("address", "add", f"{address}/24", "dev", bridge)
            _ip("link", "set", bridge, "up")
            return address
    msg = "every network in 172.29.0.0/16 is in use; `ip route` shows by what"
    raise RigError(msg)


def _ip(*arguments: str) -> str:
    try:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        msg = "the command `ip` is missing: apt-get install iproute2"
        raise RigError(msg) from None
    if done.returncode:
        msg = f"`ip {' '.join(arguments)}` failed: {done.stderr.strip()}"
        raise RigError(msg)
    return done.stdout


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


def _docker_cli_is_good() -> bool:
    return _version(_output("docker", "--version")) >= (_OLDEST_SERVER,)


def _output(*command: str) -> str:
    """What a command prints; nothing when it fails or is not there."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _version(text: str) -> tuple[int, ...]:
    found = re.search(r"(\d+)\.(\d+)", text)
    return tuple(map(int, found.groups())) if found else ()
