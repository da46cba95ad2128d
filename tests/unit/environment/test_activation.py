"""The files that activate an environment, equal to those that the image's scripts make."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pixi_container.environment.activation import (
    Activation,
    _kept,
    activation_entries,
    exports,
    hook_text,
    shell_entries,
    workspace_activation,
)
from pixi_container.environment.entries import PathEntry, text_entry
from pixi_container.errors import UserError
from pixi_container.image.dockerfile import ImageSettings, render_dockerfile
from pixi_container.inputs import parse_inputs
from pixi_container.registry.reference import parse_reference
from pixi_container.workspace.workspace import read_workspace
from tests.unit.conftest import Folder
from tests.unit.image.scripts.conftest import Builder, write

SHELL_HOOK = """\
export PATH="{prefix}/bin:/usr/bin"
export CONDA_SHLVL=1
export CONDA_PREFIX={prefix}
export A=1
export LINES='one
export PATH=two

three'
export PIXI_PROJECT_NAME=study
. {prefix}/etc/conda/activate.d/a.sh
. {prefix}/etc/conda/activate.d/b.sh
. '{workdir}/my scripts/own.sh'
export MODE=fast
# shellcheck shell=bash
pixi() {{
    "${{PIXI_EXE-}}" "$@"
}}
"""
FILES = {
    "etc/conda/activate.d/b.sh": b"",
    "etc/conda/activate.d/a.sh": b"",
    "etc/conda/activate.d/a.fish": b"",
    "etc/conda/env_vars.d/b.json": json.dumps({"LINES": "one\nexport PATH=two\n\nthree"}).encode(),
    "etc/conda/env_vars.d/a.json": b'{"A": "1"}',
}


def texts(entries: list[PathEntry]) -> dict[str, str]:
    return {entry.path: b"".join(entry.content).decode() for entry in entries if entry.kind == "file"}


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(tmp_path / "root")


@pytest.fixture
def activation(builder: Builder) -> Activation:
    return Activation(
        prefix=str(builder.prefix),
        workdir=str(builder.workdir),
        image_variables=(("PIXI_FROZEN", "true"),),
        variables=(("CONDA_PREFIX", str(builder.prefix)), ("NAME", "a b'c")),
        scripts=("my scripts/own.sh",),
        script_files=(text_entry("my scripts/own.sh", "export OWN=1\n", 0o755),),
        environment=(("MODE", "fast"),),
    )


def finished(builder: Builder, activation: Activation) -> None:
    """Have the image's scripts finish an environment of one package, as pixi would have installed it."""
    write(builder.scripts / "start")
    write(builder.scripts / "exports.sh", exports(activation))
    write(builder.prefix / "conda-meta/numpy-1-0.json", '{\n  "name": "numpy",\n  "files": []\n}\n')
    for name in ("history", "pixi", ".pixi-environment-fingerprint"):
        write(builder.prefix / "conda-meta" / name)
    write(builder.workdir / "my scripts/own.sh", "export OWN=1\n", 0o755)
    builder.pixi.answer(hook=SHELL_HOOK.format(prefix=builder.prefix, workdir=builder.workdir))
    done = builder.run(
        "finish.sh",
        "my scripts/own.sh",
        TARGETARCH="amd64",
        WORKDIR=str(builder.workdir),
        ENVIRONMENT="default",
        RECORDS="amd64=1",
        CUDA="",
        IMAGE=str(builder.root / "image"),
        LC_ALL="C",
    )
    assert done.returncode == 0, done.stderr


def test_the_files_are_those_of_the_docker_way(builder: Builder, activation: Activation) -> None:
    finished(builder, activation)
    hook = hook_text(activation, FILES)
    entries = list(activation_entries(activation, hook, ["pixi", "numpy-1-0.json", "history"]))
    files = texts(entries)
    for name in (".pixi/hook.sh", ".pixi/activate.sh", "entrypoint.sh"):
        assert files[name] == (builder.workdir / name).read_text()
    below = builder.root / "image/entrypoint" / str(builder.workdir).lstrip("/")
    assert files["my scripts/own.sh"] == (below / "my scripts/own.sh").read_text()
    for entry in entries:
        place = builder.workdir / entry.path
        assert entry.mode == place.lstat().st_mode & 0o7777
        assert (entry.kind == "symlink") == place.is_symlink()
        assert not entry.target or entry.target == str(place.readlink())


def test_another_package_or_hook_has_another_name(activation: Activation) -> None:
    def name(hook: str, records: list[str]) -> str:
        text = texts(list(activation_entries(activation, hook, records)))[".pixi/activate.sh"]
        return str(re.findall("@[0-9a-f]{16}", text)[0])

    names = [name("", ["a"]), name("", ["b"]), name("export A=1\n", ["a"])]
    assert len(set(names)) == 3
    assert name("", ["b", "a"]) == name("", ["a", "b"])


