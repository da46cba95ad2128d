"""What is taken over from a workflow that builds images."""

from __future__ import annotations

import pytest
import yaml

from pixi_container.errors import UserError
from pixi_container.init.verdicts import LEFT, NOT_NEEDED, TAKEN, Proposal, Value
from pixi_container.init.workflow_reading import Workflow, read_workflow, take_workflow, workflows_of_images
from pixi_container.init.workflow_text import workflow_text
from pixi_container.input_table import INPUTS


def workflow(*steps: dict[str, object], branches: object = None) -> str:
    return yaml.safe_dump({"on": {"push": {"branches": branches}}, "jobs": {"image": {"steps": list(steps)}}})


def step(name: str, **given: object) -> dict[str, object]:
    return {"uses": f"docker/{name}@v6", "with": {key.replace("_", "-"): value for key, value in given.items()}}


def taken(*steps: dict[str, object]) -> Proposal:
    proposal = Proposal()
    take_workflow(read_workflow(workflow(*steps), "w.yml"), proposal)
    return proposal


@pytest.mark.parametrize(
    ("given", "settings", "inputs", "outcome"),
    [
        (step("metadata-action", images="a/b\n# x\nquay.io/a/b"), {"images": ["a/b", "quay.io/a/b"]}, {}, TAKEN),
        (step("metadata-action", images="ghcr.io/${{ github.repository }}"), {}, {}, NOT_NEEDED),
        (step("metadata-action", images="${{ env.REGISTRY }}/${{ env.IMAGE_NAME }}"), {}, {}, NOT_NEEDED),
        (step("metadata-action", images="quay.io/${{ vars.NAME }}"), {}, {"images": "quay.io/${{ vars.NAME }}"}, TAKEN),  # noqa: E501
        (step("metadata-action", images="${{ steps.x.outputs.y }}"), {}, {}, LEFT),
        (step("metadata-action", tags="type=sha\ntype=raw,value=a"), {"tags": ["type=sha", "type=raw,value=a"]}, {}, TAKEN),  # noqa: E501
        (step("metadata-action", flavor="latest=auto"), {"flavor": ["latest=auto"]}, {}, TAKEN),
        (step("metadata-action", labels="a=b"), {"labels": ["a=b"]}, {}, TAKEN),
        (step("metadata-action", annotations="a=b"), {"annotations": ["a=b"]}, {}, TAKEN),
        (step("metadata-action", bake_target="x"), {}, {}, LEFT),
        (step("login-action", registry="ghcr.io", username="x", password="${{ secrets.GITHUB_TOKEN }}"), {}, {}, NOT_NEEDED),  # noqa: E501
        (
            step("login-action", registry="quay.io", username="lab", password="${{ secrets.Q }}"),
            {},
            {"registry-auth": "registry=quay.io,username=lab,password=${{ secrets.Q }}"},
            TAKEN,
        ),
        (
            step("login-action", username="${{ secrets.U }}", password="${{ secrets.P }}"),
            {},
            {"registry-auth": "registry=docker.io,username=${{ secrets.U }},password=${{ secrets.P }}"},
            TAKEN,
        ),
        (step("login-action", registry="r.io", username="lab", password="hunter2"), {}, {}, LEFT),
        (step("login-action", registry="${{ vars.R }}", username="lab", password="${{ secrets.P }}"), {}, {}, LEFT),  # noqa: E501
        (step("login-action", registry="r.io", password="${{ secrets.P }}"), {}, {}, LEFT),
        (step("login-action", registry="r.io", username="a,b", password="${{ secrets.P }}"), {}, {}, LEFT),
        (step("login-action", registry="r.io", username="a", password="${{ env.P }}"), {}, {}, LEFT),
        (step("login-action", registry="r.io", username="a\nb", password="${{ secrets.P }}"), {}, {}, LEFT),
        (step("build-push-action", context=".", push=True), {}, {}, NOT_NEEDED),
        (step("build-push-action", tags="quay.io/a/b:1,quay.io/a/b:latest"), {"images": ["quay.io/a/b"], "tags": ["1", "latest"]}, {}, TAKEN),  # noqa: E501
        (step("build-push-action", tags="ghcr.io/${{ github.repository }}:latest"), {"tags": ["latest"]}, {}, TAKEN),  # noqa: E501
        (step("build-push-action", tags="a/b:${{ github.sha }}"), {"images": ["a/b"], "tags": ["type=sha,format=long,prefix="]}, {}, TAKEN),  # noqa: E501
        (step("build-push-action", tags="a/b:${{ env.V }}"), {}, {}, LEFT),
        (step("build-push-action", tags="${{ steps.m.outputs.tags }}", labels="${{ steps.m.outputs.labels }}"), {}, {}, NOT_NEEDED),  # noqa: E501
        (step("build-push-action", tags="a/b"), {"images": ["a/b"], "tags": ["latest"]}, {}, TAKEN),
        (step("build-push-action", tags="r.io:5000/a/b"), {"images": ["r.io:5000/a/b"], "tags": ["latest"]}, {}, TAKEN),  # noqa: E501
        (step("build-push-action", labels="a=b"), {"labels": ["a=b"]}, {}, TAKEN),
        (step("build-push-action", annotations="a=${{ steps.m.outputs.x }}"), {}, {}, NOT_NEEDED),
        (step("build-push-action", annotations="a=b"), {"annotations": ["a=b"]}, {}, TAKEN),
        (step("build-push-action", platforms="linux/s390"), {}, {}, LEFT),
        (step("build-push-action", file="a", load=True, cache_from="a", cache_to="a", builder="a"), {}, {}, NOT_NEEDED),  # noqa: E501
        (step("build-push-action", build_args="A=1"), {}, {}, LEFT),
        (step("setup-buildx-action"), {}, {}, NOT_NEEDED),
        (step("setup-qemu-action"), {}, {}, NOT_NEEDED),
        ({"uses": "prefix-dev/setup-pixi@v1"}, {}, {}, NOT_NEEDED),
        (step("scout-action"), {}, {}, LEFT),
    ],
)  # fmt: skip
def test_a_step_is_taken_over(
    given: dict[str, object], settings: dict[str, Value], inputs: dict[str, str], outcome: str
) -> None:
    result = taken(given)
    assert (result.settings, result.inputs) == (settings, inputs)
    assert {verdict.outcome for verdict in result.verdicts} == {outcome}
    assert "hunter2" not in " ".join(map(str, result.verdicts))


