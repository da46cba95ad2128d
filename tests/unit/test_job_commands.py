"""The commands for the jobs of a workflow: what they are about, and when they do nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pixi_container.cli import main
from tests.unit.conftest import Folder
from tests.unit.registry_server import RegistryServer
from tests.unit.test_ship import BASE, PIXI

PUSH = ("--push", "auto", "--tags", "type=raw,value=main")
ENV = {"PATH": "/nowhere", "HOME": "/nowhere"}


@pytest.fixture
def checkout(folder: Folder, server: RegistryServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the workspaces ``api`` and ``web``, which have settings of their own."""
    server.put_image(PIXI, BASE)
    root = folder.path.parent / "checkout"
    for name in ("api", "web"):
        shutil.copytree(folder.path, root / name)
        with (root / name / "pixi.toml").open("a") as manifest:
            manifest.write(f"[tool.pixi-container]\nimages = '{server.name()}-{name}'\n")
            manifest.write(f"pixi-image = '{server.name(PIXI).tagged(BASE)}'\n")
    monkeypatch.chdir(root)
    return root


def test_the_jobs_of_several_workspaces(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--contexts", "*/pixi.toml", "--environments", "*", "--runners", 'linux/amd64=["own", "x64"]']
    assert main(["matrix", *flags], ENV) == 0
    jobs = json.loads(capsys.readouterr().out)["include"]
    assert [(job["context"], job["manifest-path"], job["environment"]) for job in jobs] == [
        ("api", "pixi.toml", "default"),
        ("api", "pixi.toml", "gpu"),
        ("web", "pixi.toml", "default"),
        ("web", "pixi.toml", "gpu"),
    ]
    assert {job["platform"] for job in jobs} == {"linux/amd64"}
    assert jobs[1]["runner"] == ["own", "x64"]
    assert jobs[1]["name"] == "api:gpu, linux/amd64"


def test_two_workspaces_cannot_have_the_same_tag(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = checkout / "web" / "pixi.toml"
    manifest.write_text(manifest.read_text().replace("-web", "-api"))
    assert main(["matrix", "--contexts", "*/pixi.toml", *PUSH], ENV) == 3
    said = capsys.readouterr().err
    assert "the environments 'api:default' and 'web:default' would both have the tag" in said
    assert "in the settings of its manifest" in said


@pytest.mark.parametrize("command", ["matrix", "merge"])
def test_a_base_is_not_refreshed_by_each_job(
    checkout: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with (checkout / "api" / "pixi.toml").open("a") as manifest:
        manifest.write("refresh = true\napt-packages = 'curl'\n")
    assert main([command, "--context", "api", "--push", "auto"], ENV) == 3
    assert "input 'refresh' cannot be true where jobs build the images" in capsys.readouterr().err


def test_merge_does_nothing_where_nothing_may_be_pushed(
    checkout: Path, server: RegistryServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["merge", "--context", "api"], ENV) == 0
    assert "No tag is put on any image, because 'push' is false." in capsys.readouterr().err
    assert server.asked == []


def test_merge_refuses_what_is_no_digest(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["merge", "--context", "api", "--push", "auto", "ghcr.io/lab/a:main"], ENV) == 3
    assert "the command line: 'ghcr.io/lab/a:main' has no digest" in capsys.readouterr().err


def test_merge_says_which_environment_lacks_an_image(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["merge", "--contexts", "api/pixi.toml", *PUSH], ENV) == 3
    said = capsys.readouterr().err
    assert "environment 'api:default': there is no tested image of this commit's inputs for linux/amd64" in said
