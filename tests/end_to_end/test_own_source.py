"""Packages from the workspace's own source, own Dockerfiles and templates, private channels."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.end_to_end.conftest import ROOT, Step
from tests.end_to_end.images import STRANGER, Image, build, parse_probe
from tests.end_to_end.test_image_contract import WAYS
from tests.rig import solve
from tests.rig.rig import Rig

MANIFEST = """\
[project]
name = "study"
version = "0.3.0"
requires-python = ">=3.11"

[project.scripts]
study = "study:main"

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[tool.pixi.workspace]
channels = ["conda-forge"]
platforms = ["linux-64"]

[tool.pixi.dependencies]
python = "3.11.*"
numpy = "*"

[tool.pixi.pypi-dependencies]
study = { path = ".", editable = true }
tools = { path = "packages/tools" }
"""

TOOLS = """\
[project]
name = "tools"
version = "1.0"

[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
"""


FILES = {
    "pyproject.toml": MANIFEST,
    "README.md": "A study.\n",
    "src/study/__init__.py": "import tools\n\n\ndef main() -> None:\n    print('result', tools.DOUBLE * 2)\n",
    "packages/tools/pyproject.toml": TOOLS,
    "packages/tools/tools.py": "DOUBLE = 21\n",
}


def write_workspace(folder: Path, rig: Rig) -> None:
    """Write a workspace that is a Python package and has another one in a sub-folder, with its lock."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    solve.lock(folder / "pyproject.toml", channel=rig.channel)


@pytest.fixture
def own(step: Step) -> Step:
    """A step that ships that workspace."""
    shutil.rmtree(step.repository.study)
    write_workspace(step.repository.study, step.rig)
    step.repository.commit()
    return Step(step.rig, step.repository, step.folder, step.image, {"environment": "default"})


@pytest.fixture(scope="module", params=["pixi", "slim"])
def own_image(
    request: pytest.FixtureRequest, rig: Rig, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Image]:
    """That workspace's image, on the builder's base and on a small one without pixi."""
    folder = tmp_path_factory.mktemp("own")
    write_workspace(folder, rig)
    made = build(rig, folder, f"own:{request.param}", "default", slim=request.param == "slim")
    yield made
    made.docker("image", "rm", "--force", made.name)


@pytest.fixture(scope="module")
def running(own_image: Image) -> Iterator[str]:
    """A running container of that image."""
    name = own_image.docker("run", "--detach", own_image.name, "sleep", "infinity")
    yield name
    own_image.docker("rm", "--force", name)


@pytest.mark.parametrize("way", WAYS)
def test_its_environment_is_active_in_every_way_to_start_it(own_image: Image, running: str, way: str) -> None:
    probe = parse_probe(WAYS[way](own_image, running))
    assert probe.prefix == own_image.prefix
    assert probe.env["CONDA_PREFIX"] == own_image.prefix
    assert probe.env["PATH"].split(":")[0] == f"{own_image.prefix}/bin"


def test_its_program_runs_for_a_stranger_and_for_pixi(own_image: Image) -> None:
    assert own_image.run("study", options=STRANGER) == "result 42"
    if own_image.has_pixi:
        look = f"find {own_image.prefix} -printf '%p %T@\\n' | sort"
        quiet = ("--env", "PYTHONDONTWRITEBYTECODE=1")
        after = own_image.run("bash", "-c", f"pixi run study && {look}", options=quiet)
        assert after == f"result 42\n{own_image.run('bash', '-c', look)}"


def test_nothing_of_it_is_unreadable_or_left_from_the_build(own_image: Image) -> None:
    assert own_image.run("find", "/app", "!", "-readable", options=STRANGER) == ""
    assert own_image.run("find", "/tmp", "/mnt", "-mindepth", "1") == ""  # noqa: S108
    assert own_image.run("find", "/root", "/var/cache", "-name", "*pixi*", "-o", "-name", "*uv*") == ""
    assert own_image.run("find", "/app", "-name", "*.egg-info", "-o", "-name", "build", "-maxdepth", "2") == ""


def fingerprint(step: Step) -> str:
    """The environment's fingerprint as the action tells it."""
    outcome = step.run(push="false")
    assert outcome.code == 0, outcome.log
    return outcome.outputs["fingerprint"]


def test_own_packages_are_installed_and_work_for_anybody(own: Step) -> None:
    check = "study; cd /; python -c 'import study, tools; print(study.__file__, tools.__file__)'"
    outcome = own.run(test_command=check, include="none")
    assert outcome.code == 0, outcome.log
    assert "result 42" in outcome.log
    packages = "/app/.pixi/envs/default/lib/python3.11/site-packages"
    assert f"{packages}/study/__init__.py {packages}/tools.py" in outcome.log
    image = outcome.outputs["image"]
    stranger = own.docker("run", "--rm", "--user", "54321:54321", "--read-only", image, "study")
    assert stranger == "result 42"
    listed = own.docker(
        "run", "--rm", image, "find", "/app", "-maxdepth", "1", "-mindepth", "1", "-printf", "%f\n"
    )
    assert set(listed.split()) - {"src", "packages"} == {".pixi", "entrypoint.sh", "pixi.lock", "pyproject.toml"}
    assert own.docker("run", "--rm", image, "cat", "/app/pyproject.toml") == MANIFEST.strip()
    assert "study" in own.docker("run", "--rm", image, "pixi", "list")
    own.docker("image", "rm", image)


def test_a_change_of_the_packages_source_leaves_the_environment_alone(own: Step) -> None:
    own = replace(own, inputs={**own.inputs, "environment_builder": "docker"})
    before = fingerprint(own)
    source = own.repository.study / "packages" / "tools" / "tools.py"
    source.write_text("DOUBLE = 50\n")
    own.repository.commit()
    outcome = own.run(push="false", test_command="study")
    assert "result 100" in outcome.log
    assert outcome.outputs["fingerprint"] == before
    installs = outcome.log.partition("install.sh --frozen")[2].partition("DONE")[0]
    assert "CACHED" in installs


def test_a_change_of_the_packages_source_starts_on_the_published_environment(own: Step) -> None:
    assert own.run().code == 0
    (own.repository.study / "packages/tools/tools.py").write_text("DOUBLE = 50\n")
    own.repository.commit()
    outcome = own.run(test_command="study")
    assert outcome.code == 0, outcome.log
    assert "result 100" in outcome.log
    # No stage that installs the environment is looked at, not even in a cache.
    assert "[build " not in outcome.log


def test_what_an_own_package_alone_requires_is_a_part_of_the_environment(own: Step) -> None:
    """Also where one of its extras names the package itself: pixi then sees nothing that it starts at."""
    if not own.rig.channel_is_stand_in:
        pytest.skip("only the rig's channel serves wheels under conda-forge's address")
    wheel = "https://conda.anaconda.org/conda-forge/wheels/mdurl-0.1.2-py3-none-any.whl"
    (own.repository.study / "pyproject.toml").write_text(f'{MANIFEST}mdurl = {{ url = "{wheel}" }}\n')
    extras = '[project.optional-dependencies]\nviz = ["mdurl"]\nall = ["tools[viz]"]\n\n[build-system]'
    (own.repository.study / "packages/tools/pyproject.toml").write_text(TOOLS.replace("[build-system]", extras))
    solve.lock(own.repository.study / "pyproject.toml", channel=own.rig.channel)
    own.repository.commit()
    outcome = own.run(test_command="study")
    assert outcome.code == 0, outcome.log
    environment = outcome.outputs["environment-image"]
    own.docker("pull", "--quiet", environment)
    assert own.docker("run", "--rm", environment, "python", "-c", "import mdurl; print('there')") == "there"
    own.docker("image", "rm", environment)


OTHER = """\
[workspace]
name = "study"
channels = ["conda-forge"]
platforms = ["linux-64"]

[dependencies]
python = "3.11.*"

[feature.tools.pypi-dependencies]
tools = { path = "packages/tools" }

[environments]
tools = ["tools"]
"""


def test_another_environments_packages_are_not_needed(own: Step) -> None:
    """Pixi checks the lock of all environments, and has the source of this one's packages only."""
    for name in ("pyproject.toml", "src/study/__init__.py"):
        (own.repository.study / name).unlink()
    (own.repository.study / "pixi.toml").write_text(OTHER)
    solve.lock(own.repository.study / "pixi.toml", channel=own.rig.channel)
    own.repository.commit()
    own = replace(own, inputs={**own.inputs, "environment_builder": "docker"})
    outcome = own.run(push="false")
    assert outcome.code == 0, outcome.log
    assert "install.sh --locked" in outcome.log
    # No file of these packages is a part of it, so that a change of them builds nothing.
    (own.repository.study / "packages/tools/tools.py").write_text("DOUBLE = 50\n")
    (own.repository.study / "packages/tools/pyproject.toml").write_text(TOOLS.replace("1.0", "1.1"))
    own.repository.commit()
    again = own.run(push="false")
    assert again.outputs["image-fingerprint"] == outcome.outputs["image-fingerprint"]


SETUP = """\
import os, pathlib, setuptools

wanted = ("HTTPS_PROXY", "no_proxy", "SSL_CERT_FILE", "PIP_INDEX_URL", "UV_INDEX_URL", "BASH_ENV", "SECRET")
pathlib.Path("tools.py").write_text(f"SEEN = {({name: os.environ.get(name) for name in wanted})}")
setuptools.setup()
"""

SET_UP = """\
FROM {image}
RUN cp /etc/ssl/certs/ca-certificates.crt /etc/corporate.pem
ENV SSL_CERT_FILE=/etc/corporate.pem PIP_INDEX_URL=https://index.example.org/simple SECRET=not-for-builds
"""


def test_a_lock_that_does_not_fit_an_own_package(own: Step) -> None:
    """Which pixi finds out alone, by the package's metadata; it tells the reason only when it is asked again."""
    other = TOOLS.replace('version = "1.0"', 'version = "1.0"\ndependencies = ["tqdm"]')
    (own.repository.study / "packages/tools/pyproject.toml").write_text(other)
    own.repository.commit()
    outcome = own.run(push="false")
    assert outcome.code == 3
    (error,) = outcome.errors
    assert "the lock is out of date: " in error
    assert "environment 'default'" in error
    assert "'tools'" in error or "tqdm" in error
    assert "Run `pixi lock` and commit pixi.lock." in error
    assert "touch /tmp/start" not in error


def test_what_the_builder_image_and_docker_are_set_up_with_reaches_the_build(own: Step, tmp_path: Path) -> None:
    """Proxies, certificates and indexes, and nothing of the environment's or anything else."""
    (own.repository.study / "packages/tools/setup.py").write_text(SETUP)
    (own.repository.study / "src/study/__init__.py").write_text("import tools\nprint(tools.SEEN)\n")
    own.repository.commit()
    corporate = f"{own.rig.registry}/corporate/pixi:own"
    (tmp_path / "Dockerfile").write_text(SET_UP.format(image=own.rig.pixi_image))
    own.docker("buildx", "build", "--output", "type=registry", "--tag", corporate, str(tmp_path))
    inputs = {"pixi_image": corporate, "test_command": "python -c 'import study'"}
    env = own.environment("push", "refs/heads/main", {}, inputs)
    config = tmp_path / "docker"
    shutil.copytree(env["DOCKER_CONFIG"], config, symlinks=True)
    proxies = {"httpsProxy": "http://127.0.0.1:9", "noProxy": "127.0.0.1,localhost"}
    settings = json.loads((config / "config.json").read_text()) if (config / "config.json").exists() else {}
    (config / "config.json").write_text(json.dumps({**settings, "proxies": {"default": proxies}}))
    done = subprocess.run(
        [sys.executable, "-m", "pixi_container", "run"],
        env={**env, "DOCKER_CONFIG": str(config)},
        cwd=own.repository.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    outcome = own.outcome(done.returncode, done.stdout)
    assert outcome.code == 0, outcome.log
    assert "'HTTPS_PROXY': 'http://127.0.0.1:9', 'no_proxy': '127.0.0.1,localhost'" in outcome.log
    assert "'SSL_CERT_FILE': '/mnt/pixi/etc/corporate.pem'" in outcome.log
    assert "'PIP_INDEX_URL': 'https://index.example.org/simple', 'UV_INDEX_URL': None" in outcome.log
    assert "'BASH_ENV': None, 'SECRET': None" in outcome.log


LITTER = """\
import os, pathlib, setuptools

for folder in ("bld/tools", "artifacts-v0", "meta-v0", "scratch-v0", "something-new"):
    pathlib.Path("/app/.pixi", folder).mkdir(parents=True, exist_ok=True)
    pathlib.Path("/app/.pixi", folder, "large").write_bytes(os.urandom(1000))
wide = pathlib.Path("/app/.pixi/envs/default/share/wide")
wide.mkdir(parents=True, exist_ok=True)
(wide / "file").touch()
wide.chmod(0o777)
(wide / "file").chmod(0o666)
setuptools.setup()
"""


def test_nothing_of_a_build_from_source_stays_and_nobody_can_write_what_does(own: Step) -> None:
    """Pixi keeps what it needs to build a package again, beside the environments."""
    (own.repository.study / "packages/tools/setup.py").write_text(LITTER)
    own.repository.commit()
    look = "find /app/.pixi -mindepth 1 -maxdepth 1 -printf '%f ' ; find /app ! -type l -perm /022"
    outcome = own.run(push="false", test_command=f"echo kept: $({look})")
    assert outcome.code == 0, outcome.log
    (kept,) = [line.removeprefix("kept: ") for line in outcome.log.splitlines() if line.startswith("kept: ")]
    assert set(kept.split()) == {
        *(".condapackageignore", ".gitignore", "activate.sh", "envs", "hook.sh", "task-cache-v0"),
    }


def test_the_version_from_git_is_given_to_the_build(own: Step) -> None:
    manifest = own.repository.study / "pyproject.toml"
    dynamic = (
        MANIFEST.replace('version = "0.3.0"', 'dynamic = ["version"]') + '\n[tool.hatch.version]\nsource = "vcs"\n'
    )
    manifest.write_text(dynamic.replace('["hatchling"]', '["hatchling", "hatch-vcs"]'))
    own.repository.commit()
    own.repository.git("tag", "v2.5.0")
    ask = """python -c 'import importlib.metadata as m; print("study is", m.version("study"))'"""
    outcome = own.run(push="false", test_command=ask)
    assert outcome.code == 0, outcome.log
    assert "study is 2.5.0" in outcome.log


def test_a_dockerfile_of_ones_own(step: Step) -> None:
    text = (ROOT / "tests" / "end_to_end" / "usual.Dockerfile").read_text()
    (step.repository.study / "Dockerfile").write_text(text)
    step.repository.commit()
    outcome = step.run(dockerfile="Dockerfile", test_command="python src/means.py", tags="type=raw,value=own")
    assert outcome.code == 0, outcome.log
    assert outcome.outputs["dockerfile"].rstrip("\n") == text.rstrip("\n")
    assert "CUDA runtime 12.9" in outcome.log
    assert step.tags() == {"own": outcome.outputs["digest"]}


def test_a_template_of_ones_own(step: Step) -> None:
    template = (ROOT / "Dockerfile.template").read_text() + 'LABEL made-for="{{ environment }}"\n'
    (step.repository.study / "image.template").write_text(template)
    step.repository.commit()
    outcome = step.run(template="image.template", tags="type=raw,value=own")
    assert outcome.code == 0, outcome.log
    image = outcome.outputs["image"]
    step.docker("pull", "--quiet", image)
    labels = json.loads(step.docker("image", "inspect", "--format", "{{json .Config.Labels}}", image))
    assert labels["made-for"] == "gpu"
    step.docker("image", "rm", image)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM {{ builder }}\n", "'builder' is undefined"),
        ("FROM x\n{% if %}\n", "(line 2)"),
        ("{{ ''.__class__.__mro__ }}\n", "unsafe"),
    ],
)
def test_a_mistake_in_a_template_is_one_error(step: Step, text: str, message: str) -> None:
    (step.repository.study / "image.template").write_text(text)
    outcome = step.run(template="image.template")
    assert outcome.code == 3
    assert len(outcome.errors) == 1
    assert message in outcome.errors[0]
    assert "docs/template.md" in outcome.errors[0]


