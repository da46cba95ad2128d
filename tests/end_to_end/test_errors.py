"""What goes wrong is one clear message with what to do, and nothing is left half-done."""

from __future__ import annotations

import socket

import pytest

from tests.end_to_end.conftest import Outcome, Step
from tests.end_to_end.test_flow import nothing_left


def failed(step: Step, outcome: Outcome, code: int, message: str, hint: str) -> None:
    """One error, of which the user learns what is wrong and what to do; no tag, no leftover, no traceback."""
    assert outcome.code == code, outcome.log
    assert len(outcome.errors) == 1, outcome.errors
    assert message in outcome.errors[0]
    assert hint in outcome.errors[0]
    assert "Traceback" not in outcome.log
    assert outcome.outputs == {}
    assert step.tags() == {}
    assert nothing_left(step, outcome.left_in_temp)


def test_a_failing_test_command(step: Step) -> None:
    outcome = step.run(environment="default", test_command="echo about to fail\nfalse\necho never")
    failed(
        step,
        outcome,
        7,
        "the test in the built image failed with exit code 1; the image was not pushed",
        "about to fail",
    )
    assert "never" not in outcome.log.partition("about to fail\n")[2].splitlines()


def test_a_wrong_environment(step: Step) -> None:
    outcome = step.run(environment="gpus")
    failed(step, outcome, 3, "there is no environment 'gpus'; did you mean 'gpu'?", "default, gpu")
    assert "docker buildx build" not in outcome.log


def test_a_lock_that_is_out_of_date(step: Step) -> None:
    manifest = step.repository.study / "pixi.toml"
    manifest.write_text(manifest.read_text().replace('numpy = ">=1.26"', 'numpy = ">=1.26"\nrich = "*"'))
    outcome = step.run(environment="default")
    failed(
        step,
        outcome,
        3,
        "the conda package rich, which the manifest requires",
        f"Run `pixi lock --manifest-path '{step.repository.study}'` and commit pixi.lock.",
    )
    assert "docker buildx build" not in outcome.log
    assert "file=" in next(line for line in outcome.log.splitlines() if line.startswith("::error"))


def test_a_registry_that_refuses_the_password(step: Step) -> None:
    images = f"{step.rig.password_registry}/{step.image}"
    outcome = step.run(images=images, username="rig", password="hunter2-wrong")
    failed(
        step, outcome, 4, f"denied permission to push to {images}: user 'rig'", "Check 'username' and 'password'"
    )
    assert "docker buildx build" not in outcome.log.partition("Check the registries")[2]
    assert "hunter2-wrong" not in outcome.log.replace("::add-mask::hunter2-wrong", "")


def test_a_registry_that_wants_a_password_and_gets_none(step: Step) -> None:
    images = f"{step.rig.password_registry}/{step.image}"
    failed(step, step.run(images=images), 4, "anonymous access, because no credentials are set", "'registry-auth'")


def test_an_unreachable_registry(step: Step) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        images = f"127.0.0.1:{unused.getsockname()[1]}/{step.image}"
        outcome = step.run(images=images)
    failed(step, outcome, 8, "cannot be used: ", "reachable")
    assert "docker buildx build" not in outcome.log.partition("Check the registries")[2]


@pytest.mark.parametrize(
    ("inputs", "code", "message", "hint"),
    [
        ({"pixi_version": "0.71.99"}, 3, "does not exist", "'pixi-version'"),
        ({"builder": "absent"}, 5, "the buildx builder 'absent' cannot be used", "`docker buildx ls`"),
        ({"images": "Not An Image"}, 3, "is not a valid image name", "registry"),
        ({"tags": "type=semver"}, 3, "line 1: type=semver needs pattern", "Accepted"),
        ({"tags": "type=semver,pattern={{version}}"}, 3, "the input 'tags' gives no tag", "type=sha"),
        ({"include": "../outside"}, 3, "leads out of the context", "relative to 'context'"),
        ({"context": "absent"}, 3, "is not a folder", "'context'"),
        ({"expose": "http"}, 3, "input 'expose' has an invalid value: 'http'", "Accepted"),
        ({"cuda_version": "11.0"}, 3, "'gpu' is for CUDA 12 or newer, not for 11.0", "'cuda-version'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_input(step: Step, inputs: dict[str, str], code: int, message: str, hint: str) -> None:
    failed(step, step.run("push", "refs/heads/main", None, **inputs), code, message, hint)


def test_no_docker_engine(step: Step) -> None:
    step.rig.environment()
    env_of = step.environment

    def without_engine(*arguments: object) -> dict[str, str]:
        return {**env_of(*arguments), "DOCKER_HOST": "unix:///nonexistent.sock"}  # type: ignore[arg-type]

    object.__setattr__(step, "environment", without_engine)
    failed(step, step.run(push="false"), 5, "no Docker engine answers", "Start Docker")
    failed(step, step.run(test_command="true"), 5, "no Docker engine answers", "the image needs a builder")