@pytest.mark.parametrize("own", [None, "echo own\n", "no newline"])
def test_the_shells_start_up_files_are_those_of_the_docker_way(
    builder: Builder, activation: Activation, own: str | None
) -> None:
    root = builder.root / "image"
    write(root / "bin/bash", mode=0o755)
    if own is not None:
        write(root / "etc/bash.bashrc", own)
    done = builder.run("shells.sh", activation.workdir, activation.prefix, str(root))
    assert done.returncode == 0, done.stderr
    entries = list(shell_entries(None if own is None else text_entry("etc/bash.bashrc", own), activation))
    made = {str(file.relative_to(root / "shells")) for file in (root / "shells").rglob("*") if file.is_file()}
    assert texts(entries).keys() == made
    for path, text in texts(entries).items():
        assert text == (root / "shells" / path).read_text()
    (folder,) = (entry.path for entry in entries if entry.kind == "directory")
    assert (root / "shells" / folder).is_dir()


def test_the_exports_are_those_of_the_dockerfile(folder: Folder) -> None:
    workspace = read_workspace(parse_inputs({"context": str(folder.path), "environment": "gpu"}))
    image = parse_reference("ghcr.io/prefix-dev/pixi:1", source="test")
    text = render_dockerfile(workspace, builder_image=image, runtime_image=image, settings=ImageSettings())
    activation = workspace_activation(workspace, "/app")
    assert text.partition('COPY <<"EXPORTS" /pixi-container/exports.sh\n')[2].partition("EXPORTS\n")[0] == exports(
        activation
    )
    assert activation.environment == (("STUDY_MODE", "fast"),)
    assert activation.prefix == "/app/.pixi/envs/gpu"


def test_scripts_of_the_workspace_come_along(folder: Folder) -> None:
    folder.write("a script.sh", "export A=1\n").chmod(0o600)
    folder.replace("pixi.toml", "[activation.env]", '[activation]\nscripts = ["a script.sh"]\n[activation.env]')
    workspace = read_workspace(parse_inputs({"context": str(folder.path)}))
    (entry,) = workspace_activation(workspace, "/app").script_files
    assert (entry.path, entry.mode, b"".join(entry.content)) == ("a script.sh", 0o644, b"export A=1\n")


def test_a_value_that_no_shell_can_take_is_refused(activation: Activation) -> None:
    with pytest.raises(UserError, match="control character"):
        exports(replace(activation, variables=(("A", "one\ntwo"),)))


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("plain", "plain"),
        ("two words", "two words"),
        ("it's", "it's"),
        ('say "hi"', 'say "hi"'),
        ("$HOME/x", "/home/me/x"),
        ("one\ntwo", "one\ntwo"),
    ],
)
def test_a_variable_has_the_value_that_pixi_gives_it(
    builder: Builder, activation: Activation, value: str, seen: str
) -> None:
    hook = hook_text(replace(activation, scripts=(), environment=(("VALUE", value),)), {})
    done = builder.shell("bash", "-euc", f'{hook}\nprintf %s "$VALUE"', HOME="/home/me")
    assert (done.stdout, done.stderr) == (seen, "")


def test_the_folder_for_temporary_files_may_have_any_name(
    activation: Activation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = hook_text(activation, FILES)
    odd = tmp_path / "odd 'folder' $x"
    odd.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(odd))
    assert hook_text(activation, FILES) == plain
    assert list(odd.iterdir()) == []
    shutil.rmtree(odd)


@pytest.mark.parametrize(
    ("mode", "kept"), [(0o644, 0o644), (0o600, 0o644), (0o744, 0o755), (0o654, 0o755), (0o645, 0o755)]
)
def test_a_script_that_anybody_may_start_is_for_everybody(folder: Folder, mode: int, kept: int) -> None:
    folder.write("own.sh", "").chmod(mode)
    folder.replace("pixi.toml", "[activation.env]", '[activation]\nscripts = ["own.sh"]\n[activation.env]')
    workspace = read_workspace(parse_inputs({"context": str(folder.path)}))
    (entry,) = workspace_activation(workspace, "/app").script_files
    assert entry.mode == kept


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        (["export A=1", "", "  ", "export B=2"], ["export A=1", "export B=2"]),
        (["export A='1", "", "export PATH=x", "2'", "", "B"], ["export A='1", "", "export PATH=x", "2'", "B"]),
        (["export A='1\\'", "", "export B=1"], ["export A='1\\'", "export B=1"]),
        (['export A="1\\"', "", '2"', ""], ['export A="1\\"', "", '2"']),
        (["export A='\"'", "", 'export B="\'"', ""], ["export A='\"'", 'export B="\'"']),
        (["export A=\\'", "", "export B=1"], ["export A=\\'", "export B=1"]),
        (["export A='1", "2", "3", "", "4'", ""], ["export A='1", "2", "3", "", "4'"]),
    ],
)
def test_a_value_of_several_lines_is_kept_whole(lines: list[str], kept: list[str]) -> None:
    assert list(_kept(lines)) == kept


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        *((f"export CONDA_{name}=x", False) for name in ("SHLVL", "ENV_SHLVL_1_A", "PREFIX", "DEFAULT_ENV")),
        *((f"export PIXI_{name}=x", False) for name in ("IN_SHELL", "EXE", "PROMPT")),
        *((f"export PIXI_PROJECT_{name}=x", False) for name in ("ROOT", "NAME", "MANIFEST", "VERSION")),
        *((f"export PIXI_ENVIRONMENT_{name}=x", False) for name in ("NAME", "PLATFORMS")),
        *((f"export CONDA_{name}=x", True) for name in ("SHLVL_OWN", "EXE", "ENV_SHLVL_")),
        *((f"export {name}=x", True) for name in ("PIXI_PROJECT_", "PIXI_ENVIRONMENT_OWN", "PIXI_EXES", "PATH")),
        (". /app/a.sh", True),
        ("  ", False),
        (" export PIXI_EXE=x", True),
    ],
)  # fmt: skip
def test_the_hook_has_no_variable_that_the_activation_sets_itself(line: str, kept: bool) -> None:
    assert list(_kept([line])) == ([line] if kept else [])


