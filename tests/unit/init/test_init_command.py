"""``pixi-container init``: what it writes, that it overwrites nothing, and what it does about the lock."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli
import yaml

from pixi_container.cli import main
from pixi_container.inputs import parse_inputs
from tests.unit.conftest import MANIFEST, Folder

LAPTOP = {"PATH": "/usr/bin:/bin"}
DOCKERFILE = """\
FROM ghcr.io/prefix-dev/pixi:0.50.0 AS build
WORKDIR /app
COPY . .
RUN pixi install --locked -e gpu
FROM debian:12
COPY --from=build /app/.pixi/envs/gpu /app/.pixi/envs/gpu
COPY src /app/src
EXPOSE 8000
ONBUILD RUN x
CMD ["python", "-m", "study"]
"""
WORKFLOW = """\
on: {push: {branches: [trunk]}}
jobs:
  image:
    steps:
    - uses: docker/metadata-action@v5
      with: {images: quay.io/lab/study}
    - uses: docker/build-push-action@v6
      with: {context: .}
"""


@pytest.fixture
def checkout(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Folder:
    (folder.path / ".git").mkdir()
    monkeypatch.chdir(folder.path)
    return folder


def contents(folder: Folder) -> dict[str, str]:
    files = (path for path in folder.path.rglob("*") if path.is_file())
    return {path.relative_to(folder.path).as_posix(): path.read_text() for path in files}


def settings(folder: Folder) -> dict[str, object]:
    tools = tomli.loads((folder.path / "pixi.toml").read_text()).get("tool", {})
    return dict(tools.get("pixi-container", {}))


def test_a_workspace_alone_gets_a_workflow(checkout: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(checkout)
    assert main(["init"], LAPTOP) == 0
    added = contents(checkout)
    workflow = yaml.safe_load(added.pop(".github/workflows/image.yml"))
    assert added == before, "the defaults need no settings"
    assert workflow[True]["push"] == {"branches": ["main"], "tags": ["v*"]}
    steps = workflow["jobs"]["image"]["steps"]
    assert [step["uses"].partition("@")[0] for step in steps] == ["actions/checkout", "org/pixi-container-action"]
    assert "with" not in steps[1]
    assert "Wrote .github/workflows/image.yml" in capsys.readouterr().out


def test_dockerfile_and_workflow_become_settings(checkout: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    checkout.write("Dockerfile", DOCKERFILE)
    checkout.write(".github/workflows/docker.yml", WORKFLOW)
    assert main(["init"], LAPTOP) == 0
    assert settings(checkout) == {
        "environment": "gpu",
        "images": ["quay.io/lab/study"],
        "runtime-image": "debian:12",
        "include": ["src"],
        "expose": ["8000"],
        "command": ["python", "-m", "study"],
    }
    assert (checkout.path / "pixi.toml").read_text().startswith(MANIFEST)
    workflow = contents(checkout)[".github/workflows/image.yml"]
    assert yaml.safe_load(workflow)[True]["push"]["branches"] == ["trunk"]
    assert "Other environments that are locked for Linux: default." in workflow
    printed = capsys.readouterr().out
    assert "Dockerfile:9: ONBUILD RUN x\n    NOT taken over: there is no input for it\n" in printed
    assert "1 of 12 lines are not taken over" in printed
    assert "Remove .github/workflows/docker.yml once the new workflow has run" in printed
    assert main(["plan", "--offline"], LAPTOP) == 0
    assert "gpu" in capsys.readouterr().out


def test_nothing_is_overwritten_without_being_told(checkout: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    checkout.write("Dockerfile", DOCKERFILE)
    checkout.replace("pixi.toml", "[dependencies]", "[tool.pixi-container]\nlayers = 3\n\n[dependencies]")
    checkout.write(".github/workflows/image.yml", "mine\n")
    before = contents(checkout)
    assert main(["init"], LAPTOP) == 3
    assert contents(checkout) == before
    error = capsys.readouterr().err
    assert ".github/workflows/image.yml, [tool.pixi-container] in pixi.toml" in error
    assert main(["init", "--force"], LAPTOP) == 0
    assert "layers" not in settings(checkout)
    assert settings(checkout)["environment"] == "gpu"
    assert contents(checkout)[".github/workflows/image.yml"] != "mine\n"


def test_a_dry_run_prints_a_diff_and_writes_nothing(checkout: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(checkout)
    assert main(["init", "--dry-run", "--environment", "gpu"], LAPTOP) == 0
    assert contents(checkout) == before
    lines = capsys.readouterr().out.splitlines()
    assert "+++ b/.github/workflows/image.yml" in lines
    assert '+environment = "gpu"' in lines


def test_the_workspace_may_be_a_folder_of_the_repository(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = folder.path.parent
    (root / ".git").mkdir()
    (root / ".git/refs/remotes/origin").mkdir(parents=True)
    (root / ".git/refs/remotes/origin/HEAD").write_text("ref: refs/remotes/origin/stable\n")
    monkeypatch.chdir(root)
    assert main(["init", "--context", folder.path.name], LAPTOP) == 0
    workflow = yaml.safe_load((root / ".github/workflows/image.yml").read_text())
    assert workflow["jobs"]["image"]["steps"][1]["with"] == {"context": folder.path.name}
    assert workflow[True]["push"]["branches"] == ["stable"]


def test_several_dockerfiles_leave_a_choice(checkout: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    checkout.write("cpu.Dockerfile", "FROM ghcr.io/prefix-dev/pixi\nEXPOSE 1\n")
    checkout.write("docker/Dockerfile", "FROM ghcr.io/prefix-dev/pixi\nEXPOSE 2\n")
    checkout.write("web/Dockerfile", "FROM node\n")
    assert main(["init"], LAPTOP) == 3
    assert "several Dockerfiles use Pixi: cpu.Dockerfile, docker/Dockerfile" in capsys.readouterr().err
    assert main(["init", "--from-dockerfile", "absent"], LAPTOP) == 3
    assert "Dockerfiles: cpu.Dockerfile, docker/Dockerfile, web/Dockerfile." in capsys.readouterr().err
    assert main(["init", "--from-dockerfile", "docker/Dockerfile"], LAPTOP) == 0
    assert settings(checkout)["expose"] == ["2"]


def test_every_setting_that_is_written_is_one_that_is_read(checkout: Folder) -> None:
    checkout.write("Dockerfile", DOCKERFILE)
    assert main(["init"], LAPTOP) == 0
    assert parse_inputs({"command": '["a"]'})
    assert main(["tags", "--images", "a/b"], LAPTOP) == 0


@pytest.mark.parametrize("place", [".github", ".github/workflows", ".github/workflows/image.yml"])
def test_a_link_that_leads_out_is_not_written_through(
    checkout: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link = checkout.path / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside if not place.endswith(".yml") else outside / "file")
    assert main(["init", "--force"], LAPTOP) == 3
    assert list(outside.iterdir()) == []
    assert "not overwritten" in capsys.readouterr().err


def pixi(folder: Path, text: str) -> None:
    folder.mkdir(parents=True)
    (folder / "pixi").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "pixi").chmod(0o755)


def test_a_missing_lock_is_told_and_pixi_is_run_when_asked(
    checkout: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = checkout.path / "pixi.lock"
    lock.rename(tmp_path / "kept.lock")
    assert main(["init"], LAPTOP) == 0
    assert "Install Pixi, and run `pixi lock`." in capsys.readouterr().out
    assert main(["init", "--lock", "--force"], LAPTOP) == 5
    pixi(tmp_path / "tools", f'cp {tmp_path}/kept.lock "$3/pixi.lock"; echo "$@ $INPUT_PASSWORD"')
    env = {"PATH": f"{tmp_path}/tools:/usr/bin:/bin", "INPUT_PASSWORD": "hunter2"}
    assert main(["init", "--force"], env) == 0
    assert "`pixi-container init --lock` runs `pixi lock`." in capsys.readouterr().out
    assert main(["init", "--lock", "--force"], env) == 0
    printed = capsys.readouterr().out
    assert f"lock --manifest-path {checkout.path}" in printed
    assert "hunter2" not in printed
    assert "The lock: " not in printed
    assert lock.exists()


def test_a_pixi_of_the_checkout_is_never_run(checkout: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder = checkout.path / ".pixi/envs/default/bin"
    pixi(folder, "touch ran")
    assert main(["init", "--lock"], {"PATH": f"{folder}:/usr/bin:/bin"}) == 5
    assert not (checkout.path / "ran").exists()
    assert "Pixi is not on the PATH" in capsys.readouterr().err


def test_a_failure_of_pixi_writes_nothing(
    checkout: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixi(tmp_path / "tools", "exit 1")
    before = contents(checkout)
    assert main(["init", "--lock"], {"PATH": f"{tmp_path}/tools:/usr/bin:/bin"}) == 3
    assert "`pixi lock` failed with exit code 1; nothing was written" in capsys.readouterr().err
    assert contents(checkout) == before


def test_a_stale_lock_is_told(checkout: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    checkout.replace("pixi.toml", "3.11.*", "3.12.*")
    assert main(["init"], LAPTOP) == 0
    assert "the lock is not up to date: " in capsys.readouterr().out


def test_the_mode_of_the_manifest_stays(checkout: Folder) -> None:
    manifest = checkout.path / "pixi.toml"
    manifest.chmod(0o600)
    assert main(["init", "--environment", "gpu"], LAPTOP) == 0
    assert manifest.stat().st_mode & 0o777 == 0o600
    assert not list(checkout.path.glob(".pixi.toml*"))
