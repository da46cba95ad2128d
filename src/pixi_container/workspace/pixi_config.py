"""The workspace's own Pixi configuration, such as mirrors and indexes, which Pixi reads beside the manifest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pixi_container.paths import PIXI_CONFIG, is_file, leads_out, read_text
from pixi_container.workspace.build_context import read_docker_ignore, sent_paths
from pixi_container.workspace.folder import HERE, in_context
from pixi_container.workspace.toml_table import parse_toml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_ELSEWHERE = "detached-environments"

# Of https://pixi.sh/latest/reference/pixi_configuration/, what does not change how a locked package is installed.
_WITHOUT_EFFECT = {
    "allow-hard-links",
    "allow-ref-links",
    "allow-symbolic-links",
    "cache",
    "change-ps1",
    "concurrency",
    "default-channels",
    "detached-environments",
    "experimental",
    "index-config",
    "max-concurrent-solves",
    "pinning-strategy",
    "repodata-config",
    "shell",
    "tool-platform",
}
_WITHOUT_EFFECT_FOR_PYPI = {"index-url", "extra-index-urls"}
_DEFAULTS = {"run-post-link-scripts": "false", "tls-no-verify": False, "offline": False}


@dataclass(frozen=True)
class PixiConfig:
    """The configuration's ``path`` in the context, empty if the build does not use it; ``unused`` says why not.

    ``mirrors`` maps channels' URLs to those of their mirrors. ``only_pixi`` is a key that only Pixi itself follows
    when it installs; empty without one.
    """

    path: str = ""
    unused: str = ""
    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    only_pixi: str = ""


def pixi_config(context: Path, folder: str = HERE) -> PixiConfig:
    """Return the configuration of the workspace in a folder of ``context``.

    Raises ``UserError`` if it is not valid TOML, which Pixi refuses as well.
    """
    path = in_context(PIXI_CONFIG, folder)
    if not is_file(context, path):
        return PixiConfig()
    if leads_out(context, path):
        return PixiConfig(unused=f"'{path}' is not used because it leads out of the context")
    table = parse_toml(read_text(context, path, what=f"'{path}'"), str(context / path))
    if table.values.get(_ELSEWHERE):
        return PixiConfig(unused=f"'{path}' is not used: its '{_ELSEWHERE}' would put the environment elsewhere")
    ignore, _ = read_docker_ignore(context)
    if not sent_paths(context, path, ignore):
        return PixiConfig(
            unused=f"'{path}' is not used because .dockerignore excludes it; if the build needs its "
            f"mirrors, add the line '!{path}' to the end of that file"
        )
    mirrors = _mirrors(table.values.get("mirrors", {}))
    only_pixi = _only_pixi(table.values) or ("mirrors" if mirrors is None else "")
    return PixiConfig(path, mirrors=mirrors or {}, only_pixi=only_pixi)


def _mirrors(table: object) -> dict[str, tuple[str, ...]] | None:
    """Return the mirrors by URL; None for a table that is not understood."""
    if not isinstance(table, dict):
        return None
    rows = {url: places for url, places in table.items() if isinstance(places, list)}
    if len(rows) < len(table) or not all(isinstance(place, str) for places in rows.values() for place in places):
        return None
    return {url: tuple(places) for url, places in rows.items()}


def _only_pixi(values: Mapping[str, Any]) -> str:
    """Return the first key that changes how Pixi installs a locked package."""
    for name, value in values.items():
        if name == "pypi-config" and isinstance(value, dict) and value.keys() <= _WITHOUT_EFFECT_FOR_PYPI:
            continue
        if name not in _WITHOUT_EFFECT | {"mirrors"} and _DEFAULTS.get(name) != value:
            return name
    return ""
