"""Which files an image depends on: a change of any other leaves it alone."""

from __future__ import annotations

import pytest

from pixi_container.image.files import read_image_files, relevant_paths
from pixi_container.inputs import parse_inputs
from pixi_container.workspace.workspace import read_workspace
from tests.unit.conftest import Folder

PIXI = "0.77.0"
ALWAYS = {"pixi.toml", "pyproject.toml", "mojoproject.toml", "pixi.lock", ".dockerignore", ".pixi/config.toml"}


def relevant(folder: Folder, **texts: str) -> tuple[str, ...]:
    inputs = parse_inputs({"context": str(folder.path), **texts})
    return relevant_paths(read_workspace(inputs), inputs, PIXI)


def changed_parts(folder: Folder, path: str, **texts: str) -> list[str]:
    """Return the parts of the fingerprints that change with a file."""
    inputs = parse_inputs({"context": str(folder.path), **texts})
    before = read_image_files(read_workspace(inputs), inputs, PIXI).digests
    folder.write(path, "something else")
    after = read_image_files(read_workspace(inputs), inputs, PIXI).digests
    return [name for name in after if after[name] != before[name]]


def test_manifest_lock_and_sources_count_in_every_workspace(folder: Folder) -> None:
    assert relevant(folder) == tuple(sorted({*ALWAYS, "src"}))


def test_what_is_included_counts_in_place_of_the_sources(folder: Folder) -> None:
    folder.write("data/a.csv", "1")
    assert set(relevant(folder, include="data")) == {*ALWAYS, "data"}
    assert set(relevant(folder, include="none")) == ALWAYS


@pytest.mark.parametrize("name", ["dockerfile", "template"])
def test_a_dockerfile_of_ones_own_may_copy_anything(folder: Folder, name: str) -> None:
    folder.write("docker/own", "FROM scratch\n")
    assert relevant(folder, **{name: "docker/own"}) == (".",)
    parts = changed_parts(folder, "docs/page.md", **{name: "docker/own"})
    assert parts == ["included files", "context"]


def test_files_of_a_base_count(folder: Folder) -> None:
    folder.write("docker/base", "COPY certs/*.crt /c/\nRUN id")
    folder.write("certs/a.crt", "a")
    given = {"base-instructions": "docker/base"}
    assert set(relevant(folder, **given)) == {*ALWAYS, "src", "docker/base", "certs"}
    assert changed_parts(folder, "certs/a.crt", **given) == ["base"]
    assert changed_parts(folder, "certs/a.crt") == []
    assert set(relevant(folder, **{"base-instructions": "COPY certs /c/"})) == {*ALWAYS, "src", "certs"}


def test_no_other_file_counts_without_one(folder: Folder) -> None:
    assert changed_parts(folder, "docs/page.md") == []
    assert changed_parts(folder, "src/main.py") == ["included files"]
    assert changed_parts(folder, ".dockerignore") == [".dockerignore"]


@pytest.mark.parametrize("there", [True, False])
def test_scripts_count_also_before_they_are_there(folder: Folder, there: bool) -> None:
    folder.replace("pixi.toml", "[activation.env]", '[activation]\nscripts = ["env.sh"]\n\n[activation.env]')
    if there:
        folder.write("env.sh", "export A=1\n")
        assert changed_parts(folder, "env.sh") == ["activation scripts"]
    assert "env.sh" in relevant(folder)


def test_what_a_link_leads_to_counts_within_the_workspace(folder: Folder) -> None:
    folder.write("real/main.py", "")
    folder.write("../outside/main.py", "")
    (folder.path / "linked").symlink_to("real")
    (folder.path / "away").symlink_to("../outside")
    assert {"linked", "real"} <= set(relevant(folder, include="linked"))
    assert not any("outside" in path for path in relevant(folder))


def test_files_that_git_has_not_fetched_are_named(folder: Folder) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"
    folder.write("src/model.bin", pointer)
    folder.write("docs/model.bin", pointer)
    inputs = parse_inputs({"context": str(folder.path)})
    assert read_image_files(read_workspace(inputs), inputs, PIXI).lfs_pointers == ("src/model.bin",)


def test_a_configuration_that_leads_out_is_no_trouble(folder: Folder) -> None:
    folder.write("../config.toml", "")
    (folder.path / ".pixi").mkdir()
    (folder.path / ".pixi/config.toml").symlink_to("../../config.toml")
    assert relevant(folder) == tuple(sorted({*ALWAYS, "src"}))
