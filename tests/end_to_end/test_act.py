"""The action in a workflow that says ``uses: ./``, run by nektos/act, a real runner of workflows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.conftest import ROOT, Repository, image_name, registry_tags
from tests.rig.folders import Folders
from tests.rig.rig import Rig

ACT = "github.com/nektos/act@v0.2.89"

WORKFLOW = """\
on: push
jobs:
  image:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - uses: ./
        id: image
        with:
          context: study
          environment: default
          images: {registry}/{image}
          pixi-image: {pixi_image}
          tags: type=raw,value=latest
          test-command: python src/means.py
      - run: echo "shipped $IMAGE, pushed $PUSHED"
        env:
          IMAGE: ${{{{ steps.image.outputs.image }}}}
          PUSHED: ${{{{ steps.image.outputs.pushed }}}}
"""


@pytest.fixture(scope="session")
def act() -> Path:
    """The program, built once from the Go module proxy, which checks it against Go's checksum database."""
    folder = Folders.from_environment(os.environ).cache / "act" / ACT.rpartition("@")[2]
    if not (folder / "act").exists():
        if not shutil.which("go"):
            pytest.skip("act is built with Go, which is not installed")
        env = {**os.environ, "GOBIN": str(folder), "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod"}
        done = subprocess.run(["go", "install", ACT], env=env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"act cannot be built here: {done.stderr.strip()[-300:]}")
    return folder / "act"


def test_a_workflow_ships_the_example(act: Path, rig: Rig, warm_engine: None, repository: Repository) -> None:
    for name in ("action.yml", "Dockerfile.template"):
        shutil.copy(ROOT / name, repository.path)
    for name in ("action", "requirements", "src"):
        shutil.copytree(ROOT / name, repository.path / name, ignore=shutil.ignore_patterns("__pycache__"))
    image = image_name("act")
    workflow = repository.path / ".github" / "workflows" / "image.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text(WORKFLOW.format(registry=rig.registry, image=image, pixi_image=rig.pixi_image))
    repository.commit()
    event = repository.path.parent / "push.json"
    event.write_text(json.dumps({"ref": "refs/heads/main", "repository": {"default_branch": "main"}}))
    home = repository.path.parent / "home"
    home.mkdir()
    done = subprocess.run(
        [act, "push", "--platform", "ubuntu-latest=-self-hosted", "--eventpath", event, "--action-offline-mode"],
        cwd=repository.path,
        env={**os.environ, **rig.environment(), "HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    digest = registry_tags(rig.registry, image)["latest"]
    assert f"shipped {rig.registry}/{image}@{digest}, pushed true" in done.stdout
