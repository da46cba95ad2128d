"""The definition of an image: Dockerfile, fingerprints and tags, before any look at the registry."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pixi_container.image.base_definition import define_base
from pixi_container.image.dockerfile import (
    TRUSTED_CACHE,
    UNTRUSTED_CACHE,
    ImageSettings,
    most_environment_layers,
    render_dockerfile,
)
from pixi_container.image.environment_way import EnvironmentWay, environment_way
from pixi_container.image.fingerprint import (
    Fingerprint,
    direct_fingerprint,
    environment_fingerprint,
    image_fingerprint,
)
from pixi_container.image.instructions import NO_INSTRUCTIONS
from pixi_container.image.layers import environment_layers, layer_budgets
from pixi_container.image.metadata import compute_metadata
from pixi_container.image.own_dockerfile import ENVIRONMENT_NAME, check_pixi_version
from pixi_container.image.own_lines import OwnLines, own_lines
from pixi_container.image.production_stage import ProductionStage, production_stage
from pixi_container.image.stages import context_copies, environment_stages, read_stages
from pixi_container.image.workspace_stage import workspace_stage
from pixi_container.image_choice import PLATFORMS
from pixi_container.workspace.folder import HERE
from pixi_container.workspace.package_ways import direct_packages

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pixi_container.image.base_definition import BaseDefinition
    from pixi_container.image.base_images import BaseImages
    from pixi_container.image.files import ImageFiles
    from pixi_container.image.own_dockerfile import OwnDockerfile
    from pixi_container.image.sources import Sources
    from pixi_container.image.stages import Stage
    from pixi_container.inputs import Inputs
    from pixi_container.runner.event import Event
    from pixi_container.tags import Facts, Metadata
    from pixi_container.workspace.workspace import Workspace

_LONGEST_NAME = 80


@dataclass(frozen=True, kw_only=True)
class ImageDefinition:
    """The definition of an image, which may already exist.

    ``base`` is what is added to the runtime image; None for nothing. ``way`` is how its environment is made.
    ``stages`` are the names of the Dockerfile's stages; of a user-supplied Dockerfile, whose stages may mean
    anything, only ``environment`` if it builds on that. Then the text of ``environment_dockerfile``, else empty,
    makes the environment in a Docker build. ``layers`` is the number of layers of an environment that is made
    straight from the lock, at most ``most_layers``; 0 for another one. ``production`` is the last stage of a
    rendered Dockerfile. ``epoch`` is the commit's time in seconds. ``lfs_pointers`` are the included files that
    Git LFS has not fetched.
    """

    workspace: Workspace
    bases: BaseImages
    way: EnvironmentWay
    dockerfile: str
    stages: frozenset[str]
    layers: int
    most_layers: int
    production: ProductionStage
    environment_fingerprint: Fingerprint
    fingerprint: Fingerprint
    metadata: Metadata
    epoch: int
    environment_dockerfile: str = ""
    lfs_pointers: tuple[str, ...] = ()
    base: BaseDefinition | None = None

    @property
    def is_pinned(self) -> bool:
        """Whether both base images have a digest; otherwise the fingerprints do not determine the image."""
        return bool(self.bases.builder.digest and self.bases.runtime.digest)

    @property
    def own_lines(self) -> tuple[OwnLines, ...]:
        """The lines that the user wrote of the Dockerfile that is rendered."""
        base = self.base.instructions if self.base else NO_INSTRUCTIONS
        return own_lines(self.environment_dockerfile or self.dockerfile, base, self.production.instructions)

    @property
    def image_tag(self) -> str:
        """The tag for finding the image again."""
        return f"img-{self.environment_label}-{self.fingerprint.short}"

    @property
    def environment_tag(self) -> str:
        """The tag of the environment image."""
        return f"env-{self.environment_label}-{self.environment_fingerprint.short}"

    @property
    def moving_environment_tag(self) -> str:
        """The tag of the last image of an environment of this name."""
        return f"env-{self.environment_label}{_suffix_of(self.workspace.platform.docker)}"

    @property
    def environment_label(self) -> str:
        """What names the environment in tags."""
        return environment_name(self.workspace.environment, self.workspace.folder)


def _suffix_of(platform: str) -> str:
    """Return what keeps the last images of several platforms apart: no environment's name has an underscore."""
    return "" if platform == PLATFORMS[0] else f"_{platform.rpartition('/')[2]}"


