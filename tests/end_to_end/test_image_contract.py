"""The image contract: what anybody who runs an image can rely on, tested by running it."""

from __future__ import annotations

import shlex
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.end_to_end.images import PROBE, SECRET, STRANGER, Image, Probe, build, parse_probe
from tests.rig import solve
from tests.rig.rig import Rig

LIVELY = """\
[workspace]
name = "lively"
channels = ["conda-forge"]
platforms = ["linux-64"]

[dependencies]
python = "3.11.*"
proj = "*"

[activation]
scripts = ["scripts/activate.sh"]

[activation.env]
LIVELY_PLAIN = "it's \\"plain\\" \\\\ and #1"
LIVELY_DATA = "$CONDA_PREFIX/share/lively"
LIVELY_LINES = \"\"\"first

pixi() {
export PIXI_IN_SHELL=no
last\"\"\"
"""
LIVELY_SCRIPT = """\
echo "$LIVELY_NOT_SET"
false
export LIVELY_SCRIPT=$((${LIVELY_SCRIPT:-0} + 1))
"""


@pytest.fixture(scope="module", params=["default-pixi", "gpu-pixi", "default-slim", "gpu-slim"])
def image(request: pytest.FixtureRequest, rig: Rig, solved_example: Path) -> Iterator[Image]:
    """The example's environments on both bases: the builder, which has pixi, and a small one, which has not."""
    environment, base = request.param.split("-")
    made = build(rig, solved_example, f"contract:{request.param}", environment, slim=base == "slim")
    yield made
    made.docker("image", "rm", "--force", made.name)


