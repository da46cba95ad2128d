"""One image for several platforms: made where nothing of the other platform runs, and run where something does."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.end_to_end.conftest import Step
from tests.end_to_end.test_direct_environment import Remote
from tests.rig import solve
from tests.rig.fixtures import emulated, not_emulated, rig_with_arm64, two_nodes
from tests.rig.rig import Rig

__all__ = ["emulated", "not_emulated", "rig_with_arm64", "two_nodes"]

pytestmark = pytest.mark.engine

BOTH = "linux/amd64 linux/arm64"
MANIFEST = """\
[workspace]
name = "example"
version = "0.1.0"
channels = ["conda-forge"]
platforms = ["linux-64", "linux-aarch64"]

[dependencies]
python = "3.11.*"
numpy = "*"
tqdm = "*"
proj = "*"
"""
LOOK = "import os, platform, numpy, tqdm; print(platform.machine(), numpy.arange(3), os.environ['PROJ_DATA'])"
SEEN = "{} [0 1 2] /app/.pixi/envs/default/share/proj"


@pytest.fixture
def both(step: Step, rig_with_arm64: Rig) -> Step:
    """A step whose workspace and base images are for both platforms."""
    manifest = step.repository.study / "pixi.toml"
    manifest.write_text(MANIFEST)
    solve.lock(manifest, channel=step.rig.channel)
    inputs = {"environment": "default", "platforms": BOTH, "pixi_image": rig_with_arm64.pixi_image}
    return replace(step, rig=rig_with_arm64, inputs=inputs)


def digests(step: Step, tag: str) -> dict[str, str]:
    """Return the digest of the index's image for each platform."""
    index: dict[str, Any] = Remote(step.rig.registry, step.image).manifest(tag)
    assert index["mediaType"] == "application/vnd.oci.image.index.v1+json"
    entries = {entry["platform"]["architecture"]: entry["digest"] for entry in index["manifests"]}
    assert len(entries) == len(index["manifests"])
    return entries


def run(step: Step, image: str, *command: str, platform: str = "linux/arm64") -> str:
    return step.docker("run", "--rm", "--platform", platform, image, *command)


def layers(step: Step, digest: str) -> list[str]:
    return [layer["digest"] for layer in Remote(step.rig.registry, step.image).manifest(digest)["layers"]]


def test_a_machine_without_emulation_publishes_both_platforms(both: Step, not_emulated: None) -> None:
    outcome = both.run(tags="type=raw,value=it")
    assert outcome.code == 0, outcome.log
    assert "linux/arm64: the environment was not started" in outcome.log
    first = digests(both, "it")
    assert sorted(first) == ["amd64", "arm64"]
    image = outcome.outputs["image"]
    assert image.endswith(Remote(both.rig.registry, both.image).digest("it"))
    assert run(both, image, "python", "-c", LOOK, platform="linux/amd64") == SEEN.format("x86_64")
    config = Remote(both.rig.registry, both.image).config(first["arm64"])
    assert (config["os"], config["architecture"]) == ("linux", "arm64")

    (both.repository.study / "src" / "means.py").write_text("print('changed')\n")
    again = both.run(tags="type=raw,value=it", platforms="auto")
    assert again.code == 0, again.log
    second = digests(both, "it")
    for name in first:
        assert len(set(layers(both, second[name])) - set(layers(both, first[name]))) == 1, "of the source alone"
    release = both.run("push", "refs/tags/v1.2.3", tags="type=semver,pattern={{version}}")
    assert release.outputs["decision"] == "promote", release.log
    assert digests(both, "1.2.3") == second


def test_the_image_for_the_other_platform_runs(both: Step, emulated: None) -> None:
    outcome = both.run(tags="type=raw,value=it", platforms="linux/arm64", builder="none")
    assert outcome.code == 0, outcome.log
    image = outcome.outputs["image"]
    assert run(both, image, "python", "-c", LOOK) == SEEN.format("aarch64")
    assert run(both, image, "bash", "-lc", f'python -c "{LOOK}"') == SEEN.format("aarch64")
    step = both.docker("run", "--rm", "--platform", "linux/arm64", "--entrypoint", "python", image, "-c", LOOK)
    assert step == SEEN.format("aarch64")
    assert "numpy" in run(both, image, "pixi", "list")


def test_what_has_to_run_is_refused_where_it_cannot_and_runs_where_it_can(both: Step, emulated: None) -> None:
    instructions = "RUN uname -m > /machine"
    outcome = both.run(
        tags="type=raw,value=it", instructions=instructions, test_command="python -c 'import numpy'"
    )
    assert outcome.code == 0, outcome.log
    for architecture, machine in (("amd64", "x86_64"), ("arm64", "aarch64")):
        image = outcome.outputs["image"]
        assert run(both, image, "cat", "/machine", platform=f"linux/{architecture}") == machine


def test_steps_of_a_platform_that_cannot_run_are_an_error_before_anything_is_made(
    both: Step, not_emulated: None
) -> None:
    outcome = both.run(tags="type=raw,value=it", instructions="RUN uname -m > /machine")
    assert outcome.code == 5, outcome.log
    assert "nothing can run for linux/arm64" in outcome.log
    assert "set 'emulation' to 'true'" in outcome.log
    assert Remote(both.rig.registry, both.image).tags() == []


def test_each_node_of_a_builder_makes_its_platform(both: Step, two_nodes: str, emulated: None) -> None:
    outcome = both.run(tags="type=raw,value=it", builder=two_nodes, instructions="RUN uname -m > /machine")
    assert outcome.code == 0, outcome.log
    image = outcome.outputs["image"]
    assert run(both, image, "cat", "/machine") == "aarch64"
    assert run(both, image, "cat", "/machine", platform="linux/amd64") == "x86_64"
    assert json.loads(outcome.outputs["images"])[0]["platforms"].keys() == {"linux/amd64", "linux/arm64"}
