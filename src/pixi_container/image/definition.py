"""The image as it would be built: Dockerfile, fingerprints and names, before anybody asks whether it exists."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pixi_container.image.dockerfile import TRUSTED_CACHE, UNTRUSTED_CACHE, ImageSettings, render_dockerfile
from pixi_container.image.fingerprint import (
    Fingerprint,
    context_copies,
    environment_fingerprint,
    environment_stages,
    image_fingerprint,
)
from pixi_container.image.metadata import compute_metadata
from pixi_container.image.workspace_stage import workspace_stage
from pixi_container.paths import PIXI_CONFIG, exists, leads_out
from pixi_container.workspace.build_context import digest_of, lfs_pointers, read_docker_ignore
from pixi_container.workspace.lock import LOCK_NAME
from pixi_container.workspace.manifest import MANIFEST_NAMES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pixi_container.image.base_images import BaseImages
    from pixi_container.inputs import Inputs
    from pixi_container.runner.event import Event
    from pixi_container.tags import Facts, Metadata
    from pixi_container.workspace.workspace import Workspace

_LONGEST_NAME = 80
_ENVIRONMENT = re.compile(r"^FROM \S+ AS environment$", re.MULTILINE)
_LAYER = re.compile(r"^COPY --link --from=build (/layers/\S+) /$", re.MULTILINE)
_NOTES = re.compile(r"^FROM build AS notes$", re.MULTILINE)
_CHECK = re.compile(r"^FROM \S+ AS check$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Texts:
    """The user's own files, as text: a Dockerfile, a template; and the checkout's version."""

    dockerfile: str = ""
    template: str = ""
    source_version: str = ""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """An image that may exist already.

    ``is_pinned`` tells whether the fingerprints say all, as they cannot where a base has no digest.
    ``has_environment`` and ``has_check`` tell whether the Dockerfile has these stages.
    """

    dockerfile: str
    environment: Fingerprint
    image: Fingerprint
    metadata: Metadata
    is_pinned: bool

    @property
    def layers(self) -> int:
        """How many layers of packages the environment has; 0 where the Dockerfile does not split it."""
        return len(set(_LAYER.findall(self.dockerfile)))

    @property
    def has_environment(self) -> bool:
        """Whether the environment is a stage, so that it can be an image of its own."""
        return _ENVIRONMENT.search(self.dockerfile) is not None

    @property
    def has_notes(self) -> bool:
        """Whether a stage repeats what the build had to say, which its cache keeps from being said again."""
        return _NOTES.search(self.dockerfile) is not None

    @property
    def has_check(self) -> bool:
        """Whether the build itself checks that the environment is active."""
        return _CHECK.search(self.dockerfile) is not None


def draft_image(
    event: Event,
    inputs: Inputs,
    workspace: Workspace,
    bases: BaseImages,
    facts: Facts,
    texts: Texts,
    files: Mapping[str, str],
    published_tags: Collection[str] | None = None,
) -> Draft:
    """Render the Dockerfile and compute all that names it; ``files`` are the digests of ``file_digests``.

    Raises ``UserError`` for values, tags or names that cannot be used.
    """
    settings = ImageSettings(
        workdir=inputs.workdir,
        expose=inputs.expose,
        command=inputs.command,
        layers=inputs.layers,
        template=texts.template,
        conda_auth=bool(inputs.conda_auth),
        source_version=texts.source_version,
        cache=TRUSTED_CACHE if event.may_push else UNTRUSTED_CACHE,
    )

    def rendered(changed: ImageSettings) -> str:
        return texts.dockerfile or render_dockerfile(
            workspace,
            builder_image=bases.builder,
            runtime_image=bases.runtime,
            settings=changed,
            pixi_version=bases.pixi_version,
        )

    dockerfile = rendered(settings)
    # A pull request has no credentials, or a cache of its own, and still gets the same packages.
    common = replace(settings, conda_auth=False, cache=TRUSTED_CACHE)
    named = rendered(common) if common != settings else dockerfile
    copies_more = bool(texts.template) and not (
        context_copies(environment_stages(named))
        <= context_copies(environment_stages(rendered(replace(common, template=""))))
    )
    seen = files if copies_more or texts.dockerfile else {**files, "context": ""}
    environment = environment_fingerprint(workspace, bases, inputs, named, seen)
    image = image_fingerprint(environment, bases, inputs, named, files)
    expressions = {**facts.expressions, "fingerprint": environment.short}
    return Draft(
        dockerfile=dockerfile,
        environment=environment,
        image=image,
        metadata=compute_metadata(event, inputs, replace(facts, expressions=expressions), published_tags),
        is_pinned=bool(bases.builder.digest and bases.runtime.digest),
    )


def environment_tag(environment: str, fingerprint: Fingerprint) -> str:
    """Return the tag of an environment's image."""
    return f"env-{environment[:_LONGEST_NAME]}-{fingerprint.short}"


