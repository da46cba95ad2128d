"""Everything that the language of tags may look at, as one pure value."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from pixi_container.errors import UserError
from pixi_container.json_object import object_in, text_under
from pixi_container.runner.event import Ref

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixi_container.runner.event import Event

# metadata-action holds that these events always run for the default branch's last commit.
_EVENTS_OF_THE_DEFAULT_BRANCH = ("create", "discussion", "issues", "schedule")

# What GitHub answers when it finds a licence text that it cannot name.
_UNNAMED_LICENCE = "NOASSERTION"


@dataclass(frozen=True, kw_only=True)
class Repository:
    """What labels say about the repository; each field is empty when it is not known.

    ``full_name`` is ``owner/name`` and ``licence`` an SPDX identifier.
    """

    full_name: str = ""
    html_url: str = ""
    description: str = ""
    licence: str = ""

    @property
    def name(self) -> str:
        """The name without its owner."""
        return self.full_name.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class Facts(Ref):
    """The event, the commit and the repository behind an image.

    ``ref`` is a full ref; of every pull request, ``pull_request_target`` included, it is
    ``refs/pull/<n>/merge``. ``base_ref`` and ``default_branch`` are short names. ``commit_date`` and ``now``
    are aware. ``expressions`` holds the values of this action's own expressions. A ``pull_request_head_sha``
    that is not empty stands in for ``sha`` in tags and labels.
    """

    event_name: str
    sha: str
    base_ref: str = ""
    default_branch: str = ""
    pull_request: int | None = None
    pull_request_head_sha: str = ""
    commit_date: datetime
    now: datetime
    repository: Repository = Repository()
    expressions: Mapping[str, str] = field(default_factory=dict)
    short_sha_length: int = 7
    annotation_levels: str = ""

    @property
    def is_pull_request(self) -> bool:
        """Whether the image is made for a pull request, which publishes nothing."""
        return (
            self.event_name.startswith("pull_request")
            or self.pull_request is not None
            or bool(self.pull_request_name)
        )

    @property
    def is_default_branch(self) -> bool:
        """The meaning of ``{{is_default_branch}}``: never true for a pushed git tag."""
        if not self.ref.removeprefix("refs/heads/"):
            return False
        on_it = bool(self.branch) and self.branch == self.default_branch
        return on_it or any(word in self.event_name for word in _EVENTS_OF_THE_DEFAULT_BRANCH)

    @property
    def revision(self) -> str:
        """The full id of the commit that tags and labels speak of."""
        return self.pull_request_head_sha or self.sha

    @property
    def short_sha(self) -> str:
        """The first ``short_sha_length`` characters of ``revision``."""
        return self.revision[: self.short_sha_length]


def facts_from(
    event: Event,
    *,
    commit_date: datetime | None,
    now: datetime,
    expressions: Mapping[str, str],
    env: Mapping[str, str] | None = None,
) -> Facts:
    """Take the facts out of an event, with no look-up anywhere else.

    ``env`` may hold ``DOCKER_METADATA_PR_HEAD_SHA``, ``DOCKER_METADATA_SHORT_SHA_LENGTH``,
    ``DOCKER_METADATA_ANNOTATIONS_LEVELS`` and
    ``SOURCE_DATE_EPOCH`` (seconds, https://reproducible-builds.org/specs/source-date-epoch/), which stands in
    for ``now``. Where ``commit_date`` is None it comes from the payload, else it is ``now``.
    Raises ``UserError`` when one of the variables is malformed.
    """
    env = env or {}
    now = _source_date(env) or now
    ref = event.ref
    number = event.pull_request
    if event.is_pull_request and number is not None and not event.pull_request_name:
        ref = f"refs/pull/{number}/merge"
    head = ""
    if "true" in env.get("DOCKER_METADATA_PR_HEAD_SHA", "").lower() and event.is_pull_request:
        head = text_under(event.payload, "pull_request", "head", "sha")
    if commit_date is None:
        commit_date = _commit_date(event.payload, head or event.sha) or now
    return Facts(
        event_name=event.name,
        ref=ref,
        sha=event.sha,
        base_ref=_base_ref(event, Ref(ref=ref)),
        default_branch=event.default_branch,
        pull_request=number,
        pull_request_head_sha=head,
        commit_date=commit_date,
        now=now,
        repository=_repository(event),
        expressions=expressions,
        short_sha_length=_short_sha_length(env),
        annotation_levels=env.get("DOCKER_METADATA_ANNOTATIONS_LEVELS", ""),
    )


def commit_date_in(event: Event) -> datetime | None:
    """When the event's commit was made, as far as the payload says."""
    return _commit_date(event.payload, event.sha)


def _commit_date(payload: Mapping[str, Any], sha: str) -> datetime | None:
    commits = payload.get("commits")
    for commit in [*(commits if isinstance(commits, list) else []), payload.get("head_commit")]:
        if sha and object_in(commit).get("id") == sha:
            return _timestamp(text_under(commit, "timestamp"))
    return None


def _timestamp(text: str) -> datetime | None:
    try:
        # Python 3.10 does not know the letter for UTC.
        when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=timezone.utc)


def _base_ref(event: Event, ref: Ref) -> str:
    if ref.tag:
        return text_under(event.payload, "base_ref").removeprefix("refs/heads/")
    if ref.pull_request_name:
        return text_under(event.payload, "pull_request", "base", "ref") or event.base_ref
    return ""


def _repository(event: Event) -> Repository:
    full_name = text_under(event.payload, "repository", "full_name") or event.repository
    url = f"{event.server_url}/{full_name}" if full_name else ""
    licence = text_under(event.payload, "repository", "license", "spdx_id")
    return Repository(
        full_name=full_name,
        html_url=text_under(event.payload, "repository", "html_url") or url,
        description=text_under(event.payload, "repository", "description"),
        licence="" if licence == _UNNAMED_LICENCE else licence,
    )


def _source_date(env: Mapping[str, str]) -> datetime | None:
    epoch = env.get("SOURCE_DATE_EPOCH", "")
    if not epoch:
        return None
    try:
        return datetime.fromtimestamp(int(epoch), timezone.utc)
    except (ValueError, OverflowError, OSError) as error:
        raise UserError(
            f"SOURCE_DATE_EPOCH is {epoch!r}", hint="It must be whole seconds since 1970-01-01 UTC."
        ) from error


def _short_sha_length(env: Mapping[str, str]) -> int:
    length = env.get("DOCKER_METADATA_SHORT_SHA_LENGTH", "").strip()
    if not length:
        return Facts.short_sha_length
    if not (length.isascii() and length.isdigit() and len(length) < 4 and int(length) > 0):
        raise UserError(
            f"DOCKER_METADATA_SHORT_SHA_LENGTH is {length!r}", hint="It must be a whole number above zero."
        )
    return int(length)
