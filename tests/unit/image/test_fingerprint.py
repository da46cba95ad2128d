"""The environment's fingerprint: what changes it, and what must not."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from pixi_container.image.base_images import choose_base_images
from pixi_container.image.base_instructions import read_base_instructions
from pixi_container.image.definition import ImageDefinition, define_image
from pixi_container.image.files import read_image_files
from pixi_container.image.fingerprint import (
    ENVIRONMENT_PARTS,
    IMAGE_PARTS,
    MORE_PARTS,
    _relevant,
    differing,
)
from pixi_container.image.fingerprint_labels import fingerprint_labels, parts_in
from pixi_container.image.own_dockerfile import read_own_dockerfile
from pixi_container.image.sources import Sources
from pixi_container.inputs import parse_inputs
from pixi_container.runner.event import Event
from pixi_container.tags import facts_from
from pixi_container.workspace.manifest import read_manifest
from pixi_container.workspace.workspace import read_workspace
from tests.unit.conftest import Folder

TEMPLATE = Path(__file__).parents[3] / "Dockerfile.template"

EVENT = Event(name="push", ref="refs/heads/main", sha="0" * 40, repository="lab/study")
DATE = datetime(2026, 1, 2, tzinfo=timezone.utc)


def defined(folder: Folder, platform: str = "linux/amd64", base: str = "b", **texts: str) -> ImageDefinition:
    """The image of a workspace, on bases whose digests are made of one digit."""
    texts = {"environment_builder": "docker", **texts}
    inputs = parse_inputs(
        {"context": str(folder.path), **{key.replace("_", "-"): text for key, text in texts.items()}}
    )
    workspace = read_workspace(inputs, platform)
    bases = choose_base_images(inputs, workspace, pin=lambda reference: reference.pinned(f"sha256:{base * 64}"))
    files = read_image_files(workspace, inputs, bases.pixi_version)
    own = read_own_dockerfile(inputs)
    template = (folder.path / inputs.template).read_text() if inputs.template else ""
    facts = facts_from(EVENT, commit_date=DATE, now=DATE, expressions={})
    instructions = read_base_instructions(workspace.context, inputs.base_instructions)
    sources = Sources(workspace=workspace, dockerfile=own, template=template, base_instructions=instructions)
    return define_image(EVENT, inputs, sources, bases, facts, files)


def fingerprint(folder: Folder, platform: str = "linux/amd64", **texts: str) -> str:
    return defined(folder, platform, **texts).environment_fingerprint.digest


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("src/main.py", "hello", "goodbye"),
        ("pixi.toml", 'version = "1.2.0"', 'version = "1.3.0"'),
        ("pixi.toml", "[dependencies]", '[tasks]\nrun = "python src/main.py"\n\n[dependencies]'),
        ("pixi.toml", "[dependencies]", "# a comment\n[dependencies]"),
        ("pixi.toml", "[environments]", '[feature.gpu.tasks]\nrun = "true"\n\n[environments]'),
        ("pixi.lock", "python-3.11.9-h3_0", "python-3.11.9-h9_0"),
        ("pixi.lock", "cuda-version-12.9-h4_0", "cuda-version-12.9-h9_0"),
    ],
)  # fmt: skip
def test_what_leaves_the_environment_alone(folder: Folder, file: str, old: str, new: str) -> None:
    before = fingerprint(folder)
    folder.replace(file, old, new)
    assert fingerprint(folder) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (
            "pixi.lock",
            "sha256: 0000000000000000000000000000000000000000000000000000000000000001",
            "sha256: " + "a" * 64,
        ),
        ("pixi.lock", "python-3.11.9-h1_0", "python-3.11.9-h9_0"),
        ("pixi.toml", 'python = "3.11.*"', 'python = ">=3.11"'),
        ("pixi.toml", 'STUDY_MODE = "fast"', 'STUDY_MODE = "slow"'),
        ("pixi.toml", 'name = "study"', 'name = "other"'),
        ("pixi.toml", 'channels = ["conda-forge"]', 'channels = ["bioconda", "conda-forge"]'),
    ],
)
def test_what_changes_the_environment(folder: Folder, file: str, old: str, new: str) -> None:
    before = fingerprint(folder)
    folder.replace(file, old, new)
    assert fingerprint(folder) != before


def test_each_choice_of_the_user_counts_that_the_environment_depends_on(folder: Folder) -> None:
    base = fingerprint(folder)
    others = [
        fingerprint(folder, environment="gpu"),
        fingerprint(folder, "linux/arm64"),
        fingerprint(folder, workdir="/opt/work"),
        fingerprint(folder, pixi_version="0.76.0"),
        fingerprint(folder, runtime_image="debian:bookworm-slim"),
        fingerprint(folder, apt_packages="git"),
        fingerprint(folder, base_instructions="RUN id"),
    ]
    assert len({base, *others}) == 8
    assert fingerprint(folder, expose="8000", command="python", include="none") == base


def test_the_text_of_an_activation_script_counts(folder: Folder) -> None:
    folder.replace("pixi.toml", "[activation.env]", '[activation]\nscripts = ["env.sh"]\n\n[activation.env]')
    folder.write("env.sh", "export A=1\n")
    before = fingerprint(folder)
    folder.write("env.sh", "export A=2\n")
    assert fingerprint(folder) != before


def parts(made: ImageDefinition) -> dict[str, str]:
    return {**made.environment_fingerprint.as_json(), **made.fingerprint.as_json()}


def test_every_part_is_named(folder: Folder) -> None:
    made = defined(folder)
    assert made.environment_fingerprint.as_json().keys() == ENVIRONMENT_PARTS.keys()
    assert made.fingerprint.as_json().keys() == IMAGE_PARTS.keys()


@pytest.mark.parametrize(
    ("file", "old", "new", "names"),
    [
        ("pixi.lock", "python-3.11.9-h1_0", "python-3.11.9-h9_0", ("packages", "manifest and lock")),
        ("pixi.toml", 'python = "3.11.*"', 'python = ">=3.11"', ("manifest", "manifest and lock")),
        (
            "pixi.toml",
            'STUDY_MODE = "fast"',
            'STUDY_MODE = "slow"',
            ("manifest", "activation", "manifest and lock", "settings"),
        ),
        ("pixi.toml", "# tasks", "[tasks]", ("manifest and lock",)),
        ("src/main.py", "hello", "goodbye", ("included files",)),
    ],
)
def test_an_explanation_names_what_differs(
    folder: Folder, file: str, old: str, new: str, names: tuple[str, ...]
) -> None:
    folder.replace("pixi.toml", "[environments]", "# tasks\n[environments]")
    before = parts(defined(folder))
    folder.replace(file, old, new)
    assert set(differing(parts(defined(folder)), before)) - {"settings"} == set(names) - {"settings"}


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        ({"expose": "8000"}, "settings"),
        ({"command": "python"}, "settings"),
        ({"labels": "a=b"}, "labels"),
        ({"annotations": "a=b"}, "labels"),
        ({"test_command": "true"}, "test"),
        ({"include": "none"}, "included files"),
        ({"base": "c"}, "builder"),
        ({"pixi_version": "0.76.0"}, "pixi"),
        ({"workdir": "/work"}, "prefix"),
        ({"compression": "zstd"}, "compression"),
        ({"cuda_version": "12.9"}, "cuda"),
        ({"apt_packages": "git"}, "runtime"),
        ({"base_instructions": "RUN id"}, "runtime"),
    ],
)
def test_a_choice_of_the_user_is_explained(folder: Folder, texts: dict[str, str], name: str) -> None:
    before, after = defined(folder), defined(folder, **texts)
    assert name in differing(parts(after), parts(before))
    assert after.fingerprint.digest != before.fingerprint.digest


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        ({"target": "app"}, "build options"),
        ({"build_args": "A=c"}, "build options"),
        ({"build_contexts": "a=docker-image://b"}, "build options"),
        ({"build_contexts": "a=src"}, "build options"),
        ({"secrets": "other=1"}, "build options"),
        ({"secret_files": "file=/x"}, "build options"),
        ({"ssh": "default"}, "build options"),
        ({"test_target": "app"}, "test"),
    ],
)
def test_an_option_of_a_build_of_ones_own_is_explained(folder: Folder, texts: dict[str, str], name: str) -> None:
    folder.write("Dockerfile", "FROM debian AS app\n")
    usual = {"dockerfile": "Dockerfile", "build_args": "A=b", "secrets": "token=1"}
    before, after = defined(folder, **usual), defined(folder, **{**usual, **texts})
    assert differing(parts(after), parts(before)) == (name,)
    # A new token makes no other image, and a label from which it could be guessed is public.
    assert defined(folder, **{**usual, "secrets": "token=2"}).fingerprint == before.fingerprint


def test_a_dockerfile_that_builds_on_the_environment_changes_nothing_of_it(folder: Folder) -> None:
    folder.write("Dockerfile", "FROM environment\nCOPY src src\n")
    for builder in ("auto", "docker"):
        rendered = defined(folder, environment_builder=builder)
        own = defined(folder, environment_builder=builder, dockerfile="Dockerfile")
        assert own.environment_fingerprint == rendered.environment_fingerprint
        assert own.environment_dockerfile == rendered.dockerfile
        assert own.fingerprint != rendered.fingerprint
        folder.write("notes", builder)
        changed = defined(folder, environment_builder=builder, dockerfile="Dockerfile")
        assert changed.environment_fingerprint == own.environment_fingerprint
        assert changed.fingerprint != own.fingerprint


def test_what_a_dockerfile_ignores_still_counts_in_the_base_below_it(folder: Folder) -> None:
    folder.write("Dockerfile", "FROM environment\n")
    folder.write("Dockerfile.dockerignore", "certificates\n")
    texts = {"dockerfile": "Dockerfile", "base_instructions": "COPY certificates /certificates\n"}
    folder.write("certificates", "1")
    before = defined(folder, **texts)
    folder.write("certificates", "2")
    after = defined(folder, **texts)
    assert before.base
    assert after.base
    assert before.base.fingerprint != after.base.fingerprint
    assert before.environment_fingerprint != after.environment_fingerprint
    assert before.fingerprint != after.fingerprint


@pytest.mark.slow
def test_the_stages_of_a_template_depend_on_the_arguments(folder: Folder) -> None:
    folder.write("own.template", TEMPLATE.read_text("utf-8"))
    with_argument = fingerprint(folder, template="own.template", build_args="A=b")
    assert with_argument != fingerprint(folder, template="own.template", build_args="A=c")


def test_dockerignore_counts_and_hides(folder: Folder) -> None:
    before = defined(folder)
    folder.write(".dockerignore", "**/*.tmp\n")
    ignoring = defined(folder)
    assert differing(parts(ignoring), parts(before)) == (".dockerignore",)
    folder.write("src/scratch.tmp", "1")
    assert defined(folder).fingerprint == ignoring.fingerprint
    folder.write("README.md", "read me")
    assert defined(folder).fingerprint == ignoring.fingerprint


@pytest.mark.slow
def test_a_template_of_ones_own_that_copies_more_depends_on_what_it_may_copy(folder: Folder) -> None:
    ours = TEMPLATE.read_text("utf-8")
    folder.write("plain.template", ours + "LABEL a=b\n")
    marker = "FROM base AS environment\n"
    assert marker in ours
    folder.write("more.template", ours.replace(marker, marker + "COPY data /data\n"))
    changes = {}
    for name in ("plain.template", "more.template"):
        before = fingerprint(folder, template=name)
        folder.write("data/table", name)
        changes[name] = fingerprint(folder, template=name) != before
    assert changes == {"plain.template": False, "more.template": True}


def test_credentials_of_a_channel_change_nothing(folder: Folder) -> None:
    with_them = defined(folder, conda_auth='{"*.prefix.dev": {"BearerToken": "hunter2"}}')
    assert with_them.fingerprint == defined(folder).fingerprint
    assert "conda-auth" in with_them.dockerfile


def test_credentials_of_git_hosts_change_nothing(folder: Folder) -> None:
    before = defined(folder)
    lock_git_package(folder)
    without = defined(folder)
    with_them = defined(folder, git_auth="https://me:hunter2@git.example")
    assert with_them.fingerprint == without.fingerprint
    assert "id=git-auth" in with_them.dockerfile
    assert "id=git-auth" not in without.dockerfile
    assert without.fingerprint != before.fingerprint


@pytest.mark.parametrize("builder", ["docker", "auto"])
def test_a_package_that_pixi_adds_later_changes_the_image_and_not_the_environment(
    folder: Folder, builder: str
) -> None:
    lock_git_package(folder)
    before = defined(folder, environment_builder=builder)
    folder.replace("pixi.lock", "#0a0a", "#0b0b")
    after = defined(folder, environment_builder=builder)
    assert before.way.kind == ("docker" if builder == "docker" else "direct")
    assert after.environment_fingerprint == before.environment_fingerprint
    assert after.fingerprint != before.fingerprint


def lock_git_package(folder: Folder) -> None:
    """Add a package from Git to the default environment."""
    place = f"git+https://git.example/tool.git?rev=main#{'0a' * 20}"
    python = "- conda: https://conda.anaconda.org/conda-forge/linux-64/python-3.11.9-h1_0.conda\n"
    folder.replace("pixi.lock", f"      {python}", f"      {python}      - pypi: {place}\n")
    text = (folder.path / "pixi.lock").read_text()
    folder.write("pixi.lock", f"{text}- pypi: {place}\n  name: tool\n  version: '1.0'\n")


@pytest.mark.parametrize(
    "table",
    [
        '[target.linux-64.tasks]\nrun = "true"\n',
        '[feature.gpu.tasks]\nrun = "true"\n',
        '[tasks]\nrun = "true"\n',
        "[tool.other]\na = 1\n",
    ],
)
def test_tables_that_no_environment_depends_on(folder: Folder, table: str) -> None:
    before = relevant(folder)
    folder.replace("pixi.toml", "[environments]", f"{table}\n[environments]")
    after = {name: value for name, value in relevant(folder).items() if name not in {"target", "feature"} or value}
    assert {**after, "target": 0, "feature": 0} == {**before, "target": 0, "feature": 0}
    assert "true" not in json.dumps(after)


@pytest.mark.parametrize(
    "table",
    [
        '[target.linux-64.dependencies]\npython = "*"\n',
        '[feature.gpu.target.linux-64.dependencies]\npython = "*"\n',
        "[pypi-options]\nno-build = true\n",
        '[system-requirements]\nlibc = "2.17"\n',
    ],
)
def test_tables_that_an_environment_depends_on(folder: Folder, table: str) -> None:
    before = relevant(folder)
    folder.replace("pixi.toml", "[environments]", f"{table}\n[environments]")
    assert relevant(folder) != before


def relevant(folder: Folder) -> dict[str, Any]:
    return _relevant(read_manifest(folder.path))


PYPROJECT = """\
[project]
name = "study"
version = "1"
description = "a study"
authors = [{ name = "me" }]
readme = "README.md"
license = "MIT"
license-files = ["LICENSE"]
classifiers = []
keywords = []
maintainers = []
urls = { a = "https://a.example" }
scripts = { a = "a:b" }
gui-scripts = { c = "c:d" }
entry-points = { e = { f = "g:h" } }
requires-python = ">=3.10"
dependencies = ["tqdm"]
optional-dependencies = { web = ["flask"] }

