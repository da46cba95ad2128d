"""One image for several platforms: made where nothing of the other platform runs, and run where something does."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from uuid import uuid4

import pytest

from pixi_container.registry.client import Registry
from pixi_container.registry.reference import parse_reference
from tests.end_to_end.conftest import Step
from tests.end_to_end.test_direct_environment import Remote
from tests.rig import solve
from tests.rig.fixtures import (
    emulated,
    emulating_image,
    not_emulated,
    one_platform,
    rig_with_arm64,
    two_daemons,
    two_nodes,
)
from tests.rig.rig import Rig

__all__ = [
    "emulated",
    "emulating_image",
    "not_emulated",
    "one_platform",
    "rig_with_arm64",
    "two_daemons",
    "two_nodes",
]

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
    reference = parse_reference(f"{step.rig.registry}/{step.image}:{tag}", source="the test")
    with Registry(lambda _: None) as registry:
        index = registry.get_manifest(reference)
    assert index is not None
    assert index.is_index
    return {child.platform.rpartition("/")[2]: child.digest for child in index.children}


def run(step: Step, image: str, *command: str, platform: str = "linux/arm64") -> str:
    return step.docker("run", "--rm", "--platform", platform, image, *command)


def layers(step: Step, digest: str) -> list[str]:
    return [layer["digest"] for layer in Remote(step.rig.registry, step.image).manifest(digest)["layers"]]


def test_a_machine_without_emulation_publishes_both_platforms(
    both: Step, not_emulated: None, one_platform: str
) -> None:
    # An engine that has once emulated the platform still says that it does.
    both.inputs["builder"] = one_platform
    outcome = both.run(tags="type=raw,value=it")
    assert outcome.code == 0, outcome.log
    assert "linux/arm64: the environment was not started" in outcome.log
    first = digests(both, "it")
    assert sorted(first) == ["amd64", "arm64"]
    image = outcome.outputs["image"]
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
    machine = ("--entrypoint", "python", image, "-c", "import numpy, platform; print(platform.machine())")
    assert run(both, *machine) == "aarch64", "without the entrypoint"
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


def test_emulation_is_set_up_where_it_is_asked_for(both: Step, emulating_image: str) -> None:
    instructions = f"RUN uname -m > /machine # {uuid4().hex}"
    outcome = both.run(
        tags="type=raw,value=it",
        platforms="linux/arm64",
        emulation=emulating_image,
        instructions=instructions,
        test_command="python -c 'import numpy, platform; assert platform.machine() == \"aarch64\"'",
    )
    assert outcome.code == 0, outcome.log
    assert "takes 5 to 20 times as long" in outcome.log
    assert run(both, outcome.outputs["image"], "cat", "/machine") == "aarch64"


def test_steps_of_a_platform_that_cannot_run_are_an_error_without_a_tag(both: Step, not_emulated: None) -> None:
    outcome = both.run(tags="type=raw,value=it", instructions=f"RUN uname -m > /machine # {uuid4().hex}")
    # An engine that has once emulated the platform still says that it does.
    assert outcome.code in {5, 6}, outcome.log
    assert re.search("nothing can run for linux/arm64|exec format error", outcome.log)
    assert "'emulation'" in outcome.log
    assert not [tag for tag in Remote(both.rig.registry, both.image).tags() if not tag.startswith("env-")]


def test_each_node_of_a_builder_makes_its_platform(both: Step, two_nodes: str, emulated: None) -> None:
    outcome = both.run(tags="type=raw,value=it", builder=two_nodes, instructions="RUN uname -m > /machine")
    assert outcome.code == 0, outcome.log
    image = outcome.outputs["image"]
    assert run(both, image, "cat", "/machine") == "aarch64"
    assert run(both, image, "cat", "/machine", platform="linux/amd64") == "x86_64"
    assert json.loads(outcome.outputs["images"])[0]["platforms"].keys() == {"linux/amd64", "linux/arm64"}


def test_a_builder_is_made_of_nodes_for_one_run(
    both: Step, two_daemons: Mapping[str, str], emulated: None
) -> None:
    nodes = "\n".join(f"{platform}={address}" for platform, address in two_daemons.items())
    instructions = f"RUN uname -m > /machine # {uuid4().hex}"
    outcome = both.run(tags="type=raw,value=it", nodes=nodes, instructions=instructions)
    assert outcome.code == 0, outcome.log
    image = outcome.outputs["image"]
    for platform, machine in (("linux/amd64", "x86_64"), ("linux/arm64", "aarch64")):
        assert run(both, image, "cat", "/machine", platform=platform) == machine
        assert f"{two_daemons[platform]} runs the steps for {platform}" in outcome.log
    assert own_builders(both) == []


@pytest.mark.parametrize(("event", "ref"), [("push", "refs/heads/main"), ("pull_request", "refs/pull/7/merge")])
def test_nodes_build_where_no_engine_is(
    step: Step, two_daemons: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, event: str, ref: str
) -> None:
    env_of = step.environment

    def environment(*arguments: object) -> dict[str, str]:
        return {**env_of(*arguments), "DOCKER_HOST": "unix:///nonexistent.sock"}  # type: ignore[arg-type]

    # Its fields are frozen.
    monkeypatch.setattr(type(step), "environment", lambda _, *arguments: environment(*arguments))
    nodes = f"linux/amd64={two_daemons['linux/amd64']}"
    instructions = f"RUN python -c 1 # {uuid4().hex}"
    outcome = step.run(event, ref, {"number": 7}, nodes=nodes, instructions=instructions, tags="type=raw,value=it")
    assert outcome.code == 0, outcome.log
    assert outcome.outputs["pushed"] == str(event == "push").lower()
    assert step.tags().keys() == ({"it"} if event == "push" else set())
    assert outcome.left_in_temp == []
    assert own_builders(step) == []


def test_a_node_that_does_not_answer_is_told_and_leaves_no_builder(both: Step) -> None:
    nodes = "linux/amd64,linux/arm64=tcp://127.0.0.1:9"
    outcome = both.run(tags="type=raw,value=it", nodes=nodes, instructions=f"RUN true # {uuid4().hex}")
    assert outcome.code == 5, outcome.log
    assert "the builder does not answer" in outcome.log
    assert own_builders(both) == []
    assert not [tag for tag in Remote(both.rig.registry, both.image).tags() if not tag.startswith("env-")]


def own_builders(step: Step) -> list[str]:
    """Return the builders that a run has made, which are not the rig's."""
    return re.findall(r"pixi-container-(?!rig-)[\w-]+", step.docker("buildx", "ls"))
