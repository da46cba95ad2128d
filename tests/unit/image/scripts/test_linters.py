"""Linters are content with the scripts as files, and with what is rendered for workspaces of several shapes."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pixi_container.image.base_images import DEFAULT_PIXI
from pixi_container.image.dockerfile import ImageSettings, render_dockerfile, scripts
from pixi_container.image.instructions import Origin, parse_instructions
from pixi_container.inputs import Inputs, parse_inputs
from pixi_container.registry.reference import parse_reference
from pixi_container.workspace.local_packages import GitSource
from pixi_container.workspace.workspace import Workspace, read_workspace
from tests.unit.conftest import Folder
from tests.unit.image.scripts.conftest import SCRIPTS, shellcheck
from tests.unit.image.test_workspace_stage import GIT, with_fetched, with_own

# `make check` runs them.
pytestmark = pytest.mark.slow

BUILDER = parse_reference(f"ghcr.io/prefix-dev/pixi:{DEFAULT_PIXI}-noble", source="test")
RUNTIME = parse_reference("debian:bookworm-slim", source="test")


def workspace_of(folder: Folder, environment: str = "default") -> Workspace:
    return read_workspace(Inputs(context=str(folder.path), environment=environment), "linux/amd64")


def with_several(folder: Folder) -> Workspace:
    inputs = Inputs(context=str(folder.path), environment="default", more_environments=("gpu",))
    return with_own(read_workspace(inputs, "linux/amd64"), ("study", "pypi-editable", "."))


def with_scripts(folder: Folder) -> Workspace:
    names = ["set up.sh", "it's <<EOF and, #1.sh"]
    for name in names:
        folder.write(f"scripts/{name}", "")
    listed = ", ".join(f'"scripts/{name}"' for name in names)
    folder.replace("pixi.toml", "[activation.env]", f"[activation]\nscripts = [{listed}]\n\n[activation.env]")
    return workspace_of(folder)


def with_hostile_values(folder: Folder) -> Workspace:
    folder.replace("pixi.toml", 'name = "study"', r"""name = '''it's "$HOME" `id` \ <<EOF'''""")
    folder.replace("pixi.toml", 'STUDY_MODE = "fast"', r"""STUDY_MODE = '''it's "$HOME" `id` \ <<EOF #'''""")
    return workspace_of(folder)


def with_own_source(folder: Folder) -> Workspace:
    for name in ("tools", "built"):
        folder.write(f"packages/{name}/pyproject.toml", "")
    packages = (("tools", "pypi-editable", "packages/tools"), ("built", "conda-source", "packages/built"))
    return replace(
        with_own(workspace_of(folder), *packages), git_source=(GitSource("tool", "git+https://example.org/tool"),)
    )


def below_the_context(folder: Folder) -> Workspace:
    for name in ("pixi.toml", "pixi.lock"):
        folder.write(f"container/{name}", (folder.path / name).read_text())
    folder.replace(
        "container/pixi.toml", "[activation.env]", '[activation]\nscripts = ["../up.sh"]\n[activation.env]'
    )
    folder.write("up.sh", "")
    inputs = Inputs(context=str(folder.path), manifest_path="container/pixi.toml")
    return with_own(read_workspace(inputs, "linux/amd64"), ("study", "pypi-editable", "."))


def with_fetched_source(folder: Folder) -> Workspace:
    return with_fetched(workspace_of(folder), ("tool", "pypi", GIT), ("built", "conda", GIT))


def with_locked_git_versions(folder: Folder) -> Workspace:
    folder.write("packages/tools/pyproject.toml", "")
    own = with_own(workspace_of(folder, "gpu"), ("tools", "pypi-path", "packages/tools"))
    return replace(own, scm_versioned=True)


PLAIN = ImageSettings()
FULL = ImageSettings(
    inputs=parse_inputs(
        {
            "workdir": "/srv/study",
            "expose": "8000 53/udp",
            "command": "python -m app",
            "layers": "1",
            "env": "A=it's $HOME\nPATH=/opt/bin:$PATH",
            "user": "1000:1000",
            "working-directory": "/data",
            "entrypoint": "tool --flag",
            "healthcheck": "--interval=3s curl localhost",
            "volumes": "/data /x",
            "stop-signal": "SIGINT",
        }
    ),
    instructions=parse_instructions("RUN python -m compileall /srv\nCOPY a.txt /b/\n", Origin("instructions")),
    conda_auth=True,
    git_auth=True,
    source_version="1.0 it's $HOME",
)
SHAPES: dict[str, tuple[Callable[[Folder], Workspace], ImageSettings]] = {
    "small": (workspace_of, PLAIN),
    "cuda with every setting": (lambda folder: workspace_of(folder, "gpu"), FULL),
    "activation scripts": (with_scripts, PLAIN),
    "hostile values": (with_hostile_values, PLAIN),
    "own source": (with_own_source, PLAIN),
    "below the context": (below_the_context, PLAIN),
    "several environments": (with_several, PLAIN),
    "several environments with every setting": (with_several, FULL),
    "own source and Git for everything": (with_own_source, FULL),
    "fetched source": (with_fetched_source, PLAIN),
    "fetched source with every setting": (with_fetched_source, FULL),
    "own source with every setting": (with_locked_git_versions, FULL),
}


@pytest.mark.parametrize("name", [name for name in scripts() if name.endswith(".sh")])
def test_shellcheck_finds_nothing(name: str) -> None:
    # The check is also a command of `docker run`, without a first line that names its shell.
    shell = ["--shell=bash"] if name == "active.sh" else []
    assert shellcheck("--external-sources", "--source-path=SCRIPTDIR", *shell, str(SCRIPTS / name)) == ""


def test_no_script_ends_its_own_document() -> None:
    for name, text in scripts().items():
        assert "SCRIPT" not in text.splitlines(), name
        assert text.endswith("\n"), name
        assert not re.search(r"\{\{|\{%", text), name


@pytest.mark.parametrize("shape", SHAPES)
def test_linters_find_nothing_in_what_is_rendered(folder: Folder, tmp_path: Path, shape: str) -> None:
    make, settings = SHAPES[shape]
    text = render_dockerfile(make(folder), builder_image=BUILDER, runtime_image=RUNTIME, settings=settings)
    file = folder.write("Dockerfile", text)
    hadolint = str(Path(sys.executable).with_name("hadolint"))
    done = subprocess.run([hadolint, "--no-color", str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")

    documents = re.finditer(r'^COPY <<"(\w+)" /pixi-container/(\S+)\n(.*?)^\1$', text, re.MULTILINE | re.DOTALL)
    files = {document[2]: document[3] for document in documents}
    ours = files.keys() & scripts().keys()
    assert ours
    for name in ours:
        assert files[name] == scripts()[name]
    activate = folder.write("activate.sh", files["exports.sh"] + files["activate.sh"])
    # A value with a dollar is quoted because it must not expand.
    assert shellcheck("--shell=bash", "--exclude=SC2016", str(activate)) == ""
