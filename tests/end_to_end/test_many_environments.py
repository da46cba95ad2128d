"""Several environments in one step: an image each, of which one that fails stops none of the others."""

from __future__ import annotations

import json

import pytest

from tests.end_to_end.conftest import Step

pytestmark = pytest.mark.engine

PYTHON = ("python", "-c", "import numpy, os; print(os.environ['PIXI_ENVIRONMENT_NAME'])")


def test_each_environment_has_an_image_and_an_unchanged_one_costs_a_look_up(step: Step) -> None:
    outcome = step.run(environment="", environments="*", tags="type=raw,value=it")
    assert outcome.code == 0, outcome.log
    assert outcome.outputs["decision"] == "build"
    assert outcome.outputs["reason"] == "of 2 environments, 2 built"
    images = {image["environment"]: image for image in json.loads(outcome.outputs["images"])}
    name = f"{step.rig.registry}/{step.image}"
    assert {environment: image["tags"] for environment, image in images.items()} == {
        "default": [f"{name}:it-default"],
        "gpu": [f"{name}:it-gpu"],
    }
    for environment, image in images.items():
        assert step.docker("run", "--rm", image["image"], *PYTHON) == environment
        step.docker("image", "rm", image["image"])
    again = step.run(environment="", environments="*", tags="type=raw,value=it")
    assert again.code == 0, again.log
    assert again.outputs["reason"] == "of 2 environments, 2 skipped"
    assert json.loads(again.outputs["images"])[0]["image"] == images["default"]["image"]
