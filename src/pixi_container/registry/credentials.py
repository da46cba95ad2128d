"""Which credentials a run has for which registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixi_container.addresses import GITHUB_REGISTRY
from pixi_container.errors import UserError
from pixi_container.inputs import Credential

if TYPE_CHECKING:
    from collections.abc import Collection

    from pixi_container.inputs import Inputs
    from pixi_container.registry.reference import ImageReference
    from pixi_container.runner.event import Event


def push_credentials(event: Event, inputs: Inputs, images: Collection[ImageReference]) -> tuple[Credential, ...]:
    """Give the credentials for the registries of ``images``: by registry, else the pair, else GitHub's token."""
    by_registry = {credential.registry: credential for credential in inputs.credentials}
    found = []
    for registry in dict.fromkeys(image.registry for image in images):
        if registry in by_registry:
            found.append(by_registry[registry])
        elif inputs.password:
            username = inputs.username or (event.actor if registry == GITHUB_REGISTRY else "")
            if not username:
                raise UserError(f"there is a password for {registry} but no user name", hint="Set 'username'.")
            found.append(Credential(registry=registry, username=username, password=inputs.password))
        elif registry == GITHUB_REGISTRY and inputs.github_token:
            found.append(
                Credential(
                    registry=registry, username=event.actor or "x-access-token", password=inputs.github_token
                )
            )
    return tuple(found)
