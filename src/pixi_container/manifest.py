"""The workspace's manifest: where it is and what it says about environments, activation and requirements."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pixi_container.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MANIFEST_NAMES = ("pixi.toml", "pyproject.toml", "mojoproject.toml")
"""The names that Pixi looks for in a folder, first one first (docs/reference/pixi_manifest.md of Pixi)."""

Table = dict[str, Any]


@dataclass(frozen=True)
class Manifest:
    """A manifest: its ``file`` in the workspace folder, the ``pixi`` table, and ``project`` of PEP 621."""

    file: str
    pixi: Table
    project: Table

    @property
    def workspace(self) -> Table:
        """The ``[workspace]`` table, or ``[project]`` as it was called before."""
        return _table(self.pixi, "workspace") or _table(self.pixi, "project")

    @property
    def name(self) -> str:
        """The workspace's name, empty when it has none."""
        return self._text("name")

    @property
    def version(self) -> str:
        """The workspace's version, empty when it has none."""
        return self._text("version")

    @property
    def requires_pixi(self) -> str:
        """The version specification that ``pixi`` itself must meet."""
        return str(self.workspace.get("requires-pixi") or "")

    @property
    def has_rich_platforms(self) -> bool:
        """Whether a platform is a table, which Pixi reads from version 0.71 on."""
        return any(isinstance(platform, dict) for platform in self.workspace.get("platforms", []))

    @property
    def environment_names(self) -> tuple[str, ...]:
        """Every environment; ``default`` always exists."""
        return tuple(dict.fromkeys(("default", *_table(self.pixi, "environments"))))

    @property
    def parse_time_files(self) -> tuple[str, ...]:
        """Files whose absence makes Pixi refuse the manifest (facts: pixi_manifest/src/toml/workspace.rs)."""
        tables = [self.workspace, _table(self.pixi, "package")]
        named = [table.get(key) for table in tables for key in ("readme", "license-file")]
        named += self.workspace.get("build-variants-files", [])
        return tuple(dict.fromkeys(str(file) for file in named if isinstance(file, str)))

    def activation_scripts(self, environment: str, subdirs: tuple[str, ...]) -> tuple[str, ...]:
        """Scripts that the environment's activation sources, relative to the workspace folder."""
        found = [
            script
            for table in self._activations(environment, subdirs)
            for script in table.get("scripts", [])
            if isinstance(script, str)
        ]
        return tuple(dict.fromkeys(found))

    def activation_env(self, environment: str, subdirs: tuple[str, ...]) -> dict[str, str]:
        """Variables that the environment's activation sets; the earlier feature wins."""
        merged: dict[str, str] = {}
        for table in self._activations(environment, subdirs):
            for name, value in _table(table, "env").items():
                merged.setdefault(name, str(value))
        return merged

    def cuda(self, environment: str) -> str:
        """The highest CUDA version that the environment's legacy system requirements declare."""
        declared = (
            str(_table(feature, "system-requirements").get("cuda") or "")
            for feature in self._features(environment)
        )
        return max((version for version in declared if version), key=version_key, default="")

    def _text(self, key: str) -> str:
        value = self.workspace.get(key) or self.project.get(key)
        return value if isinstance(value, str) else ""

    def _features(self, environment: str) -> Iterator[Table]:
        """The environment's features in order: inline content, the listed ones, the default feature."""
        entry = _table(self.pixi, "environments").get(environment, [])
        inline = entry if isinstance(entry, dict) else {}
        listed = inline.get("features", []) if isinstance(entry, dict) else entry
        if inline:
            yield inline
        features = _table(self.pixi, "feature")
        yield from (_table(features, name) for name in listed)
        if not inline.get("no-default-feature"):
            yield self.pixi

    def _activations(self, environment: str, subdirs: tuple[str, ...]) -> Iterator[Table]:
        """The activation tables of the environment, the one that wins first: target-specific beats generic."""
        names = [*subdirs, "linux", "unix"]
        for feature in self._features(environment):
            targets = _table(feature, "target")
            yield from (_table(_table(targets, name), "activation") for name in names)
            yield _table(feature, "activation")


def read_manifest(context: Path, manifest_path: str = "") -> Manifest:
    """Find and parse the manifest of the workspace in ``context``.

    ``manifest_path`` names the file itself, relative to ``context`` or absolute inside of it. Raises
    ``UserError`` when there is none, it lies elsewhere, or it is no TOML.
    """
    if not context.is_dir():
        raise UserError(
            f"the context '{context}' is not a folder", hint="Set 'context' to the workspace's folder."
        )
    if manifest_path:
        file = context / manifest_path
        if not file.is_file():
            raise UserError(
                f"there is no manifest '{manifest_path}' in '{context}'",
                hint="'manifest-path' is relative to 'context'.",
            )
        if file.resolve().parent != context.resolve():
            raise UserError(
                f"the manifest '{manifest_path}' is not directly in '{context}'",
                hint="Set 'context' to the folder that holds the manifest.",
            )
        if file.name not in MANIFEST_NAMES:
            raise UserError(
                f"'{manifest_path}' is no manifest of Pixi", hint=f"Accepted: {', '.join(MANIFEST_NAMES)}."
            )
        return _parse(context, file.name)
    for name in MANIFEST_NAMES:
        if (context / name).is_file():
            manifest = _parse(context, name)
            if manifest.workspace:
                return manifest
    raise UserError(
        f"no Pixi workspace in '{context}'",
        hint=f"Looked for {', '.join(MANIFEST_NAMES)} with a workspace table. Set 'context' to its folder.",
    )


def version_key(version: str) -> tuple[int, ...]:
    """Order dotted numbers such as ``12.9`` by value."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


def _parse(context: Path, name: str) -> Manifest:
    import tomli

    path = context / name
    try:
        document = tomli.loads(path.read_text("utf-8"))
    except tomli.TOMLDecodeError as error:
        line = getattr(error, "lineno", None)
        raise UserError(f"not valid TOML: {error}", file=str(path), line=line) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the manifest cannot be read: {error}", file=str(path)) from error
    if name == "pyproject.toml":
        return Manifest(name, _table(_table(document, "tool"), "pixi"), _table(document, "project"))
    return Manifest(name, document, {})


def _table(table: Mapping[str, Any], key: str) -> Table:
    value = table.get(key)
    return value if isinstance(value, dict) else {}
