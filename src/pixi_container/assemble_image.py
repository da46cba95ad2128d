"""Put the image's layers on the environment's, without a builder, and push it under its tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixi_container.application.application_image import application_image
from pixi_container.application.push import Destination, push_application, read_environment
from pixi_container.docker.command import LAYOUT_FOLDER
from pixi_container.environment.image_config import UnfitBaseError
from pixi_container.environment.oci_layout import OciLayout
from pixi_container.errors import UserError
from pixi_container.registry.repository import ImageRepository, Registries
from pixi_container.request import credential_source

if TYPE_CHECKING:
    from pathlib import Path

    from pixi_container.application.push import PushedApplication
    from pixi_container.plan.plan import Plan
    from pixi_container.request import Request


def assemble_image(request: Request, plan: Plan, environment: str, work: Path) -> PushedApplication:
    """Return the image, pushed under the plan's tags; without a push, it is left in a folder below ``work``.

    ``environment`` is the digest of the environment's image. Raises ``UserError`` for files that cannot be copied,
    and what registries raise. Then no tag has changed.
    """
    with Registries(credential_source(request)) as registries:
        destinations = [Destination(store=OciLayout(work / LAYOUT_FOLDER), tags=("image",))]
        if plan.push:
            first, *others = (ImageRepository(registries, name) for name in request.names)
            tags = {
                name: tuple(tag.tag for tag in plan.published_tags if tag.name == name.name)
                for name in request.names
            }
            destinations = [
                Destination(store=first, tags=tags[first.reference]),
                *(Destination(store=other, tags=tags[other.reference], environment=first) for other in others),
            ]
        try:
            below = read_environment(destinations[0].store, environment)
            image = application_image(plan.definition, request.inputs, below, plan.labels, plan.annotations)
            return push_application(image, destinations, env=request.env)
        except UnfitBaseError as error:
            raise UserError(
                f"only a builder can build on the environment's image {environment}: it {error.reason}",
                hint="Use a buildx builder: set 'builder' to 'auto', or name one.",
            ) from error
