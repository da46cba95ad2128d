"""Docker's configuration: a private copy for as long as it is needed, and the user's own untouched."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

import pytest

from pixi_container.errors import UserError
from pixi_container.processes import Finished
from pixi_container.registry.credentials import Credential
from pixi_container.registry.docker_config import (
    credential_helper_variables,
    private_docker_config,
    stored_credential,
)

OURS = Credential(registry="ghcr.io", username="me", password="hunter2")
HUB = Credential(registry="docker.io", username="hub", password="p:w")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    docker = tmp_path / "home" / ".docker"
    (docker / "cli-plugins").mkdir(parents=True)
    config = {"auths": {"quay.io": {"auth": base64.b64encode(b"you:theirs").decode()}}, "credsStore": "desktop"}
    (docker / "config.json").write_text(json.dumps(config))
    return docker.parent


def test_the_private_copy_has_both_and_is_gone_afterwards(home: Path, tmp_path: Path) -> None:
    before = (home / ".docker/config.json").read_bytes()
    with private_docker_config([OURS, HUB], {"HOME": str(home)}, tmp_path) as env:
        folder = Path(env["DOCKER_CONFIG"])
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "config.json").stat().st_mode) == 0o600
        config = json.loads((folder / "config.json").read_text())
        assert base64.b64decode(config["auths"]["ghcr.io"]["auth"]) == b"me:hunter2"
        assert base64.b64decode(config["auths"]["https://index.docker.io/v1/"]["auth"]) == b"hub:p:w"
        assert "quay.io" in config["auths"]
        assert config["credHelpers"] == {"ghcr.io": "", "https://index.docker.io/v1/": ""}
        assert (folder / "cli-plugins").resolve() == (home / ".docker/cli-plugins").resolve()
        assert env["BUILDX_CONFIG"] == str(home / ".docker/buildx")
    assert not folder.exists()
    assert (home / ".docker/config.json").read_bytes() == before


def test_it_is_gone_after_an_error_too(home: Path, tmp_path: Path) -> None:
    def fail() -> None:
        with private_docker_config([OURS], {"HOME": str(home)}, tmp_path):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_stored_login_is_found(tmp_path: Path) -> None:
    env = {"DOCKER_CONFIG": str(tmp_path)}
    assert stored_credential("ghcr.io", env) is None
    auth = base64.b64encode(b"me:hunter2").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"ghcr.io": {"auth": auth}, "r.io": {}}}))
    assert stored_credential("ghcr.io", env) == OURS
    assert stored_credential("r.io", env) is None
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"ghcr.io": {"auth": "%%%"}}}))
    assert stored_credential("ghcr.io", env) is None


def test_a_stored_login_may_be_kept_by_a_helper(tmp_path: Path) -> None:
    helper = tmp_path / "docker-credential-test"
    helper.write_text(
        '#!/bin/sh\nread key; [ "$key" = ghcr.io ] && echo \'{"Username":"me","Secret":"hunter2"}\'\n'
    )
    helper.chmod(0o755)
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "test"}))
    env = {"DOCKER_CONFIG": str(tmp_path), "PATH": f"{tmp_path}:/usr/bin:/bin"}
    assert stored_credential("ghcr.io", env) == OURS
    assert stored_credential("quay.io", env) is None


def test_a_broken_configuration_is_one_clear_error(tmp_path: Path) -> None:
    for broken in ("{", "\xff", "[" * 100_000):
        (tmp_path / "config.json").write_bytes(broken.encode("latin-1"))
        with pytest.raises(UserError, match="Docker's configuration cannot be read") as caught:
            stored_credential("ghcr.io", {"DOCKER_CONFIG": str(tmp_path)})
        assert caught.value.file == str(tmp_path / "config.json")
    (tmp_path / "config.json").write_text("[]")
    assert stored_credential("ghcr.io", {"DOCKER_CONFIG": str(tmp_path)}) is None


class Helper:
    """Stands for a credential helper: what it was asked, and its answer."""

    def __init__(self, output: str, code: int = 0) -> None:
        self.asked: list[tuple[list[str], str]] = []
        self._ends = Finished(code, output, "")

    def __call__(self, argv: list[str], **options: str) -> Finished:
        self.asked.append((argv, options["given"]))
        return self._ends


@pytest.mark.parametrize(
    ("output", "code", "credential"),
    [
        (
            '{"Username": "me", "Secret": "hunter2"}',
            0,
            Credential(registry="r.io", username="me", password="hunter2"),
        ),
        ('{"Secret": "hunter2"}', 0, Credential(registry="r.io", username="", password="hunter2")),
        ('{"Username": "me"}', 0, None),
        ('{"Username": "me", "Secret": "hunter2"}', 1, None),
        ("[]", 0, None),
        ("credentials not found", 0, None),
        ("[" * 100_000, 0, None),
    ],
)
def test_what_a_helper_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, code: int, credential: Credential | None
) -> None:
    helper = Helper(output, code)
    monkeypatch.setattr("pixi_container.registry.docker_config.capture", helper)
    (tmp_path / "config.json").write_text(json.dumps({"credHelpers": {"r.io": "one"}, "credsStore": "all"}))
    env = {"DOCKER_CONFIG": str(tmp_path)}
    assert stored_credential("r.io", env) == credential
    assert helper.asked == [(["docker-credential-one", "get"], "r.io")]
    stored_credential("docker.io", env)
    assert helper.asked[1:] == [(["docker-credential-all", "get"], "https://index.docker.io/v1/")]


@pytest.mark.parametrize("name", ["../evil", "-a", "a b", "a/b", 7, ["a"]])
def test_a_helper_has_a_name_and_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: object) -> None:
    helper = Helper("{}")
    monkeypatch.setattr("pixi_container.registry.docker_config.capture", helper)
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": name}))
    assert stored_credential("r.io", {"DOCKER_CONFIG": str(tmp_path)}) is None
    assert helper.asked == []


def test_a_helper_that_cannot_be_started_has_nothing(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "absent"}))
    assert stored_credential("r.io", {"DOCKER_CONFIG": str(tmp_path), "PATH": str(tmp_path)}) is None


def test_the_login_of_docker_hub_has_a_name_of_its_own(tmp_path: Path) -> None:
    auths = {
        "https://index.docker.io/v1/": {"auth": base64.b64encode(b"hub:p:w").decode()},
        "r.io": {"auth": base64.b64encode(b"\xff:w").decode()},
        "q.io": {"auth": base64.b64encode(b"q:").decode()},
    }
    (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
    env = {"DOCKER_CONFIG": str(tmp_path)}
    assert stored_credential("docker.io", env) == HUB
    assert stored_credential("r.io", env) is None
    assert stored_credential("q.io", env) is None


def test_the_configuration_is_in_the_home_unless_told_otherwise(home: Path, tmp_path: Path) -> None:
    (home / ".docker/config.json").write_text("{")
    for env in ({"HOME": str(home)}, {"HOME": str(home), "DOCKER_CONFIG": ""}):
        with pytest.raises(UserError):
            stored_credential("ghcr.io", env)
    assert stored_credential("ghcr.io", {"HOME": str(home), "DOCKER_CONFIG": str(tmp_path)}) is None


def test_a_copy_without_stored_credentials_keeps_the_rest(home: Path, tmp_path: Path) -> None:
    config = {
        "auths": {"quay.io": {"auth": "eA=="}},
        "credHelpers": {"a.io": "a"},
        "credsStore": "desktop",
        "HttpHeaders": {"A": "b"},
        "currentContext": "mine",
        "proxies": {"default": {}},
    }
    (home / ".docker/config.json").write_text(json.dumps(config))
    (home / ".docker/contexts").mkdir()
    env = {"HOME": str(home), "AWS_PROFILE": "p", "BUILDX_CONFIG": "/b"}
    with private_docker_config([OURS], env, tmp_path, keep_stored=False) as variables:
        folder = Path(variables["DOCKER_CONFIG"])
        ours = {"ghcr.io": {"auth": base64.b64encode(b"me:hunter2").decode()}}
        assert json.loads((folder / "config.json").read_text()) == {
            "auths": ours,
            "currentContext": "mine",
            "proxies": {"default": {}},
        }
        assert variables == {"DOCKER_CONFIG": str(folder), "BUILDX_CONFIG": "/b"}
        assert {path.name for path in folder.iterdir()} == {"config.json", "cli-plugins", "contexts"}
        assert (folder.parent, folder.name[:14]) == (tmp_path, "docker-config-")
    with private_docker_config([], env, tmp_path) as variables:
        folder = Path(variables["DOCKER_CONFIG"])
        assert json.loads((folder / "config.json").read_text()) == config
        assert variables["AWS_PROFILE"] == "p"


@pytest.mark.parametrize(
    ("config", "has"), [({}, False), ({"credsStore": "a"}, True), ({"credHelpers": {"a.io": "a"}}, True)]
)
def test_variables_of_a_helper_are_passed_where_there_is_one(
    tmp_path: Path, config: dict[str, object], has: bool
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    env = {"DOCKER_CONFIG": str(tmp_path), "AWS_PROFILE": "p", "OTHER": "o"}
    assert credential_helper_variables(env) == ({"AWS_PROFILE": "p"} if has else {})


def test_only_a_registry_with_a_helper_gets_an_empty_one(home: Path, tmp_path: Path) -> None:
    (home / ".docker/config.json").write_text(json.dumps({"credHelpers": {"ghcr.io": "a", "a.io": "a"}}))
    with private_docker_config([OURS, HUB], {"HOME": str(home)}, tmp_path) as env:
        config = json.loads((Path(env["DOCKER_CONFIG"]) / "config.json").read_text())
    assert config["credHelpers"] == {"ghcr.io": "", "a.io": "a"}
