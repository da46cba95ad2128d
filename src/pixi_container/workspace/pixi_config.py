"""The workspace's own Pixi configuration, such as mirrors and indexes, which Pixi reads beside the manifest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.paths import PIXI_CONFIG, is_file, leads_out, read_text
from pixi_container.workspace.build_context import read_docker_ignore, sent_paths
from pixi_container.workspace.toml_table import parse_toml

if TYPE_CHECKING:
    from pathlib import Path

_ELSEWHERE = "detached-environments"


@dataclass(frozen=True)
class PixiConfig:
    """The configuration's ``path`` in the context, empty if the build does not use it; ``unused`` says why not."""

    path: str = ""
    unused: str = ""


def pixi_config(context: Path) -> PixiConfig:
    """Return the configuration of the workspace in ``context``.

    Raises ``UserError`` if it is not valid TOML, which Pixi refuses as well.
    """
    if not is_file(context, PIXI_CONFIG):
        return PixiConfig()
    if leads_out(context, PIXI_CONFIG):
        return PixiConfig(unused=f"'{PIXI_CONFIG}' is not used because it leads out of the context")
    table = parse_toml(read_text(context, PIXI_CONFIG, what=f"'{PIXI_CONFIG}'"), str(context / PIXI_CONFIG))
    if table.values.get(_ELSEWHERE):
        return PixiConfig(
            unused=f"'{PIXI_CONFIG}' is not used: its '{_ELSEWHERE}' would put the environment elsewhere"
        )
    ignore, _ = read_docker_ignore(context)
    if not sent_paths(context, PIXI_CONFIG, ignore):
        return PixiConfig(
            unused=f"'{PIXI_CONFIG}' is not used because .dockerignore excludes it; if the build needs its "
            f"mirrors, add the line '!{PIXI_CONFIG}' to the end of that file"
        )
    return PixiConfig(PIXI_CONFIG)
