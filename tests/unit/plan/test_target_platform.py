"""Which platforms an image is made for, and when its test is left out because nothing can run it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from pixi_container.docker.builder import machine_platform
from pixi_container.errors import ToolUnavailableError, UserError
from pixi_container.inputs import parse_inputs
from pixi_container.log import Log, TerminalLog
from pixi_container.plan.looked_up import LookedUp
from pixi_container.plan.target_platform import (
    MachineEngine,
    does_without_builder,
    machine_engine,
    requests_by_platform,
)
from pixi_container.registry.client import OCI_INDEX, Descriptor, ImageManifest, Registry
from pixi_container.registry.reference import ImageReference
from pixi_container.request import Request, request_for
from pixi_container.runner.event import Event
from pixi_container.runners import Runners
from tests.unit.conftest import Folder
from tests.unit.plan.test_plan import PULL_REQUEST, PUSH


class Machine(LookedUp):
    """A machine with an engine for these platforms, the first of which is its own; without any, with no engine."""

    def __init__(self, *platforms: str, runners: Runners | None = None) -> None:
        super().__init__({}, runners)
        self._platforms = platforms

    @property
    def native_platform(self) -> str:
        if not self._platforms:
            raise ToolUnavailableError("no Docker engine answers")
        return self._platforms[0]

    @property
    def engine_platforms(self) -> tuple[str, ...]:
        return self._platforms


class Images:
    """A registry in which the runtime image is an index for these platforms, or an image of one, or not there."""

    def __init__(self, *platforms: str, media_type: str = OCI_INDEX, exists: bool = True) -> None:
        self.asked: list[str] = []
        children = tuple(
            Descriptor(digest=f"sha256:{name}", size=1, media_type="", platform=name) for name in platforms
        )
        self._manifest = (
            ImageManifest(name="a/b", digest="sha256:1", media_type=media_type, content=b"", children=children)
            if exists
            else None
        )

    def get_tags(self, reference: ImageReference) -> tuple[str, ...]:
        raise AssertionError(f"{reference} needs no choice of a tag")

    def get_manifest(self, reference: ImageReference) -> ImageManifest | None:
        self.asked.append(str(reference))
        return self._manifest


class Warnings(TerminalLog):
    """A log that keeps its warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warning(self, text: str) -> None:
        self.warnings.append(text)


def request_of(event: Event = PUSH, *, keep: bool = False, **texts: str) -> Request:
    given = {name.replace("_", "-"): text for name, text in texts.items()}
    return request_for(event, parse_inputs({"images": "ghcr.io/lab/study", **given}), {}, keep=keep)


def requests(
    request: Request, machine: LookedUp, images: Images | None = None, log: Log | None = None
) -> tuple[Request, ...]:
    return requests_by_platform(request, cast("Registry | None", images), machine, log or TerminalLog())


@pytest.mark.parametrize(
    ("platform", "machine", "expected"),
    [
        ("", Machine("linux/arm64"), MachineEngine("linux/arm64")),
        ("linux/arm64", Machine("linux/arm64"), MachineEngine("linux/arm64")),
        ("linux/amd64", Machine("linux/arm64"), MachineEngine("linux/amd64", is_foreign=True)),
        ("", Machine(), MachineEngine(machine_platform(), "no Docker engine answers")),
        ("", Machine(runners=Runners()), MachineEngine("linux/amd64")),
        ("linux/arm64", Machine(runners=Runners()), MachineEngine("linux/arm64")),
        ("linux/ppc64le", Machine(runners=Runners()), MachineEngine("linux/ppc64le", is_foreign=True)),
        ("linux/ppc64le", Machine(runners=Runners({"linux/ppc64le": "own"})), MachineEngine("linux/ppc64le")),
    ],
)
def test_an_image_is_for_the_platform_asked_for_or_else_that_of_the_machine(
    platform: str, machine: LookedUp, expected: MachineEngine
) -> None:
    assert machine_engine(replace(request_of(), platform=platform), machine) == expected


def test_without_a_builder_no_engine_is_asked() -> None:
    assert machine_engine(request_of(builder="none"), Machine("linux/x")) == MachineEngine(machine_platform())


NODES = "linux/amd64=tcp://127.0.0.1:9"


@pytest.mark.parametrize(
    ("request_", "missing"),
    [
        (request_of(), "no Docker engine answers"),
        (request_of(builder="mine"), None),
        (request_of(PULL_REQUEST), None),
        (request_of(nodes=NODES), ""),
        (request_of(PULL_REQUEST, nodes=NODES), ""),
        (request_of(nodes=NODES, test_command="true"), None),
        (request_of(nodes=NODES, keep=True), None),
        (request_of(nodes=NODES, dockerfile="Dockerfile"), None),
        (request_of(nodes=NODES, dockerfile="Dockerfile", test_target="test"), ""),
    ],
)
def test_an_engine_is_needed_to_load_an_image_or_to_build_without_a_push(
    request_: Request, missing: str | None
) -> None:
    if missing is None:
        with pytest.raises(ToolUnavailableError, match="no Docker engine answers"):
            machine_engine(request_, Machine())
    else:
        assert machine_engine(request_, Machine()).missing == missing
    assert does_without_builder(request_) is (missing == "no Docker engine answers")


