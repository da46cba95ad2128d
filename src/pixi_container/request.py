"""The request: event, inputs and permissions of a run, and the registry client with its credentials."""

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
from pixi_container.registry.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from pixi_container.inputs import Inputs
    from pixi_container.registry.client import Registry
    from pixi_container.registry.reference import ImageReference
    from pixi_container.runner.event import Event


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a run is asked to do, and where. ``keep`` leaves the image in the local engine.

    ``platform`` is the image's, such as ``linux/arm64``; empty for the engine's own. ``with_others`` tells that
    this is one of several platforms, of which none is pushed before all are built. ``shared`` is a private folder
    for what the environments of one step have in common. ``merges`` tells that other jobs built the images, so
    that only tags are put on them. ``withheld`` names inputs that are set but not used because the event's code
    may be untrusted.
    """

    event: Event
    inputs: Inputs
    env: Mapping[str, str]
    keep: bool = False
    platform: str = ""
    with_others: bool = False
    shared: Path | None = None
    merges: bool = False
    withheld: tuple[str, ...] = ()

    @property
    def context(self) -> Path:
        """The build context, which contains the workspace."""
        return Path(self.inputs.context)

    @property
    def names(self) -> tuple[ImageReference, ...]:
        """The image's names, without tags."""
        return published_names(self.inputs.images, self.event.repository)

    @property
    def layer_cache(self) -> ImageReference | None:
        """The repository of layers that other images share; None without one."""
        name = self.inputs.layer_cache
        return parse_reference(name, source="input 'layer-cache'") if name else None

    @property
    def credentials(self) -> tuple[Credential, ...]:
        """The credentials of this run; empty if it may not push."""
        cache = (self.layer_cache,) if self.layer_cache else ()
        return push_credentials(self.event, self.inputs, (*self.names, *cache)) if self.may_push else ()

    @property
    def may_push(self) -> bool:
        """Whether this run may publish."""
        return may_push(self.event, self.inputs)[0]


def request_for(event: Event, inputs: Inputs, env: Mapping[str, str], *, keep: bool = False) -> Request:
    """Return the request, without the credentials of the build if the event's code may be untrusted."""
    given = {
        "conda-auth": inputs.conda_auth,
        "git-auth": inputs.git_auth,
        "secrets": inputs.build_secrets,
        "secret-files": inputs.secret_files,
        "ssh": inputs.ssh,
    }
    withheld = () if event.may_use_credentials else tuple(name for name, value in given.items() if value)
    if withheld:
        inputs = replace(inputs, conda_auth="", git_auth="", build_secrets=(), secret_files=(), ssh=())
    return Request(event=event, inputs=inputs, env=env, keep=keep, withheld=withheld)


def may_push(event: Event, inputs: Inputs) -> tuple[bool, str]:
    """Return whether this run may push, and if not, why. An event that is not known to be safe may not."""
    if event.is_pull_request:
        return False, "a pull request never pushes"
    if event.is_merge_queue:
        return False, "a merge queue never pushes"
    if not event.may_push and event.is_known:
        return False, f"the event '{event.name}' does not name a branch or tag"
    if not event.may_push:
        return False, f"the event '{event.name}' is not known to be safe to push from"
    if not inputs.push:
        return False, "'push' is false"
    return True, ""


def push_credentials(event: Event, inputs: Inputs, images: Collection[ImageReference]) -> tuple[Credential, ...]:
    """Return the credentials for the registries of ``images``.

    They come from ``registry-auth``, or else ``username`` and ``password``, or else GitHub's token. Raises
    ``UserError`` for a password without a user name.
    """
    by_registry = {credential.registry: credential for credential in inputs.credentials}
    credentials = []
    for registry in dict.fromkeys(image.registry for image in images):
        if registry in by_registry:
            credentials.append(by_registry[registry])
        elif inputs.password:
            username = inputs.username or (event.actor if registry == GITHUB_REGISTRY else "")
            if not username:
                raise UserError(f"a password is set for {registry}, but no user name", hint="Set 'username'.")
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
    """Yield a client with the run's credentials, or else the machine's own if the event may use them."""
    from pixi_container.registry.client import Registry

    with Registry(credential_source(request)) as registry:
        yield registry


def credential_source(request: Request) -> Callable[[str], Credential | None]:
    """Return a function that returns the credential for a registry, None for access without one."""
    given = {credential.registry: credential for credential in request.credentials}

    def credential_for(registry: str) -> Credential | None:
        if registry in given or not request.event.may_use_credentials:
            return given.get(registry)
        return stored_credential(registry, request.env)

    return credential_for
