"""System packages and instructions of the user's own: run once, in a base image that later runs find again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.end_to_end.conftest import Outcome, Step, registry_tags
from tests.rig import apt_archive
from tests.rig.apt_archive import AptArchive
from tests.rig.rig import Rig

pytestmark = pytest.mark.engine

BASE = "::group::Build the base"
ENVIRONMENT = "::group::Make the environment"
INSTRUCTIONS = """\
COPY settings/motd /etc/motd
RUN useradd --create-home worker
ENV GREETING hello
USER worker
RUN id -un > /home/worker/who"""


@pytest.fixture
def archive(rig: Rig, step: Step, tmp_path: Path) -> Iterator[AptArchive]:
    gateway = step.docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
    (tmp_path / "archive").mkdir()
    with apt_archive.served(tmp_path / "archive", gateway) as served:
        served.add("hello-lab", "1.0-1")
        served.add("other-lab", "3:2.1~rc1")
        yield served


@pytest.fixture
def runtime_image(rig: Rig, step: Step, archive: AptArchive, tmp_path: Path) -> Iterator[str]:
    """The slim image, which knows the archive."""
    name = f"{rig.registry}/lab/debian-{uuid4().hex[:8]}:1"
    (tmp_path / "runtime").mkdir()
    (tmp_path / "runtime/Dockerfile").write_text(
        f"FROM {rig.slim_image}\nRUN rm -rf /etc/apt/sources.list* && "
        f"echo '{archive.sources}' > /etc/apt/sources.list\n"
    )
    step.docker("build", "--quiet", "--tag", name, str(tmp_path / "runtime"))
    step.docker("push", "--quiet", name)
    yield name
    step.docker("image", "rm", name)


def base_of(outcome: Outcome) -> dict[str, object]:
    base: dict[str, object] = json.loads(outcome.outputs["metadata"])["base"]
    return base


def layers(step: Step, reference: str) -> list[str]:
    """Return the digests of an image's layers, the lowest first."""
    name, _, digest = reference.rpartition("@")
    registry, _, repository = name.partition("/")
    manifest = httpx.get(
        f"http://{registry}/v2/{repository}/manifests/{digest}",
        headers={"accept": "application/vnd.oci.image.manifest.v1+json"},
    ).json()
    return [layer["digest"] for layer in manifest["layers"]]


def environment(step: Step) -> str:
    """Return the newest environment image by digest."""
    name = f"{step.rig.registry}/{step.image}"
    return f"{name}@{registry_tags(step.rig.registry, step.image, ours=True)['env-gpu']}"


def bases(step: Step) -> dict[str, str]:
    """Return the tags of bases with their digests."""
    tags = registry_tags(step.rig.registry, step.image, ours=True)
    return {tag: digest for tag, digest in tags.items() if tag.startswith("base-")}


def run_in(step: Step, outcome: Outcome, *command: str) -> str:
    return step.docker("run", "--rm", outcome.outputs["image"], *command)


@pytest.fixture
def based(step: Step, runtime_image: str) -> Step:
    """The step with packages and instructions, and files for them."""
    (step.repository.study / "settings").mkdir()
    (step.repository.study / "settings/motd").write_text("welcome\n")
    step.repository.commit()
    inputs = {
        "runtime_image": runtime_image,
        "apt_packages": "hello-lab # says hello",
        "base_instructions": INSTRUCTIONS,
    }
    return replace(step, inputs=inputs)


def test_a_base_is_made_once_and_changes_alone(based: Step, archive: AptArchive) -> None:
    first = based.run()
    assert first.code == 0, first.log
    assert archive.requests
    assert base_of(first)["apt_packages"] == {"hello-lab": "1.0-1"}
    assert "hello-lab 1.0-1" in first.summary
    assert "input 'base-instructions', line 3: LegacyKeyValueFormat" in first.log
    made = run_in(based, first, "bash", "-c", "hello-lab; cat /etc/motd /home/worker/who; echo $GREETING; id -un")
    assert made.split("\n") == ["hello-lab 1.0-1", "welcome", "worker", "hello", "root"]
    first_bases, first_layers = bases(based), layers(based, environment(based))

    # A source change: neither apt nor a build of the base.
    archive.requests.clear()
    (based.repository.study / "src/more.py").write_text("print('more')\n")
    based.repository.commit()
    changed = based.run()
    assert changed.code == 0, changed.log
    assert archive.requests == []
    assert BASE not in changed.log
    assert ENVIRONMENT not in changed.log
    assert base_of(changed)["apt_packages"] == {"hello-lab": "1.0-1"}

    # Another package: a new base, and of the environment's layers only the shells' start-up files, which know it.
    other = based.run(apt_packages="hello-lab, other-lab")
    assert other.code == 0, other.log
    assert run_in(based, other, "other-lab") == "other-lab 3:2.1~rc1"
    [(_, digest)] = bases(based).items() - first_bases.items()
    below = layers(based, f"{based.rig.registry}/{based.image}@{digest}")
    other_layers = layers(based, environment(based))
    assert other_layers[: len(below)] == below
    packages = other_layers[len(below) + 1 :]
    assert packages == first_layers[-len(packages) :]
    assert len(packages) > 5
    assert "0.0 MB downloaded, 0.0 MB uploaded" in other.log

    # Without a builder: on a base that is there, and on no other.
    archive.requests.clear()
    without = based.run(builder="none", workdir="/work")
    assert without.code == 0, without.log
    assert run_in(based, without, "hello-lab") == "hello-lab 1.0-1"
    refused = based.run(apt_packages="other-lab", builder="none")
    assert refused.code == 3
    assert "the registry has no base 'base-" in refused.errors[0]
    assert archive.requests == []


