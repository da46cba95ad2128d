"""Secrets of a build: files that only their owner can read, and only from where nobody else put them."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pixi_container.docker.secrets import write_build_secrets
from pixi_container.errors import UserError
from pixi_container.inputs import Inputs


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / ".git").mkdir(parents=True)
    (folder / "study").mkdir()
    (tmp_path / "of the machine").write_text("hunter3")
    return folder


def written(work: Path, inputs: Inputs, env: dict[str, str] | None = None) -> tuple[dict[str, str], list[str]]:
    """Return the secrets by id, and what is masked."""
    masks: list[str] = []
    write_build_secrets(work, inputs, env or {}, masks.append)
    files = list((work / "secrets").iterdir())
    assert {oct(file.stat().st_mode & 0o777) for file in files} <= {"0o600"}
    assert (work / "secrets").stat().st_mode & 0o777 == 0o700
    return {file.name: file.read_text() for file in files}, masks


def test_values_and_files_are_written_as_they_are(work: Path, checkout: Path) -> None:
    (checkout / "study/file").write_text("in the checkout\n")
    inputs = Inputs(
        context=str(checkout / "study"),
        build_secrets=(("token", "hunter2\n\n"), ("empty", "")),
        secret_files=(
            ("a", "file"),
            ("b", f"{checkout.parent}/of the machine"),
            ("c", f"{checkout}/study/file"),
        ),
    )
    secrets, masks = written(work, inputs)
    assert secrets == {"token": "hunter2\n\n", "a": "in the checkout\n", "b": "hunter3", "c": "in the checkout\n"}
    assert masks == ["in the checkout\n", "hunter3", "in the checkout\n"]


@pytest.mark.parametrize("absolute", [True, False])
def test_no_link_of_the_checkout_is_followed_out_of_it(work: Path, checkout: Path, absolute: bool) -> None:
    link = checkout / "study/link"
    link.symlink_to(checkout.parent / "of the machine")
    inputs = Inputs(context=str(checkout / "study"), secret_files=(("a", str(link) if absolute else "link"),))
    with pytest.raises(UserError, match="link that leads out"):
        written(work, inputs)


@pytest.mark.parametrize("path", ["absent", "/absent", ".", "/", "/dev/zero", "../study/../.git", "large"])
def test_what_is_no_file_is_refused(work: Path, checkout: Path, path: str) -> None:
    with (checkout / "study/large").open("w") as file:
        file.truncate(500 * 1024 + 1)
    with pytest.raises(UserError, match="input 'secret-files': 'a'"):
        written(work, Inputs(context=str(checkout / "study"), secret_files=(("a", path),)))


def test_an_agent_or_a_key_has_to_be_there(work: Path, checkout: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("a key")
    with pytest.raises(UserError, match="SSH_AUTH_SOCK is not set"):
        written(work, Inputs(context=str(checkout), ssh=(("default", ""),)))
    (checkout / "key").write_text("a key")
    for path in (f"{tmp_path}/absent", f"{checkout}/key", str(tmp_path)):
        with pytest.raises(UserError, match="input 'ssh': 'deploy' must be a key or the socket of an agent"):
            written(work, Inputs(context=str(checkout), ssh=(("deploy", path),)))
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(tmp_path / "s"))
        inputs = Inputs(context=str(checkout), ssh=(("default", ""), ("a", str(key)), ("b", str(tmp_path / "s"))))
        assert written(work, inputs, {"SSH_AUTH_SOCK": "/run/agent"}) == ({}, [])