[dependency-groups]
test = ["pytest"]

[tool.uv]
managed = true

[tool.other]
a = 1

[tool.pixi.workspace]
channels = ["conda-forge"]
platforms = ["linux-64"]
description = "a study"
authors = ["me"]
documentation = "https://a.example"
homepage = "https://a.example"
repository = "https://a.example"
license-file = "LICENSE"

[tool.pixi.tasks]
run = "true"
"""


def test_of_a_python_project_what_an_environment_depends_on(folder: Folder) -> None:
    (folder.path / "pixi.toml").unlink()
    folder.write("pyproject.toml", PYPROJECT)
    assert relevant(folder) == {
        "project": {
            "requires-python": ">=3.10",
            "dependencies": ["tqdm"],
            "optional-dependencies": {"web": ["flask"]},
        },
        "groups": {"test": ["pytest"]},
        "uv": {"managed": True},
        "pixi": {"workspace": {"channels": ["conda-forge"], "platforms": ["linux-64"]}},
    }


def test_labels_name_the_fingerprints_and_their_parts(folder: Folder) -> None:
    made = defined(folder)
    environment, image = made.environment_fingerprint, made.fingerprint
    labels = fingerprint_labels(environment, image)
    assert labels == {
        "pixi-container.fingerprint": image.digest,
        "pixi-container.environment-fingerprint": environment.digest,
        "pixi-container.fingerprint-parts": labels["pixi-container.fingerprint-parts"],
    }
    assert parts_in(labels) == {name: digest[:16] for name, digest in parts(made).items()}
    of_environment = fingerprint_labels(environment)
    assert "pixi-container.fingerprint" not in of_environment
    assert parts_in(of_environment).keys() == ENVIRONMENT_PARTS.keys()
    assert environment.short == environment.digest[:16]
    assert len(environment.digest) == 64


@pytest.mark.parametrize("text", ["{", "[]", "7", ""])
def test_labels_of_others_have_no_parts(text: str) -> None:
    assert parts_in({"pixi-container.fingerprint-parts": text}) == {}
    assert parts_in({}) == {}
    assert parts_in({"pixi-container.fingerprint-parts": '{"a": 1}'}) == {"a": "1"}


@pytest.mark.parametrize(
    ("ours", "names"),
    [
        ({"a": "1"}, ("a", "b")),
        ({"a": "2", "b": "1"}, ()),
        ({"environment": "1"}, ("environment", "a", "b")),
        ({"environment": "1", "cuda": "1"}, ("cuda", "a", "b")),
        ({"template": "1", "cuda": "1"}, ("cuda", "a", "b")),
        ({"template": "1"}, ("template", "a", "b")),
        ({"settings": "1", "environment": "1", "a": "2", "b": "1"}, ("environment",)),
    ],
)
def test_what_follows_from_another_part_is_not_named(ours: dict[str, str], names: tuple[str, ...]) -> None:
    assert set(differing(ours, {"a": "2", "b": "1"})) == set(names)


@pytest.mark.parametrize("way", ["auto", "docker"])
def test_several_environments_have_a_part_of_their_own(folder: Folder, way: str) -> None:
    def made(environment: str) -> ImageDefinition:
        return defined(folder, environment=environment, environment_builder=way)

    one, both, reversed_ = made("default"), made("default gpu"), made("gpu default")
    assert one.environment_fingerprint.as_json().keys() == ENVIRONMENT_PARTS.keys()
    assert both.environment_fingerprint.as_json().keys() == {**ENVIRONMENT_PARTS, **MORE_PARTS}.keys()
    digests = {each.environment_fingerprint.digest for each in (one, both, reversed_, made("gpu"))}
    assert len(digests) == 4
    assert "more environments" in differing(parts(one), parts(both))
    assert both.environment_tag == f"env-default-{both.environment_fingerprint.short}"
    folder.replace("pixi.lock", "cuda-version-12.9-h4_0", "cuda-version-12.9-h9_0")
    assert differing(parts(both), parts(made("default gpu")))[0] == "more environments"
    assert made("default").environment_fingerprint == one.environment_fingerprint


def test_the_activation_scripts_of_each_environment_count(folder: Folder) -> None:
    folder.replace(
        "pixi.toml", "[environments]", '[feature.gpu.activation]\nscripts = ["env.sh"]\n\n[environments]'
    )
    folder.write("env.sh", "export A=1\n")
    before = fingerprint(folder, environment="default gpu"), fingerprint(folder)
    folder.write("env.sh", "export A=2\n")
    assert fingerprint(folder, environment="default gpu") != before[0]
    assert fingerprint(folder) == before[1]
