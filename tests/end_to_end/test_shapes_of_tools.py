"""Tools, pipelines and training images as repositories have them: built with inputs, and run as users do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Step, registry_tags
from tests.end_to_end.images import STRANGER
from tests.end_to_end.shapes import MANIFEST, Bases, bases_of, published, shipped, write
from tests.rig.rig import Rig

WRAPPER = """\
import os, sys

print(os.environ.get("TOOL_VERSION", "none"), os.environ["CONDA_DEFAULT_ENV"], os.getcwd(), *sys.argv[1:])
"""
"""A tool: it says its version, its environment, where it runs, and its arguments."""

PIPELINE = """\
[project]
name = "pipe"
version = "5"

[project.scripts]
pipe = "pipe:main"

[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[tool.setuptools]
py-modules = ["pipe"]
"""
TALKS_OF_DATA = """\
import os, sys


def main():
    print(open("/templates/mni").read(), os.environ["ATLAS"], sys.argv[1:])
"""
ROUTER = """\
#!/bin/bash
case "$1" in
  count) shift; exec python /opt/tool/count.py "$@" ;;
  *) exec "$@" ;;
esac
"""


@pytest.fixture(scope="module")
def bases(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bases]:
    with bases_of(rig, tmp_path_factory.mktemp("bases")) as made:
        yield made


def test_a_viewer_goes_to_two_registries_from_a_development_branch(step: Step) -> None:
    rig, name = step.rig, step.image
    write(step, {"README.md": "A viewer.\n"}, at="container")
    inputs = {
        "context": ".",
        "manifest_path": "container/pixi.toml",
        "runtime_image": rig.slim_image,
        "include": "none",
        "labels": "org.opencontainers.image.vendor=The Lab",
        "images": f"{rig.registry}/{name}\n{rig.password_registry}/{name}",
        "registry_auth": f"registry={rig.password_registry},username={rig.username},password={rig.password}",
        "tags": "type=semver,pattern={{raw}}\ntype=edge,branch=develop",
    }
    made = shipped(step, ref="refs/heads/develop", **inputs)
    released = shipped(step, ref="refs/tags/v1.0.0", **inputs)
    assert released.outcome.outputs["decision"] == "promote"
    digest = made.outcome.outputs["digest"]
    for registry, auth in ((rig.registry, None), (rig.password_registry, (rig.username, rig.password))):
        assert registry_tags(registry, name, auth).items() >= {"edge": digest, "v1.0.0": digest}.items()
    assert made.config["Labels"]["org.opencontainers.image.vendor"] == "The Lab"
    assert made.run("python", "-c", "import sys; print(sys.prefix)").endswith("/container/.pixi/envs/default")


def test_a_teaching_image_with_a_gpu(step: Step) -> None:
    made = shipped(step, environment="gpu", tags="type=sha\ntype=raw,value=latest")
    assert step.tags().keys() == {"latest", f"sha-{step.repository.git('rev-parse', 'HEAD')[:7]}"}
    assert "environment example:gpu" in made.run("python", "src/means.py", options=STRANGER)
    assert made.config["Entrypoint"] == ["/app/entrypoint.sh"]
    assert "NVIDIA_VISIBLE_DEVICES=all" in made.config["Env"]


def test_an_image_processing_tool_that_nextflow_runs(step: Step, tmp_path: Path) -> None:
    write(step, {"main.nf": "process"}, at="docker")
    made = shipped(
        step,
        context=".",
        manifest_path="docker/pixi.toml",
        runtime_image=step.rig.slim_image,
        include="none",
    )
    work = tmp_path / "work"
    work.mkdir()
    work.chmod(0o777)
    (work / ".command.sh").write_text("#!/bin/bash -ue\npython -c 'import sys; print(sys.prefix)' > out.txt\n")
    options = ("--user", "4242:4242", "--volume", f"{work}:{work}", "--workdir", str(work))
    made.run("-c", "bash .command.sh", options=(*options, "--entrypoint", "/bin/bash"))
    assert (work / "out.txt").read_text() == "/app/docker/.pixi/envs/default\n"


def test_middleware_has_an_image_for_each_environment(step: Step, bases: Bases) -> None:
    hook = '#!/bin/bash\nexport HOOKED=yes\nexec "$@"\n'
    manifest = f'{MANIFEST}\n[feature.server.dependencies]\ntzdata = "*"\n\n[environments]\nserver = ["server"]\n'
    write(step, {"hook.sh": hook}, manifest=manifest)
    for environment in ("default", "server"):
        made = shipped(
            step,
            environment=environment,
            runtime_image=bases.slim,
            apt_packages="tini",
            include="--chmod=755 hook.sh => /usr/local/bin/hook",
            entrypoint="tini -- hook",
            instructions="RUN chmod g+w $CONDA_PREFIX $CONDA_PREFIX/conda-meta",
            flavor=f"prefix={environment}-",
            tags="type=raw,value=dev",
        )
        script = "touch $CONDA_PREFIX/by-the-group; echo $HOOKED $PIXI_ENVIRONMENT_NAME"
        assert made.run("sh", "-c", script, options=("--user", "4242:0")) == f"yes {environment}"
    assert step.tags().keys() == {"default-dev", "server-dev"}


def test_a_model_runs_in_a_mounted_workspace(step: Step, bases: Bases, tmp_path: Path) -> None:
    link = '#!/bin/bash\n[ -e .pixi ] || ln -s /app/.pixi .pixi\nexec "$@"\n'
    write(step, {"link.sh": link, "README.md": "A model.\n"})
    inputs = {
        "runtime_image": bases.slim,
        "apt_packages": "git",
        "include": "--chmod=755 link.sh => /usr/local/bin/link",
        "entrypoint": "link",
        "working_directory": "/workspace",
        "tags": "type=sha",
    }
    made = shipped(step, **inputs)
    (tmp_path / "model").mkdir()
    (tmp_path / "model/run.py").write_text("import sys; print(sys.executable)\n")
    mounted = ("--volume", f"{tmp_path / 'model'}:/workspace")
    assert made.run("python", "run.py", options=mounted) == "/app/.pixi/envs/default/bin/python"
    assert made.run("git", options=mounted) == "git 1.0-1"
    assert (tmp_path / "model/.pixi").is_symlink()
    # A commit that leaves the image as it is gets its tag on the same bytes.
    (step.repository.study / "README.md").write_text("Another text.\n")
    step.repository.commit()
    again = shipped(step, **inputs)
    assert again.outcome.outputs["decision"] != "build"
    assert len(step.tags()) == 2
    assert set(step.tags().values()) == {made.outcome.outputs["digest"]}


def test_a_processor_builds_three_sources_by_tasks(step: Step, bases: Bases) -> None:
    names = ("reader", "filter", "writer")
    tasks = [f'build-{name} = "python -m compileall -q -b sources/{name}.py"' for name in names]
    files = {f"sources/{name}.py": f"NAME = '{name}'\n" for name in names}
    tool = '#!/bin/bash\nset -eu\ncd /app/sources\nexec python -c "import $1; print($1.NAME, $1.__file__)"\n'
    write(step, {**files, "tool.sh": tool}, manifest="\n".join((MANIFEST.rstrip(), *tasks, "")))
    made = shipped(
        step,
        runtime_image=bases.pixi,
        apt_packages="build-essential",
        include="sources\n--chmod=755 tool.sh => /usr/local/bin/process",
        instructions="RUN " + " && ".join(f"pixi run build-{name}" for name in names) + " && rm sources/*.py",
        user="1000",
        entrypoint="process",
        test_command="process reader",
    )
    assert made.run("writer") == "writer /app/sources/writer.pyc"


def test_a_task_of_a_workflow_platform(step: Step) -> None:
    write(step, {"wrapper.py": WRAPPER, "nodes/one.json": "{}"})
    made = shipped(
        step,
        ref="refs/tags/v1.4.2",
        runtime_image=step.rig.slim_image,
        include=".",
        entrypoint="python /app/wrapper.py",
        env="TOOL_VERSION=v1.4.2",
        tags="type=semver,pattern={{version}}\ntype=semver,pattern={{major}}.{{minor}}",
    )
    assert step.tags().keys() == {"1.4.2", "1.4", "latest"}
    assert made.run("--input", "a b", options=STRANGER) == "v1.4.2 shape /app --input a b"


def test_a_glacier_model_in_the_environments_folder(step: Step, bases: Bases) -> None:
    write(step, {"model/__init__.py": "", "model/__main__.py": WRAPPER, "setup.cfg": ""}, at="environment")
    made = shipped(
        step,
        context=".",
        manifest_path="environment/pixi.toml",
        runtime_image=bases.slim,
        apt_packages="curl git",
        include="model",
        entrypoint="python -m model",
        command="--help",
    )
    assert made.run() == "none shape /app --help"
    assert made.run("--year", "1850") == "none shape /app --year 1850"
    assert made.run("-c", "git", options=("--entrypoint", "bash")) == "git 1.0-1"


def test_a_neuroimaging_pipeline_on_its_own_base(step: Step, tmp_path: Path) -> None:
    rig = step.rig
    own_base = published(
        rig, tmp_path / "base", f"FROM {rig.slim_image}\nRUN echo atlas > /atlas\nENV ATLAS=/atlas\n"
    )
    templates = published(
        rig, tmp_path / "templates", f"FROM {rig.slim_image}\nRUN mkdir /t && echo brain > /t/mni\n"
    )
    files = {
        "pyproject.toml": PIPELINE,
        "pipe.py": TALKS_OF_DATA,
        ".pixi/config.toml": 'run-post-link-scripts = "insecure"\n',
    }
    own = '\n[pypi-dependencies]\npipe = { path = ".", editable = true }\n'
    write(step, files, manifest=f"{MANIFEST}{own}")
    made = shipped(
        step,
        runtime_image=own_base,
        instructions=f"COPY --from={templates} /t /templates",
        labels="org.label-schema.version=5",
        entrypoint="pipe",
        test_command="pipe --version",
    )
    assert "run-post-link-scripts" in made.outcome.log
    assert made.config["Labels"]["org.label-schema.version"] == "5"
    assert made.run("/data", "participant", options=STRANGER) == "brain\n /atlas ['/data', 'participant']"


def test_a_sequencing_tool_routes_to_its_programs(step: Step, bases: Bases) -> None:
    rig, name = step.rig, step.image
    write(step, {"router.sh": ROUTER, "tool/count.py": WRAPPER, "tool/kernel.py": "FAST = 1\n"})
    made = shipped(
        step,
        runtime_image=bases.slim,
        base_instructions="RUN echo 'fonts-lab fonts-lab/accepted boolean true' | debconf-set-selections \\\n"
        " && apt-get update && apt-get install --yes fonts-lab && rm -rf /var/lib/apt/lists/*",
        include="tool => /opt/tool\n--chmod=755 router.sh => /usr/local/bin/router",
        instructions="RUN python -m compileall -q /opt/tool",
        user="1000:1000",
        entrypoint="router",
        images=f"{rig.registry}/{name}\n{rig.password_registry}/{name}",
        username=rig.username,
        password=rig.password,
        test_command="router count && fonts-lab",
    )
    assert made.run("count", "--fast") == "none shape /app --fast"
    assert made.run("ls", "/opt/tool/__pycache__").split() == ["count.cpython-311.pyc", "kernel.cpython-311.pyc"]
    assert made.run("id", "-u") == "1000"
    assert registry_tags(rig.password_registry, name, (rig.username, rig.password)) == step.tags()


def test_a_training_image_on_a_vendors_base(step: Step, bases: Bases) -> None:
    made = shipped(
        step,
        environment="gpu",
        runtime_image=bases.pixi,
        apt_packages="libgl1",
        env="OMP_NUM_THREADS=1",
        entrypoint="pixi run",
        command="means",
        test_command="libgl1",
    )
    assert "environment example:gpu" in made.run()
    assert made.run("printenv", "VENDOR", "OMP_NUM_THREADS").splitlines()[-2:] == ["lab", "1"]
