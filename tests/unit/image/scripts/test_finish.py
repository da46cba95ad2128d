"""finish.sh: an installed environment becomes layers that are the same in each build."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from pixi_container.docker.engine import NOTE
from tests.unit.image.scripts.conftest import EARLIEST, Builder, write

RECORD = """\
{
  "name": "numpy",
  "extracted_package_dir": "/var/cache/pixi/pkgs/numpy-1-0",
  "files": [
    "lib/numpy.py"
  ],
  "link": {
    "source": "/var/cache/pixi/pkgs/numpy-1-0",
    "type": 1
  },
  "url": "https://conda.anaconda.org/conda-forge/noarch/numpy-1-0.conda"
}
"""
STRIPPED = """\
{
  "name": "numpy",
  "files": [
    "lib/numpy.py"
  ],
  "link": {
    "source": "",
    "type": 3
  },
  "url": "https://conda.anaconda.org/conda-forge/noarch/numpy-1-0.conda"
}
"""
EXPORTS = "__pixi_container_image_variables() { :; }\n__pixi_container_variables() { export A=1; }\n"
BEFORE, START, DURING = 1_000_000_000, 1_100_000_000, 1_200_000_000


@pytest.fixture
def installed(builder: Builder) -> Builder:
    """A builder after `pixi install` of one package."""
    write(builder.scripts / "start", seconds=START)
    write(builder.scripts / "exports.sh", EXPORTS)
    write(builder.scripts / "packages", "own-numpy conda:numpy\nrest\n")
    write(builder.scripts / "cache/pkgs/numpy")
    write(builder.prefix / "conda-meta/numpy-1-0.json", RECORD, seconds=DURING)
    write(builder.prefix / "conda-meta/history", seconds=DURING)
    write(builder.prefix / "lib/numpy.py", seconds=BEFORE)
    write(builder.workdir / ".pixi/.gitignore", "*\n", seconds=DURING)
    builder.pixi.answer(hook='export CONDA_PREFIX="/app"\nexport HOOKED="1"\n')
    return builder


def finish(builder: Builder, *scripts: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the script, for an environment of one record if the variables do not say otherwise."""
    given = {
        "TARGETARCH": "amd64",
        "WORKDIR": str(builder.workdir),
        "ENVIRONMENT": "default",
        "RECORDS": "arm64=7 amd64=1 ",
        "CUDA": "",
        "LAYERS": str(builder.root / "layers"),
        "HOME": str(builder.root / "home"),
    }
    return builder.run("finish.sh", *scripts, **{**given, **variables})


def finished(builder: Builder, *scripts: str, **variables: str) -> None:
    """Run the script, which has to succeed."""
    done = finish(builder, *scripts, **variables)
    assert done.returncode == 0, done.stderr


def layers(builder: Builder) -> dict[str, set[str]]:
    """Return the files and links of each layer, relative to the workspace."""
    return {
        layer.name: {
            str(file.relative_to(layer / str(builder.workdir).lstrip("/")))
            for file in layer.rglob("*")
            if file.is_symlink() or not file.is_dir()
        }
        for layer in (builder.root / "layers").iterdir()
    }


def in_layer(builder: Builder, layer: str, path: str) -> Path:
    """Return a file of a layer by its path in the workspace."""
    return builder.root / "layers" / layer / str(builder.workdir).lstrip("/") / path


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"RECORDS": "amd64=2 "}, "pixi installed 1 conda packages, the lock has 2\n"),
        ({"RECORDS": "amd64=0 "}, "pixi installed 1 conda packages, the lock has 0\n"),
        ({"TARGETARCH": "arm64"}, "pixi installed 1 conda packages, the lock has 7\n"),
        ({"TARGETARCH": "riscv64"}, "environment 'default' is not rendered for riscv64\n"),
    ],
)
def test_an_environment_that_is_not_whole_is_an_error(
    installed: Builder, variables: dict[str, str], message: str
) -> None:
    write(installed.prefix / "conda-meta/state/inner.json")
    done = finish(installed, **variables)
    assert (done.returncode, done.stderr) == (1, message)
    assert not (installed.root / "layers").exists()


def test_records_have_neither_cache_nor_kind_of_link(installed: Builder) -> None:
    finished(installed)
    assert (installed.prefix / "conda-meta/numpy-1-0.json").read_text() == STRIPPED


@pytest.mark.parametrize(("cuda", "more"), [("", {}), ("12.9", {"CONDA_OVERRIDE_CUDA": "12.9"})])
def test_pixi_tells_the_activation_without_variables_of_the_build(
    installed: Builder, cuda: str, more: dict[str, str]
) -> None:
    finished(installed, CUDA=cuda)
    (call,) = installed.pixi.calls
    assert call == ("shell-hook --as-is --no-completions --change-ps1 false --shell bash --environment default")
    assert installed.pixi.environment == {"HOME": "/root", "PATH": installed.path, **more}
    assert (installed.workdir / ".pixi/hook.sh").read_text() == 'export HOOKED="1"\n'