def test_platforms_are_taken_over_where_there_is_an_input_for_them() -> None:
    result = taken(step("build-push-action", platforms="linux/amd64,linux/arm64"))
    expected = {"platforms": ["linux/amd64", "linux/arm64"]} if any(r.name == "platforms" for r in INPUTS) else {}
    assert result.settings == expected


def test_inputs_are_texts_as_an_action_gets_them() -> None:
    (read,) = workflows_of_images(
        {"w.yml": workflow(step("build-push-action", push=True, provenance=False, target=3, tags=1.5, file=None))}
    )
    assert isinstance(read, Workflow)
    assert read.steps[0].inputs == {
        "push": "true",
        "provenance": "false",
        "target": "3",
        "tags": "1.5",
        "file": "",
    }


def test_what_a_workflow_builds_and_when() -> None:
    text = workflow(
        step("build-push-action", file="./docker/Dockerfile"),
        step("build-push-action", context="a"),
        branches=["dev", 1],
    )
    read = read_workflow(text, "w.yml")
    assert (read.branches, read.dockerfiles) == (("dev",), ("docker/Dockerfile", "a/Dockerfile"))


@pytest.mark.parametrize(
    "text", ["", "[]", "a", "on: push", "jobs: []", "jobs: {a: {steps: [{uses: 3}, 4]}}", "jobs: {a: null}"]
)
def test_other_files_are_no_workflows_of_images(text: str) -> None:
    assert list(workflows_of_images({"w.yml": text})) == []


@pytest.mark.parametrize("text", ["a: [", "\t- x", "[" * 1000, "a: !!python/object:x.Y {}"])
def test_a_workflow_that_is_no_yaml_is_one_error(text: str) -> None:
    (error,) = workflows_of_images({"w.yml": text})
    assert isinstance(error, UserError)
    assert error.file == "w.yml"


def test_aliases_do_not_grow() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 9) + "]" for n in range(1, 30)]
    steps = "jobs: {a: {steps: [{uses: docker/build-push-action@v6, with: {tags: *a29, file: *a29}}]}}"
    (read,) = workflows_of_images({"w.yml": "\n".join([*lines, steps])})
    assert isinstance(read, Workflow)
    assert read.steps[0].inputs == {"tags": "", "file": ""}


@pytest.mark.parametrize("value", ["a", "a\nb", 'x: "y" # z', "${{ secrets.A }}", "é'"])
def test_the_workflow_has_the_inputs_as_they_are(value: str) -> None:
    document = yaml.safe_load(workflow_text({"tags": value}, ["main", "a/b"], ["gpu"]))
    job = document["jobs"]["image"]
    assert [step["uses"] for step in job["steps"]] == ["actions/checkout@v5", "org/pixi-container-action@v1"]
    assert job["steps"][1]["with"]["tags"].rstrip("\n") == value
    assert document[True]["push"]["branches"] == ["main", "a/b"]
    assert document["permissions"] == {}
    assert job["permissions"] == {"contents": "read", "packages": "write"}
