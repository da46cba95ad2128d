"""Services, notebooks and web applications as repositories have them: built with inputs, and run as users do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.conftest import ROOT, Step, layer_cache
from tests.end_to_end.shapes import MANIFEST, SERVE, Bases, bases_of, docker, health, shipped, write
from tests.rig.rig import Rig

OWN = f'{MANIFEST}\n[pypi-dependencies]\napp = {{ path = ".", editable = true }}\n'
PYPROJECT = """\
[project]
name = "app"
version = "2.3.0"

[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[tool.setuptools]
py-modules = ["app"]
"""
PACKAGE = {"pyproject.toml": PYPROJECT, "app.py": "NAME = 'the app'\n", "serve.py": SERVE}
"""What makes the workspace a package of its own."""

AFTERWARDS = """\
# As `pip install /source` does, which the rig's channel has not.
RUN --mount=type=bind,target=/source,rw cp /source/app.py $CONDA_PREFIX/lib/python3.11/site-packages/
RUN printf '{"version": "%s"}' "$PIXI_PROJECT_VERSION" > version.json
"""


@pytest.fixture(scope="module")
def bases(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bases]:
    with bases_of(rig, tmp_path_factory.mktemp("bases")) as made:
        yield made


def test_a_web_template_starts_two_processes(step: Step) -> None:
    write(step, {"serve.py": SERVE, "static/index.html": "<p>"})
    made = shipped(
        step,
        include=".",
        env="ANSWER=both\nSTATIC=/app/static\nPYTHONUNBUFFERED=1\nMODE=production",
        expose="8000 8001",
        command='bash -c "python serve.py 8000 & python serve.py 8001 & wait -n"',
    )
    assert made.config["ExposedPorts"].keys() == {"8000/tcp", "8001/tcp"}
    with made.running() as container:
        assert [made.ask(container, port) for port in (8000, 8001)] == ["both", "both"]
    assert made.run("bash", "-c", "echo $MODE; ls $STATIC") == "production\nindex.html"


def test_a_desktop_application_in_a_browser(step: Step) -> None:
    names = [f"part{number}.py" for number in range(9)]
    parts = {name: f"PART = '{name}'\n" for name in names}
    write(step, {**PACKAGE, **parts, "lib/extra.py": "MORE = 7\n"}, manifest=OWN)
    made = shipped(
        step,
        include="\n".join((*names, "serve.py", "lib")),
        env="PYTHONPATH=/app/lib\nANSWER=window",
        expose="6080",
        command="python serve.py 6080",
    )
    ask = "import app, extra, part8; print(app.NAME, extra.MORE, part8.PART)"
    assert made.run("python", "-c", ask) == "the app 7 part8.py"
    assert made.run("-c", ask, options=("--entrypoint", "python")) == "the app 7 part8.py"
    with made.running() as container:
        assert made.ask(container, 6080) == "window"


def test_a_service_is_a_task(step: Step) -> None:
    manifest = MANIFEST.replace("python serve.py", "python src/serve.py")
    write(step, {"src/serve.py": SERVE, "compose.yml": "services: {}\n"}, manifest=manifest)
    made = shipped(step, env="ANSWER=task\nWORKERS=2\nLOG_LEVEL=info", command="pixi run serve")
    with made.running() as container:
        assert made.ask(container, 8000) == "task"
    assert made.run("sh", "-c", "echo $WORKERS $LOG_LEVEL; ls src") == "2 info\nserve.py"


def test_a_lab_service_installs_a_mounted_folder_when_it_starts(step: Step, bases: Bases, tmp_path: Path) -> None:
    # As `pip install -e` does, which the rig's channel has not.
    start = '#!/bin/bash\necho /plugin > "$CONDA_PREFIX/lib/python3.11/site-packages/plugin.pth"\nexec "$@"\n'
    write(step, {"start.sh": start})
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin/plugged.py").write_text("IN = 'plugged'\n")
    made = shipped(
        step,
        runtime_image=bases.slim,
        apt_packages="build-essential libcairo2-dev",
        include=".\n--chmod=755 start.sh => /usr/local/bin/start",
        entrypoint="start",
        test_command="build-essential && libcairo2-dev",
    )
    mounted = ("--volume", f"{tmp_path / 'plugin'}:/plugin")
    assert made.run("python", "-c", "import plugged; print(plugged.IN)", options=mounted) == "plugged"


def test_a_notebook_starts_in_its_users_home(step: Step) -> None:
    write(step, {})
    made = shipped(
        step,
        base_instructions="RUN useradd --create-home --uid 1000 --shell /bin/bash jovyan",
        user="jovyan",
        working_directory="/home/jovyan",
        env="JUPYTER_PORT=8888",
        expose="8888",
        command="python -m http.server 8888",
        tags="type=sha\ntype=raw,value=teaching",
    )
    assert step.tags().keys() == {"teaching", f"sha-{step.repository.git('rev-parse', 'HEAD')[:7]}"}
    assert made.run("sh", "-c", "pwd; id -un; echo $HOME; touch notes.ipynb && ls") == (
        "/home/jovyan\njovyan\n/home/jovyan\nnotes.ipynb"
    )
    assert made.run("pixi", "run", "hello") == "hello"
    with made.running() as container:
        assert "Directory listing" in made.ask(container, 8888)


def test_a_dashboard_is_built_and_tested_and_not_pushed(step: Step, bases: Bases) -> None:
    write(step, {"serve.py": SERVE})
    sources = f"RUN rm -rf /etc/apt/sources.list* && echo '{bases.sources}' > /etc/apt/sources.list"
    made = step.run(
        environment="default",
        base_instructions=f"{sources}\nRUN apt-get update && apt-get upgrade --yes",
        include=".",
        user="1000:1000",
        entrypoint="pixi run",
        command="hello",
        push="false",
        test_command="test $(id -u) = 1000 && pixi run hello",
    )
    assert made.code == 0, made.log
    assert "hello" in made.log
    assert (made.outputs["pushed"], step.tags()) == ("false", {})


def test_an_api_from_another_ci(step: Step) -> None:
    write(step, PACKAGE, manifest=OWN)
    image = f"{step.rig.registry}/{step.image}"
    options = {
        "context": str(step.repository.study),
        "images": image,
        "tags": "type=raw,value=deploy",
        "push": "auto",
        "pixi-image": step.rig.pixi_image,
        "layer-cache": layer_cache(step.rig),
        "runtime-image": step.rig.slim_image,
        "include": "serve.py",
        "env": "ANSWER=pong",
        "healthcheck": "--interval=1s --retries=20 CMD python -c "
        "'import urllib.request as r; r.urlopen(\"http://localhost:8000\")'",
        "command": "python serve.py 8000",
        "test-command": "python -c 'import app'",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    env = {name: os.environ[name] for name in ("PATH", "HOME", "SSL_CERT_FILE") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "pixi_container", "run", *words],
        cwd=step.repository.path,
        env={**env, **step.rig.environment(), "PYTHONPATH": str(ROOT / "src"), "CI": "true", "GITLAB_CI": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert step.tags().keys() == {"deploy"}
    # As a host deploys it: by the tag.
    name = docker(step.rig, "run", "--detach", f"{image}:deploy")
    try:
        assert health(step.rig, name) == "healthy"
        assert docker(step.rig, "exec", name, "python", "-c", "import app; print(app.NAME)") == "the app"
    finally:
        docker(step.rig, "rm", "--force", name)


def test_a_web_application_is_installed_afterwards(step: Step) -> None:
    write(step, PACKAGE)
    inputs = {
        "include": "serve.py",
        "instructions": AFTERWARDS,
        "env": "ANSWER=metadata",
        "command": "python serve.py 8000",
        "tags": "type=raw,value=latest",
    }
    made = shipped(step, **inputs)
    assert step.tags().keys() == {"latest"}
    assert json.loads(made.run("cat", "/app/version.json")) == {"version": "2.3.0"}
    assert made.run("python", "-c", "import app; print(app.NAME)") == "the app"
    # What is mounted counts as a change.
    (step.repository.study / "app.py").write_text("NAME = 'another app'\n")
    step.repository.commit()
    again = shipped(step, **inputs)
    assert again.run("python", "-c", "import app; print(app.NAME)") == "another app"


def test_a_map_server_writes_into_one_folder(step: Step, bases: Bases) -> None:
    write(step, {"serve.py": SERVE})
    made = shipped(
        step,
        runtime_image=bases.slim,
        apt_packages="curl",
        base_instructions="RUN apt-get update && apt-get upgrade --yes\n"
        "RUN useradd --uid 1000 maps && install --directory --owner=1000 --group=1000 /app/data",
        include="serve.py",
        user="maps",
        volumes="/app/data",
        env="ANSWER=tiles\nDATA=/app/data",
        command="python serve.py 8080",
    )
    written = made.run("sh", "-c", "touch $DATA/tile && stat --format %U $DATA/tile; touch /app/x || echo refused")
    assert written == "maps\nrefused"
    with made.running(options=("--read-only",)) as container:
        assert made.ask(container, 8080) == "tiles"
        assert docker(step.rig, "exec", container, "sh", "-c", "touch /app/data/a; ls /app/data") == "a"


def test_a_map_application_with_a_frontend(step: Step, bases: Bases) -> None:
    start = '#!/bin/bash\ncp -r static /run/served\nexec python backend/serve.py "$PORT"\n'
    files = {"site/main.ts": "1", "deploy/start.sh": start, "backend/serve.py": SERVE, "backend/test_it.py": ""}
    write(step, {".gitignore": "dist\n", **files}, at="backend")
    # What a step of the workflow builds before, and Git does not have.
    (step.repository.path / "site/dist").mkdir()
    (step.repository.path / "site/dist/main.js").write_text("1")
    made = shipped(
        step,
        context=".",
        manifest_path="backend/pixi.toml",
        runtime_image=bases.slim,
        apt_packages="tini curl",
        include="backend/serve.py\nsite/dist => static\n--chmod=755 deploy/start.sh => /usr/local/bin/start",
        paths="site/**",
        env="PORT=8000\nANSWER=map",
        expose="8000",
        entrypoint="tini -- start",
        healthcheck="--interval=1s --retries=20 CMD curl --fail http://localhost:8000/",
    )
    with made.running() as container:
        assert health(step.rig, container) == "healthy"
        assert docker(step.rig, "exec", container, "ls", "/run/served") == "main.js"
        assert made.ask(container, 8000) == "map"