def moving_environment_tag(environment: str) -> str:
    """Return the tag of the last image that was made of an environment."""
    return f"env-{environment[:_LONGEST_NAME]}"


def image_tag(environment: str, fingerprint: Fingerprint) -> str:
    """Return the tag by which an image is found again."""
    return f"img-{environment[:_LONGEST_NAME]}-{fingerprint.short}"


def relevant_paths(workspace: Workspace, inputs: Inputs, pixi_version: str) -> tuple[str, ...]:
    """Return the files and folders whose change may change the image, relative to the context.

    That is more than it is made of: what is gone now, or would come first if it were there, counts as well.
    """
    if inputs.dockerfile or inputs.template:
        return (".",)
    found = {
        *MANIFEST_NAMES,
        LOCK_NAME,
        ".dockerignore",
        PIXI_CONFIG,
        *workspace.install_files,
        *workspace.missing_files,
        *workspace.activation_scripts,
        *workspace.missing_scripts,
        *workspace.local_channels,
        *_own_files(workspace, pixi_version),
        *(workspace.include if inputs.include is not None else ("src",)),
    }
    root = workspace.context.resolve()
    for path in tuple(found):
        if exists(root, path) and not leads_out(root, path):
            found.add((root / path).resolve().relative_to(root).as_posix())
    return tuple(sorted(found))


def file_digests(workspace: Workspace, inputs: Inputs, pixi_version: str) -> dict[str, str]:
    """Return the digests of the files that the fingerprints are made of, by their parts' names."""
    context = workspace.context
    ignore, text = read_docker_ignore(context, inputs.dockerfile)
    paths = {
        "activation scripts": workspace.activation_scripts,
        "local packages": workspace.local_channels,
        "manifest and lock": (*workspace.install_files, *workspace.config_files),
        "own packages": _own_files(workspace, pixi_version),
    }
    digests = {name: digest_of(context, wanted, ignore) for name, wanted in paths.items()}
    if inputs.dockerfile or inputs.template:
        # What may copy the whole context has all of it, with folders that ours never copies.
        whole = digest_of(context, (".",), ignore, with_never_copied=True)
        return {**digests, "included files": whole, "context": whole, ".dockerignore": text}
    included = digest_of(context, workspace.include, ignore)
    return {**digests, "included files": included, "context": "", ".dockerignore": text}


def included_lfs_pointers(workspace: Workspace, inputs: Inputs) -> tuple[str, ...]:
    """Return those of the included files that are no more than pointers of Git LFS."""
    ignore, _ = read_docker_ignore(workspace.context, inputs.dockerfile)
    return tuple(lfs_pointers(workspace.context, workspace.include, ignore))


def _own_files(workspace: Workspace, pixi_version: str) -> tuple[str, ...]:
    stage = workspace_stage(workspace, pixi_version)
    return tuple(sorted({*stage.mounts, *stage.copies})) if stage else ()
