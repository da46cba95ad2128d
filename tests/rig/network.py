"""The network of a rig's engine: a bridge of its own, and addresses for `docker network create`."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import subprocess
from dataclasses import dataclass

from tests.rig.errors import RigError

_RANGE = ipaddress.IPv4Network("172.29.0.0/16")


@dataclass(frozen=True)
class Network:
    """Everything lies in one /22 that no route of the machine touches."""

    bridge: str
    """Name of the interface."""
    address: str
    """The bridge's own, by which containers reach this machine."""
    pool: str
    """A /23 that bridges of `docker network create` take their networks from."""


def create(bridge: str) -> Network:
    """Makes the bridge. Where it lies follows from its name, unless that place is taken. Raises RigError."""
    routes = json.loads(_ip("-json", "-4", "route", "show", "table", "all"))
    taken = [ipaddress.IPv4Network(route["dst"], strict=False) for route in routes if route["dst"] != "default"]
    candidates = list(_RANGE.subnets(new_prefix=22))
    first = hashlib.sha256(bridge.encode()).digest()[0] % len(candidates)
    for candidate in candidates[first:] + candidates[:first]:
        if not any(candidate.overlaps(other) for other in taken):
            address, pool = str(candidate[1]), list(candidate.subnets(new_prefix=23))[1]
            _ip("link", "add", bridge, "type", "bridge")
            _ip("address", "add", f"{address}/24", "dev", bridge)
            _ip("link", "set", bridge, "up")
            return Network(bridge=bridge, address=address, pool=str(pool))
    msg = f"no free /22 network in {_RANGE}; `ip route` shows what uses it"
    raise RigError(msg)


def remove(bridge: str, pool: str) -> None:
    """Deletes the bridge, and those with an address in `pool` (when not empty), as far as they exist."""
    for link in json.loads(_ip("-json", "-4", "address", "show", "type", "bridge")):
        addresses = [ipaddress.IPv4Address(address["local"]) for address in link.get("addr_info", ())]
        in_pool = pool and any(address in ipaddress.IPv4Network(pool) for address in addresses)
        if link.get("ifname") == bridge or in_pool:
            _ip("link", "delete", link["ifname"])


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
