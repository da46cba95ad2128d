"""A workspace in a folder below the build context, with the code and its libraries beside that folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.end_to_end.conftest import ROOT, Step, registry_tags
from tests.end_to_end.images import STRANGER
from tests.end_to_end.test_direct_environment import Remote
from tests.rig import solve
from tests.rig.rig import Rig

MANIFEST = """\
[workspace]
name = "study"
version = "0.3.0"
channels = ["conda-forge"]
platforms = ["linux-64"]

[dependencies]
python = "3.11.*"

[activation]
scripts = ["../up.sh"]

[tasks]
means = "python ../src/means.py"
"""

OWN = """
[pypi-dependencies]
whole = { path = "..", editable = true }
tools = { path = "../libs/tools" }
plain = { path = "../libs/plain", editable = true }
"""

PYPROJECT = """\
[project]
name = "{name}"
version = "1.0"

[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[tool.setuptools]
py-modules = ["{name}"]
"""

HOME = "/app/container"
PREFIX = f"{HOME}/.pixi/envs/default"
LOOK = f"find {PREFIX} -printf '%p %T@\\n' | sort"
ASK = "import os, sys; print(os.getcwd(), sys.prefix, os.environ['UP'])"


def write_repository(folder: Path, rig: Rig, manifest: str = MANIFEST, *, at: str = "container") -> None:
    files = {
        f"{at}/pixi.toml": manifest,
        "src/means.py": "print('the mean is 3')\n",
        "up.sh": "export UP=yes\n",
        "pyproject.toml": PYPROJECT.format(name="whole"),
        "whole.py": "import plain, tools\nprint('whole', tools.DOUBLE * plain.TWO)\n",
        "libs/tools/pyproject.toml": PYPROJECT.format(name="tools"),
        "libs/tools/tools.py": "DOUBLE = 21\n",
        "libs/plain/pyproject.toml": PYPROJECT.format(name="plain"),
        "libs/plain/plain.py": "TWO = 2\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    solve.lock(folder / at / "pixi.toml", channel=rig.channel)


@pytest.fixture
def below(step: Step) -> Step:
    """A step that ships the workspace in ``container`` with the code of the repository's root."""
    shutil.rmtree(step.repository.study)
    write_repository(step.repository.path, step.rig)
    step.repository.commit()
    inputs = {"context": ".", "manifest_path": "container/pixi.toml", "environment": "default"}
    return replace(step, inputs=inputs)


def check_image(step: Step, image: str) -> None:
    """Look at the image as its users do: code, activation, Pixi, strangers."""

    def run(*words: str, options: tuple[str, ...] = ()) -> str:
        return step.docker("run", "--rm", *options, image, *words)

    assert run("python", "-c", ASK) == f"/app {PREFIX} yes"
    assert run("python", "src/means.py") == "the mean is 3"
    assert run("-c", ". <(sed '$d' /app/entrypoint.sh); echo $UP", options=("--entrypoint", "bash")) == "yes"
    bypassed = (*STRANGER, "--entrypoint", "python")
    assert run("-c", "import sys; print(sys.prefix)", options=bypassed) == PREFIX
    for command in ("pixi run means", f"cd {HOME} && pixi run means"):
        after = run("bash", "-c", f"{command} && {LOOK}", options=("--env", "PYTHONDONTWRITEBYTECODE=1"))
        assert after == f"the mean is 3\n{run('bash', '-c', LOOK)}"
    assert "python" in run("pixi", "list", options=STRANGER)
    assert run("find", "/app", "!", "-readable", options=STRANGER) == ""


def test_the_code_of_the_root_runs_in_the_environment_of_a_folder(below: Step) -> None:
    outcome = below.run(test_command="python src/means.py", include="src\ncontainer")
    assert outcome.code == 0, outcome.log
    image = outcome.outputs["image"]
    below.docker("pull", "--quiet", image)
    check_image(below, image)
    # Pixi takes the environment for the one of this manifest, and links nothing.
    install = "touch /tmp/start && env -u PIXI_FROZEN -u PIXI_NO_INSTALL pixi install --locked"
    newer = f"find {PREFIX} -type f -newer /tmp/start ! -path '*/conda-meta/*'"
    assert below.docker("run", "--rm", image, "bash", "-c", f"{install} >&2 && {newer}") == ""
    below.docker("image", "rm", "--force", image)


def test_both_ways_make_the_same_environment(below: Step) -> None:
    remote = Remote(below.rig.registry, below.image)
    trees = []
    for way in ("direct", "docker"):
        outcome = below.run(environment_builder=way, tags=f"type=raw,value={way}")
        assert outcome.code == 0, outcome.log
        tag = outcome.outputs["environment-image"].rpartition(":")[2]
        assert re.fullmatch("env-container.default-[0-9a-f]{16}", tag)
        config = remote.config(tag)["config"]
        assert (config["WorkingDir"], config["Entrypoint"]) == ("/app", ["/app/entrypoint.sh"])
        trees.append((remote.tree(tag), {name: value for name, value in config.items() if name != "Labels"}))
    (ours, our_config), (theirs, their_config) = trees
    differing = {path for path in ours.keys() | theirs.keys() if ours.get(path) != theirs.get(path)}
    if below.rig.pixi_is_stand_in:
        differing -= {f"{PREFIX[1:]}/conda-meta/{name}" for name in (".pixi-environment-fingerprint", "pixi")}
    assert differing == set(), {path: (ours.get(path), theirs.get(path)) for path in sorted(differing)[:20]}
    assert our_config == their_config


def test_what_render_prints_builds_by_itself(below: Step, tmp_path: Path) -> None:
    write_repository(below.repository.path, below.rig, MANIFEST + OWN)
    words = ("--context", ".", "--manifest-path", "container/pixi.toml", "--pixi-image", below.rig.pixi_image)
    env = {**os.environ, **below.rig.environment(), "PYTHONPATH": str(ROOT / "src")}
    text = subprocess.check_output(
        [sys.executable, "-m", "pixi_container", "render", *words], cwd=below.repository.path, env=env, text=True
    )
    (tmp_path / "Dockerfile").write_text(text)
    image = f"{below.image}:rendered"
    below.docker(
        "build", "--quiet", "--tag", image, "--file", str(tmp_path / "Dockerfile"), str(below.repository.path)
    )
    check_image(below, image)
    assert below.docker("run", "--rm", *STRANGER, image, "python", "-c", "import whole") == "whole 42"
    below.docker("image", "rm", "--force", image)


def test_it_needs_no_builder(below: Step) -> None:
    # What is included may have the workspace in it: the environment stays visible.
    outcome = below.run(builder="none", include="src\ncontainer")
    assert outcome.code == 0, outcome.log
    image = outcome.outputs["image"]
    below.docker("pull", "--quiet", image)
    check_image(below, image)
    below.docker("image", "rm", "--force", image)


def test_packages_of_siblings_and_of_the_root(below: Step) -> None:
    write_repository(below.repository.path, below.rig, MANIFEST + OWN)
    below.repository.commit()
    outcome = below.run(test_command="python -c 'import whole'", include="none")
    assert outcome.code == 0, outcome.log
    assert "whole 42" in outcome.log
    assert "LOCK=locked" in outcome.log
    image = outcome.outputs["image"]
    below.docker("pull", "--quiet", image)
    stranger = ("run", "--rm", *STRANGER, image)
    where = "import whole, tools, plain; print(*(m.__file__ for m in (whole, tools, plain)))"
    places = below.docker(*stranger, "python", "-c", where).splitlines()[-1].split()
    assert all(place.startswith(f"{PREFIX}/lib/python3.11/site-packages/") for place in places), places
    listed = below.docker(*stranger, "find", "/app", "-mindepth", "1", "-maxdepth", "2", "!", "-type", "d")
    assert set(listed.split()) == {
        *("/app/entrypoint.sh", "/app/up.sh", "/app/container/pixi.toml", "/app/container/pixi.lock"),
    }
    left = ("-name", "build", "-o", "-name", "dist", "-o", "-name", "*.egg-info")
    assert below.docker(*stranger, "find", "/app", "-maxdepth", "3", *left) == ""
    assert "whole" in below.docker(*stranger, "pixi", "list")
    assert below.docker(*stranger, "cat", "/app/container/pixi.toml") == (MANIFEST + OWN).strip()
    below.docker("image", "rm", "--force", image)
    # A change of a sibling builds again, on the same environment.
    (below.repository.path / "libs/tools/tools.py").write_text("DOUBLE = 50\n")
    below.repository.commit()
    again = below.run(test_command="python -c 'import whole'", include="none")
    assert "whole 100" in again.log
    assert again.outputs["fingerprint"] == outcome.outputs["fingerprint"]
    assert "reused from" in again.log


def test_two_workspaces_push_to_one_repository(below: Step) -> None:
    other = MANIFEST.replace("[dependencies]", '[dependencies]\ntqdm = "*"')
    write_repository(below.repository.path, below.rig, other, at="services/other")
    below.repository.commit()
    for _ in range(2):
        logs = {}
        for folder in ("container", "services/other"):
            outcome = below.run(
                manifest_path=f"{folder}/pixi.toml",
                flavor=f"prefix={folder.replace('/', '-')}-",
                tags="type=raw,value=latest",
            )
            assert outcome.code == 0, outcome.log
            logs[folder] = outcome
    ours = registry_tags(below.rig.registry, below.image, ours=True)
    moving = {tag for tag in ours if not re.search("-[0-9a-f]{16}$", tag)}
    assert moving == {
        *("env-container.default", "env-container.default-paths"),
        *("env-services.other.default", "env-services.other.default-paths"),
    }
    assert set(below.tags()) == {"container-latest", "services-other-latest"}
    for folder, name in (("container", "container.default"), ("services/other", "services.other.default")):
        assert ours[f"env-{name}"] == ours[f"env-{name}-{logs[folder].outputs['fingerprint'][:16]}"]


def test_what_is_outside_of_the_context_is_an_error_with_the_inputs_that_work(below: Step) -> None:
    write_repository(below.repository.path, below.rig, MANIFEST + OWN)
    below.repository.commit()
    outcome = below.run(context="container", manifest_path="", push="false")
    assert outcome.code == 3
    assert "Set 'context' to '.' and 'manifest-path' to 'container/pixi.toml'" in outcome.errors[0]


def test_a_dockerfile_of_ones_own_starts_from_the_environment_of_a_folder(below: Step) -> None:
    text = "FROM environment\nCOPY src src\nRUN python src/means.py\n"
    (below.repository.path / "Dockerfile").write_text(text)
    below.repository.commit()
    outcome = below.run(dockerfile="Dockerfile")
    assert outcome.code == 0, outcome.log
    assert "installed    straight from the lock" in outcome.log
    assert f"environment {PREFIX} can be used by user 0" in outcome.log
    ran = below.docker("run", "--rm", outcome.outputs["image"], "python", "-c", ASK)
    assert ran == f"/app {PREFIX} yes"
