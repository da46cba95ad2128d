"""What a Dockerfile of one's own says: its stages, and whether it builds on the environment's image."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_container.errors import UserError
from pixi_container.image.own_dockerfile import check_pixi_version, own_dockerfile, read_own_dockerfile
from pixi_container.image.stages import instruction_lines
from pixi_container.inputs import Inputs, parse_inputs
from pixi_container.time_limit import time_limit
from tests.unit.conftest import Folder


@pytest.mark.parametrize(
    ("text", "builds"),
    [
        ("FROM environment\n", True),
        ("from --platform=$BUILDPLATFORM Environment AS app\n", True),
        ("FROM \\\n  # a comment\n  environment\n", True),
        ("# escape=`\nFROM `\n environment\n", True),
        ("# syntax=docker/dockerfile:1\n# escape=`\nFROM x\nRUN dir c:\\\nFROM environment\n", True),
        ("FROM environment:latest\n", True),
        ("FROM debian\nCOPY --link --from=environment /app /app\n", True),
        ("FROM debian\nRUN --mount=type=bind,from=environment,target=/x true\n", True),
        ("FROM debian\nRUN --network=none \\\n --mount=from=environment,target=/x \\\n true\n", True),
        ("ARG ENVIRONMENT_IMAGE\nFROM ${ENVIRONMENT_IMAGE}\n", True),
        ("arg A=1 ENVIRONMENT_IMAGE=ghcr.io/lab/study:env-default\nFROM $ENVIRONMENT_IMAGE\n", True),
        ("FROM debian AS environment\nFROM environment\n", False),
        ("FROM debian as ENVIRONMENT\nFROM environment\nCOPY --from=environment /a /b\n", False),
        ("FROM debian\nRUN <<EOF\nFROM environment\nARG ENVIRONMENT_IMAGE\nEOF\n", False),
        ("FROM debian\nCOPY <<A <<B /x/\nA\nA\nFROM environment\nB\n", False),
        ("FROM debian\nENV A= <<EOF\nFROM environment\n", True),
        ("FROM debian\n# FROM environment\n", False),
        ("FROM debian\nRUN echo \\\n FROM environment\n", False),
        ("FROM debian\nENV ENVIRONMENT_IMAGE=1\nCOPY environment /x\nLABEL a=ENVIRONMENT_IMAGE\n", False),
        ("FROM ghcr.io/lab/environment\n", False),
        ("ARG ENVIRONMENT\nFROM ${ENVIRONMENT}\n", False),
        ("ARG ENVIRONMENT_IMAGES\nFROM x\n", False),
    ],
)
def test_what_builds_on_the_environment(text: str, builds: bool) -> None:
    assert own_dockerfile(text, Inputs()).builds_on_environment is builds


@pytest.mark.parametrize(
    ("text", "given_by_user"),
    [
        ("ARG ENVIRONMENT_IMAGE\nFROM $ENVIRONMENT_IMAGE\n", {"build-args": "ENVIRONMENT_IMAGE=debian"}),
        ("FROM environment\n", {"build-contexts": "environment=docker-image://debian"}),
    ],
)
def test_what_the_user_passes_is_never_overwritten(text: str, given_by_user: dict[str, str]) -> None:
    assert own_dockerfile(text, Inputs()).builds_on_environment
    inputs = parse_inputs({"dockerfile": "a", **given_by_user})
    assert not own_dockerfile(text, inputs).builds_on_environment


def test_stages_have_their_names_in_lower_case() -> None:
    text = "FROM a AS One\nFROM b\nFROM --platform=x c as two-2\n"
    assert own_dockerfile(text, Inputs()).stages == ("one", "two-2")


@pytest.fixture
def inputs(folder: Folder) -> dict[str, str]:
    folder.write("Dockerfile", "FROM debian AS app\nFROM app AS unit\n")
    return {"context": str(folder.path), "dockerfile": "Dockerfile"}


def test_a_stage_that_is_not_there_is_named(inputs: dict[str, str]) -> None:
    good = parse_inputs({**inputs, "target": "APP", "test-target": "unit\n1"})
    assert read_own_dockerfile(good) == own_dockerfile("FROM debian AS app\nFROM app AS unit\n", good)
    with pytest.raises(UserError, match="no stage 'ap'; did you mean 'app'") as caught:
        read_own_dockerfile(parse_inputs({**inputs, "target": "ap"}))
    assert caught.value.hint == "Stages with a name: app, unit."
    with pytest.raises(UserError, match="input 'test-target': the Dockerfile has no stage 'tests'"):
        read_own_dockerfile(parse_inputs({**inputs, "test-target": "unit\ntests"}))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("runtime-image", "a"),
        ("apt-packages", "git"),
        ("base-instructions", "RUN id"),
        ("workdir", "/work"),
        ("layers", "3"),
    ],
)
def test_what_shapes_the_environment_needs_a_dockerfile_that_builds_on_it(
    folder: Folder, inputs: dict[str, str], name: str, text: str
) -> None:
    with pytest.raises(UserError, match=f"input '{name}' has no effect together with a 'dockerfile' that"):
        read_own_dockerfile(parse_inputs({**inputs, name: text}))
    folder.write("Dockerfile", "FROM environment\n")
    assert read_own_dockerfile(parse_inputs({**inputs, name: text}))


def test_the_name_of_the_environments_image_is_not_free(folder: Folder, inputs: dict[str, str]) -> None:
    folder.write("Dockerfile", "ARG ENVIRONMENT_IMAGE\nFROM $ENVIRONMENT_IMAGE\n")
    with pytest.raises(UserError, match="'environment' is the environment's image"):
        read_own_dockerfile(parse_inputs({**inputs, "build-contexts": "environment=src"}))


def test_a_pixi_that_cannot_install_the_environment_is_refused() -> None:
    check_pixi_version("0.53.0")
    with pytest.raises(UserError, match=r"pixi 0\.52\.9 is too old for the environment"):
        check_pixi_version("0.52.9")


def test_without_one_there_is_none() -> None:
    assert read_own_dockerfile(Inputs()) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "RUN " + "--mount=from=x " * 270_000,
        "RUN " + "<<A " * 1000 + "\n" + "B\n" * 2_000_000,
        "RUN a \\\n" * 500_000,
        "RUN --mount=" + "," * 4_000_000,
    ],
    ids=["mounts", "heredocs", "lines", "options"],
)
def test_a_large_dockerfile_is_read_in_seconds(text: str) -> None:
    with time_limit(10):
        own_dockerfile(text, Inputs())


@given(st.text(st.sampled_from('FROMARGCPYUN environment\\`#<"=-\n\t')))
def test_any_text_has_instructions(text: str) -> None:
    own_dockerfile(text, Inputs())
    assert all(instruction.strip() == instruction != "" for instruction in instruction_lines(text))
