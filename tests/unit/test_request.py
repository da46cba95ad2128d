"""The request: who may push, and with which credentials."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import cast

import pytest

from pixi_container.inputs import Inputs
from pixi_container.registry.credentials import Credential
from pixi_container.registry.reference import parse_reference
from pixi_container.request import may_push, push_credentials, registry_client, request_for
from pixi_container.runner.event import Event

PUSH = Event(name="push", ref="refs/heads/main", repository="Lab/Study", actor="me")
PULL_REQUEST = replace(PUSH, name="pull_request", ref="refs/pull/7/merge")
NAMES = tuple(parse_reference(name, source="test") for name in ("ghcr.io/lab/a", "quay.io/lab/a", "quay.io/lab/b"))


@pytest.mark.parametrize(
    ("event", "push", "reason"),
    [
        (PUSH, True, ""),
        (PUSH, False, "'push' is false"),
        (PULL_REQUEST, True, "a pull request never pushes"),
        (replace(PUSH, name="merge_group"), True, "a merge queue never pushes"),
        (replace(PUSH, ref=""), True, "the event 'push' does not name a branch or tag"),
        (replace(PUSH, name="issues"), True, "the event 'issues' is not known to be safe to push from"),
        (Event(name="local"), True, ""),
        (Event(name="local"), False, "'push' is false"),
    ],
)
def test_why_a_run_may_not_push(event: Event, push: bool, reason: str) -> None:
    assert may_push(event, Inputs(push=push)) == (not reason, reason)
    assert request_for(event, Inputs(push=push), {}).may_push is not bool(reason)


def test_a_request_has_names_and_credentials_of_its_images() -> None:
    inputs = Inputs(push=True, github_token="t", context="a/b")
    request = request_for(PUSH, inputs, {"A": "b"}, keep=True)
    assert [str(name) for name in request.names] == ["ghcr.io/lab/study"]
    assert request.credentials == (Credential(registry="ghcr.io", username="me", password="t"),)
    assert (str(request.context), request.env, request.keep, request.withheld) == ("a/b", {"A": "b"}, True, ())
    assert request_for(PULL_REQUEST, inputs, {}).credentials == ()
    assert request_for(PUSH, inputs, {}).keep is False
    named = request_for(PUSH, replace(inputs, images="quay.io/lab/b"), {})
    assert [str(name) for name in named.names] == ["quay.io/lab/b"]


@pytest.mark.parametrize(
    ("event", "is_withheld"),
    [(PUSH, False), (PULL_REQUEST, False), (replace(PULL_REQUEST, name="pull_request_target"), True)],
)
def test_untrusted_code_gets_no_credentials_of_the_build(event: Event, is_withheld: bool) -> None:
    request = request_for(event, Inputs(conda_auth="{}", git_auth="https://a:b@c\n"), {}, keep=True)
    assert request.withheld == (("conda-auth", "git-auth") if is_withheld else ())
    assert request.inputs.conda_auth == ("" if is_withheld else "{}")
    assert request.inputs.git_auth == ("" if is_withheld else "https://a:b@c\n")
    assert request_for(event, Inputs(git_auth="x"), {}).withheld == (("git-auth",) if is_withheld else ())
    assert request.keep
    assert request_for(event, Inputs(), {}).withheld == ()


@pytest.mark.parametrize("name", ["pull_request_target", "workflow_run", "merge_group", "anything"])
def test_untrusted_code_gets_no_secret_of_the_build(name: str) -> None:
    secret = Inputs(
        dockerfile="a",
        git_auth="https://a:b@c\n",
        build_args=(("A", "b"),),
        build_secrets=(("a", "1"),),
        secret_files=(("b", "/c"),),
        ssh=(("default", ""),),
    )
    request = request_for(replace(PUSH, name=name), secret, {})
    assert request.withheld == ("git-auth", "secrets", "secret-files", "ssh")
    assert request.inputs == Inputs(dockerfile="a", build_args=(("A", "b"),))
    assert request_for(PULL_REQUEST, secret, {}).inputs == secret


def test_one_pair_of_credentials_is_for_every_registry() -> None:
    assert push_credentials(PUSH, Inputs(username="u", password="p"), NAMES) == (
        Credential(registry="ghcr.io", username="u", password="p"),
        Credential(registry="quay.io", username="u", password="p"),
    )


def test_the_token_is_for_github_alone() -> None:
    nobody = replace(PUSH, actor="")
    assert push_credentials(nobody, Inputs(github_token="t"), NAMES) == (
        Credential(registry="ghcr.io", username="x-access-token", password="t"),
    )
    assert push_credentials(PUSH, Inputs(), NAMES) == ()
    assert push_credentials(PUSH, Inputs(password="p"), NAMES[:1]) == (
        Credential(registry="ghcr.io", username="me", password="p"),
    )


def test_stored_credentials_are_for_events_that_may_use_them(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = Credential(registry="quay.io", username="s", password="s")
    asked = []

    def lookup(registry: str, env: object) -> Credential:
        asked.append((registry, env))
        return stored

    monkeypatch.setattr("pixi_container.request.stored_credential", lookup)
    monkeypatch.setattr("pixi_container.registry.client.Registry", nullcontext)
    inputs = Inputs(push=True, github_token="t")
    # The client is in the place of the function that it is given.
    with registry_client(request_for(PUSH, inputs, {"HOME": "/h"})) as client:
        credential_for = cast("Callable[[str], Credential | None]", client)
        assert credential_for("ghcr.io") == Credential(registry="ghcr.io", username="me", password="t")
        assert credential_for("quay.io") is stored
        assert asked == [("quay.io", {"HOME": "/h"})]
    with registry_client(request_for(replace(PUSH, name="issues"), inputs, {})) as client:
        credential_for = cast("Callable[[str], Credential | None]", client)
        assert credential_for("quay.io") is None
        assert credential_for("ghcr.io") is None
