"""What was asked for, and the registry client with the credentials that this run has."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_container.addresses import GITHUB_REGISTRY
from pixi_container.errors import UserError
from pixi_container.image.metadata import published_names
from pixi_container.registry.credentials import Credential
from pixi_container.registry.docker_config import stored_credential

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pixi_container.inputs import Inputs
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


def may_push(event: Event, inputs: Inputs) -> tuple[bool, str]:
    """Decide whether this run may publish, and say why not. What is not known to be safe may not."""
    if event.is_pull_request:
        return False, "a pull request is never pushed"
    if event.is_merge_queue:
        return False, "what a merge queue tries is never pushed"
    if not event.may_push and event.is_known:
        return False, f"the event '{event.name}' says no branch or tag that it is for"
    if not event.may_push:
        return False, f"the event '{event.name}' is not known to be safe to push from"
    if not inputs.push:
        return False, "'push' is false"
    return True, ""


def push_credentials(event: Event, inputs: Inputs, images: Collection[ImageReference]) -> tuple[Credential, ...]:
    """Return the credentials for the registries of ``images``: by registry, else the pair, else GitHub's token."""
    by_registry = {credential.registry: credential for credential in inputs.credentials}
    credentials = []
    for registry in dict.fromkeys(image.registry for image in images):
        if registry in by_registry:
            credentials.append(by_registry[registry])
        elif inputs.password:
            username = inputs.username or (event.actor if registry == GITHUB_REGISTRY else "")
            if not username:
                raise UserError(f"there is a password for {registry} but no user name", hint="Set 'username'.")
            credentials.append(Credential(registry=registry, username=username, password=inputs.password))
        elif registry == GITHUB_REGISTRY and inputs.github_token:
            credentials.append(
                Credential(
                    registry=registry, username=event.actor or "x-access-token", password=inputs.github_token
                )
            )
    return tuple(credentials)


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
