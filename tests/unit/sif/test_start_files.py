"""What Apptainer finds in the image: scripts that keep every value, whatever is in it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixi_container.sif.layer_entries import FILE, FOLDER, SYMLINK, LayerEntry
from pixi_container.sif.merged_layers import MergedLayers
from pixi_container.sif.start_files import (
    StartSettings,
    labels_json,
    runscript,
    start_files,
    start_settings,
    variables_script,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20) | st.sampled_from(
    [
        "$(id)",
        "`id`",
        "'",
        '"',
        "a'b",
        "\\",
        "\n",
        "$HOME",
        "-n",
        "--",
        "*",
        "; exit 9",
        "${x:-y}",
        "\u00e9 \u2028",
    ]
)
NAMES = st.from_regex(r"X[A-Z0-9_]{0,5}", fullmatch=True)
SHOW = ["/bin/sh", "-c", 'for each in "$@"; do printf "%s\\0" "$each"; done', "shown"]


def ran(script: str, *arguments: str) -> list[str]:
    """Return what a script prints, which ends each text with NUL."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "script"
        file.write_text(script, "utf-8", newline="")
        done = subprocess.run(
            ["/bin/sh", file, *arguments],
            cwd=folder,
            env={"PATH": os.environ["PATH"]},
            check=True,
            capture_output=True,
        )
    return done.stdout.decode().split("\0")[:-1]


@given(st.dictionaries(NAMES, TEXTS, max_size=5))
@settings(max_examples=30, deadline=None)
def test_variables_survive_a_shell(variables: dict[str, str]) -> None:
    script = variables_script(
        StartSettings(variables=tuple(f"{name}={value}" for name, value in variables.items()))
    )
    shown = ran(script + "env -0\n")
    assert variables.items() <= dict(line.partition("=")[::2] for line in shown).items()


def test_names_that_a_shell_cannot_have_are_left_out() -> None:
    wrong = ("a-b=1", "1a=1", "=1", "x;id=1", "$(id)=1", "a b=1", "é=1", "good=2", "bare")
    lines = variables_script(StartSettings(variables=wrong)).splitlines()
    assert lines == ["#!/bin/sh", "export good=2", 'export bare="${bare:-}"']


@given(st.lists(TEXTS, max_size=3), st.lists(TEXTS, max_size=3), st.lists(TEXTS, max_size=3))
@settings(max_examples=30, deadline=None)
def test_entrypoint_and_command_survive_a_shell(entry: list[str], command: list[str], given: list[str]) -> None:
    script = runscript(StartSettings(entrypoint=(*SHOW, *entry), command=tuple(command)))
    assert ran(script, *given) == [*entry, *(given or command)]


def test_a_command_alone_gives_way_to_arguments() -> None:
    script = runscript(StartSettings(command=(*SHOW, "a b")))
    assert ran(script) == ["a b"]
    assert ran(script, *SHOW, "$HOME") == ["$HOME"]
    assert ran(runscript(StartSettings()), *SHOW, "x") == ["x"]


def test_settings_of_a_configuration_without_what_is_of_a_wrong_type() -> None:
    config = {"Env": ["A=1", 2, "B=\0"], "Cmd": "sh", "Entrypoint": None, "Labels": {"a": "1", "b": 2}}
    assert start_settings(config) == StartSettings(variables=("A=1",), labels=(("a", "1"),))
    assert json.loads(labels_json(start_settings(config))) == {"a": "1"}


def files_on(*below: LayerEntry) -> dict[str, LayerEntry]:
    """Return the entries that are put on an image."""
    image = MergedLayers()
    image.add(below)
    files = start_files(StartSettings(command=("true",)), "from: x\n", image)
    assert [file.entry.number for file in files] == list(range(len(files)))
    assert all(file.entry.size == len(file.content) for file in files)
    return {file.entry.path: file.entry for file in files}


def test_what_apptainer_needs_is_there_and_what_the_image_has_stays() -> None:
    bare = files_on()
    assert {path for path, entry in bare.items() if entry.kind == FOLDER} >= {
        "dev",
        "proc",
        "sys",
        "tmp",
        "var/tmp",
    }
    assert bare["etc/hosts"].kind == bare["etc/resolv.conf"].kind == FILE
    assert bare[".run"].target == ".singularity.d/actions/run"
    assert bare["singularity"].target == ".singularity.d/runscript"
    full = files_on(
        LayerEntry("tmp", FOLDER, 0o1777),
        LayerEntry("run", FOLDER, 0o755),
        LayerEntry("home", SYMLINK, 0o777, target="nowhere"),
        LayerEntry("etc/resolv.conf", SYMLINK, 0o777, target="../run/resolv.conf"),
        LayerEntry("environment", FOLDER, 0o755),
        LayerEntry("singularity", SYMLINK, 0o777, target="old"),
    )
    assert not {"tmp", "home", "etc/resolv.conf", "environment"} & full.keys()
    assert {"singularity", "etc/hosts"} <= full.keys()


@pytest.mark.parametrize("path", [".singularity.d", ".singularity.d/env"])
def test_links_in_the_image_lead_its_scripts_nowhere(path: str) -> None:
    image = MergedLayers()
    image.add([LayerEntry("usr/bin", FOLDER, 0o755), LayerEntry(path, SYMLINK, 0o777, target="/usr/bin")])
    image.add([file.entry for file in start_files(StartSettings(), "", image)])
    paths = {path for inode in image.inodes() for path in inode.paths}
    assert ".singularity.d/env/10-docker2singularity.sh" in paths
    assert not [path for path in paths if path.startswith("usr/bin/")]


def scripts(folder: Path, variables: tuple[str, ...]) -> dict[str, str]:
    """Return the texts of the scripts, which look for the others in a folder instead of the root."""
    image = MergedLayers()
    texts = {}
    for file in start_files(StartSettings(variables=variables), "", image):
        if file.entry.kind == FILE:
            text = file.content.decode().replace("/.singularity.d", f"{folder}/.singularity.d")
            place = folder / file.entry.path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
            place.chmod(file.entry.mode)
            texts[file.entry.path.removeprefix(".singularity.d/")] = text
    return texts


def test_the_actions_have_the_variables(tmp_path: Path) -> None:
    made = scripts(tmp_path, ("PATH=/usr/bin:/bin", "LD_LIBRARY_PATH=/x"))
    show = 'printf "%s\\0" "$PATH" "$LD_LIBRARY_PATH"'
    assert ran(made["actions/exec"], "sh", "-c", show) == ["/usr/bin:/bin", f"/x:{tmp_path}/.singularity.d/libs"]
    assert ran(made["actions/run"], "sh", "-c", show)[0] == "/usr/bin:/bin"
    assert ran(made["actions/shell"], "-c", show)[0] == "/usr/bin:/bin"
    users = made["env/99-runtimevars.sh"] + show
    before = "export SING_USER_DEFINED_PREPEND_PATH=/a SING_USER_DEFINED_APPEND_PATH=/b\nPATH=/usr/bin\n"
    assert ran(before + users)[0] == "/a:/usr/bin:/b"
    assert ran(f"SING_USER_DEFINED_PATH=/own\n{before}{users}")[0] == "/own"
