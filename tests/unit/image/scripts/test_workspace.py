"""workspace.sh: packages from the workspace's own source are built apart from the environment, and added to it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.image.scripts.conftest import EARLIEST, Builder, write

OLD, NEW = 1_000_000_000, 4_000_000_000
RECORD = '{\n  "extracted_package_dir": "/cache",\n  "link": {\n    "source": "/cache",\n    "type": 1\n  }\n}\n'


@pytest.fixture
def environment(builder: Builder) -> Builder:
    """An environment of one package, to which the install adds another one, as the time of its files tells."""
    write(builder.scripts / "variables.sh", "export PIP_INDEX_URL=https://example.org\n")
    write(builder.prefix / "conda-meta/numpy-1-0.json", RECORD, seconds=OLD)
    write(builder.prefix / "conda-meta/tool-1-0.json", RECORD, seconds=NEW)
    write(builder.prefix / "bin/python", f'#!/bin/sh\nexec {sys.executable} "$@"\n', 0o755, OLD)
    return builder


def added(builder: Builder, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the script, for an environment of two records if the variables do not say otherwise."""
    given = {
        "TARGETARCH": "amd64",
        "WORKDIR": str(builder.workdir),
        "ENVIRONMENT": "default",
        "RECORDS": "amd64=2 ",
        "LOCK": "locked",
        "RELEASE": "",
        "GIT_AUTH": "",
        "PROXIES": "HTTPS_PROXY no_proxy ",
        "CACHE": "/var/cache/pixi",
    }
    return builder.run("workspace.sh", *(arguments or ("--",)), **{**given, **variables})


@pytest.mark.parametrize("lock", ["locked", "frozen"])
def test_the_packages_are_installed(environment: Builder, lock: str) -> None:
    done = added(environment, LOCK=lock)
    assert done.returncode == 0, done.stderr
    assert environment.pixi.calls == [f"install --{lock} --environment default"]


def test_a_build_sees_what_the_builder_image_says_and_nothing_of_the_environment(environment: Builder) -> None:
    hostile = "SETUPTOOLS_SCM_PRETEND_VERSION=1.0 it's $HOME"
    done = added(
        environment,
        *("CONDA_OVERRIDE_CUDA=12", hostile, "--"),
        HTTPS_PROXY="http://proxy",
        no_proxy="localhost",
        BASH_ENV="/dev/null",
        PYTHONPATH="/app",
        CONDA_PREFIX="/app",
        PIP_INDEX_URL="https://elsewhere.example.org",
    )
    assert done.returncode == 0, done.stderr
    root, home = environment.root, environment.root / "tmp/home"
    assert environment.pixi.environment == {
        "HTTPS_PROXY": "http://proxy",
        "no_proxy": "localhost",
        "HOME": str(home),
        "XDG_CONFIG_HOME": f"{root}/etc",
        "SSL_CERT_DIR": f"{root}/etc/ssl/certs",
        "PATH": f"{root}/usr/local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PIP_INDEX_URL": "https://example.org",
        "PIXI_CACHE_DIR": "/var/cache/pixi",
        "PIXI_CACHE_NETFS_REDIRECT": "never",
        "PIXI_NO_WRAP": "true",
        "CONDA_OVERRIDE_CUDA": "12",
        "SETUPTOOLS_SCM_PRETEND_VERSION": "1.0 it's $HOME",
    }


