"""The rendered Dockerfile by itself: plain Docker builds it, linters are content, values arrive as they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pixi_container.cli import main
from tests.end_to_end.images import build
from tests.rig import solve
from tests.rig.rig import Rig

HOSTILE_NAME = """la"b's $HOME `id` ${PATH} \\ #1 <<EOF"""
HOSTILE_FILE = "it's <<EOF and, #1.sh"
HOSTILE = """\
[workspace]
name = '''la"b's $HOME `id` ${PATH} \\ #1 <<EOF'''
version = "1.0"
channels = ["conda-forge"]
platforms = ["linux-64"]

[dependencies]
tzdata = "*"

[activation]
scripts = ["scripts/it's <<EOF and, #1.sh"]

[activation.env]
V_EMPTY = ""
V_QUOTES = '''it's "so" '''
V_BACKSLASHES = '''\\a\\\\b\\'''
V_COMMAND = '''; touch /pwned #'''
V_LINES = '''
a

HOOK
RUN touch /pwned
pixi() {
b\\'''
V_DOLLAR = '''<"$V_QUOTES" $HOME>'''
V_PRICE = '''5 \\$'''
"""


@pytest.fixture(params=["default", "gpu"])
def environment(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def dockerfile(
    rig: Rig, solved_example: Path, environment: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Path:
    """The example rendered by the command, with everything that an input can add."""
    arguments = ["--context", str(solved_example), "--environment", environment, "--pixi-image", rig.pixi_image]
    arguments += ["--expose", "8000", "--command", "python src/means.py", "--runtime-image", rig.slim_image]
    assert main(["render", *arguments], {}) == 0
    file = tmp_path / "Dockerfile"
    file.write_text(capsys.readouterr().out)
    return file


@pytest.fixture
def docker(rig: Rig) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, **rig.environment()}
        return subprocess.run(["docker", *arguments], env=env, capture_output=True, text=True, check=False)

    return run


Docker = Callable[..., subprocess.CompletedProcess[str]]


def test_plain_docker_builds_it(dockerfile: Path, solved_example: Path, environment: str, docker: Docker) -> None:
    image = f"plain:{environment}"
    built = docker("build", "--file", str(dockerfile), "--tag", image, str(solved_example))
    assert built.returncode == 0, built.stderr
    assert (
        f"environment {'example:gpu' if environment == 'gpu' else 'example'},"
        in docker("run", "--rm", image).stdout
    )
    docker("image", "rm", image)


def test_buildx_finds_nothing(dockerfile: Path, solved_example: Path, docker: Docker) -> None:
    done = docker("buildx", "build", "--check", "--file", str(dockerfile), str(solved_example))
    assert done.returncode == 0, done.stdout
    assert "Check complete, no warnings found." in done.stdout


@pytest.mark.parametrize("instructions", ["RUN id", "ENV A b"])
def test_only_what_the_user_writes_into_a_base_is_found(
    rig: Rig,
    solved_example: Path,
    tmp_path: Path,
    docker: Docker,
    capsys: pytest.CaptureFixture[str],
    instructions: str,
) -> None:
    arguments = ["--context", str(solved_example), "--pixi-image", rig.pixi_image, "--apt-packages", "git=1:2*"]
    assert main(["render", *arguments, "--base-instructions", instructions], {}) == 0
    (tmp_path / "Dockerfile").write_text(capsys.readouterr().out)
    done = docker("buildx", "build", "--check", "--file", str(tmp_path / "Dockerfile"), str(solved_example))
    warnings = [line for line in done.stdout.splitlines() if line.startswith("WARNING")]
    assert [line.split(" ")[1] for line in warnings] == ["LegacyKeyValueFormat"] * instructions.startswith("ENV")


def test_hadolint_finds_nothing(dockerfile: Path) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, dockerfile], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_hostile_values_arrive_as_pixi_would_give_them(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "pixi.toml").write_text(HOSTILE)
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / HOSTILE_FILE).write_text("export V_SCRIPT=ran\n")
    (tmp_path / "src" / "data <<EOF").mkdir(parents=True)
    solve.lock(tmp_path / "pixi.toml", channel=rig.channel)
    label = 'it\'s "so" $HOME `id` \\ #1'
    image = build(rig, tmp_path, "hostile:image", "default", labels=f"org.example.hostile={label}")
    try:
        labels = json.loads(image.docker("image", "inspect", "--format", "{{json .Config.Labels}}", image.name))
        static = image.config_env()
        active = dict(entry.split("=", 1) for entry in image.run("env", "-0").split("\0") if entry)
        pwned = image.run("sh", "-c", "ls /pwned || true")
    finally:
        image.docker("image", "rm", image.name)
    literal = {
        "V_BACKSLASHES": "\\a\\\\b\\",
        "V_COMMAND": "; touch /pwned #",
        "V_EMPTY": "",
        "V_QUOTES": 'it\'s "so" ',
    }
    shell = {
        "V_DOLLAR": '<"it\'s "so" " /root>',
        "V_LINES": "a\n\nHOOK\nRUN touch /pwned\npixi() {\nb\\",
        "V_PRICE": "5 $",
        "V_SCRIPT": "ran",
    }
    assert {name: value for name, value in static.items() if name.startswith("V_")} == literal
    assert {name: value for name, value in active.items() if name.startswith("V_")} == {**literal, **shell}
    for variables in (static, active):
        assert variables["PIXI_PROJECT_NAME"] == variables["CONDA_DEFAULT_ENV"] == HOSTILE_NAME
    assert pwned == ""
    assert labels["org.example.hostile"] == label
