"""The plan for a Dockerfile of one's own: where its environment comes from, and what the builder is given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pixi_container.docker.builder import BuilderKind
from pixi_container.image.environment_way import EnvironmentWay
from pixi_container.plan.existing import ExistingImages
from pixi_container.plan.plan import Plan
from pixi_container.registry.reference import parse_reference
from pixi_container.runner.event import Event
from tests.unit.conftest import Folder
from tests.unit.plan.test_plan import PULL_REQUEST, PUSH, outputs_of, plan_of, purposes, words_after

STUDY = "ghcr.io/lab/study"


@pytest.fixture
def own(folder: Folder) -> Folder:
    """A workspace with a Dockerfile that builds on the environment."""
    folder.write("Dockerfile", "FROM environment AS app\nFROM app AS unit\n")
    return folder


def own_plan(
    folder: Folder,
    event: Event = PUSH,
    *,
    builder: BuilderKind | None = None,
    existing: ExistingImages | None = None,
    **texts: str,
) -> Plan:
    given = {"environment_builder": "auto", **texts}
    return plan_of(folder, event, kind=builder, existing=existing, keep=False, dockerfile="Dockerfile", **given)


def arguments(argv: tuple[str, ...]) -> dict[str, str]:
    return dict(word.split("=", 1) for word in words_after("--build-arg", argv))


def test_the_environment_comes_straight_from_the_lock(own: Folder) -> None:
    plan = own_plan(own)
    assert plan.way == EnvironmentWay("direct")
    assert purposes(plan) == ["prepare-check", "check-environment", "build", "test", "push"]
    _, _, build, test, push = plan.commands.on_environment("sha256:abc").all
    for command in (build, push):
        assert words_after("--build-context", command.argv) == [f"environment=docker-image://{STUDY}@sha256:abc"]
        assert arguments(command.argv)["ENVIRONMENT_IMAGE"] == f"{STUDY}@sha256:abc"
        assert words_after("--file", command.argv) == [str(own.path / "Dockerfile")]
    assert test.argv[5:8] == ("--entrypoint", "sh", plan.local_image)
    otherwise = [command.purpose for command in plan.docker_commands.all]
    assert otherwise == ["make-environment", "build", "test", "push"]


def test_what_only_pixi_installs_docker_makes_first(own: Folder) -> None:
    plan = own_plan(own, environment_builder="docker")
    assert purposes(plan) == ["make-environment", "build", "test", "push"]
    made, build, _, _ = plan.commands.all
    assert words_after("--target", made.argv) == ["environment"]
    assert words_after("--file", made.argv) == ["$WORK/Dockerfile"]
    assert words_after("--tag", made.argv) == [str(tag) for tag in plan.environment_tags] != []
    assert outputs_of(made) == ["type=registry"]
    assert not words_after("--build-context", made.argv)
    assert words_after("--build-context", build.argv) == [f"environment=docker-image://{STUDY}@$ENVIRONMENT"]
    assert "FROM " in plan.definition.environment_dockerfile


@pytest.mark.parametrize(
    ("builder", "output", "context"),
    [
        (BuilderKind(), "type=oci", "oci-layout://$WORK/environment@$ENVIRONMENT"),
        (BuilderKind(driver="docker"), "type=oci", "oci-layout://$WORK/environment@$ENVIRONMENT"),
        (BuilderKind(driver="docker", annotations=False), "type=docker", "docker-image://{image}"),
    ],
)
def test_where_nothing_is_pushed_it_stays_on_the_machine(
    own: Folder, builder: BuilderKind, output: str, context: str
) -> None:
    plan = own_plan(own, PULL_REQUEST, builder=builder, environment_builder="docker")
    made, build, _ = plan.commands.all
    image = plan.local_image.replace(":", "-environment:")
    assert outputs_of(made) == [output]
    assert words_after("--build-context", build.argv) == ["environment=" + context.format(image=image)]
    assert arguments(build.argv)["ENVIRONMENT_IMAGE"] == "environment"
    assert (image in plan.leftover_images) is (output == "type=docker")
    assert plan.environment_image is None


def test_the_base_is_below_the_environment_and_not_in_the_build_of_the_dockerfile(own: Folder) -> None:
    base: dict[str, Any] = {"apt_packages": "git", "base_instructions": "RUN id"}
    direct, docker = (own_plan(own, environment_builder=builder, **base) for builder in ("auto", "docker"))
    built = ["list-packages", "base"]
    assert purposes(direct) == [*built, "prepare-check", "check-environment", "build", "test", "push"]
    assert purposes(docker) == [*built, "make-environment", "build", "test", "push"]
    for plan in (direct, docker):
        assert plan.base
        assert plan.base.kind == "publish"
        commands = plan.commands.on_base("sha256:ba5e").on_environment("sha256:abc")
        for command in filter(None, (commands.build, commands.push)):
            assert words_after("--build-context", command.argv) == [
                f"environment=docker-image://{STUDY}@sha256:abc"
            ]
        for command in filter(None, (commands.list_packages, commands.base)):
            assert words_after("--file", command.argv) == ["$WORK/Dockerfile"]
    for commands in (docker.commands, direct.docker_commands):
        made = commands.on_base("sha256:ba5e").make_environment
        assert made
        assert words_after("--build-context", made.argv) == [f"runtime=docker-image://{STUDY}@sha256:ba5e"]
    assert "RUN id" in direct.definition.environment_dockerfile


@pytest.mark.parametrize("name", ["conda-auth", "git-auth"])
def test_credentials_go_to_the_build_of_the_environment_and_to_that_of_the_dockerfile(
    own: Folder, name: str
) -> None:
    texts: dict[str, Any] = {
        name.replace("-", "_"): "{}" if name == "conda-auth" else "https://me:hunter2@git.example"
    }
    plan = own_plan(own, environment_builder="docker", **texts)
    for command in filter(None, (plan.commands.make_environment, plan.commands.build, plan.commands.push)):
        assert words_after("--secret", command.argv) == [f"id={name},src=$WORK/{name}"]
    assert "hunter2" not in str(plan.as_json())


def test_one_that_is_there_is_used_again(own: Folder) -> None:
    there = parse_reference(f"{STUDY}@sha256:{'e' * 64}", source="test")
    for builder in ("auto", "docker"):
        plan = own_plan(own, existing=ExistingImages(environment=there), environment_builder=builder)
        assert purposes(plan) == ["build", "test", "push"]
        assert words_after("--build-context", plan.commands.all[0].argv) == [f"environment=docker-image://{there}"]
        assert arguments(plan.commands.all[0].argv)["ENVIRONMENT_IMAGE"] == str(there)


def test_a_dockerfile_of_its_own_ways_has_no_environment_image(folder: Folder) -> None:
    folder.write("Dockerfile", "FROM debian\n")
    plan = own_plan(folder)
    assert purposes(plan) == ["build", "test", "push"]
    assert (plan.environment_image, plan.environment_tags) == (None, ())
    assert "ENVIRONMENT_IMAGE" not in arguments(plan.commands.all[0].argv)
    assert "installed    by your Dockerfile, if at all" in plan.as_text().splitlines()
    (folder.path / "pixi.lock").unlink()
    lines = own_plan(folder).as_text().splitlines()
    assert "packages     not known, because there is no pixi.lock" in lines


def test_what_the_user_gives_takes_precedence_and_goes_to_every_build(own: Folder) -> None:
    plan = own_plan(
        own,
        target="app",
        test_target="unit\n0",
        build_args='PIXI_VERSION=mine\n"A=b\nc"',
        build_contexts="shared=src\nbase=docker-image://debian",
        secrets="token=hunter2\nempty=",
        secret_files="netrc=/home/me/.netrc",
        ssh="default\ndeploy=/run/key",
    )
    assert purposes(plan) == ["prepare-check", "check-environment", "test-unit", "test-0", "push"]
    _, _, unit, _, push = plan.commands.all
    assert (words_after("--target", unit.argv), words_after("--target", push.argv)) == (["unit"], ["app"])
    assert outputs_of(unit) == ["type=cacheonly"]
    for command in (unit, push):
        given = arguments(command.argv)
        assert (given["PIXI_VERSION"], given["A"], given["ENVIRONMENT"]) == ("mine", "b\nc", "default")
        contexts = words_after("--build-context", command.argv)
        assert contexts[1:] == [f"shared={own.path}/src", "base=docker-image://debian"]
        assert words_after("--secret", command.argv) == [
            "id=token,src=$WORK/secrets/token",
            "id=netrc,src=$WORK/secrets/netrc",
        ]
        assert words_after("--ssh", command.argv) == ["default", "deploy=/run/key"]
    assert "input 'secrets': 'empty' is empty, so the build gets no such secret" in plan.notes
    assert "hunter2" not in str(plan.as_json()) + plan.as_text()


def test_untrusted_code_gets_no_secret(own: Folder) -> None:
    event = replace(PULL_REQUEST, name="pull_request_target")
    plan = own_plan(own, event, secrets="token=hunter2", secret_files="netrc=/x", ssh="default")
    words = {word for command in plan.commands.all for word in command.argv}
    assert not {"--secret", "--ssh"} & words


def test_a_template_takes_options_too_but_no_arguments_of_ours(folder: Folder) -> None:
    plan = plan_of(folder, PUSH, build_args="A=b", template="own.template")
    for command in plan.commands.all:
        assert arguments(command.argv) == {"A": "b"}


def test_packages_of_the_workspace_are_left_to_the_dockerfile(own: Folder) -> None:
    own.write("lib/pyproject.toml", '[project]\nname = "lib"\nversion = "1"\n')
    entry = "- pypi: ./lib\n"
    python = "      - conda: https://conda.anaconda.org/conda-forge/linux-64/python-3.11.9-h1_0.conda\n"
    own.replace("pixi.lock", python, f"{python}      {entry}")
    own.write("pixi.lock", (own.path / "pixi.lock").read_text() + f"{entry}  name: lib\n  version: '1'\n")
    (note,) = own_plan(own).notes
    assert note.endswith("so the Dockerfile has to install them: lib")
