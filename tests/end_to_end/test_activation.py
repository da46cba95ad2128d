"""Activation where something is in its way: hosts' variables, other images, scripts that leave options behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.end_to_end.images import PROBE, STRANGER, Image, build, parse_probe
from tests.rig import solve
from tests.rig.rig import Rig

MANIFEST = """\
[workspace]
name = "awkward"
channels = ["conda-forge"]
platforms = ["linux-64"]

[dependencies]
python = "3.11.*"
proj = "*"

[activation]
scripts = ["scripts/activate.sh"]

[activation.env]
PATH = "$PIXI_PROJECT_ROOT/scripts:$PATH"

[tasks]
plain = "python -V"
table = { cmd = "python -V" }
both = { depends-on = ["plain", "table"] }
kept = { cmd = "python -V", inputs = ["pixi.toml"] }
"""

SCRIPT = """\
set -Eeuo pipefail
shopt -s nullglob
trap 'echo trapped' EXIT ERR
IFS=,
echo "setting up"
cd /
"""

PREFIX = "/app/.pixi/envs/default"
TMP = "/tmp:mode=1777"  # noqa: S108
BATCH = ". <(sed '$d' /app/entrypoint.sh)"


@pytest.fixture(scope="module")
def image(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """Its own folder comes before the environment's in PATH, and its script leaves all kinds of things behind."""
    folder = tmp_path_factory.mktemp("awkward")
    (folder / "scripts").mkdir()
    (folder / "scripts/activate.sh").write_text(SCRIPT)
    (folder / "scripts/activate.sh").chmod(0o600)
    (folder / "pixi.toml").write_text(MANIFEST)
    solve.lock(folder / "pixi.toml", channel=rig.channel)
    made = build(rig, folder, "activation:awkward", "default")
    yield made
    made.docker("image", "rm", "--force", made.name)


def path_in(text: str) -> list[str]:
    return text.splitlines()[-1].split(":")


def test_a_folder_in_front_of_the_environment_stays_there(image: Image) -> None:
    first = ["/app/scripts", f"{PREFIX}/bin"]
    assert path_in(image.run("bash", "-c", "echo $PATH"))[:2] == first
    assert path_in(image.run("-c", "echo $PATH", options=("--entrypoint", "bash")))[:2] == first
    again = path_in(image.run("bash", "-c", f"{BATCH}; {BATCH}; echo $PATH"))
    assert again[:2] == first
    assert again.count(f"{PREFIX}/bin") == 1


@pytest.mark.parametrize("options", [(), ("--entrypoint", "bash")])
def test_what_a_script_sets_in_the_shell_is_not_left_in_it(image: Image, options: tuple[str, ...]) -> None:
    script = 'false | true; echo *.none$UNSET; trap -p; shopt nullglob; printf "%q" "$IFS"'
    command = ("-c", script) if options else ("bash", "-c", script)
    said = image.run(*command, options=options).splitlines()
    assert said == ["*.none", "nullglob       \toff", r"$' \t\n'"]


def test_a_command_has_its_folder_and_its_output_for_itself(image: Image) -> None:
    """Batch systems redirect what a job prints, and name its files relative to the folder that it starts in."""
    for command in (("pwd",), ("bash", "-c", "pwd"), ("bash", "-lc", "bash -c pwd")):
        assert image.run(*command, options=("--workdir", "/usr/lib")) == "/usr/lib"
    assert image.run("-c", "pwd", options=("--workdir", "/usr/lib", "--entrypoint", "bash")) == "/usr/lib"
    assert image.run("bash", "-c", f"cd /usr; {BATCH}; pwd") == "/usr"
    closed = "unset PIXI_CONTAINER_ACTIVE PROJ_DATA; exec 2>&-; . /app/.pixi/activate.sh; echo $PROJ_DATA"
    assert image.run("bash", "-c", closed) == f"{PREFIX}/share/proj"


def test_what_was_on_before_is_on_afterwards(image: Image) -> None:
    script = (
        "set -efuCo pipefail; shopt -s extglob; IFS=:; trap 'echo mine' USR1; unset PIXI_CONTAINER_ACTIVE; "
        '. /app/.pixi/activate.sh; echo "$-"; set -o | grep pipefail; shopt extglob; trap -p; printf "%q" "$IFS"'
    )
    flags, pipefail, extglob, trap, ifs = image.run("bash", "-c", script).splitlines()
    assert set("efuC") <= set(flags)
    assert (pipefail.split()[1], extglob.split()[1]) == ("on", "on")
    assert (trap, ifs) == ("trap -- 'echo mine' SIGUSR1", ":")


@pytest.mark.parametrize("marker", [PREFIX, f"{PREFIX}@0123456789abcdef"])
def test_another_images_activation_does_not_stand_for_this_ones(image: Image, marker: str) -> None:
    """A job in one of our images that starts a container of another one, with the same folders."""
    options = ("--env", f"PIXI_CONTAINER_ACTIVE={marker}")
    for way, command in (((), ("python",)), (("--entrypoint", "bash"), ("-c", 'exec python "$@"', "-"))):
        env = parse_probe(image.run(*command, "-c", PROBE, options=(*options, *way))).env
        assert env["PROJ_DATA"] == f"{PREFIX}/share/proj"
    assert image.config_env()["PIXI_CONTAINER_ACTIVE"] == ""


