"""What was asked for, and the registry client with the credentials that this run has."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_container.image.metadata import published_names
from pixi_container.plan.decision import may_push
from pixi_container.registry.credentials import push_credentials
from pixi_container.registry.docker_config import stored_credential

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pixi_container.inputs import Credential, Inputs
    from pixi_container.registry.client import Registry
    from pixi_container.registry.reference import ImageReference
    from pixi_container.runner.event import Event


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked for, and where. ``keep`` leaves the image in the local engine.

    ``withheld`` names the inputs that were given and are not used, as the event's code may be anybody's.
    """

    event: Event
    inputs: Inputs
    env: Mapping[str, str]
    keep: bool = False
    withheld: tuple[str, ...] = ()

    @property
    def context(self) -> Path:
        """The workspace folder."""
        return Path(self.inputs.context)

    @property
    def names(self) -> tuple[ImageReference, ...]:
        """The image's names, without tags."""
        return published_names(self.inputs.images, self.event.repository)

    @property
    def credentials(self) -> tuple[Credential, ...]:
        """The credentials of this run; one that may not push has none of its own."""
        return push_credentials(self.event, self.inputs, self.names) if self.may_push else ()

    @property
    def may_push(self) -> bool:
        """Whether this run may publish."""
        return may_push(self.event, self.inputs)[0]


def request_for(event: Event, inputs: Inputs, env: Mapping[str, str], *, keep: bool = False) -> Request:
    """Return the request, without the credentials for builds where the event's code must not run beside them."""
    if event.may_use_credentials or not inputs.conda_auth:
        return Request(event=event, inputs=inputs, env=env, keep=keep)
    return Request(
        event=event, inputs=replace(inputs, conda_auth=""), env=env, keep=keep, withheld=("conda-auth",)
    )


@contextmanager
def registry_client(request: Request) -> Iterator[Registry]:
    """Yield registry calls with the run's credentials, else the machine's own where the event may use them."""
    from pixi_container.registry.client import Registry

    given = {credential.registry: credential for credential in request.credentials}

    def credential_for(registry: str) -> Credential | None:
        if registry in given or not request.event.may_use_credentials:
            return given.get(registry)
        return stored_credential(registry, request.env)

    with Registry(credential_for) as registry:
        yield registry
