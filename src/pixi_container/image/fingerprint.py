"""Fingerprints of the environment image and of the whole image: hashes of everything that determines them.

Each is a SHA-256 over the digests of named parts, which are stored too, so that a person can see why two differ.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pixi_container.image.dockerfile import scripts
from pixi_container.image.environment_way import LAYOUT_VERSION
from pixi_container.image.fetched_source import added_later
from pixi_container.image.stages import environment_stages, read_stages, text_of
from pixi_container.workspace.package_ways import direct_packages

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pixi_container.image.base_definition import BaseDefinition
    from pixi_container.image.base_images import BaseImages
    from pixi_container.inputs import Inputs
    from pixi_container.workspace.lock import LockedPackage
    from pixi_container.workspace.manifest import Manifest
    from pixi_container.workspace.workspace import Workspace

ENVIRONMENT_PARTS = {
    "way": "how the image is made: straight from the lock, with what layers and scripts, or in a Docker build",
    "platform": "the Docker platform and Pixi's name for it",
    "packages": "every locked package with its digests, except those that a later stage builds from source",
    "manifest": "the manifest's tables, except tasks and descriptions (Docker builds only)",
    "builder": "the builder image, by digest (Docker builds only)",
    "runtime": "the base of the final image, by digest; with `apt-packages` or `base-instructions`, what they add "
    "and when that was last refreshed",
    "pixi": "the version of Pixi",
    "cuda": "the CUDA version",
    "prefix": "the environment's path in the image",
    "activation": "the activation variables and the content of the activation scripts",
    "local packages": "the content of package files and wheel folders in the workspace (Docker builds only)",
    "compression": "the input `compression`",
    "template": "the text of the Dockerfile stages up to `environment`, without image names (Docker builds only)",
    "context": "every file that the stages of your own template may copy, if they copy more than the default ones",
}
MORE_PARTS = {
    "more environments": "only with several environments: names, platforms, packages, activation of the others, "
    "and how one is chosen",
}
"""Parts that only the fingerprint of several environments has; of one, it is the same without them."""

IMAGE_PARTS = {
    "environment": "the environment's fingerprint",
    "manifest and lock": "the content of the manifest, the lock, and the files that Pixi requires",
    "own packages": "the files of packages from the workspace's own source",
    "included files": "the files copied into the image",
    "settings": "the text of the whole Dockerfile, without image names",
    "labels": "the inputs `labels` and `annotations`",
    "build options": "for your own Dockerfile or template: `target`, `build-args`, `build-contexts` with the "
    "files of their folders, and the ids in `secrets`, `secret-files` and `ssh`",
    "test": "the inputs `test-command` and `test-target`",
    ".dockerignore": "the content of `.dockerignore`",
}
"""The parts of each fingerprint and their meanings; the image's has the environment's as a part."""

_MORE_PRECISE = {
    "template": {"prefix", "cuda", "pixi", "activation", "platform", "runtime"},
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
"""Number of hexadecimal digits of a fingerprint in tags and outputs."""


@dataclass(frozen=True)
class Fingerprint:
    """The full digests of the parts, with the parts' names."""

    parts: tuple[tuple[str, str], ...]

    @property
    def digest(self) -> str:
        """The SHA-256 digest, 64 hexadecimal digits."""
        return _hash([list(part) for part in sorted(self.parts)])

    @property
    def short(self) -> str:
        """The first digits, for tags."""
        return self.digest[:SHORT]

    def as_json(self) -> dict[str, str]:
        """Return the parts' digests by name."""
        return dict(self.parts)


def fingerprint_of(parts: Mapping[str, object]) -> Fingerprint:
    """Return the fingerprint of parts with JSON values."""
    return Fingerprint(tuple((name, _hash(value)) for name, value in parts.items()))


def direct_fingerprint(
    workspace: Workspace,
    bases: BaseImages,
    inputs: Inputs,
    layers: int,
    scripts_digest: str,
    base: BaseDefinition | None = None,
) -> Fingerprint:
    """Return the fingerprint of everything that the environment's image depends on if it comes from the lock.

    ``layers`` is how many layers there may be, and ``scripts_digest`` is that of the activation scripts.
    """
    direct = direct_packages(workspace.platform.packages)
    activating = ("activate.sh", "entrypoint.sh", "shells.sh", "hook.awk")
    values = {
        **dict.fromkeys(ENVIRONMENT_PARTS, ""),
        **_common_values(workspace, bases, inputs, scripts_digest, base),
        "way": [
            LAYOUT_VERSION,
            layers,
            len(direct) == len(workspace.platform.packages),
            [scripts()[name] for name in activating],
        ],
        "packages": _packages(direct),
        **_of_more(workspace),
    }
    return fingerprint_of(values)