@pytest.mark.parametrize(
    "break_it",
    [
        "export PATH=/opt/conda/bin:$PATH CONDA_PREFIX=/opt/conda",
        "export PATH=/opt/conda/bin:$PATH",
        "PATH=/usr/bin",
    ],
)
def test_the_batch_recipe_repairs_what_a_hosts_conda_did(image: Image, break_it: str) -> None:
    said = image.run("bash", "-c", f'{break_it}; {BATCH}; echo "$CONDA_PREFIX"; echo "$PATH"').splitlines()
    assert said[0] == PREFIX
    assert said[1].startswith(f"/app/scripts:{PREFIX}/bin:")


def test_a_path_that_somebody_changed_on_purpose_stays(image: Image) -> None:
    """Such as a virtual environment's, or a folder of wrappers: bash sources the activation again."""
    script = "export PATH=/work/venv/bin:$PATH; bash -c 'echo $PATH'"
    assert path_in(image.run("bash", "-c", script))[0] == "/work/venv/bin"
    other = "export PATH=/opt/conda/bin:$PATH CONDA_PREFIX=/opt/conda; bash -c 'echo $PATH'"
    assert path_in(image.run("bash", "-c", other))[:2] == ["/app/scripts", f"{PREFIX}/bin"]


HOST = {
    "PYTHONPATH": "/host/lib",
    "PYTHONHOME": "/host",
    "CONDA_PREFIX_1": "/opt/conda",
    "CONDA_SHLVL": "3",
    "CONDA_EXE": "/opt/conda/bin/conda",
    "PIXI_EXE": "/home/me/.pixi/bin/pixi",
    "PIXI_FROZEN": "false",
    "PIXI_CACHE_DIR": "/home/me/.cache/pixi",
    "PIXI_PROJECT_ROOT": "/home/me/other",
}


def polluted(image: Image, *command: str, **more: str) -> dict[str, str]:
    """The variables of a process that was started among a host's variables, as by Apptainer."""
    options = [word for name, value in {**HOST, **more}.items() for word in ("--env", f"{name}={value}")]
    return parse_probe(image.run(*command, "-c", PROBE, options=options)).env


def test_a_hosts_settings_do_not_reach_the_environment(image: Image) -> None:
    env = polluted(image, "python")
    assert {name: env.get(name) for name in HOST} == {
        **dict.fromkeys(HOST),
        "CONDA_SHLVL": "1",
        "PIXI_FROZEN": "true",
        "PIXI_CACHE_DIR": "/tmp/pixi-cache",  # noqa: S108
        "PIXI_PROJECT_ROOT": "/app",
    }
    assert env["PYTHONNOUSERSITE"] == "1"


def test_what_is_meant_for_the_container_can_be_kept(image: Image) -> None:
    kept = polluted(image, "python", PYTHONHOME="", PIXI_CONTAINER_KEEP="PYTHONPATH PIXI_EXE", PYTHONNOUSERSITE="")
    assert kept["PYTHONPATH"] == "/host/lib"
    assert kept["PIXI_EXE"] == "/home/me/.pixi/bin/pixi"
    assert kept["PYTHONNOUSERSITE"] == ""


def test_a_user_without_a_home_has_folders_that_can_be_written(image: Image) -> None:
    script = (
        "import getpass, os; getpass.getuser(); "
        "[os.makedirs(os.environ[name], exist_ok=True) for name in "
        "('XDG_CACHE_HOME', 'MPLCONFIGDIR', 'NUMBA_CACHE_DIR', 'PIXI_HOME')]; print(os.environ['MPLCONFIGDIR'])"
    )
    said = image.run("python", "-c", script, options=(*STRANGER, "--tmpfs", TMP))
    assert said == "/tmp/pixi-container-54321/matplotlib"  # noqa: S108
    given = ("--env", "XDG_CACHE_HOME=/tmp/mine", "--tmpfs", TMP)
    assert image.run("bash", "-c", "echo $XDG_CACHE_HOME", options=(*STRANGER, *given)) == "/tmp/mine"  # noqa: S108
    nowhere = image.run("bash", "-c", "echo ${XDG_CACHE_HOME-none}", options=STRANGER)
    assert nowhere == "none"
    at_home = image.run("bash", "-c", "echo ${XDG_CACHE_HOME-none}")
    assert at_home == "none"


def test_a_folder_that_somebody_else_put_there_is_not_used(image: Image) -> None:
    script = (
        "mkdir /tmp/pixi-container-54321; setpriv --reuid=54321 --clear-groups "
        "env -u PIXI_CONTAINER_ACTIVE -u XDG_CACHE_HOME HOME=/ bash -c 'echo ${XDG_CACHE_HOME-none}'"
    )
    said = image.run("-c", script, options=("--entrypoint", "bash"))
    assert said.splitlines()[-1] == "none"


@pytest.mark.parametrize("task", ["plain", "table", "both", "kept"])
def test_pixi_runs_tasks_for_somebody_who_can_write_only_temporary_files(image: Image, task: str) -> None:
    said = image.run("pixi", "run", task, options=(*STRANGER, "--tmpfs", TMP))
    assert "Python 3.11" in said


def test_scripts_lie_above_the_packages_without_the_checkouts_times(image: Image) -> None:
    found = image.run("stat", "--format", "%a %Y", "/app/scripts/activate.sh", "/app/entrypoint.sh")
    assert found.splitlines() == ["644 315532800", "755 315532800"]
    history = image.docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image.name).splitlines()
    order = [line for line in history if "pixi-container: layer" in line]
    assert order[0].endswith("layer rest")
    assert len(order) > 2
    assert not any("scripts" in line for line in history[: history.index(order[-1])] if "COPY" in line)
