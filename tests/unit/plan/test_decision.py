"""Skip, promote or build: what decides, and the reason as it is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pixi_container.changes.comparison import Changes, assumed, not_consulted
from pixi_container.inputs import Inputs
from pixi_container.plan.decision import Decision, decide, nothing_to_do
from pixi_container.plan.existing import ExistingImages
from pixi_container.registry.reference import parse_reference
from pixi_container.runner.event import Event

PUSH = Event(name="push", ref="refs/heads/main")
PULL_REQUEST = Event(name="pull_request", ref="refs/pull/7/merge")
SCHEDULE = replace(PUSH, name="schedule")
INPUTS = Inputs(push=True)
CHANGED = Changes(
    known=True, consulted=True, reason="2 files changed", base="abcdef0123", relevant=("src/a.py", "src/b.py")
)
UNCHANGED = Changes(known=True, consulted=True, reason="none of 3 files")
IMAGE = parse_reference(f"ghcr.io/lab/study@sha256:{'e' * 64}", source="test")
COPY = parse_reference(f"quay.io/lab/study@sha256:{'f' * 64}", source="test")
MAIN, LATEST, OTHER = IMAGE.tagged("main"), IMAGE.tagged("latest"), COPY.tagged("main")
THERE = ExistingImages(images=(IMAGE, COPY), tags={MAIN: IMAGE.digest, LATEST: "", OTHER: IMAGE.digest})
UP_TO_DATE = ExistingImages(images=(IMAGE,), tags={MAIN: IMAGE.digest})
SHOWN = f"ghcr.io/lab/study@sha256:{'e' * 12}"


@pytest.mark.parametrize(
    ("changes", "existing", "inputs", "kind", "reason"),
    [
        (
            CHANGED,
            ExistingImages(),
            {},
            "build",
            "src/a.py and 1 more changed since abcdef0, and the registry has no image of this state",
        ),
        (
            replace(CHANGED, relevant=("src/a.py",), base=""),
            ExistingImages(compared=MAIN, differences=("cuda", "prefix")),
            {},
            "build",
            "src/a.py changed, and ghcr.io/lab/study:main differs in: cuda, prefix",
        ),
        (
            assumed("the base is gone"),
            ExistingImages(),
            {},
            "build",
            "everything counts as changed, because the base is gone, and the registry has no image of this state",
        ),
        (
            not_consulted("a manual run"),
            THERE,
            {"promote": False},
            "build",
            "a manual run, and 'promote' is false",
        ),
        (
            UNCHANGED,
            ExistingImages(),
            {},
            "build",
            "no relevant file changed, and the registry has no image of this state",
        ),
        (
            UNCHANGED,
            ExistingImages(),
            {"skip_unchanged": False},
            "build",
            "'skip-unchanged' is false, and the registry has no image of this state",
        ),
        (CHANGED, UP_TO_DATE, {}, "skip", f"{SHOWN} is up to date under every tag"),
        (UNCHANGED, UP_TO_DATE, {}, "skip", f"{SHOWN} is up to date under every tag"),
        (UNCHANGED, THERE, {}, "skip", f"no relevant file changed: the tags go on {SHOWN}"),
        (UNCHANGED, THERE, {"promote": False}, "skip", f"no relevant file changed: the tags go on {SHOWN}"),
        (CHANGED, THERE, {}, "promote", f"{SHOWN} was built and tested from the same inputs: the tags go on it"),
        (
            CHANGED,
            UP_TO_DATE,
            {"skip_unchanged": False},
            "promote",
            f"{SHOWN} was built and tested from the same inputs: the tags go on it",
        ),
    ],
)
def test_an_event_that_pushes(
    changes: Changes, existing: ExistingImages, inputs: dict[str, Any], kind: str, reason: str
) -> None:
    decision = decide(PUSH, replace(INPUTS, **inputs), changes, existing)
    assert (decision.kind, decision.reason) == (kind, reason)
    assert decision.images == (() if kind == "build" else existing.images)
    assert decision.new_tags == ((LATEST, OTHER) if kind != "build" and existing is THERE else ())


def test_each_image_gets_the_tags_of_its_name() -> None:
    assert Decision(kind="promote", reason="", images=(IMAGE, COPY), new_tags=(LATEST, OTHER)).tags_to_put == (
        (IMAGE, (LATEST,)),
        (COPY, (OTHER,)),
    )


@pytest.mark.parametrize("event", ["schedule", "workflow_dispatch", "repository_dispatch", "local"])
@pytest.mark.parametrize(
    "own", [replace(INPUTS, dockerfile="a"), replace(INPUTS, template="a")], ids=["dockerfile", "template"]
)
def test_a_dockerfile_of_ones_own_may_bring_news(event: str, own: Inputs) -> None:
    decision = decide(replace(PUSH, name=event), own, UNCHANGED, UP_TO_DATE)
    assert decision.kind == "build"
    assert decision.reason.endswith("but your own Dockerfile or template may fetch newer content")
    assert decide(PUSH, own, UNCHANGED, UP_TO_DATE).kind == "skip"
    assert decide(replace(PUSH, name=event), INPUTS, UNCHANGED, UP_TO_DATE).kind == "skip"


def test_what_does_not_push_is_built_whatever_there_is() -> None:
    decision = decide(PULL_REQUEST, INPUTS, CHANGED, UP_TO_DATE)
    assert decision == Decision(
        kind="build",
        reason="src/a.py and 1 more changed since abcdef0; the image is built and tested but not pushed, "
        "because a pull request never pushes",
    )


@pytest.mark.parametrize(
    ("event", "inputs", "changes", "skips"),
    [
        (PULL_REQUEST, INPUTS, UNCHANGED, True),
        (PULL_REQUEST, INPUTS, CHANGED, False),
        (PULL_REQUEST, INPUTS, assumed("no base"), False),
        (PULL_REQUEST, replace(INPUTS, skip_unchanged=False), UNCHANGED, False),
        (PUSH, INPUTS, UNCHANGED, False),
        (PUSH, replace(INPUTS, push=False), UNCHANGED, True),
        (Event(name="local"), replace(INPUTS, push=False), UNCHANGED, False),
    ],
)
def test_nothing_to_do(event: Event, inputs: Inputs, changes: Changes, skips: bool) -> None:
    decision = nothing_to_do(event, inputs, changes)
    expected = Decision(kind="skip", reason="no relevant file changed: none of 3 files")
    assert decision == (expected if skips else None)
