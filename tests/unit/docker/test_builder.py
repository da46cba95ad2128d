"""Which engine and builder there are, from what docker answers."""

from __future__ import annotations

from typing import Any

import pytest

from pixi_container.docker.builder import (
    BuilderKind,
    builder_kind,
    builder_of_nodes,
    machine_platform,
    native_platform,
)
from pixi_container.errors import ToolUnavailableError
from tests.unit.docker_program import DockerProgram

BUILDX: dict[str, Any] = {"prints": "github.com/docker/buildx v0.20.1 abc\n"}
NO_BUILDER: dict[str, Any] = {"code": 1, "errors": "no builder\n"}


@pytest.fixture
def env(docker: DockerProgram) -> dict[str, str]:
    (docker.folder / "docker").write_text(
        (docker.folder / "docker").read_text().replace('case "$1 $2" in', 'case "asked" in')
    )
    return {"PATH": docker.path}


@pytest.mark.parametrize(
    ("does", "platform"),
    [({"prints": "linux/arm64\n"}, "linux/arm64"), ({"prints": "linux/amd64"}, "linux/amd64")],
)
def test_the_engine_s_platform(
    docker: DockerProgram, env: dict[str, str], does: dict[str, Any], platform: str
) -> None:
    docker.behave(**{"version --format": does})
    assert native_platform(env) == platform


@pytest.mark.parametrize(
    ("does", "said"),
    [
        (
            {"prints": "linux/amd64\n", "code": 1, "errors": "Cannot connect\n"},
            "no Docker engine answers: Cannot connect",
        ),
        ({"prints": "<nil>\n"}, "no Docker engine answers: no server"),
    ],
)
def test_no_engine(docker: DockerProgram, env: dict[str, str], does: dict[str, Any], said: str) -> None:
    docker.behave(**{"version --format": does})
    with pytest.raises(ToolUnavailableError) as caught:
        native_platform(env)
    assert caught.value.message == said


@pytest.mark.parametrize(
    ("driver", "info", "expected"),
    [
        ("docker-container", "", BuilderKind()),
        ("kubernetes", "", BuilderKind(driver="kubernetes")),
        ("docker", '[["driver-type","io.containerd.snapshotter.v1"]]', BuilderKind(driver="docker")),
        ("docker", '[["Backing Filesystem","extfs"]]', BuilderKind(driver="docker", annotations=False)),
    ],
)
def test_what_the_builder_can_do(
    docker: DockerProgram, env: dict[str, str], driver: str, info: str, expected: BuilderKind
) -> None:
    inspected = {"prints": f"Name: x\nDriver:        {driver}\nNodes:\n"}
    docker.behave(**{"buildx version": BUILDX, "buildx inspect": inspected, "info --format": {"prints": info}})
    assert builder_kind("", env) == expected
    assert ["buildx", "inspect"] in [start.words for start in docker.starts]


def test_a_builder_is_asked_for_by_its_name(docker: DockerProgram, env: dict[str, str]) -> None:
    docker.behave(**{"buildx version": BUILDX, "buildx inspect": NO_BUILDER})
    with pytest.raises(ToolUnavailableError, match="the buildx builder 'mine' cannot be used: no builder"):
        builder_kind("mine", env)
    assert docker.starts[-1].words == ["buildx", "inspect", "mine"]
    docker.behave(**{"buildx version": BUILDX, "buildx inspect": {"prints": "Name: x\n"}})
    with pytest.raises(ToolUnavailableError, match="buildx has no usable builder"):
        builder_kind("", env)


@pytest.mark.parametrize(
    ("does", "message"),
    [
        ({"code": 1}, "docker buildx is not installed"),
        ({"prints": "unknown\n"}, "docker buildx is not installed"),
        ({"prints": "buildx v0.11.9\n"}, "docker buildx 0.11.9 is too old"),
        ({"prints": "buildx v0.9.0\n"}, "docker buildx 0.9.0 is too old"),
    ],
)
def test_buildx_that_cannot_be_used(
    docker: DockerProgram, env: dict[str, str], does: dict[str, Any], message: str
) -> None:
    docker.behave(**{"buildx version": does})
    with pytest.raises(ToolUnavailableError, match=message):
        builder_kind("", env)


def test_a_builder_of_nodes_is_known_without_asking() -> None:
    both = ("linux/amd64", "linux/arm64")
    made = BuilderKind(driver="remote", platforms=both, platform="linux/arm64")
    assert builder_of_nodes(both, "linux/arm64") == made
    assert made.takes_layouts
    missing = builder_of_nodes(("linux/amd64",), "linux/arm64")
    assert missing.is_missing
    assert missing.missing == "'nodes' has no node for linux/arm64"


def test_the_oldest_buildx_will_do(docker: DockerProgram, env: dict[str, str]) -> None:
    docker.behave(
        **{"buildx version": {"prints": "buildx v0.12.0\n"}, "buildx inspect": {"prints": "Driver: remote\n"}}
    )
    assert builder_kind("", env).driver == "remote"


@pytest.mark.parametrize(
    ("kind", "takes"),
    [
        (BuilderKind(), True),
        (BuilderKind(driver="remote", annotations=False), True),
        (BuilderKind(driver="docker"), True),
        (BuilderKind(driver="docker", annotations=False), False),
    ],
)
def test_which_builder_takes_an_oci_layout(kind: BuilderKind, takes: bool) -> None:
    assert kind.takes_layouts is takes


def test_where_there_is_no_builder() -> None:
    assert BuilderKind(driver="none").is_missing
    assert not BuilderKind().is_missing
    assert BuilderKind().missing == ""


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        ("x86_64", "linux/amd64"),
        ("AMD64", "linux/amd64"),
        ("aarch64", "linux/arm64"),
        ("arm64", "linux/arm64"),
        ("ppc64le", "linux/ppc64le"),
    ],
)
def test_a_machine_without_docker_has_a_platform(
    monkeypatch: pytest.MonkeyPatch, machine: str, expected: str
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert machine_platform() == expected


@pytest.mark.parametrize(
    ("printed", "driver"),
    [("Driver: remote", "remote"), ("Name: Driver: x\nDriver:\tremote\n", "remote"), ("Driver:remote", "")],
)
def test_the_driver_is_in_a_line_of_its_own(
    docker: DockerProgram, env: dict[str, str], printed: str, driver: str
) -> None:
    docker.behave(**{"buildx version": BUILDX, "buildx inspect": {"prints": printed}})
    if driver:
        assert builder_kind("", env).driver == driver
    else:
        with pytest.raises(ToolUnavailableError, match="no usable builder"):
            builder_kind("", env)
