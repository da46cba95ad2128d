"""The image of an environment as a definition plans it: what the lock, the manifest and the inputs say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixi_container.environment.activation import workspace_activation
from pixi_container.environment.environment_image import EnvironmentImage
from pixi_container.environment.image_config import Settings
from pixi_container.environment.locked import installation, locked_environment
from pixi_container.environment.prefix_files import prefix_entries, workspace_entries
from pixi_container.image.dockerfile import environment_variables
from pixi_container.workspace.lock import read_lock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixi_container.image.definition import ImageDefinition
    from pixi_container.inputs import Inputs


def planned_environment(
    definition: ImageDefinition, inputs: Inputs, labels: Mapping[str, str], auth_file: Path | None, base: str
) -> EnvironmentImage:
    """Return the image of the definition's environment, to be published under its two tags.

    ``base`` is the tag or digest of the image below. ``auth_file`` has the credentials for channels, in rattler's
    format; None without any of this run. Raises ``UserError`` for a lock or an activation script that cannot be
    read.
    """
    workspace, pixi_version = definition.workspace, definition.bases.pixi_version
    environment = locked_environment(read_lock(workspace.context, workspace.folder), workspace)
    activation = workspace_activation(workspace, inputs.workdir)
    noted = installation(environment, workspace, inputs.workdir, pixi_version)
    return EnvironmentImage(
        environment=environment,
        activation=activation,
        prefix_files=prefix_entries(activation.prefix, noted, environment.records.values()),
        workspace_files=workspace_entries(),
        base=base,
        platform=workspace.platform.docker,
        settings=Settings(
            prefix=activation.prefix,
            workdir=inputs.workdir,
            folder=workspace.folder,
            variables=tuple(environment_variables(workspace, list(activation.variables))),
            labels=labels,
        ),
        tags=(definition.environment_tag, definition.moving_environment_tag),
        before=definition.moving_environment_tag,
        layers=definition.most_layers,
        compression="zstd" if inputs.compression == "zstd" else "gzip",
        mirrors=workspace.config.mirrors,
        auth_file=auth_file,
    )