def test_a_refreshed_base_is_the_one_of_later_runs(based: Step, archive: AptArchive) -> None:
    first = based.run()
    assert first.code == 0, first.log
    before, packages = bases(based), layers(based, environment(based))[-5:]
    archive.add("hello-lab", "2.0-1")
    archive.requests.clear()
    again = based.run()
    assert (again.outputs["decision"], archive.requests) == ("skip", []), again.log
    fresh = based.run("schedule", refresh="true")
    assert fresh.code == 0, fresh.log
    assert base_of(fresh)["apt_packages"] == {"hello-lab": "2.0-1"}
    assert bases(based).keys() == before.keys()
    assert bases(based) != before
    assert fresh.outputs["digest"] != first.outputs["digest"]
    assert layers(based, environment(based))[-5:] == packages
    archive.requests.clear()
    after = based.run()
    assert (after.outputs["decision"], after.outputs["digest"]) == ("skip", fresh.outputs["digest"]), after.log
    assert (run_in(based, after, "hello-lab"), archive.requests) == ("hello-lab 2.0-1", [])


def test_nothing_of_a_pull_request_is_published(step: Step, archive: AptArchive, runtime_image: str) -> None:
    done = step.run(
        "pull_request",
        "refs/pull/7/merge",
        {"number": 7},
        runtime_image=runtime_image,
        apt_packages="hello-lab",
        test_command="hello-lab",
    )
    assert done.code == 0, done.log
    assert archive.requests
    assert "hello-lab 1.0-1" in done.log
    assert ENVIRONMENT in done.log
    assert base_of(done)["apt_packages"] == {"hello-lab": "1.0-1"}
    assert registry_tags(step.rig.registry, step.image) == bases(step) == {}
    assert done.left_in_temp == []


def test_a_builder_apart_from_the_engine_makes_and_uses_bases(
    step: Step, archive: AptArchive, runtime_image: str, buildkit_builder: str
) -> None:
    given = {"runtime_image": runtime_image, "builder": buildkit_builder}
    pushed = replace(step, inputs={**given, "apt_packages": "hello-lab"}).run()
    assert pushed.code == 0, pushed.log
    assert base_of(pushed)["apt_packages"] == {"hello-lab": "1.0-1"}
    other = {**given, "apt_packages": "other-lab", "test_command": "other-lab"}
    tried = replace(step, inputs=other).run("pull_request", "refs/pull/7/merge", {"number": 7})
    assert tried.code == 0, tried.log
    assert base_of(tried)["kind"] == "folder"
    assert len(bases(step)) == 1


def test_an_environment_that_pixi_installs_is_on_the_base_too(
    step: Step, archive: AptArchive, runtime_image: str
) -> None:
    done = step.run(
        runtime_image=runtime_image,
        apt_packages="hello-lab",
        environment_builder="docker",
        test_command="hello-lab",
    )
    assert done.code == 0, done.log
    [digest] = bases(step).values()
    below = layers(step, f"{step.rig.registry}/{step.image}@{digest}")
    assert layers(step, environment(step))[: len(below)] == below
    assert step.local_images() == []


def test_a_package_that_does_not_exist_is_named(step: Step, archive: AptArchive, runtime_image: str) -> None:
    done = step.run(runtime_image=runtime_image, apt_packages="hello-lab absent-lab")
    assert done.code == 6
    assert done.errors[0].startswith("apt-get knows no package 'absent-lab'")
    assert bases(step) == {}


@pytest.mark.parametrize("builder", ["direct", "docker"])
def test_a_dockerfile_of_ones_own_starts_from_an_environment_on_the_base(
    based: Step, archive: AptArchive, builder: str
) -> None:
    lines = "FROM environment\nLABEL a b\nRUN hello-lab > /said && cat /home/worker/who >> /said\n"
    (based.repository.study / "Dockerfile").write_text(lines)
    (based.repository.study / "Dockerfile.dockerignore").write_text("settings\n")
    based.repository.commit()
    own: dict[str, Any] = {"dockerfile": "Dockerfile", "environment_builder": builder}
    done = based.run(**own)
    assert done.code == 0, done.log
    assert base_of(done)["apt_packages"] == {"hello-lab": "1.0-1"}
    assert "input 'base-instructions', line 3: LegacyKeyValueFormat" in done.log
    assert "::warning::Dockerfile, line 2: " in done.log
    assert "Dockerfile, line 3" not in done.log
    assert based.local_images() == []
    assert run_in(based, done, "cat", "/said", "/etc/motd").split("\n") == ["hello-lab 1.0-1", "worker", "welcome"]
    archive.requests.clear()
    (based.repository.study / "Dockerfile").write_text(f"{lines}RUN exit 9\n")
    based.repository.commit()
    failed = based.run(**own)
    assert failed.code != 0
    assert "Dockerfile, line 4" in failed.errors[0]
    assert (archive.requests, BASE in failed.log, ENVIRONMENT in failed.log) == ([], False, False)


def test_an_instruction_of_the_base_that_fails_is_named(step: Step) -> None:
    done = step.run(base_instructions="RUN true\nRUN echo because >&2; exit 7")
    assert done.code == 6
    assert "input 'base-instructions', line 2 failed: because" in done.errors[0]
    assert bases(step) == {}
    assert done.left_in_temp == []
