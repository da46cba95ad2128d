"""A workflow that says ``uses: ./``, run by nektos/act without containers for its jobs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.end_to_end.action_copy import copy_action
from tests.end_to_end.conftest import Repository, image_name, registry_tags
from tests.rig.folders import Folders
from tests.rig.rig import Rig

VERSION = "v0.2.89"
# act has the checkout of the repository that it runs in from the disk, and starts no action for it.
WORKFLOW = """\
on: [push, pull_request]
jobs:
  ship:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - id: ship
        uses: ./
        with:
          context: study
          images: {image}
          pixi-image: {pixi_image}
          tags: type=raw,value=latest
          password: ${{{{ secrets.PASSWORD }}}}
          username: someone
          push: ${{{{ github.event_name == 'push' && 'auto' || 'false' }}}}
      - run: printf %s "$OUTPUTS" > "$OUTPUTS_FILE"
        env:
          OUTPUTS: ${{{{ toJSON(steps.ship.outputs) }}}}
      - run: ls -A "$RUNNER_TEMP" > "$OUTPUTS_FILE.left"
"""
PULL_REQUEST = {"number": 7, "pull_request": {"number": 7, "head": {"ref": "topic"}, "base": {"ref": "main"}}}
REPOSITORY = {"default_branch": "main", "full_name": "lab/study"}


@pytest.fixture(scope="session")
def act() -> Path:
    """The program, built once per version."""
    program = Folders.from_environment(os.environ).cache / "act" / VERSION / "act"
    if program.exists():
        return program
    if not shutil.which("go"):
        pytest.skip("there is no Go toolchain to build nektos/act with")
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        done = subprocess.run(
            ["go", "install", f"github.com/nektos/act@{VERSION}"],
            env={**os.environ, "GOBIN": folder, "CGO_ENABLED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"nektos/act cannot be built here: {done.stderr.strip().splitlines()[-1]}")
        (Path(folder) / "act").replace(program)
    return program


@pytest.fixture(scope="session")
def act_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where act keeps the tool cache and the folders of jobs; act cannot have a space in it."""
    return tmp_path_factory.mktemp("act")


@pytest.mark.parametrize("event", ["push", "pull_request"])
def test_a_workflow_that_uses_this_folder(
    event: str, act: Path, act_folder: Path, rig: Rig, warm_engine: None, repository: Repository, tmp_path: Path
) -> None:
    name = image_name(f"act-{event}")
    copy_action(repository.path)
    workflow = repository.path / ".github" / "workflows" / "ship.yml"
    workflow.parent.mkdir(parents=True, exist_ok=True)
    workflow.write_text(WORKFLOW.format(image=f"{rig.registry}/{name}", pixi_image=rig.pixi_image))
    repository.commit()
    repository.git("remote", "add", "origin", "https://github.com/lab/study")
    payload = tmp_path / "event.json"
    payload.write_text(json.dumps({"repository": REPOSITORY, **(PULL_REQUEST if event == "pull_request" else {})}))
    outputs_file = tmp_path / "outputs.json"
    options = {
        # The reusable workflow is beside it, and act does not know its `uses: $/`.
        "--workflows": workflow,
        "--platform": "ubuntu-latest=-self-hosted",
        "--eventpath": payload,
        "--container-daemon-socket": "-",
        "--action-cache-path": act_folder,
        "--secret": "PASSWORD=a-secret-of-the-workflow",
        "--env": f"OUTPUTS_FILE={outputs_file}",
    }
    done = subprocess.run(
        [act, event, "--no-cache-server", *(str(word) for option in options.items() for word in option)],
        cwd=repository.path,
        env={**os.environ, **rig.environment(), "XDG_CONFIG_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    outputs = json.loads(outputs_file.read_text())
    pushed = {"latest": outputs["digest"]} if event == "push" else {}
    assert registry_tags(rig.registry, name) == pushed
    assert outputs["pushed"] == ("true" if pushed else "false")
    assert outputs["dockerfile"].splitlines()[-1] == 'CMD ["bash"]'
    assert Path(f"{outputs_file}.left").read_text() == ""
    assert "a-secret-of-the-workflow" not in done.stdout
    assert repository.git("status", "--porcelain") == ""
