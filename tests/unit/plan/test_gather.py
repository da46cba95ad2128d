"""How a plan is made: whom it asks, what it warns of, and what keeps a build from starting."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from pixi_container.changes.comparison import Changes
from pixi_container.docker.builder import BuilderKind
from pixi_container.errors import NotPermittedError, RegistryUnavailableError, ToolUnavailableError, UserError
from pixi_container.image.base_images import DEFAULT_PIXI
from pixi_container.inputs import parse_inputs
from pixi_container.log import TerminalLog
from pixi_container.plan import gather, looked_up
from pixi_container.plan.existing import ExistingBase, ExistingImages
from pixi_container.plan.gather import changes_between, changes_of, plan_for
from pixi_container.plan.plan import Plan
from pixi_container.registry.client import Registry
from pixi_container.registry.reference import ImageReference, parse_reference
from pixi_container.request import Request, request_for
from pixi_container.runner.event import LOCAL, Event
from tests.unit.conftest import Folder
from tests.unit.plan.test_plan import PULL_REQUEST, PUSH, TAG

DIGEST = f"sha256:{'b' * 64}"
ENV = {"PATH": os.environ["PATH"]}
THERE = parse_reference(f"ghcr.io/lab/study@sha256:{'e' * 64}", source="test")
CHANGED = Changes(
    known=True, consulted=True, reason="2 files changed", source="git", files=("src/main.py", "README.md")
)
UNCHANGED = replace(CHANGED, files=("README.md",))


class Log(TerminalLog):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def say(self, text: str) -> None:
        raise AssertionError(text)

    def warning(self, text: str) -> None:
        self.warnings.append(text)


@dataclass
class Shelf:
    """Stands for a registry: each reference has a digest, and each repository tags."""

    digests: Callable[[ImageReference], str | None] = lambda _: DIGEST
    tags: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)

    def get_digest(self, reference: ImageReference) -> str | None:
        self.asked.append(str(reference))
        return self.digests(reference)

    def get_tags(self, reference: ImageReference) -> tuple[str, ...]:
        self.asked.append(f"tags of {reference}")
        return self.tags


@dataclass
class Surroundings:
    """What a plan asks apart from the registry: changes, the engine, and what exists already."""

    changes: Changes = CHANGED
    images: ExistingImages = ExistingImages()  # noqa: RUF009 - it is frozen
    environment: ImageReference | None = None
    base: ExistingBase | UserError | None = None
    asked: list[str] = field(default_factory=list)

    def find_changes(self, *_: object) -> Changes:
        self.asked.append("changes")
        return self.changes

    def native_platform(self, _: object) -> str:
        self.asked.append("platform")
        return "linux/arm64"

    def builder_kind(self, *_: object) -> BuilderKind:
        self.asked.append("builder")
        return BuilderKind(annotations=False)

    def check_buildx(self, _: object) -> None:
        self.asked.append("buildx")

    def find_images(self, *_: object) -> ExistingImages:
        self.asked.append("images")
        return self.images

    def find_environment(self, *_: object) -> ImageReference | None:
        self.asked.append("environment")
        return self.environment

    def find_base(self, *_: object) -> ExistingBase | None:
        self.asked.append("base")
        if isinstance(self.base, UserError):
            raise self.base
        return self.base


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch) -> Surroundings:
    made = Surroundings()
    for name in (
        "find_changes",
        "native_platform",
        "builder_kind",
        "check_buildx",
        "find_images",
        "find_environment",
        "find_base",
    ):
        monkeypatch.setattr(gather if hasattr(gather, name) else looked_up, name, getattr(made, name))
    monkeypatch.setattr(gather, "workspace_prefix", lambda _: "")
    return made


def request(folder: Folder, event: Event = PUSH, *, keep: bool = False, **texts: str) -> Request:
    inputs = parse_inputs(
        {"context": str(folder.path), **{name.replace("_", "-"): text for name, text in texts.items()}}
    )
    return request_for(event, inputs, ENV, keep=keep)


def planned(made: Request, shelf: Shelf | None, log: Log | None = None, *, tolerant: bool = False) -> Plan:
    return plan_for(made, log or Log(), cast("Registry | None", shelf), tolerant=tolerant)


def test_offline_nobody_is_asked(folder: Folder, around: Surroundings) -> None:
    plan = planned(request(folder), None)
    assert around.asked == []
    assert plan.changes.reason == "the plan is offline"
    assert plan.definition.workspace.platform.docker == "linux/amd64"
    assert plan.commands.push
    assert "--annotation" in plan.commands.push.argv
    assert not plan.definition.is_pinned


def test_online_everybody_is_asked(folder: Folder, around: Surroundings) -> None:
    shelf = Shelf()
    plan = planned(request(folder, test_command="true"), shelf)
    assert around.asked[:2] == ["platform", "changes"]
    assert set(around.asked) == {"platform", "changes", "builder", "images", "environment"}
    assert plan.definition.workspace.platform.docker == "linux/arm64"
    assert plan.changes == replace(CHANGED, relevant=("src/main.py",))
    assert plan.commands.push
    assert "--annotation" not in plan.commands.push.argv
    builder = f"ghcr.io/prefix-dev/pixi:{DEFAULT_PIXI}-noble"
    assert shelf.asked == [builder]
    assert str(plan.definition.bases.builder) == f"{builder}@{DIGEST}"


def test_what_changes_nothing_asks_no_registry(folder: Folder, around: Surroundings) -> None:
    around.changes = UNCHANGED
    shelf = Shelf()
    plan = planned(request(folder, PULL_REQUEST), shelf)
    assert plan.decision.kind == "skip"
    assert (around.asked, shelf.asked) == (["platform", "changes"], [])


@pytest.mark.parametrize(
    ("event", "texts", "keep", "asked"),
    [
        (PUSH, {}, False, ["images", "environment"]),
        (PUSH, {}, True, ["environment"]),
        (PULL_REQUEST, {}, False, ["environment"]),
        (PUSH, {"reuse_environment": "false"}, False, ["images"]),
        (PUSH, {"push": "false"}, False, ["environment"]),
    ],
)
def test_what_is_looked_for(
    folder: Folder, around: Surroundings, event: Event, texts: dict[str, str], keep: bool, asked: list[str]
) -> None:
    planned(request(folder, event, keep=keep, **texts), Shelf())
    assert [what for what in around.asked if what in {"images", "environment"}] == asked


def test_an_image_that_can_be_promoted_needs_no_environment(folder: Folder, around: Surroundings) -> None:
    around.images = ExistingImages(images=(THERE,), tags={THERE.tagged("1.2.3"): ""})
    plan = planned(request(folder), Shelf())
    assert plan.decision.kind == "promote"
    assert "environment" not in around.asked
    around.environment = THERE
    built = planned(request(folder, promote="false", builder="mine"), Shelf())
    assert "environment" in around.asked
    assert built.environment_image == THERE
    assert built.commands.push
    assert f"environment=docker-image://{THERE}" in built.commands.push.argv


def test_bases_without_a_digest_are_a_warning_and_nothing_is_reused(folder: Folder, around: Surroundings) -> None:
    def unavailable(reference: ImageReference) -> str:
        raise RegistryUnavailableError(f"{reference.registry} is down")

    log = Log()
    plan = planned(request(folder), Shelf(unavailable), log)
    name = f"ghcr.io/prefix-dev/pixi:{DEFAULT_PIXI}-noble"
    assert log.warnings == [f"{name} could not be pinned by digest, so nothing is reused: ghcr.io is down"]
    assert str(plan.definition.bases.builder) == name
    assert not {"images", "environment"} & set(around.asked)


def test_of_nodes_only_buildx_is_asked_for(folder: Folder, around: Surroundings) -> None:
    plan = planned(request(folder, nodes="linux/arm64=tcp://a:1", instructions="RUN true"), Shelf())
    assert "buildx" in around.asked
    assert "builder" not in around.asked
    assert plan.commands.push
    assert plan.commands.push.argv[3:5] == ("--builder", "$BUILDER")
    assert "linux/arm64" in plan.commands.push.argv
    with pytest.raises(
        ToolUnavailableError, match="'nodes' has no node for linux/arm64; the image needs a builder"
    ) as caught:
        planned(request(folder, nodes="linux/amd64=tcp://a:1", instructions="RUN true"), Shelf())
    assert "to 'nodes'" in caught.value.hint


def test_of_nodes_an_offline_plan_says_which_platform_they_build(folder: Folder) -> None:
    plan = planned(request(folder, nodes="linux/amd64=tcp://a:1"), None)
    assert plan.commands.push
    assert "--platform linux/amd64" in " ".join(plan.commands.push.argv)
    assert "node         tcp://a:1 runs the steps for linux/amd64" in plan.as_text()


def test_nodes_need_no_engine_where_nothing_is_loaded(
    folder: Folder, around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_engine(_: object) -> str:
        raise ToolUnavailableError("no Docker engine answers")

    monkeypatch.setattr(looked_up, "native_platform", no_engine)
    monkeypatch.setattr("pixi_container.plan.target_platform.machine_platform", lambda: "linux/arm64")
    for event in (PUSH, PULL_REQUEST):
        plan = planned(request(folder, event, nodes="linux/arm64=tcp://a:1", instructions="RUN true"), Shelf())
        assert plan.commands.create_builder
        assert not plan.without_builder
        with pytest.raises(ToolUnavailableError, match="no Docker engine answers"):
            planned(request(folder, event, nodes="linux/arm64=tcp://a:1", test_command="true"), Shelf())


def test_a_base_that_does_not_exist_is_an_error(folder: Folder, around: Surroundings) -> None:
    with pytest.raises(UserError, match=r"the image docker.io/library/debian:gone does not exist") as caught:
        planned(
            request(folder, runtime_image="docker.io/library/debian:gone"),
            Shelf(lambda reference: None if reference.tag == "gone" else DIGEST),
        )
    assert "'runtime-image'" in caught.value.hint


def test_a_base_is_pinned_unless_it_is(folder: Folder, around: Surroundings) -> None:
    shelf = Shelf()
    pinned = f"ghcr.io/lab/builder@sha256:{'9' * 64}"
    plan = planned(request(folder, pixi_image=pinned, runtime_image="ghcr.io/lab/base"), shelf)
    assert shelf.asked == ["ghcr.io/lab/base:latest"]
    assert str(plan.definition.bases.builder) == pinned
    assert str(plan.definition.bases.runtime) == f"ghcr.io/lab/base@{DIGEST}"


def test_tags_are_listed_for_a_version_alone(folder: Folder, around: Surroundings) -> None:
    names = "ghcr.io/lab/a\nquay.io/lab/a"
    shelf = Shelf(tags=("9.9.9",))
    plan = planned(request(folder, TAG, images=names), shelf)
    assert [asked for asked in shelf.asked if asked.startswith("tags")] == [
        "tags of ghcr.io/lab/a",
        "tags of quay.io/lab/a",
    ]
    assert not [tag for tag in plan.tags if tag.endswith(":latest")]
    for other in (request(folder, PUSH), request(folder, TAG, push="false")):
        shelf = Shelf(tags=("9.9.9",))
        planned(other, shelf)
        assert not [asked for asked in shelf.asked if asked.startswith("tags")]


def test_an_event_that_is_not_known_is_told(folder: Folder, around: Surroundings) -> None:
    log = Log()
    planned(request(folder, replace(PUSH, name="issues")), None, log)
    assert log.warnings == [
        "the event 'issues' is not known to be safe to push from: the image is built and tested only"
    ]


def test_what_is_withheld_is_told(folder: Folder, around: Surroundings) -> None:
    log = Log()
    planned(request(folder, replace(PULL_REQUEST, name="pull_request_target"), conda_auth="{}"), None, log)
    (warning,) = log.warnings
    assert warning.startswith("'conda-auth' is withheld: on the event 'pull_request_target'")


def test_notes_of_the_plan_and_of_the_configuration_are_warnings(folder: Folder, around: Surroundings) -> None:
    log = Log()
    folder.write(".pixi/config.toml", "detached-environments = true\n")
    planned(request(folder, labels="lonely"), None, log)
    assert log.warnings[-1] == "input 'labels', line 1: 'lonely' is not key=value and is ignored"
    assert [warning for warning in log.warnings if "config.toml" in warning]


def test_a_problem_is_an_error_unless_the_plan_is_tolerant(folder: Folder, around: Surroundings) -> None:
    folder.replace("pixi.toml", 'python = "3.11.*"', 'python = "3.12.*"')
    with pytest.raises(UserError, match="the lock is not up to date"):
        planned(request(folder), None)
    log = Log()
    assert planned(request(folder), None, log, tolerant=True).decision.kind == "build"
    assert log.warnings
    assert "the lock is not up to date" in log.warnings[0]


def committed(folder: Folder) -> str:
    identity = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    for words in (("init", "-q", "-b", "main"), ("commit", "-qm", "x", "--allow-empty")):
        subprocess.run(["git", *identity, *words], cwd=folder.path, env=ENV, check=True)
    return subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=folder.path, text=True).strip()


def test_another_commit_that_is_checked_out_is_an_error_or_a_warning(folder: Folder, around: Surroundings) -> None:
    sha = committed(folder)
    with pytest.raises(NotPermittedError, match="the tags of a commit that it was not built from"):
        planned(request(folder), Shelf())
    log = Log()
    planned(request(folder), None, log, tolerant=True)
    assert "the tags of a commit that it was not built from" in log.warnings[0]
    log = Log()
    plan = planned(request(folder, PULL_REQUEST), Shelf(), log)
    (note,) = log.warnings
    assert note.startswith(f"the checkout is at {sha[:7]}")
    assert plan.definition.metadata.labels["org.opencontainers.image.revision"] == sha
    assert (plan.changes.known, plan.changes.consulted, plan.changes.reason) == (False, True, note)


def test_outside_of_a_checkout_changes_are_unknown(
    folder: Folder, around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "workspace_prefix", lambda _: None)
    comparing = replace(PUSH, payload={**PUSH.payload, "before": "a" * 40})
    changes = changes_of(request(folder, comparing), Log())
    assert changes.reason == f"'{folder.path}' is not in a Git checkout; changes cannot be determined"
    assert (changes.known, changes.consulted, around.asked) == (False, True, [])
    manual = replace(PUSH, name="workflow_dispatch")
    around.changes = Changes(known=False, consulted=False, reason="a manual run")
    for event in (manual, Event(name=LOCAL)):
        assert changes_of(request(folder, event), Log()).reason == "a manual run"


def test_the_files_of_a_workspace_in_a_subfolder_are_relative_to_it(
    folder: Folder, around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "workspace_prefix", lambda _: "sub/")
    files = ("sub/src/main.py", "src/main.py", "sub/data/a.csv", ".github/workflows/ci.yml", "sub/pixi.lock")
    around.changes = replace(CHANGED, files=files)
    made = request(folder, paths="data/**")
    workflow = "Lab/Study/.github/workflows/ci.yml@refs/heads/main"
    changes = changes_of(replace(made, env={**ENV, "GITHUB_WORKFLOW_REF": workflow}), Log())
    assert changes.relevant == ("../.github/workflows/ci.yml", "data/a.csv", "pixi.lock", "src/main.py")
    around.changes = replace(CHANGED, files=())
    assert changes_of(made, Log()) == around.changes


def test_two_revisions_are_compared(folder: Folder) -> None:
    sha = committed(folder)
    changes = changes_between(request(folder), "HEAD", sha)
    assert changes.reason == f"0 files changed between {sha[:7]} and {sha[:7]}"
    with pytest.raises(UserError, match="gone"):
        changes_between(request(folder), "gone", "HEAD")


def test_only_a_dockerfile_that_builds_on_the_environment_needs_the_lock(
    folder: Folder, around: Surroundings
) -> None:
    folder.replace("pixi.toml", 'python = "3.11.*"', 'python = "3.12.*"')
    folder.write("Dockerfile", "FROM debian\n")
    assert planned(request(folder, dockerfile="Dockerfile"), None).definition.workspace.is_locked
    (folder.path / "pixi.lock").rename(folder.path / "kept")
    definition = planned(request(folder, dockerfile="Dockerfile"), None).definition
    assert not definition.workspace.is_locked
    assert (definition.stages, definition.environment_dockerfile) == (frozenset(), "")
    folder.write("Dockerfile", "FROM environment\n")
    with pytest.raises(UserError, match=r"there is no pixi\.lock"):
        planned(request(folder, dockerfile="Dockerfile"), None)
    (folder.path / "kept").rename(folder.path / "pixi.lock")
    with pytest.raises(UserError, match="python"):
        planned(request(folder, dockerfile="Dockerfile"), None)
    assert around.asked == []


@pytest.mark.parametrize(("file", "relevant"), [("shared/x", ("../shared/x",)), ("other/x", ())])
def test_a_folder_that_is_a_build_context_counts(
    folder: Folder, around: Surroundings, monkeypatch: pytest.MonkeyPatch, file: str, relevant: tuple[str, ...]
) -> None:
    (folder.path.parent / ".git").mkdir()
    folder.write("Dockerfile", "FROM debian\n")
    folder.write("../shared/x", "")
    around.changes = replace(CHANGED, files=(file,))
    monkeypatch.setattr(gather, "workspace_prefix", lambda _: f"{folder.path.name}/")
    made = request(folder, PULL_REQUEST, dockerfile="Dockerfile", build_contexts="shared=../shared")
    assert planned(made, Shelf()).changes.relevant == relevant


class Quiet(Log):
    """Keeps what is said as well."""

    def say(self, text: str) -> None:
        self.warnings.append(text)


def test_a_base_is_looked_for_where_there_is_one(folder: Folder, around: Surroundings) -> None:
    around.base = ExistingBase(image=THERE, refreshed="2026-01-02T03:04:05Z")
    plan = planned(request(folder, apt_packages="git"), Shelf())
    assert "base" in around.asked
    assert plan.base
    assert (plan.base.kind, plan.base.image, plan.base.refreshed) == ("reuse", THERE, "2026-01-02T03:04:05Z")


@pytest.mark.parametrize("texts", [{"reuse_environment": "false"}, {"refresh": "true"}])
def test_a_base_is_not_looked_for_that_is_not_to_be_used(
    folder: Folder, around: Surroundings, texts: dict[str, Any]
) -> None:
    around.base = ExistingBase(image=THERE)
    plan = planned(request(folder, apt_packages="git", **texts), Shelf())
    assert "base" not in around.asked
    assert plan.base
    assert plan.base.is_built
    assert bool(plan.base.refreshed) == ("refresh" in texts)


def test_a_base_that_cannot_be_looked_for_counts_as_a_new_one(folder: Folder, around: Surroundings) -> None:
    """Else an image could be promoted that is on a base from before a refresh."""
    around.base = RegistryUnavailableError("it is down")
    log = Quiet()
    plan = planned(request(folder, apt_packages="git"), Shelf(), log)
    assert plan.base
    assert plan.base.refreshed
    assert log.warnings == ["could not look for the base image: it is down"]


def test_a_refresh_is_no_skip(folder: Folder, around: Surroundings) -> None:
    around.changes = UNCHANGED
    plan = planned(request(folder, PULL_REQUEST, apt_packages="git", refresh="true"), Shelf())
    assert plan.decision.kind == "build"