def test_what_dockerignore_hides_is_said(step: Step) -> None:
    (step.repository.study / ".dockerignore").write_text("*\n!src\n")
    for builder, code in (("default", 6), ("auto", 3)):
        outcome = step.run(builder=builder)
        assert outcome.code == code
        assert len(outcome.errors) == 1
        assert ".dockerignore" in outcome.errors[0]
        assert "Add the line '!pixi." in outcome.errors[0]


def test_credentials_of_a_channel_reach_the_install_and_nothing_else(step: Step) -> None:
    """A changed manifest makes pixi install anew; what it installs needs no credentials here."""
    manifest = step.repository.study / "pixi.toml"
    manifest.write_text(manifest.read_text() + "# private\n")
    step.repository.commit()
    secret = json.dumps({"*.prefix.dev": {"BearerToken": "hunter2-for-the-channel"}})
    outcome = step.run(environment="default", conda_auth=secret, builder="default")
    assert outcome.code == 0, outcome.log
    assert "--secret id=conda-auth" in outcome.log
    unmasked = "\n".join(line for line in outcome.log.splitlines() if not line.startswith("::add-mask::"))
    assert "hunter2" not in unmasked + outcome.summary + json.dumps(outcome.outputs)
    archive = Path(step.folder) / "image.tar"
    step.docker("pull", "--quiet", outcome.outputs["image"])
    step.docker("save", "--output", str(archive), outcome.outputs["image"])
    assert b"hunter2" not in archive.read_bytes()
    script = "find / -xdev -name conda-auth; grep -r hunter2 /app /etc /root /tmp || true"
    assert step.docker("run", "--rm", outcome.outputs["image"], "bash", "-c", script) == ""
    step.docker("image", "rm", outcome.outputs["image"])
