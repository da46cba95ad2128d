"""Layers of environments: what is in them, and that those of any build are the same."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.end_to_end.conftest import ROOT, Outcome, Step, registry_tags
from tests.rig import buildkit, solve

MANIFEST = """\
[workspace]
name = "layers"
channels = ["conda-forge"]
platforms = ["linux-64"]

[dependencies]
python = "3.11.*"
numpy = "*"
proj = "*"
colorama = "*"
tqdm = "==4.66.6"
"""
WHEELS = ("mdurl-0.1.2-py3-none-any.whl", "pygments-2.18.0-py3-none-any.whl")


@pytest.fixture
def layered(step: Step) -> Step:
    """A step that ships a workspace of some packages, one of which has an older version."""
    for path in (step.repository.study / name for name in ("pixi.toml", "pixi.lock")):
        path.unlink()
    write(step, MANIFEST)
    inputs = {"environment": "default", "environment_builder": "docker"}
    return Step(step.rig, step.repository, step.folder, step.image, inputs)


@pytest.fixture
def direct(layered: Step) -> Step:
    """The same step with an environment straight from the lock."""
    return replace(layered, inputs={"environment": "default"})


def write(step: Step, manifest: str) -> None:
    if step.rig.channel_is_stand_in:
        # The stand-in serves wheels as well, under conda-forge's address as it does its packages.
        address = "https://conda.anaconda.org/conda-forge/wheels/"
        lines = [f'{name.partition("-")[0]} = {{ url = "{address}{name}" }}' for name in WHEELS]
        manifest = "\n".join([manifest, "[pypi-dependencies]", *lines, ""])
    (step.repository.study / "pixi.toml").write_text(manifest)
    solve.lock(step.repository.study / "pixi.toml", channel=step.rig.channel)
    step.repository.commit()


def built(step: Step, **inputs: str) -> Outcome:
    outcome = step.run("push", "refs/heads/main", None, **inputs)
    assert outcome.code == 0, outcome.log
    assert outcome.outputs["decision"] == "build"
    return outcome


def of_registry(step: Step, path: str) -> dict[str, Any]:
    """What the registry has below the step's repository: a manifest, or a configuration."""
    kind = {"accept": "application/vnd.oci.image.manifest.v1+json"}
    answer = httpx.get(f"http://{step.rig.registry}/v2/{step.image}/{path}", headers=kind)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


def layers(step: Step, digest: str) -> list[str]:
    """The digests of an image's layers, base first."""
    return [layer["digest"] for layer in of_registry(step, f"manifests/{digest}")["layers"]]


def environment(step: Step, outcome: Outcome) -> list[str]:
    """The layers of the environment's image, as this run made it."""
    tag = outcome.outputs["environment-image"].rpartition(":")[2]
    digest = registry_tags(step.rig.registry, step.image, ours=True)[tag]
    return layers(step, digest)


def test_a_package_that_goes_leaves_nothing(direct: Step) -> None:
    built(direct)
    write(direct, MANIFEST.replace('tqdm = "==4.66.6"\n', ""))
    image = built(direct).outputs["image"]
    script = "find /app/.pixi -iname '*tqdm*'"
    assert direct.docker("run", "--rm", image, "bash", "-c", script) == ""
    direct.docker("image", "rm", image)


@pytest.mark.slow
def test_two_builders_make_the_same_layers(layered: Step, buildkit_builder: str) -> None:
    """The engine and a daemon of another version, one of them with the packages in its cache, at other times."""
    first = environment(layered, built(layered))
    fresh = Step(layered.rig, layered.repository, layered.folder, f"{layered.image}-other", layered.inputs)
    second = environment(fresh, built(fresh, builder=buildkit_builder))
    buildkit.prune(buildkit_builder, environment=layered.rig.environment())
    again = Step(layered.rig, layered.repository, layered.folder, f"{layered.image}-again", layered.inputs)
    third = environment(again, built(again, builder=buildkit_builder))
    # The engine is of another version than the daemon, which may compress in another way.
    assert diff_ids(layered) == diff_ids(fresh) == diff_ids(again)
    assert second == third
    assert len(first) == len(second)


def diff_ids(step: Step) -> list[str]:
    """The digests of the layers of the environment's image before compression."""
    config = of_registry(step, "manifests/env-default")["config"]["digest"]
    found: list[str] = of_registry(step, f"blobs/{config}")["rootfs"]["diff_ids"]
    return found


def test_what_pixi_leaves_out_is_said_each_time(layered: Step) -> None:
    template = (ROOT / "Dockerfile.template").read_text()
    marker = "    && WORKDIR={{ workspace }} ENVIRONMENT="
    assert template.count(marker) == 1
    odd = template.replace(marker, f"    && touch {{{{ prefix }}}}/bin/.fonts-post-link.sh \\\n{marker}")
    (layered.repository.study / "odd.template").write_text(odd)
    layered.repository.commit()
    outcome = built(layered, template="odd.template", test_command="python -c 'import numpy, tqdm'")
    assert "::warning::not run: the post-link scripts of fonts" in outcome.log
    assert "not run: the post-link scripts of fonts" in outcome.summary
    again = built(layered, template="odd.template", reuse_environment="false", promote="false")
    assert "pixi install" not in again.log.partition("CACHED")[0]
    assert "not run: the post-link scripts of fonts" in again.summary


def test_compiled_modules_stay_valid(direct: Step) -> None:
    image = built(direct).outputs["image"]
    script = "python -v -c 'import json, asyncio, email, numpy' 2>&1"
    said = direct.docker("run", "--rm", "--read-only", "--user", "54321", image, "bash", "-c", script)
    assert "bytecode is stale" not in said
    assert "json/__pycache__/__init__.cpython-311.pyc matches" in said
    direct.docker("image", "rm", image)


def test_zstd_is_a_choice(direct: Step) -> None:
    # In a folder of its own no layer is one that the builder has as gzip already, which it would take.
    outcome = built(direct, compression="zstd", workdir="/zstd")
    tag = outcome.outputs["environment-image"].rpartition(":")[2]
    manifest = of_registry(direct, f"manifests/{tag}")
    assert {layer["mediaType"].rpartition("+")[2] for layer in manifest["layers"][-2:]} == {"zstd"}
    assert json.loads(outcome.outputs["metadata"])["environment_image"].endswith(tag)
