"""The jobs of a workflow: one for each image that has to be built, and none for the others."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pixi_container.errors import UserError
from pixi_container.matrix import MOST_JOBS, ImageDecision, Matrix
from pixi_container.plan.decision import Decision

BUILT = ImageDecision(
    name="gpu",
    context=".",
    manifest_path="",
    environment="gpu",
    flavor="suffix=-gpu",
    platform="linux/amd64",
    runner="ubuntu-24.04",
    decision=Decision(kind="build", reason="a|b\nchanged"),
)
PROMOTED = replace(
    BUILT,
    name="services/api:prod",
    context="services/api",
    manifest_path="pixi.toml",
    environment="prod tools",
    platform="linux/arm64",
    runner=("self-hosted", "arm64"),
    decision=Decision(kind="promote", reason="the same"),
)


def test_what_is_built_has_a_job() -> None:
    other = replace(PROMOTED, decision=BUILT.decision)
    assert Matrix((BUILT, PROMOTED, other)).as_json() == {
        "include": [
            {
                "context": ".",
                "manifest-path": "",
                "environment": "gpu",
                "flavor": "suffix=-gpu",
                "platform": "linux/amd64",
                "runner": "ubuntu-24.04",
                "name": "gpu, linux/amd64",
            },
            {
                "context": "services/api",
                "manifest-path": "pixi.toml",
                "environment": "prod tools",
                "flavor": "suffix=-gpu",
                "platform": "linux/arm64",
                "runner": ("self-hosted", "arm64"),
                "name": "services/api:prod, linux/arm64",
            },
        ]
    }


def test_what_is_there_has_none() -> None:
    outputs = Matrix((PROMOTED, replace(PROMOTED, decision=Decision(kind="skip", reason="")))).outputs()
    assert outputs == {"matrix": '{"include": []}', "jobs": "0"}


def test_outputs_are_json_and_a_count() -> None:
    outputs = Matrix((BUILT, PROMOTED)).outputs()
    assert json.loads(outputs["matrix"])["include"][0]["runner"] == "ubuntu-24.04"
    assert outputs["jobs"] == "1"


def test_a_matrix_has_as_many_jobs_as_github_takes() -> None:
    assert len(Matrix((BUILT,) * MOST_JOBS).as_json()["include"]) == 256
    assert Matrix((*(BUILT,) * MOST_JOBS, PROMOTED)).outputs()["jobs"] == "256"
    with pytest.raises(UserError, match="257 images have to be built") as caught:
        Matrix((BUILT,) * (MOST_JOBS + 1)).outputs()
    assert "Divide the environments" in caught.value.hint


def test_the_summary_is_a_table_of_all_images() -> None:
    summary = Matrix((BUILT, PROMOTED)).summary()
    assert summary.startswith("### 1 of 2 container images have to be built\n")
    rows = [line for line in summary.splitlines() if line.startswith("| <code>")]
    assert len(rows) == 2
    assert rows[0].count(" | ") == 3
    assert "services/api:prod" in rows[1]
    assert "promote: the same" in rows[1]


def test_the_text_has_a_line_for_each_image() -> None:
    assert Matrix((PROMOTED,)).text() == "services/api:prod, linux/arm64: promote: the same"