def test_a_pixi_that_cannot_tell_the_activation_is_an_error(installed: Builder) -> None:
    write(installed.pixi.folder / "pixi", "#!/bin/sh\nexit 5\n", 0o755)
    assert finish(installed).returncode == 5


def test_the_activation_is_written_with_the_values_of_this_image(installed: Builder) -> None:
    finished(installed)
    activate = (installed.workdir / ".pixi/activate.sh").read_text()
    assert activate.startswith(EXPORTS)
    assert not re.search("@(workdir|prefix|activation)@", activate)
    entrypoint = installed.workdir / "entrypoint.sh"
    assert entrypoint.stat().st_mode & 0o777 == 0o755
    done = installed.shell(str(entrypoint), "bash", "-c", "echo $A $HOOKED $PIXI_CONTAINER_ACTIVE")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(rf"1 1 {installed.prefix}@[0-9a-f]{{16}}\n", done.stdout)


def test_another_activation_or_package_has_another_name(installed: Builder) -> None:
    names = set()
    for hook, record in (("", ""), ("export B=1\n", ""), ("", "other-1-0.json"), ("", "")):
        installed.pixi.answer(hook=hook)
        (installed.workdir / ".pixi/task-cache-v0").unlink(missing_ok=True)
        if record:
            write(installed.prefix / "conda-meta" / record, "{}")
        finished(installed, RECORDS="amd64=2" if record else "amd64=1")
        if record:
            (installed.prefix / "conda-meta" / record).unlink()
        (name,) = re.findall("@[0-9a-f]{16}", (installed.workdir / ".pixi/activate.sh").read_text())[:1]
        names.add(name)
    assert len(names) == 3


def noted(builder: Builder, *files: str, config: str = "", **variables: str) -> str:
    """Run the script on an environment that has the files, and give what it notes."""
    for file in files:
        write(builder.prefix / file)
    if config:
        write(builder.workdir / ".pixi/config.toml", config)
    finished(builder, **variables)
    return (builder.scripts / "notes").read_text()


def test_packages_whose_post_link_scripts_pixi_leaves_out_are_named(installed: Builder) -> None:
    scripts = ("bin/.bioconductor-go.db-post-link.sh", "bin/.fonts-post-link.sh", "bin/.fonts-pre-unlink.sh")
    note = noted(installed, *scripts, "bin/R")
    assert "not run: the post-link scripts of bioconductor-go.db fonts. " in note
    assert "run-post-link-scripts insecure" in note
    assert NOTE.fullmatch(f"#23 0.575 {note.rstrip()}"), "it becomes a warning"


@pytest.mark.parametrize("files", [(), ("bin/R",), ("bin/.fonts-pre-unlink.sh",)])
def test_without_such_scripts_nothing_is_said(installed: Builder, files: tuple[str, ...]) -> None:
    assert noted(installed, *files) == ""


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ('run-post-link-scripts = "insecure"\n', False),
        ("tls-no-verify = false\nrun-post-link-scripts='insecure'\n", False),
        ('run-post-link-scripts = "false"\n', True),
        ('# run-post-link-scripts = "insecure"\n', True),
    ],
)
def test_scripts_that_the_configuration_has_run_are_no_news(
    installed: Builder, config: str, *, says: bool
) -> None:
    assert bool(noted(installed, "bin/.fonts-post-link.sh", config=config)) == says


@pytest.mark.parametrize(
    ("file", "variables"),
    [
        ("home/.config/pixi/config.toml", {}),
        ("home/.pixi/config.toml", {}),
        ("xdg/pixi/config.toml", {"XDG_CONFIG_HOME": "{root}/xdg"}),
        ("pixi-home/config.toml", {"PIXI_HOME": "{root}/pixi-home"}),
    ],
)
def test_the_configuration_may_be_the_builders(installed: Builder, file: str, variables: dict[str, str]) -> None:
    write(installed.root / file, 'run-post-link-scripts = "insecure"\n')
    given = {name: text.replace("{root}", str(installed.root)) for name, text in variables.items()}
    assert noted(installed, "bin/.fonts-post-link.sh", **given) == ""


