"""Environment images made straight from the lock, beside those that the Docker way makes of the same one."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import posixpath
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from conda_package_streaming.package_streaming import zstd

from pixi_container.environment.activation import workspace_activation
from pixi_container.environment.environment_image import EnvironmentImage, Published
from pixi_container.environment.image_config import Settings
from pixi_container.environment.image_store import ImageStore
from pixi_container.environment.locked import installation, locked_environment
from pixi_container.environment.oci_layout import OciLayout
from pixi_container.environment.prefix_files import prefix_entries, workspace_entries
from pixi_container.environment.publish import publish
from pixi_container.image.base_images import choose_base_images
from pixi_container.image.dockerfile import environment_variables
from pixi_container.inputs import parse_inputs
from pixi_container.registry.reference import ImageReference
from pixi_container.registry.repository import ImageRepository, Registries
from pixi_container.workspace.lock import read_lock
from pixi_container.workspace.workspace import read_workspace
from tests.end_to_end.conftest import Step, image_name
from tests.rig import solve
from tests.rig.rig import Rig

pytestmark = pytest.mark.engine

ACCEPT = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
PREFIX = "/app/.pixi/envs/gpu"


@dataclass(frozen=True)
class Remote:
    """A repository of the rig's registry, read without the code under test."""

    registry: str
    name: str

    def get(self, path: str) -> bytes:
        url = f"http://{self.registry}/v2/{self.name}/{path}"
        return httpx.get(url, headers={"accept": ACCEPT}, timeout=60).raise_for_status().content

    def manifest(self, tag: str) -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads(self.get(f"manifests/{tag}"))
        return manifest

    def config(self, tag: str) -> dict[str, Any]:
        config: dict[str, Any] = json.loads(self.get(f"blobs/{self.manifest(tag)['config']['digest']}"))
        return config

    def tags(self) -> set[str]:
        answer = httpx.get(f"http://{self.registry}/v2/{self.name}/tags/list")
        return set(answer.json()["tags"] or ()) if answer.status_code == 200 else set()

    def tree(self, tag: str, top: str = "") -> dict[str, tuple[Any, ...]]:
        """Return what a container would see below ``top``: kind, mode, time, and content or target, by path."""
        tree: dict[str, tuple[Any, ...]] = {}
        for layer in self.manifest(tag)["layers"]:
            for info, content in members(self.get(f"blobs/{layer['digest']}")):
                path = posixpath.normpath(info.name).strip("/")
                if not path.startswith(top):
                    continue
                if info.islnk():
                    tree[path] = tree[posixpath.normpath(info.linkname).strip("/")]
                else:
                    said = info.linkname if info.issym() else hashlib.sha256(content).hexdigest()
                    mode = 0o777 if info.issym() else info.mode & 0o7777
                    tree[path] = (info.type, mode, 0 if info.isdir() else int(info.mtime), said)
        return tree


def members(blob: bytes) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    if blob.startswith(b"\x1f\x8b"):
        blob = gzip.decompress(blob)
    elif blob.startswith(b"\x28\xb5\x2f\xfd"):
        blob = zstd.decompress(blob)
    with tarfile.open(fileobj=io.BytesIO(blob)) as tar:
        for info in tar:
            file = tar.extractfile(info) if info.isreg() else None
            yield info, file.read() if file else b""


def environment_image(rig: Rig, context: Path, environment: str = "gpu") -> EnvironmentImage:
    """Return what the product would ask for."""
    given = {"context": str(context), "environment": environment, "pixi-image": rig.pixi_image}
    inputs = parse_inputs(given)
    workspace = read_workspace(inputs)
    bases = choose_base_images(inputs, workspace)
    locked = locked_environment(read_lock(context), workspace)
    activation = workspace_activation(workspace, inputs.workdir)
    noted = installation(locked, workspace, inputs.workdir, bases.pixi_version)
    return EnvironmentImage(
        environment=locked,
        activation=activation,
        prefix_files=prefix_entries(activation.prefix, noted, locked.records.values()),
        workspace_files=workspace_entries(),
        base=bases.runtime.digest or bases.runtime.tag,
        platform=workspace.platform.docker,
        settings=Settings(
            prefix=activation.prefix,
            workdir=inputs.workdir,
            variables=tuple(environment_variables(workspace, list(activation.variables))),
        ),
        tags=("env-direct-1", "env-direct"),
        before="env-direct",
        layers=inputs.layers,
        mirrors={"https://conda.anaconda.org/conda-forge": [rig.channel.rstrip("/")]},
    )