def test_the_hook_goes_from_variables_to_scripts_to_the_manifest(activation: Activation) -> None:
    files = {
        "etc/conda/env_vars.d/a.json": b'{"A": "1"}',
        **{f"etc/conda/activate.d/{name}": b"" for name in "ba"},
    }
    files |= {f"etc/conda/activate.d/{name}.sh": b"" for name in ("b", "a")}
    hook = hook_text(activation, files).splitlines()
    prefix, workdir = activation.prefix, activation.workdir
    assert hook == [
        "export A=1",
        f". {prefix}/etc/conda/activate.d/a.sh",
        f". {prefix}/etc/conda/activate.d/b.sh",
        f". '{workdir}/my scripts/own.sh'",
        "export MODE=fast",
        "# shellcheck shell=bash",
    ]


def test_a_workspace_without_anything_of_its_own_has_an_empty_hook() -> None:
    bare = Activation(prefix="/p", workdir="/w", image_variables=(), variables=())
    assert hook_text(bare, {}) == "# shellcheck shell=bash\n"
    assert exports(bare) == "__pixi_container_image_variables() {\n}\n__pixi_container_variables() {\n}\n"


def test_tasks_write_their_cache_where_anybody_may(activation: Activation) -> None:
    entries = {entry.path: entry for entry in activation_entries(activation, "", [])}
    cache = entries[".pixi/task-cache-v0"]
    assert (cache.kind, cache.target, cache.mode) == ("symlink", "/tmp", 0o777)  # noqa: S108
    assert (entries["entrypoint.sh"].mode, entries[".pixi/hook.sh"].mode) == (0o755, 0o644)
    assert list(entries) == [
        ".pixi/activate.sh", ".pixi/hook.sh", ".pixi/task-cache-v0", "entrypoint.sh", "my scripts/own.sh",
    ]  # fmt: skip


def test_start_up_files_keep_the_mode_of_the_base_s_own(activation: Activation) -> None:
    own = replace(text_entry("etc/bash.bashrc", "x\n"), mode=0o600)
    modes = [next(shell_entries(each, activation)).mode for each in (own, None)]
    assert modes == [0o600, 0o644]
    folder = list(shell_entries(None, activation))[-1]
    assert (folder.path, folder.kind, folder.mode) == (activation.workdir[1:], "directory", 0o755)


def test_the_files_of_several_environments_are_those_of_the_docker_way(
    builder: Builder, activation: Activation
) -> None:
    first = replace(activation, environments=("default", "tools"))
    prefix = builder.prefix.with_name("tools")
    further = replace(first, prefix=str(prefix), variables=(("CONDA_PREFIX", str(prefix)),))
    write(builder.scripts / "exports-tools.sh", exports(further))
    write(prefix / "conda-meta/numpy-1-0.json", '{\n  "name": "numpy",\n  "files": []\n}\n')
    builder.pixi.answer(hook=SHELL_HOOK.format(prefix=prefix, workdir=builder.workdir))
    write(builder.scripts / "exports.sh", exports(first))
    variables = {"TARGETARCH": "amd64", "WORKDIR": str(builder.workdir), "FIRST": "default", "CUDA": ""}
    done = builder.run("further.sh", "tools", "amd64=1", LC_ALL="C", **variables)
    assert done.returncode == 0, done.stderr
    assert builder.pixi.calls[-1].endswith("--environment tools")
    files = texts(list(activation_entries(further, hook_text(further, FILES), ["numpy-1-0.json"])))
    for name in (".pixi/hook-tools.sh", ".pixi/activate-tools.sh"):
        assert files[name] == (builder.workdir / name).read_text()
    chosen = texts(list(activation_entries(first, "", [])))[".pixi/activate.sh"]
    assert chosen.startswith((builder.scripts / "exports.sh").read_text())
    assert builder.run("further.sh", "tools", "amd64=2", **variables).returncode != 0, "a package is missing"
