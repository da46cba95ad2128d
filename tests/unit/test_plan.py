"""The plan: what will happen for each event, as command lines, and that no secret is in it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from pixi_container.base_images import choose_base_images
from pixi_container.errors import UserError
from pixi_container.event import Event
from pixi_container.image_reference import parse_reference
from pixi_container.inputs import Credential, Inputs, parse_inputs
from pixi_container.metadata import workspace_expressions
from pixi_container.plan import BuilderKind, Command, Lookups, Plan, make_plan, push_credentials
from pixi_container.report import Report
from pixi_container.tags import facts_from
from pixi_container.workspace import read_workspace
from tests.unit.conftest import Folder

SHA = "0123456789abcdef0123456789abcdef01234567"
DATE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
PUSH = Event(
    name="push",
    ref="refs/heads/main",
    sha=SHA,
    repository="Lab/Study",
    actor="me",
    payload={"repository": {"default_branch": "main", "full_name": "Lab/Study"}},
)
TAG = replace(PUSH, ref="refs/tags/v1.2.3")
PULL_REQUEST = replace(PUSH, name="pull_request", ref="refs/pull/7/merge", payload={"number": 7})


def plan_of(folder: Folder, event: Event, *, annotations: bool = True, keep: bool = False, **texts: str) -> Plan:
    inputs = parse_inputs(
        {"context": str(folder.path), **{key.replace("_", "-"): text for key, text in texts.items()}}
    )
    workspace = read_workspace(inputs, "linux/amd64")
    bases = choose_base_images(inputs, workspace)
    expressions = workspace_expressions(workspace, bases.pixi_version, bases.builder)
    facts = facts_from(event, commit_date=DATE, now=DATE, expressions=expressions)
    found = Lookups(bases=bases, facts=facts, builder=BuilderKind(annotations=annotations))
    return make_plan(event, inputs, workspace, found, keep=keep)


def words_after(flag: str, argv: tuple[str, ...]) -> list[str]:
    return [argv[position + 1] for position, word in enumerate(argv) if word == flag]


def outputs_of(command: Command) -> list[str]:
    return [output.partition(",")[0] for output in words_after("--output", command.argv)]


def test_a_push_is_built_tested_and_pushed(folder: Folder) -> None:
    plan = plan_of(folder, PUSH)
    assert plan.push
    assert plan.tags == ("ghcr.io/lab/study:main", "ghcr.io/lab/study:sha-0123456", "ghcr.io/lab/study:latest")
    assert outputs_of(plan.build) == ["type=docker"]
    assert words_after("--tag", plan.build.argv) == [plan.local_image]
    assert plan.push_command
    assert outputs_of(plan.push_command) == ["type=registry"]
    assert words_after("--tag", plan.push_command.argv) == list(plan.tags)
    assert plan.test.argv[:4] == ("docker", "run", "--rm", "--name")
    assert plan.local_image in plan.test.argv


def test_build_and_push_differ_only_in_where_the_image_goes(folder: Folder) -> None:
    plan = plan_of(folder, PUSH)
    assert plan.push_command
    built, pushed = plan.build.argv, plan.push_command.argv
    assert built[: built.index("--metadata-file")] == pushed[: pushed.index("--metadata-file")]
    assert words_after("--label", built) == words_after("--label", pushed)
    assert built[-1] == pushed[-1]


@pytest.mark.parametrize("push", ["auto", "false"])
@pytest.mark.parametrize(
    "event",
    [
        PULL_REQUEST,
        replace(PULL_REQUEST, name="pull_request_target", ref="refs/heads/main"),
        replace(PUSH, name="merge_group"),
        replace(PUSH, name="workflow_run"),
    ],
    ids=lambda event: event.name,
)
def test_what_is_not_safe_never_pushes(folder: Folder, event: Event, push: str) -> None:
    plan = plan_of(folder, event, push=push)
    assert not plan.push
    assert plan.push_command is None
    assert outputs_of(plan.build) == ["type=docker"]
    assert Report(plan=plan).outputs()["pushed"] == "false"


def test_push_false_holds_on_a_push(folder: Folder) -> None:
    assert plan_of(folder, PUSH, push="false").push_command is None


def test_the_tags_of_the_usual_workflow(folder: Folder) -> None:
    tags = "type=raw,value=noble-cuda-12.9\ntype=raw,value=latest\ntype=semver,pattern={{version}}\n"
    tags += "type=semver,pattern={{major}}.{{minor}}"

    def names(event: Event) -> set[str]:
        return {tag.rpartition(":")[2] for tag in plan_of(folder, event, environment="gpu", tags=tags).tags}

    assert names(PUSH) == {"noble-cuda-12.9", "latest"}
    assert names(TAG) == {"noble-cuda-12.9", "latest", "1.2.3", "1.2"}
    assert names(replace(TAG, name="release")) == {"noble-cuda-12.9", "latest", "1.2.3", "1.2"}


def test_what_an_entry_does_not_give_is_noted(folder: Folder) -> None:
    plan = plan_of(folder, PUSH, labels="no value here", tags="type=sha\ntype=semver,pattern={{version}}")
    assert plan.notes == ("input 'labels', line 1: 'no value here' is not key=value and gives nothing",)


def test_expressions_of_the_workspace_are_known(folder: Folder) -> None:
    plan = plan_of(
        folder, PUSH, environment="gpu", tags="type=raw,value={{environment}}-{{base}}-cuda-{{cuda}}-{{pixi}}"
    )
    assert plan.tags == ("ghcr.io/lab/study:gpu-noble-cuda-12-0.76.1",)


def test_no_tag_on_a_pushing_event_is_an_error(folder: Folder) -> None:
    with pytest.raises(UserError, match="no tag results") as caught:
        plan_of(folder, PUSH, tags="type=semver,pattern={{version}}")
    assert "type=sha" in caught.value.hint
    assert plan_of(folder, PULL_REQUEST, tags="type=semver,pattern={{version}}").tags == ()


def test_without_a_repository_an_image_name_is_needed_to_push(folder: Folder) -> None:
    with pytest.raises(UserError, match="there is no image name"):
        plan_of(folder, replace(PUSH, repository=""))


def test_a_users_test_runs_as_the_image_says_and_the_check_as_a_stranger(folder: Folder) -> None:
    assert plan_of(folder, PUSH).test.argv[5:10] == (
        "--user",
        "54321:54321",
        "--read-only",
        "--env",
        "HOME=/nonexistent",
    )
    test = plan_of(folder, PUSH, test_command="pytest -q\nruff check").test
    assert test.argv[5:] == (test.argv[5], "bash", "-euo", "pipefail", "-c", "pytest -q\nruff check")


def test_annotations_only_where_the_builder_takes_them(folder: Folder) -> None:
    with_them = plan_of(folder, PUSH).push_command
    assert with_them
    given = words_after("--annotation", with_them.argv)
    assert given
    assert all(annotation.startswith("manifest:") for annotation in given)
    without = plan_of(folder, PUSH, annotations=False).push_command
    assert without
    assert "--annotation" not in without.argv


def test_keeping_loads_the_image_under_its_tags(folder: Folder) -> None:
    plan = plan_of(folder, PUSH, keep=True, push="false")
    assert words_after("--tag", plan.build.argv) == [plan.local_image, *plan.tags]


def test_two_builds_of_a_commit_have_one_date(folder: Folder) -> None:
    plan = plan_of(folder, PUSH)
    assert words_after("--output", plan.build.argv) == [f"type=docker,source-date-epoch={int(DATE.timestamp())}"]
    assert dict(plan.labels)["org.opencontainers.image.created"] == "2026-01-02T03:04:05.000Z"
    assert plan == plan_of(folder, PUSH)


def test_no_secret_is_part_of_a_plan(folder: Folder) -> None:
    plan = plan_of(
        folder,
        PUSH,
        password="hunter2",
        username="me",
        github_token="hunter3",
        registry_auth="registry=r.io,username=u,password=hunter4",
    )
    assert "hunter" not in json.dumps(plan.as_json()) + plan.as_text() + Report(plan=plan).summary()


def test_credentials_go_to_the_registry_they_are_for() -> None:
    images = [parse_reference(name, source="test") for name in ("ghcr.io/lab/a", "quay.io/lab/a", "ghcr.io/lab/b")]
    token = Inputs(github_token="t")
    assert push_credentials(PUSH, token, images) == (Credential(registry="ghcr.io", username="me", password="t"),)
    pair = replace(
        token,
        username="u",
        password="p",
        credentials=(Credential(registry="quay.io", username="q", password="r"),),
    )
    assert push_credentials(PUSH, pair, images) == (
        Credential(registry="ghcr.io", username="u", password="p"),
        Credential(registry="quay.io", username="q", password="r"),
    )
    with pytest.raises(UserError, match="no user name"):
        push_credentials(PUSH, Inputs(password="p"), images)


def test_the_report_names_what_was_pushed(folder: Folder) -> None:
    report = Report(plan=plan_of(folder, PUSH), digest="sha256:" + "1" * 64, layer_sizes=(1_000_000, 500_000))
    outputs = report.outputs()
    assert outputs["pushed"] == "true"
    assert outputs["image"] == "ghcr.io/lab/study@sha256:" + "1" * 64
    assert outputs["tags"].splitlines()[0] == "ghcr.io/lab/study:main"
    assert json.loads(outputs["json"])["tags"] == outputs["tags"].splitlines()
    assert json.loads(outputs["metadata"])["environment"] == "default"
    assert "FROM " in outputs["dockerfile"]
    for text in (report.text(), report.summary()):
        assert outputs["image"] in text
        assert "1.5 MB compressed in 2 layers" in text
