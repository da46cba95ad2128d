"""What happened: the GitHub event, or the state of a local checkout, as one value."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixi_container.addresses import GITHUB, GITHUB_API
from pixi_container.errors import UserError
from pixi_container.json_object import object_under, text_under

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCAL = "local"

_PULL_REQUESTS = frozenset({"pull_request", "pull_request_target"})
_PUSHING = frozenset({"push", "release", "schedule", "workflow_dispatch", "repository_dispatch", LOCAL})
_MERGE_QUEUE = "refs/heads/gh-readonly-queue/"


@dataclass(frozen=True, kw_only=True)
class Ref:
    """A full ``ref`` of Git, such as ``refs/heads/main``, ``refs/tags/v1`` or ``refs/pull/7/merge``.

    Each of its parts is empty where the ref is not of that kind.
    """

    ref: str = ""

    @property
    def branch(self) -> str:
        """The branch's short name."""
        return self._below("refs/heads/")

    @property
    def tag(self) -> str:
        """The git tag's name."""
        return self._below("refs/tags/")

    @property
    def pull_request_name(self) -> str:
        """``7`` for ``refs/pull/7/merge``, ``7/head`` for ``refs/pull/7/head``."""
        return self._below("refs/pull/").removesuffix("/merge")

    def _below(self, folder: str) -> str:
        return self.ref.removeprefix(folder) if self.ref.startswith(folder) else ""


@dataclass(frozen=True, kw_only=True)
class Event(Ref):
    """One event of GitHub Actions, or ``local`` outside of it.

    ``sha`` is the full commit id, ``repository`` is ``owner/name``; each is empty when it is not known.
    Source of the names: https://docs.github.com/actions/reference/workflows-and-actions/variables
    """

    name: str
    sha: str = ""
    repository: str = ""
    base_ref: str = ""
    server_url: str = GITHUB
    api_url: str = GITHUB_API
    actor: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_pull_request(self) -> bool:
        """Whether untrusted code may be at work: nothing is pushed and nobody is logged in."""
        return self.name in _PULL_REQUESTS or bool(self.pull_request_name)

    @property
    def pull_request(self) -> int | None:
        """The pull request's number."""
        number = self.payload.get("number", object_under(self.payload, "pull_request").get("number"))
        if self.is_pull_request and isinstance(number, int):
            return number
        named = self.pull_request_name.partition("/")[0]
        return int(named) if re.fullmatch("[0-9]{1,18}", named) else None

    @property
    def is_merge_queue(self) -> bool:
        """Whether it is about a merge queue's temporary branch, whose commits may never reach the real one.

        Source: https://docs.github.com/repositories/configuring-branches-and-merges-in-your-repository/configuring-pull-request-merges/managing-a-merge-queue
        """
        return self.name == "merge_group" or self.ref.startswith(_MERGE_QUEUE)

    @property
    def may_push(self) -> bool:
        """Whether this event may publish; what is not known to be safe may not."""
        if self.name == LOCAL:
            return True
        return self.name in _PUSHING and bool(self.branch or self.tag) and not self.is_merge_queue

    @property
    def may_use_credentials(self) -> bool:
        """Whether the checked-out code may run beside credentials.

        GitHub itself keeps them from the ``pull_request`` of a fork. Other events that may not push run with
        every secret, on code that anybody may have written:
        https://docs.github.com/actions/reference/security/secure-use#understanding-the-risk-of-script-injections
        """
        return self.may_push or self.name == "pull_request"

    @property
    def is_known(self) -> bool:
        """Whether it is decided for this event by name what it may do."""
        return self.name in _PUSHING | _PULL_REQUESTS | {"merge_group"}

    @property
    def default_branch(self) -> str:
        """The repository's default branch as the payload has it, else empty."""
        return text_under(self.payload, "repository", "default_branch")


def event_from_environment(env: Mapping[str, str]) -> Event:
    """Read the event that a workflow's step is told of by ``GITHUB_*`` variables and the payload file.

    Raises ``UserError`` when the payload file is missing or is no JSON object.
    """
    return Event(
        name=env.get("GITHUB_EVENT_NAME", ""),
        ref=env.get("GITHUB_REF", ""),
        sha=env.get("GITHUB_SHA", ""),
        repository=env.get("GITHUB_REPOSITORY", ""),
        base_ref=env.get("GITHUB_BASE_REF", ""),
        server_url=env.get("GITHUB_SERVER_URL") or GITHUB,
        api_url=env.get("GITHUB_API_URL") or GITHUB_API,
        actor=env.get("GITHUB_ACTOR", ""),
        payload=_payload(env.get("GITHUB_EVENT_PATH", "")),
    )


def _payload(path: str) -> Mapping[str, Any]:
    if not path:
        return {}
    try:
        payload = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise UserError(
            f"the event payload cannot be read: {error.strerror or error}",
            file=path,
            hint="GITHUB_EVENT_PATH must name the file that the runner wrote; in a container job, mount it.",
        ) from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"the event payload is not JSON that can be read: {error}", file=path) from error
    if not isinstance(payload, dict):
        raise UserError("the event payload is not a JSON object", file=path)
    return payload
