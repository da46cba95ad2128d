"""Who may do what on which event: whether it pushes, logs in, and gets secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pixi_container.inputs import Inputs
from pixi_container.registry.docker_config import private_docker_config
from pixi_container.request import registry_client, request_for
from pixi_container.runner.event import LOCAL, Event
from tests.security.recorders import SECRETS

MAIN, TAG, PULL = "refs/heads/main", "refs/tags/v1", "refs/pull/7/merge"
QUEUE = "refs/heads/gh-readonly-queue/main/pr-7-abc"


@pytest.mark.parametrize(
    ("name", "ref", "pushes", "has_secrets"),
    [
        ("push", MAIN, True, True),
        ("push", TAG, True, True),
        ("release", TAG, True, True),
        ("schedule", MAIN, True, True),
        ("workflow_dispatch", MAIN, True, True),
        ("repository_dispatch", MAIN, True, True),
        (LOCAL, "", True, True),
        ("pull_request", PULL, False, True),
        ("pull_request", MAIN, False, True),
        ("pull_request_target", MAIN, False, False),
        ("pull_request_target", PULL, False, False),
        ("push", "", False, False),
        ("push", PULL, False, False),
        ("push", QUEUE, False, False),
        ("push", "refs/notes/x", False, False),
        ("push", "refs/heads/", False, False),
        ("release", "", False, False),
        ("workflow_dispatch", PULL, False, False),
        ("merge_group", QUEUE, False, False),
        ("merge_group", MAIN, False, False),
        ("workflow_run", MAIN, False, False),
        ("issue_comment", MAIN, False, False),
        ("pull_request_review", PULL, False, False),
        ("pull_request_review_comment", MAIN, False, False),
        ("discussion_comment", MAIN, False, False),
        ("PUSH", MAIN, False, False),
        ("push ", MAIN, False, False),
        ("", MAIN, False, False),
        ("anything", TAG, False, False),
    ],
)
def test_what_an_event_may(name: str, ref: str, pushes: bool, has_secrets: bool) -> None:
    payload: dict[str, Any] = {"number": 7, "pull_request": {"number": 7}}
    event = Event(name=name, ref=ref, sha="1" * 40, repository="lab/study", actor="me", payload=payload)
    inputs = Inputs(
        username="me",
        password=SECRETS["password"],
        github_token=SECRETS["github-token"],
        conda_auth=SECRETS["conda-auth"],
        git_auth=SECRETS["git-auth"],
    )
    request = request_for(event, inputs, {})
    assert request.may_push is pushes
    assert bool(request.credentials) is pushes
    assert bool(request.inputs.conda_auth) is bool(request.inputs.git_auth) is has_secrets
    assert request.withheld == (() if has_secrets else ("conda-auth", "git-auth"))


@pytest.mark.parametrize(("event", "uses"), [("pull_request", True), ("pull_request_target", False)])
def test_the_logins_of_the_machine_are_not_for_anybodys_code(
    event: str, uses: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("docker")
    config = {
        "auths": {"ghcr.io": {"auth": "bWU6aHVudGVyMjI="}},
        "credHelpers": {"other.example": "ecr-login"},
        "credsStore": "",
        "HttpHeaders": {"authorization": "secret"},
        "currentContext": "mine",
    }
    (folder / "config.json").write_text(json.dumps(config))
    env = {"DOCKER_CONFIG": str(folder), "AWS_SESSION_TOKEN": "secret"}
    request = request_for(Event(name=event, ref=PULL), Inputs(), env)
    with registry_client(request) as registry:
        credential = registry._transport._credential_for("ghcr.io")
    assert (credential.password if credential else None) == ("hunter22" if uses else None)
    with private_docker_config((), env, folder, keep_stored=False) as login:
        private = json.loads((tmp := folder.__class__(login["DOCKER_CONFIG"])).joinpath("config.json").read_text())
        assert private == {"currentContext": "mine"}
        assert "AWS_SESSION_TOKEN" not in login
    assert not tmp.exists()
    with private_docker_config((), env, folder) as login:
        assert login["AWS_SESSION_TOKEN"] == "secret"
