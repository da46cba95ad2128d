"""Fingerprints: of the environment's image and of the whole one, the same wherever the image would be the same.

Each is a SHA-256 over named parts, whose own digests are kept beside it, so that a person can see why two differ.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pixi_container.image.stages import environment_stages, read_stages, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixi_container.image.base_images import BaseImages
    from pixi_container.inputs import Inputs
    from pixi_container.workspace.manifest import Manifest
    from pixi_container.workspace.workspace import Workspace

ENVIRONMENT_PARTS = {
    "platform": "the Docker platform and Pixi's name for it",
    "packages": "every locked package with its digests, except packages from the workspace's own source",
    "manifest": "the manifest's tables, except tasks and descriptions",
    "builder": "the builder image, by digest",
    "runtime": "the base of the final image, by digest",
    "pixi": "the version of Pixi",
    "cuda": "the CUDA version",
    "prefix": "the environment's path in the image",
    "activation": "the activation variables and the content of the activation scripts",
    "local packages": "the content of package files and wheel folders in the workspace",
    "compression": "the input `compression`",
    "template": "the text of the Dockerfile stages up to `environment`, without image names",
    "context": "every file that the stages of your own template may copy, if they copy more than the default ones",
}
IMAGE_PARTS = {
    "environment": "the environment's fingerprint",
    "manifest and lock": "the content of the manifest, the lock, and the files that Pixi requires",
    "own packages": "the files of packages from the workspace's own source",
    "included files": "the files copied into the image",
    "settings": "the text of the whole Dockerfile, without image names",
    "labels": "the inputs `labels` and `annotations`",
    "test": "the input `test-command`",
    ".dockerignore": "the content of `.dockerignore`",
}
"""What goes into the fingerprints; the second has the first as a part."""

_MORE_PRECISE = {
    "template": {"prefix", "cuda", "pixi", "activation", "platform"},
    "settings": {"environment"},
}
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
SHORT = 16
"""How many digits of a fingerprint stand in tags and outputs."""


@dataclass(frozen=True)
class Fingerprint:
    """Digests by the parts' names, in full."""

    parts: tuple[tuple[str, str], ...]

    @property
    def digest(self) -> str:
        """Sixty-four hexadecimal digits."""
        return _hash([list(part) for part in sorted(self.parts)])

    @property
    def short(self) -> str:
        """The first digits, for tags."""
        return self.digest[:SHORT]

    def as_json(self) -> dict[str, str]:
        """Return the parts' digests by name."""
        return dict(self.parts)


def fingerprint_of(parts: Mapping[str, object]) -> Fingerprint:
    """Make one of JSON values by the parts' names."""
    return Fingerprint(tuple((name, _hash(value)) for name, value in parts.items()))


def environment_fingerprint(
    workspace: Workspace, bases: BaseImages, inputs: Inputs, dockerfile: str, files: Mapping[str, str]
) -> Fingerprint:
    """Return the fingerprint over all that the stage ``environment`` depends on.

    ``dockerfile`` is the rendered text without credentials, ``files`` has the digests of ``activation scripts``,
    ``local packages`` and ``context``.
    """
    own = {package.name for package in workspace.own_source if package.kind != "conda-file"}
    values = {
        "platform": [workspace.platform.docker, workspace.declared.name, workspace.platform.name],
        "packages": [
            [package.name, package.version, package.build, package.location, package.sha256, package.md5]
            for package in workspace.platform.packages
            if package.name not in own
        ],
        "manifest": _relevant(workspace.manifest),
        "builder": str(bases.builder),
        "runtime": str(bases.runtime),
        "pixi": bases.pixi_version,
        "cuda": workspace.cuda,
        "prefix": f"{inputs.workdir}/.pixi/envs/{workspace.environment}",
        "activation": [
            workspace.manifest.name,
            workspace.manifest.file,
            list(workspace.activation_env),
            list(workspace.activation_scripts),
            files["activation scripts"],
        ],
        "local packages": files["local packages"],
        "compression": inputs.compression,
        "template": _without_image_names(text_of(environment_stages(read_stages(dockerfile))), bases),
        "context": files["context"],
    }
    return fingerprint_of({name: values[name] for name in ENVIRONMENT_PARTS})


def image_fingerprint(
    environment: Fingerprint, bases: BaseImages, inputs: Inputs, dockerfile: str, files: Mapping[str, str]
) -> Fingerprint:
    """Return the fingerprint over all that the image depends on.

    ``files`` has the digests of ``manifest and lock``, ``own packages``, ``included files`` and
    ``.dockerignore``.
    """
    values = {
        "environment": environment.digest,
        "settings": _without_image_names(dockerfile, bases),
        "labels": [inputs.labels, inputs.annotations],
        "test": inputs.test_command,
        **{name: files[name] for name in ("manifest and lock", "own packages", "included files", ".dockerignore")},
    }
    return fingerprint_of({name: values[name] for name in IMAGE_PARTS})


def differing(ours: Mapping[str, str], theirs: Mapping[str, str]) -> tuple[str, ...]:
    """Name the parts that differ, the most telling ones alone: a changed CUDA version changes the text as well."""
    names = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    if len(names) > 1 and "environment" in names and set(names) & ENVIRONMENT_PARTS.keys():
        names.remove("environment")
    return tuple(name for name in names if not _MORE_PRECISE.get(name, set()) & set(names))


def _without_image_names(text: str, bases: BaseImages) -> str:
    """Put fixed names for the base images, whose digests are parts of their own."""
    return text.replace(str(bases.builder), "BUILDER").replace(str(bases.runtime), "RUNTIME")


def _relevant(manifest: Manifest) -> dict[str, Any]:
    """Return the manifest's tables without what no environment depends on."""
    document = dict(manifest.document.values)
    if manifest.file == "pyproject.toml":
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


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
