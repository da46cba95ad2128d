"""Settings in the manifest make the image that inputs of the workflow would make; an input takes precedence."""

from __future__ import annotations

import json

from tests.end_to_end.conftest import Step

SETTINGS = """
[tool.pixi-container]
tags = ["from-settings"]
labels = { "org.example/lab" = "ours" }

[tool.pixi-container.environments.gpu]
expose = [8000, "53/udp"]
command = ["python", "src/means.py"]
"""


def test_an_image_is_as_the_manifest_says(step: Step) -> None:
    manifest = step.repository.study / "pixi.toml"
    manifest.write_text(manifest.read_text() + SETTINGS)
    step.repository.commit()
    outcome = step.run(environment="gpu", expose="9000")
    assert outcome.code == 0, outcome.log
    assert "Settings of the manifest: tags, labels, command" in outcome.log
    assert step.tags().keys() == {"from-settings"}
    step.docker("pull", "--quiet", outcome.outputs["image"])
    config = json.loads(step.docker("image", "inspect", outcome.outputs["image"]))[0]["Config"]
    assert config["ExposedPorts"].keys() == {"9000/tcp"}, "an input takes precedence"
    assert config["Cmd"] == ["python", "src/means.py"]
    assert config["Labels"]["org.example/lab"] == "ours"


def test_an_error_of_a_setting_is_an_annotation_at_its_line(step: Step) -> None:
    manifest = step.repository.study / "pixi.toml"
    line = manifest.read_text().count("\n") + 3
    manifest.write_text(f'{manifest.read_text()}\n[tool.pixi-container]\nworkdir = "not absolute"\n')
    step.repository.commit()
    outcome = step.run(environment="gpu")
    assert outcome.code == 3
    (error,) = [text for text in outcome.log.splitlines() if text.startswith("::error")]
    assert f",line={line}::" in error
    assert "input 'workdir' has an invalid value" in error