def test_what_pixi_keeps_for_itself_is_removed(installed: Builder) -> None:
    for name in ("build/tool/work", "config.toml", "solve-group-envs/x", ".condapackageignore"):
        write(installed.workdir / ".pixi" / name)
    lock = write(installed.root / "tmp/uv-1234.lock")
    finished(installed)
    left = {file.name for file in (installed.workdir / ".pixi").iterdir()}
    assert left == {"envs", ".gitignore", ".condapackageignore", "hook.sh", "activate.sh", "task-cache-v0"}
    assert (installed.workdir / ".pixi/task-cache-v0").readlink() == Path("/tmp")  # noqa: S108
    assert not lock.exists()
    assert not (installed.scripts / "cache").exists()


def test_everybody_can_read_and_only_root_can_write(installed: Builder) -> None:
    modes = {"secret": (0o600, 0o644), "tool": (0o700, 0o755), "open": (0o666, 0o644)}
    for name, (before, _) in modes.items():
        write(installed.prefix / "bin" / name, mode=before)
    (installed.prefix / "bin").chmod(0o700)
    finished(installed)
    for name, (_, after) in modes.items():
        assert (installed.prefix / "bin" / name).stat().st_mode & 0o777 == after
    assert (installed.prefix / "bin").stat().st_mode & 0o777 == 0o755


def test_only_what_the_build_makes_has_the_earliest_time(installed: Builder) -> None:
    write(installed.prefix / "bin/made", seconds=DURING)
    future = 4_000_000_000
    write(installed.prefix / "lib/future.py", seconds=future)
    (installed.prefix / "bin/link").symlink_to("../lib/numpy.py")
    finished(installed)
    assert (installed.prefix / "lib/numpy.py").stat().st_mtime == BEFORE
    assert (installed.prefix / "lib/future.py").stat().st_mtime == future
    made = ("bin/made", "bin/link", "bin", "conda-meta/numpy-1-0.json", "../../activate.sh", "../../hook.sh")
    assert {(installed.prefix / name).lstat().st_mtime for name in made} == {EARLIEST}


def test_layers_go_by_package_with_the_entrypoint_apart(installed: Builder) -> None:
    write(installed.workdir / "scripts/set up.sh", mode=0o600)
    finished(installed, "scripts/set up.sh")
    rest = {".gitignore", "activate.sh", "hook.sh", "task-cache-v0", "envs/default/conda-meta/history"}
    assert layers(installed) == {
        "own-numpy": {".pixi/envs/default/lib/numpy.py", ".pixi/envs/default/conda-meta/numpy-1-0.json"},
        "rest": {f".pixi/{name}" for name in rest},
        "entrypoint": {"entrypoint.sh", "scripts/set up.sh"},
    }
    assert (installed.scripts / "notes").read_text() == ""
    script, entrypoint = (
        in_layer(installed, "entrypoint", name) for name in ("scripts/set up.sh", "entrypoint.sh")
    )
    assert (script.stat().st_mode & 0o777, entrypoint.stat().st_mode & 0o777) == (0o644, 0o755)
    assert {script.stat().st_mtime, entrypoint.stat().st_mtime} == {EARLIEST}
    folders = [Path(folder) for folder, _, _ in os.walk(installed.root / "layers")]
    assert {folder.stat().st_mtime for folder in folders} == {EARLIEST}


@pytest.mark.parametrize(
    ("version", "layer"), [("0.68.9", "rest"), ("0.69.0", "own-numpy"), ("1.0.0", "own-numpy")]
)
def test_records_in_random_order_are_in_the_last_layer(installed: Builder, version: str, layer: str) -> None:
    installed.pixi.answer(version)
    finished(installed)
    assert in_layer(installed, layer, ".pixi/envs/default/conda-meta/numpy-1-0.json").exists()


def assert_one_layer(builder: Builder, empty: set[str]) -> None:
    made = layers(builder)
    assert made.pop("entrypoint") == {"entrypoint.sh"}
    assert {".pixi/envs/default/lib/numpy.py", ".pixi/activate.sh", ".pixi/task-cache-v0"} <= made.pop("rest")
    assert made == {name: set() for name in empty}
    file = in_layer(builder, "rest", ".pixi/envs/default/lib/numpy.py")
    assert file.samefile(builder.prefix / "lib/numpy.py"), "a link, no copy"
    assert in_layer(builder, "rest", ".pixi/envs").stat().st_mtime == EARLIEST


def test_one_layer_has_all(installed: Builder) -> None:
    write(installed.scripts / "packages", "rest\n")
    finished(installed)
    assert_one_layer(installed, set())
    assert (installed.scripts / "notes").read_text() == ""


def test_what_cannot_be_split_is_one_layer_and_is_said(installed: Builder) -> None:
    write(installed.prefix / "lib/line\nbreak")
    finished(installed)
    assert_one_layer(installed, {"own-numpy"})
    assert (installed.scripts / "notes").read_text() == (
        "pixi-container: one layer: a file name has a line break\n"
    )
