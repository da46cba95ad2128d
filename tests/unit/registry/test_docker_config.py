"""Docker's configuration: a private copy for as long as it is needed, and the user's own untouched."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

import pytest

from pixi_container.errors import UserError
from pixi_container.registry.credentials import Credential
from pixi_container.registry.docker_config import private_docker_config, stored_credential

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
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read"):
        stored_credential("ghcr.io", {"DOCKER_CONFIG": str(tmp_path)})
