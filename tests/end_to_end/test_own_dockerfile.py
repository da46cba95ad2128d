"""Dockerfiles of one's own: on the environment in one line, with options and secrets, and without a workspace."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.end_to_end.conftest import ROOT, Outcome, Step

ON_THE_ENVIRONMENT = """\
FROM environment
COPY src src
ENTRYPOINT ["python", "src/means.py"]
"""
BY_ARGUMENT = """\
ARG ENVIRONMENT_IMAGE=ghcr.io/lab/study:env-gpu
FROM ${ENVIRONMENT_IMAGE} AS app
COPY src src
ENTRYPOINT ["python", "src/means.py"]
"""
WITH_OPTIONS = """\
ARG BASE
FROM ${BASE} AS app
ARG GREETING
ARG PIXI_VERSION
COPY --from=shared note /note
RUN --mount=type=secret,id=token,required=true --mount=type=secret,id=netrc,required=true \\
    cat /run/secrets/token /run/secrets/netrc | sha256sum | grep -q DIGEST \\
    && echo "$GREETING, pixi $PIXI_VERSION" > /greeting
ENTRYPOINT ["/bin/false"]

FROM app AS unit
RUN grep "hello" /greeting && grep "a note" /note

FROM app AS other
RUN exit 9
"""


def with_dockerfile(step: Step, text: str) -> None:
    (step.repository.study / "Dockerfile").write_text(text)
    step.repository.commit()


@contextmanager
def pulled(step: Step, outcome: Outcome) -> Iterator[str]:
    """Yield the pushed image, which is in the engine meanwhile."""
    image = outcome.outputs["image"]
    step.docker("pull", "--quiet", image)
    try:
        yield image
    finally:
        step.docker("image", "rm", image)


@pytest.mark.parametrize("text", [ON_THE_ENVIRONMENT, BY_ARGUMENT], ids=["context", "argument"])
def test_one_line_gets_the_environment_straight_from_the_lock(step: Step, text: str) -> None:
    with_dockerfile(step, text)
    outcome = step.run(dockerfile="Dockerfile", tags="type=raw,value=own")
    assert outcome.code == 0, outcome.log
    assert "installed    straight from the lock" in outcome.log
    assert re.search(r"environment /app/\.pixi/envs/gpu can be used by user 0", outcome.log)
    assert step.tags() == {"own": outcome.outputs["digest"]}
    assert outcome.outputs["dockerfile"].rstrip("\n") == text.rstrip("\n")
    with pulled(step, outcome) as image:
        assert "CUDA runtime 12.9" in step.docker("run", "--rm", image)
    (step.repository.study / "src/means.py").write_text("print('changed')\n")
    step.repository.commit()
    again = step.run(dockerfile="Dockerfile", tags="type=raw,value=own")
    assert again.code == 0, again.log
    assert again.outputs["environment-image"].rpartition("@")[0] in outcome.outputs["environment-image"]
    assert "reused from" in again.log
    assert step.local_images() == []


@pytest.mark.parametrize("builder", ["direct", "docker"])
def test_a_pull_request_gets_it_without_pushing_anything(step: Step, builder: str) -> None:
    with_dockerfile(step, BY_ARGUMENT)
    outcome = step.run(
        "pull_request",
        "refs/pull/7/merge",
        {"number": 7},
        dockerfile="Dockerfile",
        environment_builder=builder,
        test_command="",
    )
    assert outcome.code == 0, outcome.log
    assert "can be used by user 0" in outcome.log
    assert step.tags() == {}
    assert step.local_images() == outcome.left_in_temp == []


def test_what_only_pixi_installs_is_built_and_pushed_first(step: Step) -> None:
    with_dockerfile(step, ON_THE_ENVIRONMENT)
    outcome = step.run(dockerfile="Dockerfile", tags="type=raw,value=own", environment_builder="docker")
    assert outcome.code == 0, outcome.log
    assert "by Pixi in a build" in outcome.log
    with pulled(step, outcome) as image:
        assert "CUDA runtime 12.9" in step.docker("run", "--rm", image)
    again = step.run(
        dockerfile="Dockerfile", tags="type=raw,value=two", environment_builder="docker", promote="false"
    )
    assert "reused from" in again.log
    assert "make-environment" not in again.log
    assert step.local_images() == []


def test_arguments_contexts_secrets_and_stages(step: Step) -> None:
    shared = step.repository.path / "shared"
    shared.mkdir()
    (shared / "note").write_text("a note\n")
    secret_file = step.folder.parent / "netrc"
    secret_file.write_text("hunter3-of-a-file\n")
    digest = hashlib.sha256(b"hunter2 of the buildhunter3-of-a-file\n").hexdigest()
    with_dockerfile(step, WITH_OPTIONS.replace("DIGEST", digest))
    options = {
        "dockerfile": "Dockerfile",
        "target": "app",
        "build_args": f"BASE={step.rig.slim_image}\nGREETING=hello, you\nPIXI_VERSION=mine",
        "build_contexts": "shared=../shared",
        "secrets": "token=hunter2 of the build",
        "secret_files": f"netrc={secret_file}",
        "tags": "type=raw,value=own",
    }
    failed = step.run("push", "refs/heads/main", {}, **options, test_target="unit\nother")
    assert failed.code == 7, failed.log
    assert "Dockerfile, line 15" in failed.errors[0]
    assert step.tags() == {}
    outcome = step.run("push", "refs/heads/main", {}, **options, test_target="unit")
    assert outcome.code == 0, outcome.log
    unmasked = "\n".join(line for line in outcome.log.splitlines() if not line.startswith("::add-mask::"))
    assert "hunter2" not in unmasked + outcome.summary + json.dumps(outcome.outputs)
    assert "hunter3" not in unmasked + outcome.summary + json.dumps(outcome.outputs)
    with pulled(step, outcome) as image:
        read = ("run", "--rm", "--entrypoint", "cat", image)
        assert step.docker(*read, "/greeting") == "hello, you, pixi mine"
        archive = step.folder / "image.tar"
        step.docker("save", "--output", str(archive), image)
        assert b"hunter2" not in archive.read_bytes()
        assert b"hunter3" not in archive.read_bytes()
    (shared / "note").write_text("a note, changed\n")
    step.repository.commit()
    changed = step.run("push", "refs/heads/main", {}, **options, test_target="unit")
    assert "differs in: build options" in changed.outputs["reason"]


def test_neither_a_lock_nor_a_shell_is_needed(step: Step) -> None:
    for name in ("pixi.lock", "pixi.toml"):
        (step.repository.study / name).unlink()
    with_dockerfile(step, 'FROM scratch\nCOPY src /src\nENTRYPOINT ["/tool"]\n')
    outcome = step.run(dockerfile="Dockerfile", tags="type=raw,value=own", environment="default")
    assert outcome.code == 0, outcome.log
    assert "packages     not known, because there is no pixi.lock" in outcome.log
    assert "::warning::the image was not tested: it has no shell" in outcome.log
    assert step.tags() == {"own": outcome.outputs["digest"]}
    again = step.run(dockerfile="Dockerfile", tags="type=raw,value=own", environment="default")
    assert again.outputs["decision"] == "skip"


EXAMPLES = re.findall(
    r"(?ms)^```dockerfile\n(.*?)^```$", (ROOT / "docs/template.md").read_text().partition("\n## Dockerfile\n")[2]
)


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_examples_of_the_documentation_are_built(step: Step, text: str) -> None:
    shared = step.repository.path / "shared"
    shared.mkdir()
    (shared / "model.txt").write_text("a model\n")
    (step.repository.study / "tests").mkdir(exist_ok=True)
    (step.repository.study / "tests/test_means.py").write_text("print('fine')\n")
    with_dockerfile(step, text.replace("debian:bookworm-slim", step.rig.slim_image))
    stages = set(re.findall(r"(?m)^FROM \S+ AS (\S+)$", text))
    outcome = step.run(
        dockerfile="Dockerfile",
        tags="type=raw,value=own",
        target="app" if "app" in stages else "",
        test_target="test" if "test" in stages else "",
        build_contexts="models=../shared",
        secrets="token=hunter2",
    )
    assert outcome.code == 0, outcome.log
