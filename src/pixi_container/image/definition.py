"""The image as it would be built: Dockerfile, fingerprints and tags, before anybody asks whether it exists."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pixi_container.image.dockerfile import (
    TRUSTED_CACHE,
    UNTRUSTED_CACHE,
    ImageSettings,
    layers_for,
    render_dockerfile,
)
from pixi_container.image.fingerprint import Fingerprint, environment_fingerprint, image_fingerprint
from pixi_container.image.metadata import compute_metadata
from pixi_container.image.stages import context_copies, environment_stages, read_stages
from pixi_container.image.workspace_stage import workspace_stage

if TYPE_CHECKING:
    from collections.abc import Collection

    from pixi_container.image.base_images import BaseImages
    from pixi_container.image.files import ImageFiles
    from pixi_container.image.sources import Sources
    from pixi_container.inputs import Inputs
    from pixi_container.runner.event import Event
    from pixi_container.tags import Facts, Metadata
    from pixi_container.workspace.workspace import Workspace

_LONGEST_NAME = 80


@dataclass(frozen=True, kw_only=True)
class ImageDefinition:
    """An image that may exist already.

    ``stages`` are the names of the Dockerfile's stages, none of a Dockerfile of the user's own, whose stages may
    mean anything. ``layers`` is the number of layers of the environment, 0 where it is not ours to split.
    ``epoch`` is the commit's time in seconds. ``lfs_pointers`` are the included files that Git LFS has not
    fetched.
    """

    workspace: Workspace
    bases: BaseImages
    dockerfile: str
    stages: frozenset[str]
    layers: int
    environment_fingerprint: Fingerprint
    fingerprint: Fingerprint
    metadata: Metadata
    epoch: int
    lfs_pointers: tuple[str, ...] = ()

    @property
    def is_pinned(self) -> bool:
        """Whether the fingerprints say all, as they cannot where a base has no digest."""
        return bool(self.bases.builder.digest and self.bases.runtime.digest)

    @property
    def image_tag(self) -> str:
        """The tag by which the image is found again."""
        return f"img-{self._name}-{self.fingerprint.short}"

    @property
    def environment_tag(self) -> str:
        """The tag of the environment's image."""
        return f"env-{self._name}-{self.environment_fingerprint.short}"

    @property
    def moving_environment_tag(self) -> str:
        """The tag of the last image that was made of an environment of this name."""
        return f"env-{self._name}"

    @property
    def _name(self) -> str:
        return self.workspace.environment[:_LONGEST_NAME]


def define_image(
    event: Event,
    inputs: Inputs,
    sources: Sources,
    bases: BaseImages,
    facts: Facts,
    files: ImageFiles,
    published_tags: Collection[str] | None = None,
) -> ImageDefinition:
    """Render the Dockerfile and compute the fingerprints and all that names the image.

    ``published_tags`` are those that the registry has, None where nobody was asked. Raises ``UserError`` for
    values, tags or names that cannot be used.
    """
    workspace = sources.workspace
    settings = ImageSettings(
        workdir=inputs.workdir,
        expose=inputs.expose,
        command=inputs.command,
        layers=inputs.layers,
        template=sources.template,
        conda_auth=bool(inputs.conda_auth),
        source_version=sources.source_version,
        cache=TRUSTED_CACHE if event.may_push else UNTRUSTED_CACHE,
    )

    def rendered(changed: ImageSettings) -> str:
        return sources.dockerfile or render_dockerfile(
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
    stages = read_stages(named)
    # A template of the user's own may copy what ours does not; then the environment depends on all of it.
    copies_more = bool(sources.template) and not (
        context_copies(environment_stages(stages))
        <= context_copies(environment_stages(read_stages(rendered(replace(common, template="")))))
    )
    digests = files.digests if copies_more or sources.dockerfile else {**files.digests, "context": ""}
    environment = environment_fingerprint(workspace, bases, inputs, named, digests)
    expressions = {**facts.expressions, "fingerprint": environment.short}
    layers = layers_for(workspace, settings, workspace_stage(workspace, bases.pixi_version))
    return ImageDefinition(
        workspace=workspace,
        bases=bases,
        dockerfile=dockerfile,
        stages=frozenset() if sources.dockerfile else frozenset(stage.name for stage in stages),
        layers=0 if sources.dockerfile or sources.template else len(layers),
        environment_fingerprint=environment,
        fingerprint=image_fingerprint(environment, bases, inputs, named, digests),
        metadata=compute_metadata(event, inputs, replace(facts, expressions=expressions), published_tags),
        epoch=int(facts.commit_date.timestamp()),
        lfs_pointers=files.lfs_pointers,
    )
