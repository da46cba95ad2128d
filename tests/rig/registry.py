"""Docker registries (distribution v2) on loopback ports, with their storage in the state folder."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path

import bcrypt
import httpx

from tests.rig import daemon, debian

_READY_SECONDS = 15


def install(cache: Path) -> Path:
    """The registry program: the machine's own, or Debian's (Ubuntu's on Ubuntu) unpacked in the cache."""
    own = shutil.which("docker-registry")
    if own:
        return Path(own)
    release = debian.os_release()
    suite = release["VERSION_CODENAME"] if release.get("ID") == "ubuntu" else "bookworm"
    return debian.unpacked(["docker-registry"], suite=suite, cache=cache) / "usr/bin/docker-registry"


def start(name: str, *, program: Path, state: Path, username: str = "", password: str = "") -> str:
    """Starts an empty registry, with basic authentication when a user is given; its `127.0.0.1:port`."""
    folder = state / name
    folder.mkdir(parents=True)
    address = f"127.0.0.1:{free_port('127.0.0.1')}"
    configuration: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}, "delete": {"enabled": True}},
        "http": {"addr": address},
    }
    if username:
        # The lowest cost that bcrypt knows: the registry checks the password anew with every request.
        hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=4)).decode()
        (folder / "htpasswd").write_text(f"{username}:{hashed}\n", encoding="utf-8")
        configuration["auth"] = {"htpasswd": {"realm": "rig", "path": str(folder / "htpasswd")}}
    # JSON is YAML.
    (folder / "config.yml").write_text(json.dumps(configuration, indent=1), encoding="utf-8")
    daemon.start(
        name,
        [program, "serve", folder / "config.yml"],
        state=state,
        ready=lambda: healthy(address),
        seconds=_READY_SECONDS,
        env=os.environ,
    )
    return address


def healthy(address: str) -> bool:
    """Whether a registry answers at `address` (200, or 401 where it wants a password)."""
    try:
        return httpx.get(f"http://{address}/v2/", trust_env=False, timeout=2).status_code in {200, 401}
    except httpx.HTTPError:
        return False


def free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