def environment_name(environment: str, folder: str) -> str:
    """Return what names an environment in tags: its name, after the workspace's folder below the context.

    Names of environments have no dot, so that the workspaces of one repository have different ones.
    """
    if folder == HERE:
        return environment[:_LONGEST_NAME]
    name = f"{folder.replace('/', '.')}.{environment}"
    if len(name) <= _LONGEST_NAME and "." not in folder:
        return name
    digest = hashlib.sha256(f"{folder}\n{environment}".encode()).hexdigest()[:8]
    return f"{name[: _LONGEST_NAME - len(digest) - 1]}.{digest}"


def define_image(
    event: Event,
    inputs: Inputs,
    sources: Sources,
    bases: BaseImages,
    facts: Facts,
    files: ImageFiles,
    published_tags: Collection[str] | None = None,
    *,
    refreshed: str = "",
) -> ImageDefinition:
    """Return the definition: render the Dockerfile, and compute fingerprints, tags and labels.

    ``published_tags`` are the tags in the registry, None if it was not asked. ``refreshed`` is when the base was
    last built anew. Raises ``UserError`` for values,
    tags or names that cannot be used.
    """
    workspace = sources.workspace
    base = define_base(inputs, workspace, bases, sources.base_instructions, files.digests["base"], refreshed)
    settings = ImageSettings(
        inputs=inputs,
        instructions=sources.instructions,
        template=sources.template,
        conda_auth=bool(inputs.conda_auth),
        git_auth=bool(inputs.git_auth),
        source_version=sources.source_version,
        cache=TRUSTED_CACHE if event.may_push else UNTRUSTED_CACHE,
        base=base,
    )
    own = sources.dockerfile
    on_environment = own is not None and own.builds_on_environment
    if on_environment:
        check_pixi_version(bases.pixi_version)

    def rendered(changed: ImageSettings) -> str:
        if own and not on_environment:
            return own.text
        return render_dockerfile(
            workspace,
            builder_image=bases.builder,
            runtime_image=bases.runtime,
            settings=changed,
            pixi_version=bases.pixi_version,
        )

    dockerfile = rendered(settings)
    # A pull request has no credentials and a separate cache, but gets the same packages and fingerprint.
    common = replace(settings, conda_auth=False, git_auth=False, cache=TRUSTED_CACHE)
    named = rendered(common) if common != settings else dockerfile
    stages = read_stages(named)
    # If a user-supplied template copies more than the default one, the environment depends on the whole context.
    copies_more = bool(sources.template) and not (
        context_copies(environment_stages(stages))
        <= context_copies(environment_stages(read_stages(rendered(replace(common, template="")))))
    )
    digests = files.digests if copies_more or (own and not on_environment) else {**files.digests, "context": ""}
    way = environment_way(inputs, workspace, bases.pixi_version, own)
    most_layers = most_environment_layers(workspace, settings, workspace_stage(workspace, bases.pixi_version))
    environment = (
        direct_fingerprint(workspace, bases, inputs, most_layers, digests["activation scripts"], base)
        if way.is_direct
        else environment_fingerprint(workspace, bases, inputs, named, digests, base)
    )
    expressions = {**facts.expressions, "fingerprint": environment.short}
    return ImageDefinition(
        workspace=workspace,
        bases=bases,
        way=way,
        dockerfile=own.text if own else dockerfile,
        environment_dockerfile=dockerfile if on_environment else "",
        stages=_stages(own, stages),
        layers=_layer_count(workspace, most_layers) if way.is_direct else 0,
        most_layers=most_layers,
        production=production_stage(workspace, inputs, sources.instructions),
        environment_fingerprint=environment,
        fingerprint=image_fingerprint(environment, bases, inputs, own.text if own else named, digests),
        metadata=compute_metadata(event, inputs, replace(facts, expressions=expressions), published_tags),
        epoch=int(facts.commit_date.timestamp()),
        lfs_pointers=files.lfs_pointers,
        base=base,
    )


def _stages(own: OwnDockerfile | None, rendered: Iterable[Stage]) -> frozenset[str]:
    if own:
        return frozenset({ENVIRONMENT_NAME}) if own.builds_on_environment else frozenset()
    return frozenset(stage.name for stage in rendered)


def _layer_count(workspace: Workspace, most: int) -> int:
    """Return the number of layers of the environments that are made straight from the lock."""
    environments = workspace.all_environments
    budgets = layer_budgets(most, len(environments))
    return sum(
        len(environment_layers(direct_packages(each.platform.packages), budget))
        for each, budget in zip(environments, budgets, strict=True)
    )
