"""The step that makes a base: the versions that it tells of, and the user's own lines."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from pathlib import Path

import pytest

from pixi_container.build_base import build_base, existing_base
from pixi_container.docker.engine import Build, Engine
from pixi_container.errors import BuildFailedError, UserError
from pixi_container.image.fingerprint_labels import APT_PACKAGES
from pixi_container.log import TerminalLog
from pixi_container.plan.plan import Plan
from tests.unit.conftest import Folder
from tests.unit.docker_program import DockerProgram
from tests.unit.plan.test_plan import PULL_REQUEST, plan_of


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work/base-packages").mkdir(parents=True)
    return tmp_path / "work"


def engine_for(plan: Plan, docker: DockerProgram, work: Path) -> Engine:
    definition = plan.definition
    build = Build(
        dockerfile=definition.dockerfile,
        own_lines=definition.own_lines,
        local_image="",
        leftover_images=(),
        test_container="",
    )
    return Engine(build, work, {"PATH": docker.path}, {}, TerminalLog())


def test_versions_go_into_a_label_and_the_report(folder: Folder, docker: DockerProgram, work: Path) -> None:
    plan = plan_of(folder, PULL_REQUEST, apt_packages="git tini")
    (work / "base-packages/installed").write_text("git\t1:2.39-1\ntini\t0.19.0-1\nodd $(id)\n")
    made = build_base(plan, engine_for(plan, docker, work), work)
    assert made.packages == (("git", "1:2.39-1"), ("tini", "0.19.0-1"))
    assert made.told == (made.digest, "git 1:2.39-1", "tini 0.19.0-1")
    labels = dict(label.split("=", 1) for label in docker.starts[1].after("--label"))
    assert json.loads(labels[APT_PACKAGES]) == {"git": "1:2.39-1", "tini": "0.19.0-1"}


@pytest.mark.parametrize("target", ["link", "pipe", "large"])
def test_a_list_that_is_no_small_file_is_not_read(
    folder: Folder, docker: DockerProgram, work: Path, target: str
) -> None:
    plan = plan_of(folder, PULL_REQUEST, apt_packages="git")
    listed = work / "base-packages/installed"
    if target == "link":
        (work / "secret").write_text("git\tsecret\n")
        listed.symlink_to("../secret")
    elif target == "pipe":
        os.mkfifo(listed)
    else:
        listed.write_bytes(b"git\t1\n" * 100_000)
    with pytest.raises(UserError, match="the list of packages"):
        build_base(plan, engine_for(plan, docker, work), work)
    assert docker.purposes == ["list-packages"]


def test_a_step_that_fails_is_one_of_the_base(folder: Folder, docker: DockerProgram, work: Path) -> None:
    plan = plan_of(folder, PULL_REQUEST, apt_packages="git")
    docker.behave(**{"list-packages": {"prints": "#7 1.0 oh no\n#7 ERROR: exit code: 1\n", "code": 1}})
    with pytest.raises(BuildFailedError, match="a step of the base failed: oh no"):
        build_base(plan, engine_for(plan, docker, work), work)


def test_what_the_builder_says_of_the_users_lines_names_them(
    folder: Folder, docker: DockerProgram, work: Path
) -> None:
    folder.write("docker/base", "RUN id\nENV A b\n")
    plan = plan_of(folder, PULL_REQUEST, base_instructions="docker/base")
    line = plan.definition.dockerfile.splitlines().index("ENV A b") + 1
    warning = {"short": b64encode(b"LegacyKeyValueFormat: ...").decode(), "range": [{"start": {"line": line}}]}
    docker.behave(base={"metadata": {"buildx.build.warnings": [warning]}})
    engine = engine_for(plan, docker, work)
    assert build_base(plan, engine, work).packages == ()
    assert engine.notes == ["docker/base, line 2: LegacyKeyValueFormat: ..."]
    printed = f"#7 1.0 oh no\n#7 ERROR: exit code: 1\nDockerfile:{line - 1}\n{'-' * 20}\n"
    docker.behave(base={"prints": printed, "code": 1})
    with pytest.raises(BuildFailedError, match="docker/base, line 1 failed: oh no"):
        build_base(plan, engine, work)


def test_without_additions_there_is_nothing(folder: Folder) -> None:
    base = existing_base(plan_of(folder, PULL_REQUEST))
    assert (base.digest, base.packages) == ("", ())