def test_without_platforms_there_is_one_request_as_it_is() -> None:
    request = request_of(test_command="true")
    assert requests(request, Machine(), Images()) == (request,)


def test_of_several_platforms_none_gets_the_users_tags_and_all_are_built_first() -> None:
    (one,) = requests(request_of(platforms="linux/arm64"), Machine("linux/arm64"), Images())
    assert (one.platform, one.with_others, one.inputs.push_untagged) == ("linux/arm64", False, False)
    both = requests(request_of(platforms="linux/amd64 linux/arm64"), Machine("linux/arm64"), Images())
    assert [(each.platform, each.with_others, each.inputs.push_untagged) for each in both] == [
        ("linux/amd64", True, True),
        ("linux/arm64", True, True),
    ]


@pytest.mark.parametrize(
    ("images", "runtime", "asked", "platforms"),
    [
        (None, "debian:12", [], ["linux/amd64", "linux/arm64"]),
        (Images("linux/arm64/v8", "linux/amd64"), "debian:12", ["docker.io/library/debian:12"], ["linux/amd64", "linux/arm64"]),  # noqa: E501
        (Images("linux/arm64/v8", "linux/s390x"), "debian", ["docker.io/library/debian:latest"], ["linux/arm64"]),
        (Images(media_type="application/vnd.oci.image.manifest.v1+json"), "debian:12", ["docker.io/library/debian:12"], ["linux/arm64"]),  # noqa: E501
        (Images(exists=False), f"debian@sha256:{'1' * 64}", [f"docker.io/library/debian@sha256:{'1' * 64}"], ["linux/arm64"]),  # noqa: E501
    ],
)  # fmt: skip
def test_every_platform_is_one_that_is_locked_and_that_the_runtime_image_has(
    folder: Folder, images: Images | None, runtime: str, asked: Sequence[str], platforms: Sequence[str]
) -> None:
    request = request_of(
        context=str(folder.path), platforms="auto", runtime_image=runtime, pixi_image="ghcr.io/a/pixi:1-noble"
    )
    made = requests(request, Machine("linux/arm64"), images)
    assert [each.platform for each in made] == list(platforms)
    assert (images.asked if images else []) == asked


def test_a_runtime_image_for_other_platforms_is_an_error(folder: Folder) -> None:
    request = request_of(
        context=str(folder.path), platforms="auto", runtime_image="debian:12", pixi_image="ghcr.io/a/pixi:1-noble"
    )
    with pytest.raises(
        UserError, match="debian:12 has none of the platforms that environment 'default'"
    ) as caught:
        requests(request, Machine("linux/arm64"), Images("linux/s390x"))
    assert caught.value.message.endswith(": linux/amd64, linux/arm64")


RUNS_BOTH, RUNS_ARM = Machine("linux/arm64", "linux/amd64"), Machine("linux/arm64")


@pytest.mark.parametrize(
    ("machine", "texts", "said"),
    [
        (RUNS_ARM, {}, "linux/amd64: 'test-command' is not run, because this machine's engine cannot run it"),
        (RUNS_BOTH, {}, ""),
        (RUNS_ARM, {"emulation": "true"}, ""),
        (RUNS_ARM, {"builder": "none"}, ""),
        (RUNS_ARM, {"platforms": "linux/arm64"}, ""),
        (Machine(), {}, ""),
        (Machine(runners=Runners()), {}, ""),
        (
            Machine("linux/ppc64le", runners=Runners()),
            {"platforms": "linux/ppc64le"},
            "linux/ppc64le: 'test-command' is not run, because its runner's engine cannot run it",
        ),
    ],
)
def test_a_test_that_nothing_here_can_run_is_left_out_and_that_is_said(
    machine: Machine, texts: dict[str, Any], said: str
) -> None:
    log = Warnings()
    (made,) = requests(
        request_of(**{"platforms": "linux/amd64", "test_command": "true", **texts}), machine, Images(), log
    )
    assert log.warnings == ([said] if said else [])
    assert made.inputs.test_command == ("" if said else "true")


def test_nothing_is_said_where_there_is_no_test() -> None:
    log = Warnings()
    requests(request_of(platforms="linux/amd64"), RUNS_ARM, Images(), log)
    assert log.warnings == []
