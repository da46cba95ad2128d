"""Several environments in one image: each is whole, the first is active, and the others are chosen."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from tests.end_to_end.conftest import Step
from tests.end_to_end.test_direct_environment import Remote
from tests.end_to_end.test_own_source import write_workspace
from tests.rig import solve

pytestmark = pytest.mark.engine

CODE = "import numpy, os, sys; print(sys.prefix, os.environ['PIXI_ENVIRONMENT_NAME'])"
PYTHON = ("python", "-c", CODE)
GPU, DEFAULT = ("/app/.pixi/envs/gpu gpu", "/app/.pixi/envs/default default")


@pytest.mark.parametrize("way", ["direct", "docker", "none"])
def test_each_environment_starts_and_the_first_is_active(step: Step, way: str) -> None:
    choice = {"builder": "none"} if way == "none" else {"environment_builder": way}
    outcome = replace(step, inputs=choice).run(environment="gpu default", tags="type=raw,value=both")
    assert outcome.code == 0, outcome.log
    assert "<code>default</code>" in outcome.summary
    more = json.loads(outcome.outputs["metadata"])["more_environments"]
    assert [(each["environment"], each["conda_packages"] > 10) for each in more] == [("default", True)]
    image, one = outcome.outputs["image"], ("run", "--rm")
    asked = ("--env", "PIXI_CONTAINER_ENVIRONMENT=default")
    assert step.docker(*one, image, *PYTHON) == GPU
    assert step.docker(*one, *asked, image, *PYTHON) == DEFAULT
    nobody, inner = ("--user", "54321:54321", "--read-only", "--cap-drop", "ALL"), f'python -c "{CODE}"'
    assert step.docker(*one, *nobody, *asked, "--entrypoint", "bash", image, "-c", inner) == DEFAULT
    assert step.docker(*one, *asked, image, "bash", "-lc", inner) == DEFAULT
    for name, expected in (("gpu", GPU), ("default", DEFAULT)):
        for command in (PYTHON, ("bash", "-c", inner)):
            run = ("pixi", "run", "-e", name, *command)
            assert step.docker(*one, *nobody, "--tmpfs", "/tmp", image, *run) == expected  # noqa: S108
        listed = json.loads(step.docker(*one, "--network", "none", image, "pixi", "list", "-e", name, "--json"))
        assert any(package["name"] == "cuda-cudart" for package in listed) == (name == "gpu")
        assert any(package["name"] == "numpy" for package in listed)
    config = json.loads(step.docker("image", "inspect", "--format", "{{json .Config}}", image))
    assert "CONDA_PREFIX=/app/.pixi/envs/gpu" in config["Env"]
    assert "NVIDIA_VISIBLE_DEVICES=all" in config["Env"]
    step.docker("image", "rm", image)


def test_both_ways_make_the_same_files(step: Step) -> None:
    trees = []
    for way in ("direct", "docker"):
        outcome = step.run(environment="default gpu", environment_builder=way, tags=f"type=raw,value={way}")
        assert outcome.code == 0, outcome.log
        tag = outcome.outputs["environment-image"].rpartition(":")[2]
        trees.append(Remote(step.rig.registry, step.image).tree(tag, "app"))
    direct, docker = trees
    assert direct.keys() ^ docker.keys() == set()
    differing = {path for path in direct if direct[path] != docker[path]}
    if step.rig.pixi_is_stand_in:
        # Its hashes are its own; unit tests have those of the real one.
        hashes = {".pixi-environment-fingerprint", "pixi"}
        differing = {path for path in differing if path.partition("/conda-meta/")[2] not in hashes}
    assert differing == set()


def test_a_bump_in_one_of_them_makes_one_layer(step: Step) -> None:
    remote, manifest = Remote(step.rig.registry, step.image), step.repository.study / "pixi.toml"
    text, layers = manifest.read_text(), []
    feature = "[feature.gpu.dependencies]\n"
    for version in ("4.66.*", "4.67.*"):
        manifest.write_text(text.replace(feature, f'{feature}tqdm = "{version}"\n'))
        solve.lock(manifest, channel=step.rig.channel)
        outcome = step.run(environment="default, gpu", tags="type=raw,value=it")
        assert outcome.code == 0, outcome.log
        layers.append([layer["digest"] for layer in remote.manifest("env-default")["layers"]])
    assert len(set(layers[1]) - set(layers[0])) == 2, "of the package, and of what belongs to none"
    again = step.run(environment="default gpu", tags="type=raw,value=again")
    assert again.outputs["decision"] == "promote", again.log


def test_a_package_from_source_is_refused_in_a_further_one(step: Step) -> None:
    study = step.repository.study
    (study / "own").mkdir()
    (study / "own/pyproject.toml").write_text('[project]\nname = "own"\nversion = "1"\n')
    lock = (study / "pixi.lock").read_text()
    at = lock.index("      linux-64:\n", lock.index("  default:\n")) + len("      linux-64:\n")
    (study / "pixi.lock").write_text(f"{lock[:at]}      - pypi: ./own\n{lock[at:]}- pypi: ./own\n  name: own\n")
    outcome = step.run(environment="gpu default")
    assert outcome.code != 0
    assert "environment 'default' has packages that are built from source: own" in outcome.log


MORE = """
[tool.pixi.feature.extra.dependencies]
python = "3.11.*"
tqdm = "*"

[tool.pixi.feature.extra.activation.env]
EXTRA = "set by Bash"

[tool.pixi.environments]
extra = { features = ["extra"], no-default-feature = true }
"""


@pytest.mark.parametrize("way", ["direct", "docker"])
def test_the_first_may_have_packages_from_source(step: Step, way: str) -> None:
    study = step.repository.study
    shutil.rmtree(study)
    # The workspace is below the context.
    write_workspace(study / "sub", step.rig)
    manifest = study / "sub/pyproject.toml"
    manifest.write_text(manifest.read_text() + MORE)
    solve.lock(manifest, channel=step.rig.channel)
    inputs = {"manifest_path": "sub/pyproject.toml", "environment": "default extra", "environment_builder": way}
    outcome = replace(step, inputs=inputs).run(tags="type=raw,value=it")
    assert outcome.code == 0, outcome.log
    image = outcome.outputs["image"]
    assert step.docker("run", "--rm", image, "study") == "result 42"
    code = "import os, sys, tqdm; print(sys.prefix, os.environ['EXTRA'])"
    asked = ("--env", "PIXI_CONTAINER_ENVIRONMENT=extra")
    extra = "/app/sub/.pixi/envs/extra set by Bash"
    assert step.docker("run", "--rm", *asked, image, "python", "-c", code) == extra
    assert step.docker("run", "--rm", image, "pixi", "run", "-e", "extra", "python", "-c", code) == extra
    assert step.docker("run", "--rm", image, "pixi", "run", "study") == "result 42"
    step.docker("image", "rm", image)
