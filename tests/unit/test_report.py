"""What a run tells: each output with its value, the closing lines and the rows of the summary."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pixi_container.changes.comparison import Changes
from pixi_container.plan.existing import ExistingBase, ExistingImages
from pixi_container.plan.plan import Plan
from pixi_container.registry.client import PublishedImage
from pixi_container.registry.reference import parse_reference
from pixi_container.report import OUTPUTS, Report
from tests.unit.conftest import Folder
from tests.unit.plan.test_plan import PULL_REQUEST, PUSH, SHA, plan_of

STUDY = "ghcr.io/lab/study"
DIGEST = f"sha256:{'1' * 64}"
PUBLISHED = PublishedImage(DIGEST, f"sha256:{'2' * 64}", (1_000_000, 550_000))
CHANGED = Changes(
    known=True,
    consulted=True,
    reason="1 file changed",
    base="a" * 40,
    head=SHA,
    source="git",
    files=("src/main.py", "README.md"),
    relevant=("src/main.py",),
)


@pytest.fixture
def plan(folder: Folder) -> Plan:
    return replace(plan_of(folder, PUSH, test_command="true"), changes=CHANGED)


def test_each_output_has_its_value(plan: Plan) -> None:
    definition = plan.definition
    outputs = Report(plan=plan, published=PUBLISHED).outputs()
    assert outputs == {
        "decision": "build",
        "reason": "a test asks for it, and the registry has no image of this state",
        "changed": "true",
        "changed-files": '["src/main.py"]',
        "base": "a" * 40,
        "head": SHA,
        "changes-source": "git",
        "pushed": "true",
        "version": "main",
        "tags": f"{STUDY}:main\n{STUDY}:sha-0123456\n{STUDY}:latest",
        "labels": "\n".join(f"{key}={value}" for key, value in plan.labels),
        "annotations": "\n".join(plan.annotations),
        "json": json.dumps(definition.metadata.as_json()["json"]),
        "digest": DIGEST,
        "image": f"{STUDY}@{DIGEST}",
        "images": json.dumps(
            [
                {
                    "environment": "default",
                    "decision": "build",
                    "reason": "a test asks for it, and the registry has no image of this state",
                    "image": f"{STUDY}@{DIGEST}",
                    "tags": [f"{STUDY}:main", f"{STUDY}:sha-0123456", f"{STUDY}:latest"],
                    "platforms": {"linux/amd64": DIGEST},
                }
            ]
        ),
        "sif": "",
        "environment-image": f"{STUDY}:env-default-{definition.environment_fingerprint.digest[:16]}",
        "fingerprint": definition.environment_fingerprint.digest[:16],
        "image-fingerprint": definition.fingerprint.digest[:16],
        "dockerfile": definition.dockerfile,
        "metadata": outputs["metadata"],
    }
    assert list(outputs) == list(OUTPUTS)
    assert f"org.opencontainers.image.revision={SHA}" in outputs["labels"].splitlines()
    assert f"manifest:org.opencontainers.image.revision={SHA}" in outputs["annotations"].splitlines()


def test_the_metadata_of_docker_s_action_has_its_keys(plan: Plan) -> None:
    metadata = plan.definition.metadata
    lists = {
        "tags": list(metadata.tags),
        "tag-names": ["main", "sha-0123456", "latest"],
        "labels": metadata.labels,
        "annotations": list(metadata.annotations),
    }
    assert metadata.as_json() == {"version": "main", **lists, "json": lists}


@pytest.mark.parametrize(
    ("changes", "changed"),
    [
        (CHANGED, "true"),
        (replace(CHANGED, relevant=()), "false"),
        (replace(CHANGED, known=False, relevant=()), "true"),
        (replace(CHANGED, known=False), "true"),
    ],
)
def test_only_a_known_lack_of_changes_is_no_change(plan: Plan, changes: Changes, changed: str) -> None:
    assert Report(plan=replace(plan, changes=changes)).outputs()["changed"] == changed


def test_an_image_that_was_not_pushed_has_no_digest(plan: Plan) -> None:
    outputs = Report(plan=plan).outputs()
    assert [outputs[name] for name in ("pushed", "digest", "image")] == ["false", "", ""]


def test_labels_of_an_existing_image_take_the_place_of_the_planned_ones(plan: Plan) -> None:
    assert Report(plan=plan, labels={"b": "2", "a": "1"}).outputs()["labels"] == "a=1\nb=2"
    assert Report(plan=plan, labels={}).outputs()["labels"] == ""


def test_the_closing_lines(plan: Plan) -> None:
    decision = f"decision  build: {plan.decision.reason}"
    tags = [f"tag       {STUDY}:{tag}" for tag in ("main", "sha-0123456", "latest")]
    assert Report(plan=plan, published=PUBLISHED).text().splitlines() == [
        decision,
        *tags,
        f"digest    {DIGEST}",
        f"image     {STUDY}@{DIGEST}",
        "size      1.6 MB compressed in 2 layers",
    ]
    assert Report(plan=replace(plan, keep_local_image=True), image_size=12_340_000).text().splitlines() == [
        decision,
        *(f"{tag} (not pushed)" for tag in tags),
        "size      12.3 MB in the engine",
        f"run it    docker run --rm -it {STUDY}:main",
    ]
    assert Report(plan=plan).text().splitlines()[-1] == "size      unknown"


def test_the_summary_of_an_image_that_was_not_pushed(folder: Folder) -> None:
    existing = parse_reference(f"{STUDY}@sha256:{'e' * 64}", source="test")
    reused = plan_of(folder, PULL_REQUEST, existing=ExistingImages(environment=existing))
    lines = Report(plan=reused).summary().splitlines()
    assert f"| Environment image | <code>{existing}</code>, reused |" in lines
    assert f"| Tags (not pushed) | {'<br>'.join(f'<code>{tag}</code>' for tag in reused.tags)} |" in lines
    assert "| Digest | not pushed |" in lines
    assert "| Size | unknown |" in lines
    assert not [line for line in lines if "docker pull" in line or ("CUDA" in line and line.startswith("| Built"))]
    bare = plan_of(folder, PULL_REQUEST, tags="type=semver,pattern={{version}}", reuse_environment="false")
    lines = Report(plan=bare).summary().splitlines()
    assert "| Tags (not pushed) | none |" in lines
    assert "| Environment image | none |" in lines


@pytest.mark.parametrize(
    ("environment_builder", "installed"), [("auto", "straight from the lock"), ("docker", "by Pixi in the build")]
)
def test_the_summary_tells_how_the_environment_is_installed(
    folder: Folder, environment_builder: str, installed: str
) -> None:
    summary = Report(plan=plan_of(folder, PUSH, environment_builder=environment_builder)).summary()
    assert f"packages, installed {installed} |" in summary


def test_a_base_is_told_of_with_the_versions_in_it(folder: Folder) -> None:
    plan = plan_of(folder, PUSH, apt_packages="git")
    assert plan.base
    built = Report(plan=plan, published=PUBLISHED, base_packages=(("git", "1:2.39"),))
    row = f"| Base image | <code>{STUDY}:{plan.base.tag}</code>, published, with <code>git 1:2.39</code> |"
    assert row in built.summary().splitlines()
    assert json.loads(built.outputs()["metadata"])["base"]["apt_packages"] == {"git": "1:2.39"}
    image = parse_reference(f"{STUDY}@sha256:{'a' * 64}", source="test")
    there = ExistingImages(base=ExistingBase(image=image, packages=(("git", "1:2.30"),)))
    reused = Report(plan=plan_of(folder, PULL_REQUEST, existing=there, apt_packages="git"))
    row = f"| Base image | <code>{image}</code>, reused, with <code>git 1:2.30</code> |"
    assert row in reused.summary().splitlines()
    assert json.loads(reused.outputs()["metadata"])["base"]["apt_packages"] == {"git": "1:2.30"}
    unneeded = plan_of(folder, PUSH, existing=ExistingImages(environment=image), apt_packages="git")
    row = f"| Base image | <code>{STUDY}:{plan.base.tag}</code>, not needed |"
    assert row in Report(plan=unneeded).summary().splitlines()
    alone = Report(plan=plan_of(folder, PULL_REQUEST, base_instructions="RUN id"))
    assert alone.plan.base
    assert f"| Base image | <code>{alone.plan.base.tag}</code>, not published |" in alone.summary().splitlines()
