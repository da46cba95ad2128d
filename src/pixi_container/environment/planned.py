"""The image of an environment as a definition plans it: what the lock, the manifest and the inputs say of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pixi_container.environment.activation import workspace_activation
from pixi_container.environment.environment_image import EnvironmentImage
from pixi_container.environment.image_config import Settings
from pixi_container.environment.locked import installation, locked_environment
from pixi_container.environment.prefix_files import prefix_entries, workspace_entries
from pixi_container.image.dockerfile import environment_variables
from pixi_container.image.layers import layer_budgets
from pixi_container.workspace.lock import read_lock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixi_container.image.definition import ImageDefinition
    from pixi_container.inputs import Inputs
    from pixi_container.workspace.workspace import Workspace


def planned_environment(
    definition: ImageDefinition, inputs: Inputs, labels: Mapping[str, str], auth_file: Path | None, base: str
) -> EnvironmentImage:
    """Return the image of the definition's environment, to be published under its two tags.

    ``base`` is the tag or digest of the image below. ``auth_file`` has the credentials for channels, in rattler's
    format; None without any of this run. Raises ``UserError`` for a lock or an activation script that cannot be
    read.
    """
    workspace, pixi_version = definition.workspace, definition.bases.pixi_version
    lock = read_lock(workspace.context, workspace.folder)
    names = workspace.environment_names if workspace.more else ()
    budgets = layer_budgets(definition.most_layers, len(workspace.all_environments))

    def image(each: Workspace, layers: int) -> EnvironmentImage:
        environment = locked_environment(lock, each)
        activation = workspace_activation(each, inputs.workdir, names)
        noted = installation(environment, each, inputs.workdir, pixi_version)
        return EnvironmentImage(
            environment=environment,
            activation=activation,
            prefix_files=prefix_entries(activation.prefix, noted, environment.records.values()),
            workspace_files=() if activation.is_further else workspace_entries(),
            base=base,
            platform=each.platform.docker,
            settings=Settings(
                prefix=activation.prefix,
                workdir=inputs.workdir,
                folder=each.folder,
                variables=tuple(environment_variables(each, list(activation.variables))),
                labels=labels,
            ),
            tags=(definition.environment_tag, definition.moving_environment_tag),
            before=definition.moving_environment_tag,
            layers=layers,
            compression="zstd" if inputs.compression == "zstd" else "gzip",
            mirrors=each.config.mirrors,
            auth_file=auth_file,
        )

    images = [image(each, budget) for each, budget in zip(workspace.all_environments, budgets, strict=True)]
    return replace(images[0], more=tuple(images[1:]))
