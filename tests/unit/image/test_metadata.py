"""Names, dates and expressions behind tags and labels, and the texts of a Dockerfile or template of one's own."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from pixi_container.errors import UserError
from pixi_container.image.base_images import DEFAULT_PIXI
from pixi_container.image.metadata import (
    facts_for,
    offline_metadata,
    published_names,
    workspace_expressions,
)
from pixi_container.image.own_dockerfile import OwnDockerfile
from pixi_container.image.sources import Sources, read_sources
from pixi_container.inputs import Inputs
from pixi_container.registry.reference import parse_reference
from pixi_container.runner.event import Event
from pixi_container.workspace.workspace import read_workspace
from tests.unit.conftest import Folder

SHA = "0123456789abcdef0123456789abcdef01234567"
PUSH = Event(name="push", ref="refs/heads/main", sha=SHA, repository="Lab/Study")
ENV = {"PATH": os.environ["PATH"]}


@pytest.mark.parametrize(
    ("images", "repository", "names"),
    [
        ("", "Lab/Study", ["ghcr.io/lab/study"]),
        ("", "", []),
        ("quay.io/lab/a\nghcr.io/lab/b", "Lab/Study", ["quay.io/lab/a", "ghcr.io/lab/b"]),
        ("study", "", ["docker.io/library/study"]),
    ],
)
def test_the_names_of_an_image(images: str, repository: str, names: list[str]) -> None:
    assert [str(name) for name in published_names(images, repository)] == names


def test_a_name_that_is_malformed_is_refused_with_its_input() -> None:
    with pytest.raises(UserError, match="input 'images'"):
        published_names("quay.io/lab/-a", "")


@pytest.mark.parametrize(
    ("tag", "base"),
    [(f"{DEFAULT_PIXI}-noble", "noble"), (f"{DEFAULT_PIXI}-", "noble"), ("mine", "mine"), ("", "noble")],
)
def test_the_expressions_of_a_workspace(folder: Folder, tag: str, base: str) -> None:
    workspace = read_workspace(Inputs(context=str(folder.path), environment="gpu"))
    builder = replace(parse_reference("ghcr.io/prefix-dev/pixi", source="test"), tag=tag)
    assert workspace_expressions(workspace, DEFAULT_PIXI, builder) == {
        "environment": "gpu",
        "cuda": "12",
        "pixi": DEFAULT_PIXI,
        "base": base,
    }


def test_the_date_comes_from_the_event_or_else_from_git_or_else_is_now(folder: Folder) -> None:
    start = datetime.now(timezone.utc)
    unknown = facts_for(PUSH, folder.path, {"a": "b"}, ENV)
    assert unknown.expressions == {"a": "b"}
    assert start <= unknown.now <= datetime.now(timezone.utc)
    assert unknown.commit_date == unknown.now
    identity = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    for arguments in (("init", "-q"), ("commit", "-qm", "x", "--allow-empty")):
        env = {**ENV, "GIT_COMMITTER_DATE": "1700000000 +0100"}
        subprocess.run(["git", *identity, *arguments], cwd=folder.path, env=env, check=True)
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder.path, check=True, capture_output=True, text=True
    )
    event = replace(PUSH, sha=head.stdout.strip())
    by_git = facts_for(event, folder.path, {}, {**ENV, "DOCKER_METADATA_SHORT_SHA_LENGTH": "9"})
    assert by_git.commit_date == datetime(2023, 11, 14, 22, 13, 20, tzinfo=timezone.utc)
    assert by_git.commit_date.utcoffset() == timedelta(hours=1)
    assert by_git.short_sha_length == 9
    payload = {"head_commit": {"id": event.sha, "timestamp": "2020-01-02T03:04:05Z"}}
    by_event = facts_for(replace(event, payload=payload), folder.path, {}, ENV)
    assert by_event.commit_date == datetime(2020, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def test_without_a_network_the_workspace_is_read_where_an_expression_needs_it(folder: Folder) -> None:
    elsewhere = Inputs(context=str(folder.path / "absent"), tags="type=sha")
    assert offline_metadata(PUSH, elsewhere, ENV).tags == ("ghcr.io/lab/study:sha-0123456",)
    needed = "{{ environment }}"
    for inputs in (
        replace(elsewhere, tags=f"type=raw,value={needed}"),
        replace(elsewhere, flavor=f"suffix={needed}"),
        replace(elsewhere, labels=f"a={needed}"),
        replace(elsewhere, annotations=f"a={needed}"),
    ):
        with pytest.raises(UserError, match="absent' is not a folder"):
            offline_metadata(PUSH, inputs, ENV)
    here = Inputs(
        context=str(folder.path),
        environment="gpu",
        tags="type=raw,value={{environment}}-{{cuda}}-{{pixi}}-{{base}}",
    )
    assert offline_metadata(PUSH, here, ENV).tags == (f"ghcr.io/lab/study:gpu-12-{DEFAULT_PIXI}-noble",)


def test_without_images_tags_are_bare(folder: Folder) -> None:
    nameless = replace(PUSH, repository="")
    bare = Inputs(context=str(folder.path), tags="type=raw,value=a")
    assert offline_metadata(nameless, bare, ENV).tags == ("a",)


def test_texts_of_ones_own_are_read(folder: Folder) -> None:
    folder.write("docker/Dockerfile", "FROM x\n")
    folder.write("docker/template", "FROM {{ builder_image }}\n")
    workspace = read_workspace(Inputs(context=str(folder.path)))
    inputs = Inputs(context=str(folder.path), dockerfile="docker/Dockerfile", template="docker/template")
    assert read_sources(inputs, workspace, ENV) == Sources(
        workspace=workspace,
        dockerfile=OwnDockerfile(text="FROM x\n"),
        template="FROM {{ builder_image }}\n",
    )
    assert read_sources(Inputs(), workspace, ENV) == Sources(workspace=workspace)


@pytest.mark.parametrize("name", ["dockerfile", "template"])
@pytest.mark.parametrize(("text", "problem"), [(None, "does not exist in"), (" \n", "is empty")])
def test_a_text_of_ones_own_is_not_empty(folder: Folder, name: str, text: str | None, problem: str) -> None:
    workspace = read_workspace(Inputs(context=str(folder.path)))
    if text is not None:
        folder.write("own", text)
    own = Inputs(context=str(folder.path))
    inputs = replace(own, dockerfile="own") if name == "dockerfile" else replace(own, template="own")
    with pytest.raises(UserError, match=f"input '{name}': 'own' {problem}") as caught:
        read_sources(inputs, workspace, ENV)
    assert caught.value.file == (str(folder.path / "own") if text else "")


def test_a_version_of_the_checkout_is_for_those_who_take_it_from_git(folder: Folder) -> None:
    for arguments in (("init", "-q"), ("commit", "-qm", "x", "--allow-empty"), ("tag", "v1.2.3")):
        identity = ("-c", "user.name=me", "-c", "user.email=me@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=folder.path, env=ENV, check=True)
    workspace = read_workspace(Inputs(context=str(folder.path)))
    assert read_sources(Inputs(), workspace, ENV).source_version == ""
    assert read_sources(Inputs(), replace(workspace, scm_versioned=True), ENV).source_version == "1.2.3"
