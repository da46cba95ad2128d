"""activate.sh and entrypoint.sh: what a shell has before stays, and what the environment needs is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.unit.image.scripts.conftest import SCRIPTS, write

EXPORTS = """\
__pixi_container_image_variables() {
  export PIXI_FROZEN=true
}
__pixi_container_variables() {
  export CONDA_PREFIX=@prefix@
  export PIXI_PROJECT_NAME='it'"'"'s $HOME'
}
"""
MARKER = "@prefix@@0123456789abcdef"


class Image:
    """An image's workspace in a folder, whose environment is ``default``."""

    def __init__(self, folder: Path, hook: str = "") -> None:
        self.folder = folder
        self.workdir = folder / "app"
        self.prefix = self.workdir / ".pixi/envs/default"
        (folder / "tmp").mkdir()
        write(self.workdir / ".pixi/hook.sh", f"export HOOK=$((${{HOOK:-0}} + 1))\n{hook}")
        self.script = write(self.workdir / ".pixi/activate.sh", EXPORTS + self.filled("activate.sh"))
        self.script.write_text(self.script.read_text().replace("@prefix@", str(self.prefix)))
        self.entrypoint = write(self.workdir / "entrypoint.sh", self.filled("entrypoint.sh"), 0o755)

    @property
    def marker(self) -> str:
        """The activation's name, as PIXI_CONTAINER_ACTIVE has it."""
        return MARKER.replace("@prefix@", str(self.prefix))

    def filled(self, name: str) -> str:
        """Return a script with the values that finish.sh fills in."""
        text = (SCRIPTS / name).read_text().replace("@activation@", MARKER)
        return text.replace("@workdir@", str(self.workdir)).replace("@prefix@", str(self.prefix))

    def run(self, command: str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command of bash's, in which ``activate`` stands for the activation; it has to succeed."""
        text = re.sub(r"\bactivate\b(?!\.sh)", f". {self.script}", command)
        env = {"PATH": "/usr/bin:/bin", "HOME": "/root", "TMPDIR": str(self.folder / "tmp"), **variables}
        done = subprocess.run(
            ["/bin/bash", *options, "-c", text], env=env, cwd="/usr", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done

    def variables(self, command: str, *options: str, **variables: str) -> dict[str, str]:
        """Run a command, and give the variables that a program sees after it."""
        shown = self.run(f"{command}; env -0", *options, **variables).stdout
        return dict(entry.split("=", 1) for entry in shown.split("\0") if entry)


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return Image(tmp_path)


def test_the_environment_is_active(image: Image) -> None:
    variables = image.variables("activate")
    assert variables["PATH"] == f"{image.prefix}/bin:/usr/bin:/bin"
    assert variables["PIXI_CONTAINER_PATH"] == f"{image.prefix}/bin"
    assert variables["CONDA_PREFIX"] == str(image.prefix)
    assert variables["PIXI_PROJECT_NAME"] == "it's $HOME"
    assert variables["PIXI_FROZEN"] == "true"
    assert variables["PIXI_CONTAINER_ACTIVE"] == image.marker
    assert variables["HOOK"] == "1"


@pytest.mark.parametrize(
    "path", ["{bin}:/usr/bin:/bin", "/usr/bin:{bin}:/bin", "{bin}:{bin}:/usr/bin:{bin}:{bin}:/bin:{bin}"]
)
def test_the_environment_is_once_in_path(image: Image, path: str) -> None:
    folder = f"{image.prefix}/bin"
    assert image.variables("activate", PATH=path.replace("{bin}", folder))["PATH"] == f"{folder}:/usr/bin:/bin"


def test_folders_with_similar_names_stay_in_path(image: Image) -> None:
    path = f"/usr/bin:{image.prefix}/bin2:/x{image.prefix}/bin:/bin"
    assert image.variables("activate", PATH=path)["PATH"] == f"{image.prefix}/bin:{path}"


def test_a_second_time_changes_nothing(image: Image) -> None:
    once = image.variables("activate; export PATH=/mine:$PATH PIXI_FROZEN=false PIXI_PROJECT_NAME=mine")
    twice = image.variables("activate; export PATH=/mine:$PATH PIXI_FROZEN=false PIXI_PROJECT_NAME=mine; activate")
    assert twice == once


def test_a_child_of_an_active_shell_is_active_already(image: Image) -> None:
    command = f"activate; PYTHONPATH=/mine BASH_ENV={image.script} bash -c 'echo $HOOK $PYTHONPATH'"
    assert image.run(command).stdout == "1 /mine\n"


@pytest.mark.parametrize(
    "break_it",
    [
        "PATH=/usr/bin:/bin",
        "export CONDA_PREFIX=/opt/conda PATH=/usr/bin:$CONDA_PREFIX/bin:/bin",
        "unset CONDA_PREFIX; PATH=/usr/bin:/bin PIXI_PROJECT_NAME=other",
    ],
)
def test_what_another_activation_did_is_repaired(tmp_path: Path, break_it: str) -> None:
    image = Image(tmp_path, "export PATH=/own:$PATH")
    command = f"activate; {break_it}; PIXI_FROZEN=false; activate"
    variables = image.variables(command)
    assert variables["PATH"] == f"/own:{image.prefix}/bin:/usr/bin:/bin"
    assert (variables["CONDA_PREFIX"], variables["PIXI_PROJECT_NAME"]) == (str(image.prefix), "it's $HOME")
    assert (variables["HOOK"], variables["PIXI_FROZEN"]) == ("1", "false")


def test_without_a_path_to_repair_there_is_the_environments(image: Image) -> None:
    variables = image.variables("activate; unset PIXI_CONTAINER_PATH; PATH=/usr/bin:/bin; activate")
    assert variables["PATH"] == f"{image.prefix}/bin:/usr/bin:/bin"


def test_a_folder_that_a_script_puts_in_front_comes_first(tmp_path: Path) -> None:
    image = Image(tmp_path, "export PATH=/own:$PATH")
    assert image.variables("activate")["PIXI_CONTAINER_PATH"] == f"/own:{image.prefix}/bin"


def test_a_path_that_a_script_appends_to_is_not_repeated(tmp_path: Path) -> None:
    image = Image(tmp_path, "export PATH=$PATH:/own")
    variables = image.variables("activate")
    assert variables["PATH"] == f"{image.prefix}/bin:/usr/bin:/bin:/own"
    assert variables["PIXI_CONTAINER_PATH"] == f"{image.prefix}/bin"


def test_the_entrypoint_runs_the_command_in_the_environment(image: Image) -> None:
    command = (
        f"""activate; PATH=/mine:$PATH; {image.entrypoint} bash -c 'echo "$PATH"; echo "$1"; exit 0' - 'a  b'"""
    )
    assert image.run(command).stdout == f"{image.prefix}/bin:/mine:/usr/bin:/bin\na  b\n"


def test_a_batch_job_sources_the_entrypoint_without_its_last_line(image: Image) -> None:
    source = f". <(sed '$d' {image.entrypoint})"
    command = f"{source}; echo $HOOK; PATH=/mine:$PATH; {source}; echo $PATH"
    assert image.run(command).stdout == f"1\n{image.prefix}/bin:/mine:/usr/bin:/bin\n"
    assert image.entrypoint.read_text().splitlines()[-1] == 'exec "$@"'


HOST = {
    "PYTHONPATH": "/host/lib",
    "PYTHONHOME": "/host",
    "CONDA_EXE": "/opt/conda/bin/conda",
    "PIXI_EXE": "/home/me/.pixi/bin/pixi",
}


def test_a_hosts_settings_are_dropped(image: Image) -> None:
    others = {"PIXI_PROJECT_VERSION": "1.2", "PIXI_CONTAINER_KEEP": "", "PYTHONNOUSERSITE": "", "MY_CONDA": "1"}
    variables = image.variables("activate", **HOST, **others)
    assert not HOST.keys() & variables.keys()
    assert others.items() <= variables.items()


def test_what_is_meant_for_the_container_is_kept(image: Image) -> None:
    variables = image.variables("activate", **HOST, PIXI_CONTAINER_KEEP="PYTHONPATH PIXI_EXE")
    assert {name: variables.get(name) for name in HOST} == {**HOST, "PYTHONHOME": None, "CONDA_EXE": None}


@pytest.mark.parametrize("marker", ["", "/app/.pixi/envs/default", "/app/.pixi/envs/other@0123456789abcdef"])
def test_another_images_activation_does_not_stand_for_this_one(image: Image, marker: str) -> None:
    variables = image.variables("activate", PIXI_CONTAINER_ACTIVE=marker, PYTHONPATH="/host/lib")
    assert variables["HOOK"] == "1"
    assert "PYTHONPATH" not in variables


SHELL = "echo $-; set -o; shopt; trap -p; printf '%q\\n' \"${IFS-unset}\"; pwd"
LEFT_BEHIND = """\
set -a -T -C +h
shopt -s nullglob dotglob
shopt -u extglob sourcepath
trap 'echo left' EXIT ERR USR2
trap - USR1
IFS=,
cd /
"""


@pytest.mark.parametrize("before", ["", "unset IFS", "IFS=:", "IFS="])
@pytest.mark.parametrize(
    "options", ["", "set -efuCo pipefail; shopt -s extglob failglob; trap 'echo mine' USR1 EXIT"]
)
def test_the_shell_is_as_it_was(tmp_path: Path, before: str, options: str) -> None:
    image = Image(tmp_path, LEFT_BEHIND)
    plain, active = (image.run(f"{before}\n{options}\n{command}\n{SHELL}").stdout for command in (":", "activate"))
    assert active == plain


def test_scripts_run_without_the_users_options(tmp_path: Path) -> None:
    image = Image(tmp_path, "false; echo $UNSET; set -- /et*; false | true && > $TMPDIR/f && export RAN=$1")
    variables = image.variables("set -efuCo pipefail; : >| $TMPDIR/f; IFS=x; activate")
    assert variables["RAN"] == "/etc"


def test_scripts_split_words_as_they_are_used_to(tmp_path: Path) -> None:
    image = Image(tmp_path, "words='a b'; set -- $words; export WORDS=$#")
    assert image.variables("IFS=; activate")["WORDS"] == "2"


def test_errors_of_scripts_run_no_trap_and_end_no_shell(tmp_path: Path) -> None:
    image = Image(tmp_path, "false\nreturn 3\n")
    assert image.run("set -Eeuo pipefail; activate; echo on", "--noprofile").stdout == "on\n"


def test_a_folder_that_is_gone_is_no_error(tmp_path: Path) -> None:
    image = Image(tmp_path, "cd /\n")
    command = "mkdir $TMPDIR/gone; cd $TMPDIR/gone; rmdir $TMPDIR/gone; set -e; activate; echo on"
    assert image.run(command).stdout == "on\n"


def test_what_scripts_print_is_no_output_of_the_command(tmp_path: Path) -> None:
    image = Image(tmp_path, "echo loud\ncd /\ncd -\n")
    done = image.run("CDPATH=/:; activate; echo quiet")
    assert done.stdout == "quiet\n"
    assert "loud\n" in done.stderr
    assert image.run("exec 2>&-; activate; echo $HOOK").stdout == "1\n"


def test_nothing_of_it_is_left_in_the_shell(image: Image) -> None:
    left = "compgen -v __pixi; compgen -A function __pixi; true"
    assert image.run(f"activate; {left}; activate; {left}; PATH=/usr/bin:/bin; activate; {left}").stdout == ""


FOLDERS = ("PIXI_HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR")


def test_a_user_without_a_home_has_folders_that_can_be_written(image: Image) -> None:
    variables = image.variables("activate", HOME="/nonexistent")
    (folder,) = (image.folder / "tmp").iterdir()
    assert folder.name.startswith("pixi-container-")
    assert folder.stat().st_mode & 0o777 == 0o700
    wanted = (f"{folder}/pixi", str(folder), f"{folder}/matplotlib", f"{folder}/numba")
    assert tuple(variables[name] for name in FOLDERS) == wanted
    again = image.variables("activate", HOME="/nonexistent")
    assert tuple(again[name] for name in FOLDERS) == wanted


def test_folders_that_the_user_names_are_kept(image: Image) -> None:
    named = {name: f"/mine/{name}" for name in FOLDERS[1:]}
    assert named.items() <= image.variables("activate", HOME="", **named).items()


def test_a_link_that_somebody_put_there_is_not_used(image: Image) -> None:
    (image.folder / "other").mkdir()
    command = f"ln -s {image.folder}/other $TMPDIR/pixi-container-$EUID; activate"
    assert not set(FOLDERS) & image.variables(command, HOME="/nonexistent").keys()


def test_a_user_with_a_home_uses_it(image: Image) -> None:
    home = image.folder / "home"
    home.mkdir()
    assert not set(FOLDERS) & image.variables("activate", HOME=str(home)).keys()
    assert list((image.folder / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("known", "variables", "named"),
    [
        (False, {}, True),
        (False, {"USER": "me"}, False),
        (False, {"LOGNAME": "me"}, False),
        (True, {}, False),
    ],
)
def test_a_user_whom_the_image_does_not_know_has_a_name(
    image: Image, known: bool, variables: dict[str, str], named: bool
) -> None:
    write(image.prefix / "bin/id", f"#!/bin/sh\necho name\nexit {0 if known else 1}\n", 0o755)
    done = image.run("activate; echo ${LOGNAME-none} uid-$EUID", **variables)
    logname, uid = done.stdout.split()
    assert (logname == uid) == named
    assert logname == (uid if named else variables.get("LOGNAME", "none"))