def test_git_gets_credentials_while_packages_are_built(environment: Builder) -> None:
    secret = write(environment.root / "secret", "https://me:token@git.example\n")
    config = environment.root / "seen"
    program = environment.pixi.folder / "pixi"
    program.write_text(f'#!/bin/bash\ncp "$HOME/.gitconfig" {config}\n')
    (environment.pixi.folder / "git").symlink_to(shutil.which("git") or "")
    done = added(environment, GIT_AUTH=str(secret))
    assert done.returncode == 0, done.stderr
    assert f"--file='{secret}'" in config.read_text()
    assert list((environment.root / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("release", "after"),
    [
        ("", 'a = { path = ".", editable = true }\nb = { editable=true }\n'),
        ("pixi.toml", 'a = { path = ".", editable = false }\nb = { editable=false }\n'),
    ],
)
def test_editable_packages_are_installed_like_others(environment: Builder, release: str, after: str) -> None:
    manifest = write(
        environment.workdir / "pixi.toml", 'a = { path = ".", editable = true }\nb = { editable=true }\n'
    )
    assert added(environment, RELEASE=release).returncode == 0
    assert manifest.read_text() == after


def test_an_install_that_fails_is_an_error(environment: Builder) -> None:
    environment.pixi.answer(output="no\n", code=6)
    done = added(environment)
    assert (done.returncode, done.stdout) == (6, "no\n")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"RECORDS": "amd64=3 "}, "pixi installed 2 conda packages, the lock has 3\n"),
        ({"TARGETARCH": "arm64"}, "environment 'default' is not rendered for arm64\n"),
    ],
)
def test_an_environment_that_is_not_whole_is_an_error(
    environment: Builder, variables: dict[str, str], message: str
) -> None:
    done = added(environment, **variables)
    assert (done.returncode, done.stderr) == (1, message)


def test_a_distribution_that_is_not_there_is_an_error(environment: Builder) -> None:
    done = added(environment, "--", "pytest", "absent-package")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("No package metadata was found for absent-package")


def test_without_python_packages_no_python_is_needed(environment: Builder) -> None:
    (environment.prefix / "bin/python").unlink()
    assert added(environment, "A=1", "--").returncode == 0


def test_only_what_the_step_made_changes(environment: Builder) -> None:
    link = environment.prefix / "bin/link"
    link.symlink_to("python")
    done = added(environment)
    assert done.returncode == 0, done.stderr
    old, new = (environment.prefix / f"conda-meta/{name}-1-0.json" for name in ("numpy", "tool"))
    assert (old.read_text(), old.stat().st_mtime) == (RECORD, OLD)
    assert new.read_text() == '{\n  "link": {\n    "source": "",\n    "type": 3\n  }\n}\n'
    assert (environment.prefix / "bin/python").stat().st_mtime == OLD
    assert {path.lstat().st_mtime for path in (new, environment.prefix / "conda-meta")} == {EARLIEST}


def test_modes_change_only_where_they_have_to(environment: Builder) -> None:
    modes = {"fine": (0o644, 0o644), "odd": (0o555, 0o555), "secret": (0o600, 0o644), "open": (0o666, 0o644)}
    for name, (before, _) in modes.items():
        write(environment.prefix / "bin" / name, mode=before)
    (environment.prefix / "lib").mkdir(mode=0o700)
    (environment.prefix / "bin/dangling").symlink_to("nowhere")
    changed = (environment.prefix / "bin/fine").stat().st_ctime_ns
    assert added(environment).returncode == 0
    for name, (_, after) in modes.items():
        assert (environment.prefix / "bin" / name).stat().st_mode & 0o777 == after
    assert (environment.prefix / "lib").stat().st_mode & 0o777 == 0o755
    assert changed == (environment.prefix / "bin/fine").stat().st_ctime_ns


def test_what_the_builds_leave_behind_is_removed(environment: Builder) -> None:
    workdir = environment.workdir
    for name in ("build/x", "dist/x", "study.egg-info/x", "src/x", ".pixi/build/x", ".pixi/config.toml"):
        write(workdir / name)
    for name in (".pixi/activate.sh", ".pixi/.gitignore", ".pixi/.condapackageignore"):
        write(workdir / name)
    (workdir / ".pixi/task-cache-v0").symlink_to("nowhere")
    for name in ("home/x", "uv-1.lock", "mine"):
        write(environment.root / "tmp" / name)
    assert added(environment).returncode == 0
    assert {file.name for file in workdir.iterdir()} == {".pixi", "src"}
    kept = {"envs", "activate.sh", ".gitignore", ".condapackageignore", "task-cache-v0", "config.toml"}
    assert {file.name for file in (workdir / ".pixi").iterdir()} == kept
    assert [file.name for file in (environment.root / "tmp").iterdir()] == ["mine"]


def test_it_is_told_where_the_builder_image_is(environment: Builder, tmp_path: Path) -> None:
    """It takes pixi from there, not from the image that it runs in."""
    other = write(tmp_path / "bin/pixi", "#!/bin/sh\nexit 9\n", 0o755)
    assert added(environment, PATH=f"{other.parent}:/usr/bin:/bin").returncode == 0
