"""The input ``nodes``: BuildKit daemons on other machines, each for the platforms whose steps it runs.

Source of the forms: https://docs.docker.com/build/builders/drivers/remote/
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.image_choice import PLATFORMS
from pixi_container.input_values import malformed
from pixi_container.shortening import shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])"
# buildx reads a driver's options as a list with commas and quotes, so that no path may have them.
_PATH = r"(?:/[A-Za-z0-9._@+~-]+)+"
_LABEL = r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
_ENDPOINTS = (
    rf"tcp://{_HOST}:(?P<port>[0-9]{{1,5}})",
    rf"unix://{_PATH}",
    r"docker-container://[A-Za-z0-9][A-Za-z0-9_.-]{0,127}",
    rf"kube-pod://{_LABEL}(?:\?namespace={_LABEL})?",
)
_ENDPOINT = re.compile("|".join(_ENDPOINTS))
_OPTIONS = {
    "cacert": re.compile(_PATH),
    "cert": re.compile(_PATH),
    "key": re.compile(_PATH),
    "servername": re.compile(_HOST),
    "default-load": re.compile("true|false"),
}
_ACCEPTED = (
    "one PLATFORM=ENDPOINT per line, such as 'linux/arm64=tcp://arm.lab.example:1234 cacert=/run/ca.pem', with "
    "platforms of " + ", ".join(PLATFORMS) + "; endpoints tcp://host:port, unix:///path, docker-container://name "
    "or kube-pod://name?namespace=name; and options of " + ", ".join(_OPTIONS) + ", paths being absolute"
)


@dataclass(frozen=True, kw_only=True)
class BuilderNode:
    """A node: the platforms that it builds for, its BuildKit daemon, and options of buildx's remote driver."""

    platforms: tuple[str, ...]
    endpoint: str
    options: tuple[tuple[str, str], ...] = ()


def parse_nodes(lines: Sequence[str]) -> tuple[BuilderNode, ...]:
    """Return the nodes of the input's lines; whether they answer is not tried.

    Raises ``UserError`` for a line that is none, and for a platform or an endpoint of two nodes.
    """
    nodes = tuple(_node(line) for line in lines)
    _check_once([platform for node in nodes for platform in node.platforms], "Name each platform on one node.")
    _check_once([node.endpoint for node in nodes], "Name all platforms of a node in one line.")
    return nodes


def node_for(nodes: Sequence[BuilderNode], platform: str) -> BuilderNode | None:
    """Return the node that builds for a platform; None if none does."""
    return next((node for node in nodes if platform in node.platforms), None)


def _node(line: str) -> BuilderNode:
    place, *options = line.split()
    names, _, endpoint = place.partition("=")
    platforms = tuple(names.split(","))
    match = _ENDPOINT.fullmatch(endpoint)
    if not set(platforms) <= set(PLATFORMS) or not match:
        raise malformed("nodes", line, _ACCEPTED)
    if match["port"] and not 0 < int(match["port"]) < 65536:
        raise malformed("nodes", line, "ports from 1 to 65535")
    given = tuple(_option(line, option) for option in options)
    _check_once([name for name, _ in given], "Give each option of a node once.")
    _check_tls(line, endpoint, {name for name, _ in given})
    return BuilderNode(platforms=platforms, endpoint=endpoint, options=given)


def _check_tls(line: str, endpoint: str, names: set[str]) -> None:
    """Raise ``UserError`` for options that buildx refuses, or that would leave a connection without TLS."""
    for_tls = names - {"default-load"}
    if for_tls and not endpoint.startswith("tcp://"):
        raise malformed("nodes", line, f"options of TLS, such as '{min(for_tls)}', for endpoints of tcp:// alone")
    if for_tls and "cacert" not in names:
        raise malformed("nodes", line, f"'{min(for_tls)}' together with 'cacert', by which the node is known")
    if ("cert" in names) != ("key" in names):
        raise malformed("nodes", line, "'cert' together with 'key', or neither")


def _option(line: str, option: str) -> tuple[str, str]:
    name, _, value = option.partition("=")
    if name not in _OPTIONS or not _OPTIONS[name].fullmatch(value):
        raise malformed("nodes", line, _ACCEPTED)
    return name, value


def _check_once(names: Sequence[str], hint: str) -> None:
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise UserError(f"input 'nodes' has '{shortened(twice)}' twice", hint=hint)