@pytest.fixture(scope="module")
def lively(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """A workspace with packages, scripts and variables that take part in the activation."""
    folder = tmp_path_factory.mktemp("lively")
    (folder / "scripts").mkdir()
    (folder / "scripts/activate.sh").write_text(LIVELY_SCRIPT)
    (folder / "pixi.toml").write_text(LIVELY)
    solve.lock(folder / "pixi.toml", channel=rig.channel)
    made = build(rig, folder, "contract:lively", "default")
    yield made
    made.docker("image", "rm", "--force", made.name)


@pytest.fixture(scope="module")
def container(image: Image) -> Iterator[str]:
    """A running container of the image, to execute things in."""
    name = image.docker("run", "--detach", image.name, "sleep", "infinity")
    yield name
    image.docker("rm", "--force", name)


def python_in_shell() -> str:
    return f"python -c '{PROBE}'"


def apptainer_like(image: Image, *command: str) -> str:
    """Run it as Apptainer does: no entrypoint, variables of the configuration alone, another user's HOME."""
    variables = [f"{name}={value}" for name, value in image.config_env().items()]
    return image.run(
        "-i",
        "HOME=/home/someone",
        *variables,
        *command,
        options=("--entrypoint", "env", "--user", "4242:4242", "--read-only", "--network", "none"),
    )


WAYS: dict[str, Callable[[Image, str], str]] = {
    "run": lambda image, _: image.run("python", "-c", PROBE),
    "run --entrypoint python": lambda image, _: image.run("-c", PROBE, options=("--entrypoint", "python")),
    "run --entrypoint bash": lambda image, _: image.run("-c", python_in_shell(), options=("--entrypoint", "bash")),
    "run --entrypoint sh": lambda image, _: image.run("-c", python_in_shell(), options=("--entrypoint", "sh")),
    "exec": lambda image, running: image.docker("exec", running, "python", "-c", PROBE),
    "exec bash -c": lambda image, running: image.docker("exec", running, "bash", "-c", python_in_shell()),
    "exec bash -lc": lambda image, running: image.docker("exec", running, "bash", "-lc", python_in_shell()),
    "exec bash -ic": lambda image, running: image.docker("exec", running, "bash", "-ic", python_in_shell()),
    "exec bash -lic": lambda image, running: image.docker("exec", running, "bash", "-lic", python_in_shell()),
    "exec sh -lc": lambda image, running: image.docker("exec", running, "sh", "-lc", python_in_shell()),
    "exec as a stranger": lambda image, running: image.docker(
        "exec", "--user", "54321:54321", "--env", "HOME=/nonexistent", running, "python", "-c", PROBE
    ),
    "interactive without any variable": lambda image, running: image.docker(
        "exec", running, "env", "-i", "bash", "-ic", python_in_shell()
    ),
    "login without any variable": lambda image, running: image.docker(
        "exec", running, "env", "-i", "bash", "-lc", python_in_shell()
    ),
    "entrypoint without its last line": lambda image, running: image.docker(
        "exec",
        *(running, "env", "-i", "PATH=/usr/bin:/bin", "bash", "-c"),
        f". <(sed '$d' /app/entrypoint.sh); {python_in_shell()}",
    ),
    "apptainer exec": lambda image, _: apptainer_like(image, "python", "-c", PROBE),
    "apptainer exec bash": lambda image, _: apptainer_like(image, "bash", "-c", python_in_shell()),
}


def active_variables(image: Image) -> dict[str, str]:
    """What the activation of the example sets, by Pixi's own rules."""
    label = "example" if image.environment == "default" else f"example:{image.environment}"
    return {
        "CONDA_DEFAULT_ENV": label,
        "CONDA_PREFIX": image.prefix,
        "CONDA_SHLVL": "1",
        "MEANS_COLUMNS": "3",
        "PIXI_ENVIRONMENT_NAME": image.environment,
        "PIXI_ENVIRONMENT_PLATFORMS": "linux-64-cuda" if image.environment == "gpu" else "linux-64,linux-64-cuda",
        "PIXI_IN_SHELL": "1",
        "PIXI_PROJECT_MANIFEST": "/app/pixi.toml",
        "PIXI_PROJECT_NAME": "example",
        "PIXI_PROJECT_ROOT": "/app",
    }


def assert_active(image: Image, probe: Probe) -> None:
    assert probe.prefix == image.prefix
    assert {name: probe.env.get(name) for name in active_variables(image)} == active_variables(image)
    path = probe.env["PATH"].split(":")
    assert path[0] == f"{image.prefix}/bin"
    assert path.count(path[0]) == 1
    assert "/usr/bin" in path
    assert "/bin" in path


@pytest.mark.parametrize("way", WAYS)
def test_the_environment_is_active(image: Image, container: str, way: str) -> None:
    assert_active(image, parse_probe(WAYS[way](image, container)))


def test_the_version_is_a_variable_of_the_image(image: Image) -> None:
    """It changes with each release, so that the activation, which is part of the environment, has it not."""
    assert image.config_env()["PIXI_PROJECT_VERSION"] == "0.1.0"


def test_the_environment_is_active_in_a_child_image(image: Image, tmp_path: Path) -> None:
    dockerfile = f"""\
FROM {image.name} AS child
RUN {python_in_shell()} > /sh
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN {python_in_shell()} > /bash
FROM scratch
COPY --from=child /sh /bash /
"""
    image.docker("buildx", "build", "--no-cache", "--output", str(tmp_path), "-", given=dockerfile)
    for shell in ("sh", "bash"):
        assert_active(image, parse_probe((tmp_path / shell).read_text()))


def test_the_program_is_process_one_and_gets_the_signal(image: Image) -> None:
    script = "import signal, sys; signal.signal(15, lambda *_: sys.exit(42)); "
    script += "print('ready', flush=True); signal.pause()"
    name = image.docker("run", "--detach", image.name, "python", "-c", script)
    try:
        image.wait_for(name, "ready")
        assert image.docker("exec", name, "cat", "/proc/1/cmdline").split("\0")[0] == "python"
        image.docker("kill", "--signal", "TERM", name)
        assert image.docker("wait", name) == "42"
    finally:
        image.docker("rm", "--force", name)


def test_the_program_runs_for_anybody_anywhere(image: Image) -> None:
    said = image.run("python", "src/means.py", options=STRANGER)
    runtime = "12.9" if image.environment == "gpu" else "none"
    label = active_variables(image)["CONDA_DEFAULT_ENV"]
    assert said.startswith(f"environment {label}, numpy ")
    assert f"CUDA runtime {runtime}\n" in said


def test_nothing_is_unreadable(image: Image) -> None:
    find = "find /app ! -readable -o -type d ! -executable"
    assert image.run("sh", "-c", find, options=STRANGER) == ""
    assert image.run("find", "/app/.pixi", "-perm", "/022", "!", "-type", "l") == ""


def test_the_entrypoint_ends_with_exec(image: Image) -> None:
    text = image.run("cat", "/app/entrypoint.sh")
    assert text.startswith("#!/bin/bash\n")
    assert text.splitlines()[-1] == 'exec "$@"'


def test_pixi_finds_the_environment_complete(image: Image) -> None:
    """Made by this program, it is what pixi itself would have installed: no package is linked again."""
    if not image.has_pixi:
        return
    script = (
        "unset PIXI_FROZEN PIXI_NO_INSTALL; touch /tmp/before; "
        f"pixi install --locked --environment {image.environment} 2>&1 >/dev/null; "
        'cd "$CONDA_PREFIX"; find . -newer /tmp/before ! -type d'
    )
    options = ("--network", "none", "--env", "PYTHONDONTWRITEBYTECODE=1")
    listed = image.run("bash", "-euc", script, options=options).splitlines()
    changed = {line.removeprefix("./conda-meta/") for line in listed if line.startswith("./")}
    # What pixi writes anew whenever it installs.
    assert changed <= {"history", "pixi", "pixi_env_prefix", ".pixi-environment-fingerprint"}


def test_pixi_works_inside_and_installs_nothing(image: Image) -> None:
    if not image.has_pixi:
        assert image.docker("run", "--rm", image.name, "sh", "-c", "command -v pixi", check=False) == ""
        return
    # A manifest that does not fit the lock makes pixi install, unless it is told not to.
    commands = ("bash", "-euc", "pixi run means; pixi list")
    other = "sed -i 's/^numpy = .*/numpy = \"<1\"/' pixi.toml; pixi run means"
    assert "column means" in image.run("bash", "-euc", other)
    name = image.docker("create", "--env", "PYTHONDONTWRITEBYTECODE=1", image.name, *commands)
    try:
        said = image.docker("start", "--attach", name)
        changed = [line for line in image.docker("diff", name).splitlines() if " /app" in line]
    finally:
        image.docker("rm", "--force", name)
    assert f"environment {active_variables(image)['CONDA_DEFAULT_ENV']}," in said
    assert "numpy" in said.partition("Name")[2]
    assert ("cuda-cudart" in said.partition("Name")[2]) == (image.environment == "gpu")
    assert changed == []
    stranger = image.run(*commands, options=(*STRANGER, "--tmpfs=/tmp"))
    assert stranger.split() == said.split()


def test_only_cuda_images_ask_for_the_driver(image: Image) -> None:
    wanted = {
        "NVIDIA_VISIBLE_DEVICES": "all",
        "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
        "CONDA_OVERRIDE_CUDA": "12",
    }
    found = {name: value for name, value in image.config_env().items() if name in wanted}
    assert found == (wanted if image.environment == "gpu" else {})


def test_activation_again_does_not_grow_path(image: Image) -> None:
    script = (
        '. /app/.pixi/activate.sh; . /app/.pixi/activate.sh; bash -lc \'sh -lc "bash -lic \\"echo \\$PATH\\""\''
    )
    path = image.run("bash", "-c", script).split(":")
    assert path[0] == f"{image.prefix}/bin"
    assert path.count(path[0]) == 1


def test_strict_scripts_stay_strict(image: Image, tmp_path: Path) -> None:
    script = tmp_path / "job.sh"
    script.write_text("#!/bin/bash\nset -euo pipefail\npython -c 'print(1)'\necho $-\nfalse | true\necho never\n")
    script.chmod(0o755)
    mount = ("--volume", f"{script}:/job.sh:ro")
    for options in (mount, (*mount, "--entrypoint", "/job.sh")):
        command = () if "--entrypoint" in options else ("/job.sh",)
        said = image.docker("run", "--rm", *options, image.name, *command, check=False).splitlines()
        assert said[0] == "1"
        assert {"e", "u"} <= set(said[1])
        assert len(said) == 2


SHELLS: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "run": ((), ("python", "-c", PROBE)),
    "run as a stranger": (STRANGER, ("python", "-c", PROBE)),
    "bash -c": (("--entrypoint", "bash"), ("-c", python_in_shell())),
    "bash -euc": (("--entrypoint", "bash"), ("-euo", "pipefail", "-c", python_in_shell())),
    "bash in bash": ((), ("bash", "-euc", f"bash -lc {shlex.quote(python_in_shell())}")),
    "bash -lc without any variable": (
        ("--entrypoint", "env"),
        ("-i", "HOME=/", "bash", "-lc", python_in_shell()),
    ),
}


