"""finish.sh: an installed environment becomes files of an image that are the same in each build."""

from __future__ import annotations

import re
import shutil
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
        "IMAGE": str(builder.root / "image"),
        "HOME": str(builder.root / "home"),
    }
    return builder.run("finish.sh", *scripts, **{**given, **variables})


def finished(builder: Builder, *scripts: str, **variables: str) -> None:
    """Run the script, which has to succeed."""
    done = finish(builder, *scripts, **variables)
    assert done.returncode == 0, done.stderr


def made(builder: Builder, folder: str) -> Path:
    """Return the workspace's folder as the image gets it from one of the two folders that are copied."""
    return builder.root / "image" / folder / str(builder.workdir).lstrip("/")


def contents(folder: Path) -> set[str]:
    """Return the files and links below a folder."""
    paths = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return {str(path.relative_to(folder)) for path in paths}


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
    assert not (installed.root / "image").exists()


def test_records_have_neither_cache_nor_kind_of_link(installed: Builder) -> None:
    finished(installed)
    record = made(installed, "environment") / ".pixi/envs/default/conda-meta/numpy-1-0.json"
    assert record.read_text() == STRIPPED


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


@pytest.mark.slow
def test_another_activation_or_package_has_another_name(installed: Builder) -> None:
    names = set()
    for hook, record in (("", ""), ("export B=1\n", ""), ("", "other-1-0.json"), ("", "")):
        installed.pixi.answer(hook=hook)
        (installed.workdir / ".pixi/task-cache-v0").unlink(missing_ok=True)
        shutil.rmtree(installed.root / "image", ignore_errors=True)
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


@pytest.mark.parametrize(
    "files",
    [("bin/.fonts-pre-unlink.sh",), *(pytest.param(files, marks=pytest.mark.slow) for files in ((), ("bin/R",)))],
)
def test_without_such_scripts_nothing_is_said(installed: Builder, files: tuple[str, ...]) -> None:
    assert noted(installed, *files) == ""


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ('run-post-link-scripts = "insecure"\n', False),
        pytest.param("tls-no-verify = false\nrun-post-link-scripts='insecure'\n", False, marks=pytest.mark.slow),
        ('run-post-link-scripts = "false"\n', True),
        pytest.param('# run-post-link-scripts = "insecure"\n', True, marks=pytest.mark.slow),
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
        pytest.param("home/.pixi/config.toml", {}, marks=pytest.mark.slow),
        pytest.param("xdg/pixi/config.toml", {"XDG_CONFIG_HOME": "{root}/xdg"}, marks=pytest.mark.slow),
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
    finished(installed)
    pixi = made(installed, "environment") / ".pixi"
    left = {file.name for file in pixi.iterdir()}
    assert left == {"envs", ".gitignore", ".condapackageignore", "hook.sh", "activate.sh", "task-cache-v0"}
    assert (pixi / "task-cache-v0").readlink() == Path("/tmp")  # noqa: S108
    assert not (installed.scripts / "cache").exists()


def test_everybody_can_read_and_only_root_can_write(installed: Builder) -> None:
    modes = {"secret": (0o600, 0o644), "tool": (0o700, 0o755), "open": (0o666, 0o644)}
    for name, (before, _) in modes.items():
        write(installed.prefix / "bin" / name, mode=before)
    (installed.prefix / "bin").chmod(0o700)
    finished(installed)
    # The check sees the workspace's folder, and the image the copy.
    for workdir in (installed.workdir, made(installed, "environment")):
        folder = workdir / ".pixi/envs/default/bin"
        assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
            name: after for name, (_, after) in modes.items()
        }
        assert folder.stat().st_mode & 0o777 == 0o755


def test_only_what_the_build_makes_has_the_earliest_time(installed: Builder) -> None:
    write(installed.prefix / "bin/made", seconds=DURING)
    future = 4_000_000_000
    write(installed.prefix / "lib/future.py", seconds=future)
    (installed.prefix / "bin/link").symlink_to("../lib/numpy.py")
    finished(installed)
    top = made(installed, "environment") / ".pixi/envs/default"
    assert (top / "lib/numpy.py").stat().st_mtime == BEFORE
    assert (top / "lib/future.py").stat().st_mtime == future
    files = ("bin/made", "bin/link", "conda-meta/numpy-1-0.json", "../../activate.sh", "../../hook.sh")
    assert {(top / name).lstat().st_mtime for name in files} == {EARLIEST}
    folders = [path for path in (installed.root / "image").rglob("*") if path.is_dir() and not path.is_symlink()]
    assert {folder.stat().st_mtime for folder in folders} == {EARLIEST}


def test_the_environment_is_linked_as_it_is(installed: Builder) -> None:
    (installed.prefix / "lib/dangling").symlink_to("nowhere")
    (installed.prefix / "lib/again.py").hardlink_to(installed.prefix / "lib/numpy.py")
    (installed.prefix / "empty").mkdir()
    (installed.prefix / "empty").chmod(0o2775)
    odd = write(installed.prefix / "share/-a\n'b' \"$c\"")
    finished(installed)
    workdir = made(installed, "environment")
    assert contents(workdir) == {f".pixi/{path}" for path in contents(installed.workdir / ".pixi")}
    top = workdir / ".pixi/envs/default"
    assert (top / "share" / odd.name).samefile(odd), "a link, no copy"
    assert (top / "lib/again.py").samefile(top / "lib/numpy.py")
    assert (top / "lib/dangling").readlink() == Path("nowhere")
    assert (top / "empty").stat().st_mode & 0o7777 == 0o2755


def test_the_entrypoint_and_the_workspaces_scripts_are_apart(installed: Builder) -> None:
    write(installed.workdir / "scripts/set up.sh", mode=0o600, seconds=DURING)
    finished(installed, "scripts/set up.sh")
    workdir = made(installed, "entrypoint")
    assert contents(workdir) == {"entrypoint.sh", "scripts/set up.sh"}
    assert not any("scripts" in path for path in contents(made(installed, "environment")))
    script, entrypoint = workdir / "scripts/set up.sh", workdir / "entrypoint.sh"
    assert (script.stat().st_mode & 0o777, entrypoint.stat().st_mode & 0o777) == (0o644, 0o755)
    assert {script.stat().st_mtime, entrypoint.stat().st_mtime} == {EARLIEST}