def environment_fingerprint(
    workspace: Workspace,
    bases: BaseImages,
    inputs: Inputs,
    dockerfile: str,
    files: Mapping[str, str],
    base: BaseDefinition | None = None,
) -> Fingerprint:
    """Return the fingerprint of everything that the stage ``environment`` depends on.

    ``dockerfile`` is the text rendered without credentials, and ``files`` contains the digests of
    ``activation scripts``, ``local packages`` and ``context``.
    """
    added = {package.name for package in workspace.own_source if package.kind != "conda-file"}
    added |= {package.name for package in added_later(workspace)}
    values = {
        **dict.fromkeys(ENVIRONMENT_PARTS, ""),
        **_common_values(workspace, bases, inputs, files["activation scripts"], base),
        "way": "docker",
        "packages": _packages(package for package in workspace.platform.packages if package.name not in added),
        "manifest": _relevant(workspace.manifest),
        "builder": str(bases.builder),
        "local packages": files["local packages"],
        "template": [
            _without_image_names(text_of(environment_stages(read_stages(dockerfile))), bases),
            _build_options(inputs, files) if inputs.template else [],
        ],
        "context": files["context"],
        **_of_more(workspace),
    }
    return fingerprint_of(values)


def _of_more(workspace: Workspace) -> dict[str, object]:
    """Return the part of the further environments; nothing without any."""
    if not workspace.more:
        return {}
    environments = [
        [
            each.environment,
            each.declared.name,
            each.platform.name,
            list(each.all_platforms),
            each.cuda,
            list(each.activation_env),
            list(each.activation_scripts),
            _packages(each.platform.packages),
        ]
        for each in workspace.more
    ]
    return {"more environments": [environments, scripts()["select.sh"]]}


def _common_values(
    workspace: Workspace, bases: BaseImages, inputs: Inputs, scripts_digest: str, base: BaseDefinition | None
) -> dict[str, object]:
    return {
        "platform": [workspace.platform.docker, workspace.declared.name, workspace.platform.name],
        "runtime": base.identity if base else str(bases.runtime),
        "pixi": bases.pixi_version,
        "cuda": workspace.cuda,
        "prefix": f"{workspace.place(inputs.workdir)}/.pixi/envs/{workspace.environment}",
        "activation": [
            workspace.manifest.name,
            workspace.manifest.file,
            list(workspace.activation_env),
            list(workspace.activation_scripts),
            scripts_digest,
        ],
        "compression": inputs.compression,
    }


def _packages(packages: Iterable[LockedPackage]) -> list[list[object]]:
    return [
        [package.name, package.version, package.build, package.location, package.sha256, package.md5]
        for package in packages
    ]


def image_fingerprint(
    environment: Fingerprint, bases: BaseImages, inputs: Inputs, dockerfile: str, files: Mapping[str, str]
) -> Fingerprint:
    """Return the fingerprint of everything that the image depends on.

    ``files`` contains the digests of ``manifest and lock``, ``own packages``, ``included files``,
    ``build contexts`` and ``.dockerignore``.
    """
    values = {
        "environment": environment.digest,
        "settings": _without_image_names(dockerfile, bases),
        "labels": [inputs.labels, inputs.annotations],
        "build options": _build_options(inputs, files),
        "test": [inputs.test_command, list(inputs.test_target)],
        **{name: files[name] for name in ("manifest and lock", "own packages", "included files", ".dockerignore")},
    }
    return fingerprint_of({name: values[name] for name in IMAGE_PARTS})


def _build_options(inputs: Inputs, files: Mapping[str, str]) -> list[object]:
    """Return the options of a build that may change what its instructions do.

    Values of secrets are left out: a label has the digest of this part, from which a short secret could be
    guessed, and a new token does not make another image.
    """
    return [
        inputs.target,
        sorted(inputs.build_args),
        # What is in a folder counts, and not where it is.
        sorted((context.name, "" if context.is_folder else context.value) for context in inputs.build_contexts),
        files["build contexts"],
        sorted(name for name, _ in (*inputs.build_secrets, *inputs.secret_files)),
        sorted(name for name, _ in inputs.ssh),
    ]


def differing(ours: Mapping[str, str], theirs: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the parts that differ, without those that follow from a more specific part.

    A changed CUDA version, for example, also changes the text of the Dockerfile.
    """
    names = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    if len(names) > 1 and "environment" in names and set(names) & {**ENVIRONMENT_PARTS, **MORE_PARTS}.keys():
        names.remove("environment")
    return tuple(name for name in names if not _MORE_PRECISE.get(name, set()) & set(names))


def _without_image_names(text: str, bases: BaseImages) -> str:
    """Replace the base images with fixed names, because their digests are separate parts."""
    return text.replace(str(bases.builder), "BUILDER").replace(str(bases.runtime), "RUNTIME")


def _relevant(manifest: Manifest) -> dict[str, Any]:
    """Return the manifest's tables without the values that affect no environment."""
    document = dict(manifest.document.values)
    if manifest.is_pyproject:
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