def published(rig: Rig, repository: str | OciLayout, image: EnvironmentImage, folder: Path) -> Published:
    """Make the image, and push it or put it into a folder."""
    with Registries(lambda _: None) as registries:
        target: ImageStore = (
            ImageRepository(registries, ImageReference(rig.registry, repository))
            if isinstance(repository, str)
            else repository
        )
        name = rig.pixi_image.partition("/")[2].partition(":")[0]
        base = ImageRepository(registries, ImageReference(rig.registry, name))
        done = publish(image, target, base, env={"RUNNER_TEMP": str(folder)})
    assert list(folder.iterdir()) == []
    return done


@pytest.fixture
def temp(tmp_path: Path) -> Path:
    folder = tmp_path / "temp"
    folder.mkdir()
    return folder


def test_it_equals_the_image_that_the_docker_way_makes(rig: Rig, step: Step, temp: Path) -> None:
    outcome = step.run(environment_builder="docker")
    assert outcome.code == 0, outcome.log
    remote = Remote(rig.registry, step.image)
    image = environment_image(rig, step.repository.study)
    done = published(rig, step.image, image, temp)
    (docker,) = (tag for tag in remote.tags() if re.fullmatch("env-gpu-[0-9a-f]{16}", tag))
    ours, theirs = remote.tree("env-direct"), remote.tree(docker)
    differing = {path for path in ours.keys() | theirs.keys() if ours.get(path) != theirs.get(path)}
    if rig.pixi_is_stand_in:
        # Its hashes are its own; unit tests have those of the real one.
        hashes = {f"{PREFIX[1:]}/conda-meta/{name}" for name in (".pixi-environment-fingerprint", "pixi")}
        assert differing >= hashes
        differing -= hashes
    assert differing == set(), {path: (ours.get(path), theirs.get(path)) for path in sorted(differing)[:20]}
    settings, their_settings = (remote.config(tag) for tag in ("env-direct", docker))
    labels = their_settings["config"].pop("Labels", None)
    settings["config"].pop("Labels", None)
    assert settings["config"] == their_settings["config"], labels
    assert settings["architecture"] == their_settings["architecture"]
    assert len(settings["rootfs"]["diff_ids"]) == len(remote.manifest("env-direct")["layers"])
    assert done.not_run == ()
    name = f"{rig.registry}/{step.image}:env-direct"
    command = 'import numpy, os; print(numpy.__name__, os.environ["CONDA_PREFIX"])'
    options = ("--rm", "--user", "54321:54321", "--read-only")
    assert step.docker("run", *options, name, "python", "-c", command) == f"numpy {PREFIX}"


def test_a_bump_makes_the_layer_of_one_package(rig: Rig, solved_example: Path, tmp_path: Path, temp: Path) -> None:
    workspace = tmp_path / "study"
    shutil.copytree(solved_example, workspace)
    manifest = workspace / "pixi.toml"
    text, repository = manifest.read_text(), image_name("direct-bump")

    def locked_with(version: str) -> EnvironmentImage:
        manifest.write_text(text.replace("[dependencies]", f'[dependencies]\ntqdm = "=={version}"'))
        solve.lock(manifest, channel=rig.channel)
        return environment_image(rig, workspace, "default")

    first = published(rig, repository, locked_with("4.66.6"), temp)
    remote = Remote(rig.registry, repository)
    before = [layer["digest"] for layer in remote.manifest("env-direct")["layers"]]
    second = published(rig, repository, locked_with("4.67.1"), temp)
    after = [layer["digest"] for layer in remote.manifest("env-direct")["layers"]]
    made = [name for name in second.made if name != "rest"]
    assert len(made) == 1
    assert made[0].startswith("shared-")
    assert len(set(after) - set(before)) == 2
    assert second.progress.uploaded < first.progress.uploaded / 50
    again = published(rig, repository, locked_with("4.66.6"), temp)
    assert again.digest == first.digest


def test_buildx_builds_on_an_image_in_a_folder(
    rig: Rig, buildkit_builder: str, solved_example: Path, tmp_path: Path, temp: Path
) -> None:
    layout = tmp_path / "layout"
    done = published(rig, OciLayout(layout), environment_image(rig, solved_example, "default"), temp)
    dockerfile = "FROM environment\nRUN python -c 'import numpy'\n"
    context = f"environment=oci-layout://{layout}@{done.digest}"
    argv = ["docker", "buildx", "build", "--builder", buildkit_builder, "--build-context", context, "-"]
    env = {**os.environ, **rig.environment()}
    built = subprocess.run(argv, env=env, input=dockerfile, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
