"""From a workspace to an image on a registry, event by event, on real components."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Step, registry_tags

USUAL_TAGS = """
type=raw,value=noble-cuda-12.9
type=raw,value=latest
type=semver,pattern={{version}}
type=semver,pattern={{major}}.{{minor}}
"""


def nothing_left(step: Step, left_in_temp: list[str]) -> bool:
    """Whether neither temporary files nor test containers nor images are left."""
    containers = step.docker("ps", "--all", "--quiet", "--filter", "name=pixi-container-test")
    return not left_in_temp and not step.local_images() and not containers


@pytest.mark.parametrize(
    ("event", "ref", "tags"),
    [
        ("push", "refs/heads/main", {"noble-cuda-12.9", "latest"}),
        ("push", "refs/tags/v1.2.3", {"noble-cuda-12.9", "latest", "1.2.3", "1.2"}),
        ("release", "refs/tags/v1.2.3", {"noble-cuda-12.9", "latest", "1.2.3", "1.2"}),
        ("workflow_dispatch", "refs/heads/main", {"noble-cuda-12.9", "latest"}),
    ],
)
def test_the_usual_workflow_in_one_step(step: Step, event: str, ref: str, tags: set[str]) -> None:
    if (event, ref) == ("push", "refs/heads/main"):
        step = replace(step, inputs={"layer_cache": ""})
    outcome = step.run(event, ref, expose="8000", tags=USUAL_TAGS)
    assert outcome.code == 0, outcome.log
    published = step.tags()
    assert published.keys() == tags
    assert set(published.values()) == {outcome.outputs["digest"]}
    assert outcome.outputs["pushed"] == "true"
    assert outcome.outputs["image"] == f"{step.rig.registry}/{step.image}@{outcome.outputs['digest']}"
    assert outcome.outputs["image"] in outcome.summary
    assert nothing_left(step, outcome.left_in_temp)

    image = outcome.outputs["image"]
    said = step.docker("run", "--rm", image, "python", "src/means.py")
    assert "environment example:gpu" in said
    assert "CUDA runtime 12.9" in said
    files = step.docker("run", "--rm", image, "ls", "-A", "/app").split()
    assert files == [".pixi", "entrypoint.sh", "pixi.lock", "pixi.toml", "src"]
    config = json.loads(step.docker("image", "inspect", "--format", "{{json .Config}}", image))
    assert list(config["ExposedPorts"]) == ["8000/tcp"]
    assert config["Labels"]["org.opencontainers.image.revision"] == step.repository.git("rev-parse", "HEAD")
    step.docker("image", "rm", image)


def test_default_tags_of_a_push_to_the_default_branch(step: Step) -> None:
    sha = step.repository.git("rev-parse", "HEAD")[:7]
    assert step.run(environment="default").code == 0
    assert step.tags().keys() == {"main", "latest", f"sha-{sha}"}


def test_a_maintenance_release_leaves_latest_where_it_is(step: Step) -> None:
    newer = step.run("push", "refs/tags/v2.0.0", environment="default")
    older = step.run("push", "refs/tags/v1.9.1", environment="default", labels="maintenance=true")
    assert newer.outputs["digest"] != older.outputs["digest"]
    published = step.tags()
    assert published["latest"] == published["2.0.0"] == newer.outputs["digest"]
    assert published["1.9.1"] == published["1.9"] == older.outputs["digest"]


@pytest.mark.parametrize(
    ("event", "push"),
    [
        ("pull_request", "auto"),
        ("pull_request", "false"),
        ("pull_request_target", "auto"),
        ("merge_group", "auto"),
    ],
)
def test_what_may_not_push_is_built_and_tested_and_nobody_logs_in(step: Step, event: str, push: str) -> None:
    """The credentials are wrong: using them anywhere would fail the step."""
    ref = "refs/heads/main" if event == "pull_request_target" else "refs/pull/7/merge"
    locked = {"images": f"{step.rig.password_registry}/{step.image}", "username": "rig", "password": "wrong"}
    outcome = step.run(
        event,
        ref,
        {"number": 7},
        environment="default",
        push=push,
        test_command="echo tested-$((6 * 7))",
        **locked,
    )
    assert outcome.code == 0, outcome.log
    assert "tested-42" in outcome.log
    assert outcome.outputs["pushed"] == "false"
    assert outcome.outputs["digest"] == outcome.outputs["image"] == ""
    assert step.tags() == {}
    assert registry_tags(step.rig.password_registry, step.image, (step.rig.username, step.rig.password)) == {}
    assert nothing_left(step, outcome.left_in_temp)
    if event != "merge_group":
        assert outcome.outputs["tags"] == f"{step.rig.password_registry}/{step.image}:pr-7"


def test_a_registry_with_a_password(step: Step) -> None:
    rig = step.rig
    outcome = step.run(
        environment="default",
        images=f"{rig.password_registry}/{step.image}",
        registry_auth=f"registry={rig.password_registry},username={rig.username},password={rig.password}",
    )
    assert outcome.code == 0, outcome.log
    tags = registry_tags(rig.password_registry, step.image, (rig.username, rig.password))
    assert "latest" in tags
    before, _, after = outcome.log.partition(f"::add-mask::{rig.password}")
    assert rig.password not in before + after
    assert nothing_left(step, outcome.left_in_temp)


def test_two_registries_get_the_same_image(step: Step) -> None:
    rig = step.rig
    outcome = step.run(
        environment="default",
        images=f"{rig.registry}/{step.image}\n{rig.password_registry}/{step.image}",
        registry_auth=f"registry={rig.password_registry},username={rig.username},password={rig.password}",
        tags="type=raw,value=one",
    )
    assert outcome.code == 0, outcome.log
    # The digests may differ: an engine without containerd's image store compresses for each registry anew.
    assert registry_tags(rig.password_registry, step.image, (rig.username, rig.password)).keys() == {"one"}
    assert step.tags() == {"one": outcome.outputs["digest"]}


def test_two_runs_of_one_commit_give_one_image(step: Step) -> None:
    first = step.run(environment="default")
    assert first.outputs["digest"] == step.run("workflow_dispatch", environment="default").outputs["digest"]


def test_the_image_comes_from_the_commit_and_its_sources(step: Step) -> None:
    first = step.run(environment="default")
    (step.repository.study / "src" / "new.py").write_text("print('new')\n")
    step.repository.commit()
    second = step.run(environment="default", test_command="python src/new.py")
    assert second.code == 0, second.log
    assert first.outputs["digest"] != second.outputs["digest"]


def test_build_on_a_laptop_keeps_the_image_and_pushes_nothing(step: Step) -> None:
    rig = step.rig
    env = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "INPUT_"))}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pixi_container",
            "build",
            "--environment",
            "default",
            "--pixi-image",
            rig.pixi_image,
            "--images",
            f"{rig.registry}/{step.image}",
            "--tags",
            "type=raw,value=mine",
        ],
        cwd=step.repository.study,
        env={**env, **rig.environment(), "PYTHONPATH": str(step.environment("", "", {}, {})["PYTHONPATH"])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "numpy" in step.docker("run", "--rm", f"{rig.registry}/{step.image}:mine", "python", "src/means.py")
    assert step.tags() == {}
    step.docker("image", "rm", f"{rig.registry}/{step.image}:mine")
    assert not step.local_images()


@pytest.mark.parametrize(
    "where",
    [
        "::group::Plan",
        "::group::Make the environment",
        r"\+ .*check-environment",
        "#.* bash /pixi-container/install.sh --locked",
        r"\+ docker run",
        r"\+ .*type=registry",
    ],
)
def test_a_stop_in_the_middle_leaves_nothing(step: Step, where: str) -> None:
    """Wherever it comes, while packages are installed too, which is not done before for this manifest."""
    manifest = step.repository.study / "pixi.toml"
    by_docker = "install" in where
    manifest.write_text(f"# {step.image}\n{manifest.read_text()}" if by_docker else manifest.read_text())
    process = subprocess.Popen(
        [sys.executable, "-m", "pixi_container", "run"],
        env=step.environment(
            "push",
            "refs/heads/main",
            {},
            {
                "environment": "default",
                "test_command": "sleep 600" if "run" in where else "true",
                "environment_builder": "docker" if by_docker else "auto",
            },
        ),
        cwd=step.repository.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    log = ""
    for line in process.stdout:
        log += line
        if re.match(where, line):
            break
    process.send_signal(signal.SIGTERM)
    log += process.stdout.read()
    process.stdout.close()
    outcome = step.outcome(process.wait(60), log)
    assert outcome.code == 128 + signal.SIGTERM, log
    assert outcome.errors == ["stopped by SIGTERM; nothing is left on this machine"]
    # A push that had come to its end before the signal came has put all tags on one whole image.
    published = step.tags()
    assert published == {} or ("registry" in where and len(published) == 3 and len(set(published.values())) == 1)
    assert outcome.outputs == {}
    assert nothing_left(step, outcome.left_in_temp)
    assert not step.docker("buildx", "history", "ls", "--filter", "status=running", "--format", "{{.Ref}}")


def test_a_machine_without_docker_ships_an_image(step: Step, tmp_path: Path) -> None:
    environment = step.environment("push", "refs/heads/main", {}, {"environment": "default", "expose": "8000"})
    for name in ("DOCKER_HOST", "DOCKER_CONFIG"):
        environment.pop(name, None)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "git").symlink_to(shutil.which("git") or "")
    done = subprocess.run(
        [sys.executable, "-m", "pixi_container", "run"],
        env={**environment, "PATH": str(programs)},
        cwd=step.repository.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    outcome = step.outcome(done.returncode, done.stdout)
    assert outcome.code == 0, outcome.log
    assert "the image's layers are put on the environment's without a builder" in outcome.log
    image = outcome.outputs["image"]
    options = ("--rm", "--user", "54321:54321", "--read-only")
    assert "environment example" in step.docker("run", *options, image, "python", "src/means.py")
    step.docker("image", "rm", image)
    assert nothing_left(step, outcome.left_in_temp)


def test_commands_in_foreign_output_are_not_obeyed(step: Step) -> None:
    outcome = step.run(environment="default", push="false", test_command="echo '::error::not ours'")
    lines = outcome.log.splitlines()
    foreign = lines.index("::error::not ours")
    stop = max(number for number, line in enumerate(lines[:foreign]) if line.startswith("::stop-commands::"))
    token = lines[stop].removeprefix("::stop-commands::")
    assert f"::{token}::" not in lines[stop:foreign]
    assert f"::{token}::" in lines[foreign:]


def test_a_slim_runtime_without_pixi(step: Step) -> None:
    slim = replace(step, inputs={"runtime_image": step.rig.slim_image})
    outcome = slim.run(environment="default", test_command="! command -v pixi && python src/means.py")
    assert outcome.code == 0, outcome.log
