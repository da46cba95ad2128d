"""Which environments are made straight from the lock, and what is said of the others."""

from __future__ import annotations

import pytest

from pixi_container.errors import UserError
from pixi_container.image.environment_way import EnvironmentWay, environment_way
from pixi_container.image.own_dockerfile import OwnDockerfile
from pixi_container.inputs import parse_inputs
from pixi_container.workspace.workspace import read_workspace
from tests.unit.conftest import Folder

PIXI = "0.77.0"
PYTHON = "- conda: https://conda.anaconda.org/conda-forge/linux-64/python-3.11.9-h1_0.conda\n"
SHA256 = "  sha256: 0000000000000000000000000000000000000000000000000000000000000001\n"


def way(folder: Folder, own: OwnDockerfile | None = None, **texts: str) -> EnvironmentWay:
    given = {"context": str(folder.path), **{name.replace("_", "-"): text for name, text in texts.items()}}
    inputs = parse_inputs(given)
    return environment_way(inputs, read_workspace(inputs, "linux/amd64"), PIXI, own)


def locked(folder: Folder, entry: str, record: str) -> None:
    """Add a package of PyPI to the default environment."""
    folder.replace("pixi.lock", f"      {PYTHON}", f"      {PYTHON}      - pypi: {entry}\n")
    folder.write("pixi.lock", (folder.path / "pixi.lock").read_text() + f"- pypi: {entry}\n{record}")


def test_packages_that_are_archives_need_no_pixi(folder: Folder) -> None:
    assert way(folder) == way(folder, environment_builder="direct") == EnvironmentWay("direct")
    assert way(folder).is_direct
    digest = "a" * 64
    locked(
        folder,
        "https://files.example.org/one-1.0-py3-none-any.whl",
        f"  name: one\n  version: '1.0'\n  sha256: {digest}\n",
    )
    assert way(folder).is_direct


def test_docker_can_be_asked_for(folder: Folder) -> None:
    chosen = way(folder, environment_builder="docker")
    assert chosen == EnvironmentWay("docker", "'environment-builder' is 'docker'")
    assert not chosen.is_direct


GIT = "git+https://example.org/one.git?rev=main#0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
SDIST = "https://files.example.org/one-1.0.tar.gz"


@pytest.mark.parametrize("entry", [GIT, SDIST])
def test_packages_that_are_fetched_as_source_are_added_on_top(folder: Folder, entry: str) -> None:
    locked(folder, entry, "  name: one\n  version: '1.0'\n")
    assert way(folder) == way(folder, environment_builder="direct") == EnvironmentWay("direct")


def test_a_source_package_with_the_name_of_an_archive_is_for_docker(folder: Folder) -> None:
    """Pixi would leave out both when it is to leave out the one."""
    locked(folder, GIT, "  name: Python\n  version: '1.0'\n")
    git = "comes from a Git repository"
    reason = f"package 'python' {git}, and another package of the environment has the same name"
    assert way(folder) == EnvironmentWay("docker", reason)
    with pytest.raises(UserError, match=f"cannot be made straight from the lock: {reason}"):
        way(folder, environment_builder="direct")


CONDA_SOURCE = "git+https://example.org/built.git?rev=main#0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"


@pytest.mark.parametrize(("version", "kind"), [(6, "docker"), (7, "direct")])
def test_conda_source_from_git_needs_a_lock_that_lets_pixi_leave_it_out(
    folder: Folder, version: int, kind: str
) -> None:
    if version == 6:
        entry, record = (
            f"conda: {CONDA_SOURCE}",
            "  name: built\n  version: '1.0'\n  build: h0_0\n  subdir: linux-64\n",
        )
    else:
        entry, record = f"conda_source: built[0a0b0c0d] @ {CONDA_SOURCE}", ""
        folder.replace("pixi.lock", "version: 6\n", "version: 7\nplatforms:\n- name: linux-64\n")
        text = (folder.path / "pixi.lock").read_text()
        for subdir, build in (("linux-aarch64", "h2_0"), ("osx-arm64", "h3_0")):
            url = f"- conda: https://conda.anaconda.org/conda-forge/{subdir}/python-3.11.9-{build}.conda\n"
            text = text.replace(f"      {subdir}:\n      {url}", "")
        folder.write("pixi.lock", text)
    folder.replace("pixi.lock", f"      {PYTHON}", f"      - {entry}\n      {PYTHON}")
    folder.write("pixi.lock", (folder.path / "pixi.lock").read_text() + f"- {entry}\n{record}")
    chosen = way(folder)
    assert chosen.kind == kind, chosen.reason
    if version == 6:
        said = "package 'built' is built from its source, and version 6 of the lock is too old to add it later"
        assert chosen.reason == said


def test_a_package_without_a_digest_is_named(folder: Folder) -> None:
    folder.replace("pixi.lock", SHA256, "")
    assert way(folder) == EnvironmentWay("docker", "package 'python' has no sha256 in the lock")


def test_packages_of_the_workspace_are_added_on_top(folder: Folder) -> None:
    folder.write("lib/pyproject.toml", '[project]\nname = "lib"\nversion = "1"\n')
    locked(folder, "./lib", "  name: lib\n  version: '1'\n  sha256: " + "b" * 64 + "\n")
    assert way(folder) == EnvironmentWay("direct")


def test_a_file_of_ones_own_and_settings_of_pixi_are_for_docker(folder: Folder) -> None:
    folder.write("own.template", "FROM scratch\n")
    assert way(folder, template="own.template") == EnvironmentWay("docker", "'template' is set")
    reason = "your Dockerfile does not build on the environment"
    assert way(folder, OwnDockerfile(text="FROM a\n"), dockerfile="a") == EnvironmentWay("docker", reason)
    on_it = OwnDockerfile(text="FROM environment\n", builds_on_environment=True)
    assert way(folder, on_it, dockerfile="a") == EnvironmentWay("direct")
    asked = "'environment-builder' is 'docker'"
    assert way(folder, on_it, dockerfile="a", environment_builder="docker") == EnvironmentWay("docker", asked)
    folder.write(".pixi/config.toml", "tls-no-verify = true\n")
    assert way(folder).reason == "'.pixi/config.toml' sets 'tls-no-verify', which only Pixi follows"
