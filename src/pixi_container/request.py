"""What was asked for, and the registry client with the credentials that this run has."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_container.credentials import push_credentials
from pixi_container.decision import may_push
from pixi_container.docker_config import stored_credential
from pixi_container.metadata import published_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pixi_container.event import Event
    from pixi_container.image_reference import ImageReference
    from pixi_container.inputs import Credential, Inputs
    from pixi_container.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked for, and where. ``keep`` leaves the image in the local engine."""

    event: Event
    inputs: Inputs
    env: Mapping[str, str]
    keep: bool = False

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


@contextmanager
def registry_client(request: Request) -> Iterator[Registry]:
    """Give registry calls with the run's credentials, and the machine's own where it has none."""
    from pixi_container.registry import Registry

    ours = {found.registry: found for found in request.credentials}
    with Registry(lambda registry: ours.get(registry) or stored_credential(registry, request.env)) as registry:
        yield registry
