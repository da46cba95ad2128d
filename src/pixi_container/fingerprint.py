"""The environment's fingerprint: the same wherever the environment's image would be the same."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from pixi_container.workspace import Workspace

_END_OF_ENVIRONMENT = ("\nFROM environment AS workspace\n", "\nFROM environment AS production\n")
_DESCRIPTION = {
    "name",
    "version",
    "description",
    "authors",
    "readme",
    "license",
    "license-file",
    "license-files",
    "classifiers",
    "documentation",
    "homepage",
    "keywords",
    "maintainers",
    "repository",
    "scripts",
    "gui-scripts",
    "entry-points",
    "urls",
}
_DIGITS = 16


def environment_fingerprint(workspace: Workspace, dockerfile: str) -> str:
    """Give sixteen hexadecimal digits of a SHA-256 over all that the stage ``environment`` depends on.

    That is the Dockerfile's text up to that stage (bases, prefix, pixi, CUDA, activation), the locked packages
    with their digests but for those from the workspace's own source, the manifest but for tasks and descriptions
    (so that an edited manifest with an old lock is built, and fails), and the files that the stage copies.
    """
    ends = [dockerfile.find(end) for end in _END_OF_ENVIRONMENT]
    own = {package.name for package in workspace.own_source if package.kind != "conda-file"}
    parts = {
        "dockerfile": dockerfile[: min((end for end in ends if end >= 0), default=len(dockerfile))],
        "packages": [
            [package.name, package.version, package.build, package.location, package.sha256, package.md5]
            for package in workspace.platform.packages
            if package.name not in own
        ],
        "manifest": _relevant(workspace.context / workspace.manifest.file),
        "files": {path: _digest(workspace.context / path) for path in workspace.activation_scripts},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:_DIGITS]


def _relevant(file: Path) -> dict[str, Any]:
    """Give the manifest's tables without what no environment depends on."""
    import tomli

    document = tomli.loads(file.read_text("utf-8"))
    if file.name == "pyproject.toml":
        tool = document.get("tool", {})
        return {
            "project": _without(document.get("project", {}), _DESCRIPTION),
            "groups": document.get("dependency-groups", {}),
            "uv": tool.get("uv", {}),
            "pixi": _of_environments(tool.get("pixi", {})),
        }
    return _of_environments(document)


def _of_environments(pixi: dict[str, Any]) -> dict[str, Any]:
    tables = _without(pixi, {"tasks", "package", "tool"})
    for name in ("workspace", "project"):
        if isinstance(tables.get(name), dict):
            tables[name] = _without(tables[name], _DESCRIPTION)
    for name in ("feature", "environments", "target"):
        if isinstance(tables.get(name), dict):
            tables[name] = {
                key: _without(table, {"tasks"}) if isinstance(table, dict) else table
                for key, table in tables[name].items()
            }
    return tables


def _without(table: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in names}


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