@pytest.mark.parametrize("shell", SHELLS)
def test_packages_scripts_and_variables_take_part(lively: Image, shell: str) -> None:
    options, command = SHELLS[shell]
    env = parse_probe(lively.run(*command, options=options)).env
    found = {name: value for name, value in env.items() if name.startswith(("LIVELY_", "PROJ_"))}
    assert found == {
        "LIVELY_DATA": "/app/.pixi/envs/default/share/lively",
        "LIVELY_LINES": "first\n\npixi() {\nexport PIXI_IN_SHELL=no\nlast",
        "LIVELY_PLAIN": 'it\'s "plain" \\ and #1',
        "LIVELY_SCRIPT": "1",
        "PROJ_DATA": "/app/.pixi/envs/default/share/proj",
        "PROJ_NETWORK": "ON",
    }
    assert env["PIXI_IN_SHELL"] == "1"


def test_plain_variables_need_no_shell(lively: Image) -> None:
    env = parse_probe(lively.run("-c", PROBE, options=("--entrypoint", "python"))).env
    assert env["LIVELY_PLAIN"] == 'it\'s "plain" \\ and #1'


@pytest.mark.parametrize("image", ["gpu-slim"], indirect=True)
def test_layers_hold_only_what_belongs_there(image: Image, solved_example: Path, tmp_path: Path) -> None:
    """No cache, no repository, no name of a folder of this machine and no secret, in any file of any layer."""
    archive = tmp_path / "image.tar"
    image.docker("save", "--output", str(archive), image.name)
    needles = [SECRET.encode(), str(solved_example).encode(), b"/var/cache/pixi", b"/pixi-container/cache"]
    names: set[str] = set()
    searched = 0
    for name, content in files_in(archive):
        names.add(name)
        searched += len(content)
        assert not [needle for needle in needles if needle in content], name
    assert searched > 50_000_000
    assert {"app/pixi.toml", "app/pixi.lock", "app/src/means.py", "app/.pixi/activate.sh"} <= names
    unwanted = {".git", "pkgs", ".cache", "repodata_record.json"}
    assert not [name for name in names if unwanted & set(Path(name).parts)]
    assert not [
        name
        for name in names
        if name.startswith(("var/cache/pixi", "root/.cache", "root/.docker", "tmp/", "home/"))
    ]


def files_in(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Return name and content of each file of each layer, and the configuration and manifests themselves."""
    with tarfile.open(archive) as outer:
        for blob in outer:
            opened = outer.extractfile(blob)
            if not opened:
                continue
            try:
                with tarfile.open(fileobj=opened, mode="r:*") as layer:
                    for member in layer:
                        content = layer.extractfile(member) if member.isfile() else None
                        yield member.name.removeprefix("./"), content.read() if content else b""
            except tarfile.ReadError:
                opened.seek(0)
                yield blob.name, opened.read()
