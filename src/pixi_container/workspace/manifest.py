"""The workspace's manifest: its location, and its environments, activation and requirements."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from pixi_container.errors import NoWorkspaceError, UserError
from pixi_container.image_choice import MANIFEST_NAMES
from pixi_container.paths import exists, is_folder, read_text
from pixi_container.shortening import listed, shortened
from pixi_container.workspace.feature import DEFAULT, Feature
from pixi_container.workspace.folder import workspace_folder
from pixi_container.workspace.toml_table import TomlTable, parse_toml, type_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_MANIFEST_BYTES = 512 * 1024
_LONGEST_TARGET = 400
_PATH_AS_TEXT = re.compile(r"[^\s=#\"'\[\]{}]+\.toml")


@dataclass(frozen=True)
class Environment:
    """An environment: its ``features`` in order of precedence, inline content first, default last."""

    name: str
    features: tuple[Feature, ...]
    solve_group: str = ""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of its features, without inline content."""
        return tuple(feature.name for feature in self.features if feature.name)


@dataclass(frozen=True)
class Manifest:
    """A manifest: its ``file``, relative to the context, the ``pixi`` table, and ``project`` of PEP 621.

    ``document`` is the whole file. The paths in it are relative to its ``folder``.

    Values are checked on access: every property and method raises ``UserError``, with the line if known, for a
    value that Pixi does not accept either.
    """

    file: str
    pixi: TomlTable
    project: TomlTable
    poetry: TomlTable
    groups: tuple[str, ...] = ()
    document: TomlTable = field(default_factory=lambda: TomlTable({}, ""))

    @property
    def folder(self) -> str:
        """The workspace's folder, relative to the context; ``.`` if that is the context itself."""
        return str(PurePosixPath(self.file).parent)

    @property
    def is_pyproject(self) -> bool:
        """Whether the manifest is a pyproject.toml."""
        return PurePosixPath(self.file).name == "pyproject.toml"

    @property
    def workspace(self) -> TomlTable:
        """The ``[workspace]`` table, or its former name ``[project]``."""
        return self.pixi.table("workspace") if "workspace" in self.pixi else self.pixi.table("project")

    @property
    def name(self) -> str:
        """The workspace's name, empty if it has none."""
        return self._described("name", self.pixi.table("package"))

    @property
    def version(self) -> str:
        """The workspace's version, empty if it has none."""
        return self._described("version")

    @property
    def requires_pixi(self) -> str:
        """The version specification that ``pixi`` itself must meet."""
        return self.workspace.string("requires-pixi")

    @property
    def has_rich_platforms(self) -> bool:
        """Whether a platform is a table, which Pixi supports since version 0.71."""
        return any(isinstance(platform, dict) for platform in self.workspace.items("platforms"))

    @property
    def environment_names(self) -> tuple[str, ...]:
        """The names of all environments; ``default`` always exists."""
        return tuple(dict.fromkeys((DEFAULT, *self.pixi.table("environments").values)))

    @property
    def parse_time_files(self) -> tuple[str, ...]:
        """Files without which Pixi refuses the manifest (crates/pixi_manifest/src/toml/workspace.rs)."""
        tables = [self.workspace, self.pixi.table("package")]
        named = [table.values.get(key) for table in tables for key in ("readme", "license-file")]
        return tuple(
            dict.fromkeys(
                [
                    *(file for file in named if isinstance(file, str)),
                    *self.workspace.strings("build-variants-files"),
                ]
            )
        )

    @cached_property
    def features(self) -> dict[str, Feature]:
        """All features by name: the root of the document, the declared ones, and the groups of a pyproject.toml.

        Optional dependencies and dependency groups are features unless a feature of that name is declared
        (crates/pixi_manifest/src/pyproject.rs, ``into_workspace_manifest``).
        """
        declared = self.pixi.table("feature")
        if DEFAULT in declared:
            raise declared.error(
                "the feature 'default' cannot be declared",
                DEFAULT,
                hint="The tables at the root of the manifest are the default feature.",
            )
        groups = (name for name in self.groups if name not in declared)
        return {
            DEFAULT: Feature(DEFAULT, self.pixi),
            **{name: Feature(name, declared.table(name)) for name in declared.values},
            **{name: Feature(name, TomlTable({}, declared.file, keys=(*declared.keys, name))) for name in groups},
        }

    def environment(self, name: str) -> Environment:
        """Return an environment, which must exist.

        Raises ``UserError`` for an entry of the wrong type, and for a feature that is undeclared or listed twice
        (crates/pixi_manifest/src/toml/manifest.rs, ``into_workspace_manifest``).
        """
        entries = self.pixi.table("environments")
        entry: Any = entries.values.get(name, [])
        inline = TomlTable({}, self.pixi.file)
        if isinstance(entry, dict):
            inline = entries.table(name)
            names = inline.strings("features")
        elif isinstance(entry, list):
            names = entries.strings(name)
        else:
            raise entries.error(
                f"environment '{shortened(name)}' must be a list of features or a table, not {type_name(entry)}",
                name,
                hint=f'For example: {shortened(name)} = ["feature"].',
            )
        seen: set[str] = set()
        for feature in names:
            if feature not in self.features:
                known = listed(known for known in self.features if known != DEFAULT)
                raise entries.error(
                    f"environment '{shortened(name)}' has the feature '{shortened(feature)}', "
                    "which the manifest does not declare",
                    name,
                    hint=f"Add [feature.{shortened(feature)}] to {self.file}. Declared features: {known}.",
                )
            if feature in seen:
                raise entries.error(
                    f"environment '{shortened(name)}' lists the feature '{shortened(feature)}' twice", name
                )
            seen.add(feature)
        features = [self.features[feature] for feature in names]
        if inline:
            features.insert(0, Feature("", inline))
        if not inline.flag("no-default-feature") and DEFAULT not in seen:
            features.append(self.features[DEFAULT])
        return Environment(name, tuple(features), inline.string("solve-group"))

    @property
    def all_features(self) -> tuple[Feature, ...]:
        """All features in Pixi's order: default, declared, then inline content of environments."""
        entries = self.pixi.table("environments")
        inline = (
            Feature("", entries.table(name)) for name, entry in entries.values.items() if isinstance(entry, dict)
        )
        return (*self.features.values(), *inline)

    def activation_scripts(self, environment: str, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the scripts that activation sources, in that order, as written.

        ``names`` are the platform's, conda's last. Of each feature, only the most specific target with scripts
        counts (crates/pixi_manifest/src/feature.rs, ``activation_scripts``).
        """
        scripts: list[str] = []
        for feature in self.environment(environment).features:
            tables = [target.table("activation") for target in feature.targets(names)]
            scripts += next((table.strings("scripts") for table in tables if "scripts" in table), ())
        return tuple(dict.fromkeys(scripts))

    def activation_env(self, environment: str, names: tuple[str, ...]) -> dict[str, str]:
        """Return the variables that activation sets; the earlier feature and the later target take precedence."""
        merged: dict[str, str] = {}
        for feature in self.environment(environment).features:
            for target in feature.targets(names):
                variables = target.table("activation").table("env")
                for name in variables.values:
                    merged.setdefault(name, variables.string(name))
        return merged

    def find_links(self, environment: str) -> tuple[str, ...]:
        """Return the folders of wheels for the environment's PyPI packages, as written."""
        return self._find_links(self.environment(environment).features)

    @property
    def all_find_links(self) -> tuple[str, ...]:
        """The folders of wheels of all environments."""
        return self._find_links(self.all_features)

    def _find_links(self, features: Iterable[Feature]) -> tuple[str, ...]:
        tables = [self.workspace, *(feature.table for feature in features)]
        entries = [entry for table in tables for entry in table.table("pypi-options").items("find-links")]
        paths = (entry.get("path") for entry in entries if isinstance(entry, dict))
        return tuple(dict.fromkeys(path for path in paths if isinstance(path, str)))

    @property
    def has_development_packages(self) -> bool:
        """Whether a feature has Pixi's ``[dev]`` table: the dependencies of packages that are developed here."""
        tables = [feature.table for feature in self.all_features]
        targets = [table.table("target") for table in tables]
        tables += [target.table(selector) for target in targets for selector in target.values]
        return any("dev" in table for table in tables)

    def _described(self, key: str, *more: TomlTable) -> str:
        """Return the text under ``key`` in Pixi's tables, else in other tools'; inherited values are skipped."""
        for table in (self.workspace, *more, self.project, self.poetry):
            value = table.values.get(key)
            if isinstance(value, str):
                return value
        return ""


def read_manifest(context: Path, manifest_path: str = "") -> Manifest:
    """Return the manifest of the workspace in ``context``, or in the folder below it that ``manifest_path`` names.

    ``manifest_path`` names the file, relative to ``context`` or as an absolute path inside it. Raises
    ``UserError`` if there is no manifest, it is outside of ``context``, or it is not valid TOML.
    """
    if not is_folder(context, "."):
        raise NoWorkspaceError(
            f"the context '{shortened(str(context))}' is not a folder",
            hint="Set 'context' to the workspace's folder, or to one above it.",
        )
    if manifest_path:
        file = context / manifest_path
        if not exists(context, manifest_path) or is_folder(context, manifest_path):
            raise UserError(
                f"there is no manifest '{shortened(manifest_path)}' in '{context}'",
                hint="'manifest-path' is relative to 'context'. It names a file, such as container/pixi.toml.",
            )
        folder = workspace_folder(context, manifest_path)
        if file.name not in MANIFEST_NAMES:
            raise UserError(
                f"'{shortened(manifest_path)}' is not the name of a Pixi manifest",
                hint=f"Accepted: {', '.join(MANIFEST_NAMES)}.",
            )
        manifest = _parse(context, str(PurePosixPath(folder, file.name)))
        if not manifest.workspace:
            raise manifest.pixi.error(
                "the manifest has no workspace table",
                hint="Add [tool.pixi.workspace]." if file.name == "pyproject.toml" else "Add [workspace].",
            )
        return manifest
    for name in MANIFEST_NAMES:
        if exists(context, name) and not is_folder(context, name):
            manifest = _parse(context, name)
            if manifest.workspace:
                return manifest
    raise NoWorkspaceError(
        f"no Pixi workspace in '{context}'",
        hint=f"Set 'context' to a folder that has {', '.join(MANIFEST_NAMES)} with a workspace table, or "
        "'manifest-path' to a manifest below it.",
    )


def _parse(context: Path, name: str) -> Manifest:
    file = str(context / name)
    try:
        text = read_text(context, name, what="the manifest", limit=_MANIFEST_BYTES)
    except FileNotFoundError as error:
        raise UserError("the manifest cannot be read: it does not exist", file=file) from error
    try:
        document = parse_toml(text, file)
    except UserError as error:
        target = text.strip()
        if len(target) > _LONGEST_TARGET or not _PATH_AS_TEXT.fullmatch(target):
            raise
        raise UserError(
            f"the manifest is a symbolic link to '{target}' that was checked out as text",
            file=file,
            hint="Check out with `git config core.symlinks true`, or replace the link with the manifest itself.",
        ) from error
    return manifest_from(name, document)


def manifest_from(name: str, document: TomlTable) -> Manifest:
    """Return the manifest in a document of the file ``name``, which is relative to the context.

    Raises ``UserError`` for tables of another type.
    """
    nothing = TomlTable({}, document.file, document.text)
    if PurePosixPath(name).name != "pyproject.toml":
        return Manifest(name, document, nothing, nothing, document=document)
    tools, project = document.table("tool"), document.table("project")
    pixi = tools.table("pixi")
    groups = (*project.table("optional-dependencies").values, *document.table("dependency-groups").values)
    return Manifest(name, pixi, project, tools.table("poetry"), groups if pixi else (), document)
