"""The base: what its fingerprint says, and the Dockerfile's stages that make it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pixi_container.errors import UserError
from pixi_container.image.base_definition import BASE_VERSION
from pixi_container.image.definition import ImageDefinition
from pixi_container.image.stages import read_stages, text_of
from tests.unit.conftest import Folder
from tests.unit.image.test_fingerprint import defined

INSTRUCTIONS = "COPY certs /c\nRUN update-ca-certificates"
STAGE = """\
FROM RUNTIME AS runtime
# hadolint ignore=DL3002
USER 0
# hadolint ignore=DL3008
RUN apt-get -o APT::Update::Error-Mode=any update \\
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends -- \\
       curl \\
       'git=1:2.39*' \\
    && apt-get clean \\
    && rm -rf /var/lib/apt/lists/*
# From the input 'base-instructions':
SHELL ["/bin/bash", "-c"]
RUN id

# hadolint ignore=DL3002
USER 0
SHELL ["/bin/sh", "-c"]

# Which versions were installed, for the report.
"""


@pytest.fixture(autouse=True)
def certs(folder: Folder) -> None:
    folder.write("certs/lab.crt", "one")


def tag(folder: Folder, platform: str = "linux/amd64", base: str = "b", **texts: str) -> str:
    made = defined(folder, platform, base, **texts).base
    assert made
    return made.tag


def stage(made: ImageDefinition, name: str) -> str:
    text = text_of(stage for stage in read_stages(made.dockerfile) if stage.name == name)
    return text.replace(str(made.bases.runtime), "RUNTIME")


def test_without_additions_there_is_no_base(folder: Folder) -> None:
    made = defined(folder)
    assert made.base is None
    assert "runtime" not in made.stages
    assert f"FROM {made.bases.runtime} AS base" in made.dockerfile


def test_what_a_base_depends_on(folder: Folder) -> None:
    first = tag(folder, apt_packages="curl", base_instructions=INSTRUCTIONS)
    assert first.startswith("base-")
    others = [
        tag(folder, apt_packages="curl git", base_instructions=INSTRUCTIONS),
        tag(folder, apt_packages="curl=8*", base_instructions=INSTRUCTIONS),
        tag(folder, base_instructions=INSTRUCTIONS),
        tag(folder, apt_packages="curl"),
        tag(folder, apt_packages="curl", base_instructions=f"{INSTRUCTIONS}\nUSER 1"),
        tag(folder, apt_packages="curl", base_instructions=INSTRUCTIONS, runtime_image="debian:13"),
        tag(folder, base="c", apt_packages="curl", base_instructions=INSTRUCTIONS),
        tag(folder, "linux/arm64", apt_packages="curl", base_instructions=INSTRUCTIONS),
    ]
    folder.write("certs/lab.crt", "two")
    others.append(tag(folder, apt_packages="curl", base_instructions=INSTRUCTIONS))
    assert len({first, *others}) == 10


def test_what_a_base_does_not_depend_on(folder: Folder) -> None:
    first = tag(folder, apt_packages="curl", base_instructions=INSTRUCTIONS)
    folder.write("src/main.py", "print('else')")
    folder.replace("pixi.lock", "python-3.11.9-h1_0", "python-3.11.9-h9_0")
    folder.write("docker/base", f"{INSTRUCTIONS}\n\n")
    for texts in ({"environment": "gpu", "workdir": "/work"}, {"base_instructions": "docker/base"}):
        given = {"apt_packages": "# c\ncurl", "base_instructions": INSTRUCTIONS, **texts}
        assert tag(folder, **given) == first


def test_the_stage_is_what_the_version_stands_for(folder: Folder) -> None:
    """Whatever changes this text raises the version, so that no base of the old text is used."""
    made = defined(folder, apt_packages="curl, git=1:2.39*", base_instructions='SHELL ["/bin/bash", "-c"]\nRUN id')
    assert (BASE_VERSION, stage(made, "runtime")) == (1, STAGE)
    assert stage(made, "shells").startswith("FROM runtime AS shells")
    assert stage(made, "base").startswith("FROM runtime AS base")


def test_the_base_counts_in_the_fingerprint_before_it_exists(folder: Folder) -> None:
    for way in ("docker", "direct"):
        made = [
            defined(folder, environment_builder=way, **texts).environment_fingerprint.as_json()["runtime"]
            for texts in (
                {},
                {"apt_packages": "curl"},
                {"apt_packages": "git"},
                {"base_instructions": INSTRUCTIONS},
            )
        ]
        assert len(set(made)) == 4


@pytest.mark.parametrize("text", ["docker/gone", "pixi.toml", "COPY gone", "../x"])
def test_what_is_no_file_and_no_instruction_is_refused(folder: Folder, text: str) -> None:
    with pytest.raises(UserError, match="input 'base-instructions'"):
        defined(folder, base_instructions=text)


@pytest.mark.slow
def test_hadolint_finds_nothing_in_it(folder: Folder, tmp_path: Path) -> None:
    made = defined(folder, apt_packages="curl, git=1:2.39*", base_instructions="COPY certs /c\nUSER 1\nUSER 0")
    file = tmp_path / "Dockerfile"
    file.write_text(made.dockerfile)
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
