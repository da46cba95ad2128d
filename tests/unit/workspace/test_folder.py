"""A workspace below the build context: where it may be, and how its paths are read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_container.errors import UserError
from pixi_container.inputs import Inputs, parse_inputs
from pixi_container.plan.problems import problems_of
from pixi_container.workspace.folder import (
    below,
    covers,
    from_folder,
    how_to_be_inside,
    in_context,
    workspace_folder,
)
from pixi_container.workspace.local_packages import SourcePlace, local_path
from pixi_container.workspace.workspace import Workspace, read_workspace
from tests.unit.conftest import LOCK, MANIFEST, Folder

PYTHON = "- conda: https://conda.anaconda.org/conda-forge/linux-64/python-3.11.9-h1_0.conda\n"


@dataclass(frozen=True)
class Tree(Folder):
    """A repository with a workspace in ``container``, whose code and libraries are beside that folder."""

    def workspace(self, **texts: str) -> Workspace:
        given = {"context": str(self.path), "manifest-path": "container/pixi.toml", **texts}
        return read_workspace(parse_inputs(given), "linux/amd64")

    def depend_on(self, *places: str) -> None:
        """Have the environments depend on packages of these places, as manifest and lock write them."""
        names = {place: place.rpartition("/")[2].replace(".", "own") for place in places}
        entries = "".join(f'{name} = {{ path = "{place}" }}\n' for place, name in names.items())
        table = f"[target.linux-64.pypi-dependencies]\n{entries}\n[feature.gpu]\n"
        self.replace("container/pixi.toml", "[feature.gpu]\n", table)
        rows = "".join(f"      - pypi: {place}\n" for place in places)
        packages = "".join(f"- pypi: {place}\n  name: {name}\n  version: '1'\n" for place, name in names.items())
        lock = (self.path / "container/pixi.lock").read_text().replace(f"      {PYTHON}", f"      {PYTHON}{rows}")
        self.write("container/pixi.lock", lock + packages)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = Tree(tmp_path / "repository")
    made.write("container/pixi.toml", MANIFEST)
    made.write("container/pixi.lock", LOCK)
    for path in ("src/main.py", "libs/b/pyproject.toml", "libs/b/b.py", "setup.py", "data/a.csv"):
        made.write(path, "")
    return made


@pytest.mark.parametrize(
    ("manifest_path", "folder"),
    [
        ("pixi.toml", "."),
        ("./pixi.toml", "."),
        ("container/pixi.toml", "container"),
        ("services/a/../b/pyproject.toml", "services/b"),
        ("link/pixi.toml", "container"),
        (".devcontainer/pixi.toml", ".devcontainer"),
        ("{context}/container/pixi.toml", "container"),
    ],
)
def test_the_folder_of_a_manifest(tmp_path: Path, manifest_path: str, folder: str) -> None:
    for name in ("container", "services/a", "services/b", ".devcontainer"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to("container")
    assert workspace_folder(tmp_path, manifest_path.format(context=tmp_path)) == folder


@pytest.mark.parametrize(
    "name",
    ["with space", "quo'te", "$HOME", "a;b", "-e", "..a", "ä", "a\nb", ".git/hooks", ".pixi/x", "a,b", "a:b"],
)
def test_a_folder_that_no_path_in_an_image_has(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir(parents=True)
    with pytest.raises(UserError, match="cannot be a path in an image") as caught:
        workspace_folder(tmp_path, f"{name}/pixi.toml")
    assert "Rename the folder, or set 'context' to it." in caught.value.hint


@pytest.mark.parametrize(
    ("path", "folder", "expected"),
    [
        ("./setup.sh", ".", "./setup.sh"),
        ("../libs/b", ".", "../libs/b"),
        (".", "container", "container"),
        ("..", "container", "."),
        ("../libs/b", "container", "libs/b"),
        ("./lib/../setup.sh", "services/a", "services/a/setup.sh"),
        ("../../../elsewhere", "services/a", "../elsewhere"),
        ("/opt/wheels", "container", "/opt/wheels"),
        ("C:\\wheels", "container", "C:\\wheels"),
    ],
)
def test_a_path_of_manifest_or_lock_in_the_context(path: str, folder: str, expected: str) -> None:
    assert in_context(path, folder) == expected


NAMES = st.text("ab.-_", min_size=1, max_size=3).filter(lambda name: name not in {".", ".."})
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


@given(path=PATHS, folder=st.one_of(st.just("."), PATHS))
def test_there_and_back(path: str, folder: str) -> None:
    assert in_context(from_folder(path, folder), folder) == path
    assert from_folder(path, folder) == os.path.relpath(path, folder)
    assert below("/app", folder) == os.path.normpath(f"/app/{folder}")
    assert covers(path, folder) == (path == folder or folder.startswith(f"{path}/"))
    assert covers(".", folder)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("../libs/b", "libs/b"),
        ("./b", "container/b"),
        ("..\\libs\\b", "libs/b"),
        ("{root}/libs/b", "libs/b"),
        ("file://{root}/libs/b.whl", "libs/b.whl"),
        ("/elsewhere", "/elsewhere"),
        ("../../other", "../other"),
    ],
)
def test_a_place_of_the_lock(tmp_path: Path, location: str, expected: str) -> None:
    assert local_path(location.format(root=tmp_path), tmp_path, "container") == expected


@pytest.mark.parametrize(
    ("context", "outside", "manifest", "place", "file"),
    [
        (".", "../libs/b", "pixi.toml", "..", "here/pixi.toml"),
        ("study", "../libs/b", "pixi.toml", ".", "study/pixi.toml"),
        ("services/a", "../../libs/b", "pixi.toml", ".", "services/a/pixi.toml"),
        ("services/a", "../b", "x/pixi.toml", "services", "a/x/pixi.toml"),
        ("study", "../setup.sh", "pixi.toml", ".", "study/pixi.toml"),
        ("study", "..", "pixi.toml", ".", "study/pixi.toml"),
        ("{here}/study", "../libs", "pixi.toml", "{here}", "study/pixi.toml"),
        ("study", "../container/pixi.toml", "", ".", "container/pixi.toml"),
    ],
)
def test_the_hint_has_inputs_that_work(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    context: str,
    outside: str,
    manifest: str,
    place: str,
    file: str,
) -> None:
    here = tmp_path / "here"
    for name in ("services/a", "study"):
        (here / name).mkdir(parents=True)
    monkeypatch.chdir(here)
    hint = how_to_be_inside(Path(context.format(here=here)), outside, manifest)
    assert hint.startswith(f"Set 'context' to '{place.format(here=here)}' and 'manifest-path' to '{file}':")


@pytest.mark.parametrize("outside", ["/opt/libs", "D:/libs", "/".join([".."] * 90)])
def test_no_context_has_what_is_anywhere_on_a_machine(tmp_path: Path, outside: str) -> None:
    assert how_to_be_inside(tmp_path, outside, "pixi.toml").startswith(
        "A build can only use files in 'context': put"
    )


def test_a_manifest_above_the_context_is_an_error_with_the_inputs_that_work(tree: Tree) -> None:
    with pytest.raises(UserError, match="is outside of the context") as caught:
        tree.workspace(context=str(tree.path / "src"), **{"manifest-path": "../container/pixi.toml"})
    assert f"Set 'context' to '{tree.path}' and 'manifest-path' to 'container/pixi.toml'" in caught.value.hint


def test_every_path_is_relative_to_the_context(tree: Tree) -> None:
    tree.replace(
        "container/pixi.toml",
        'version = "1.2.0"\n',
        'version = "1.2.0"\nreadme = "../README.md"\nlicense-file = "LICENSE"\n',
    )
    links = '[pypi-options]\nfind-links = [{ path = "../wheels" }]\n[dependencies]\n'
    tree.replace("container/pixi.toml", "[dependencies]\n", links)
    tree.replace(
        "container/pixi.toml", "[activation.env]", '[activation]\nscripts = ["a.sh", "../b.sh"]\n[activation.env]'
    )
    for path in (
        "README.md",
        "container/LICENSE",
        "wheels/a.whl",
        "container/a.sh",
        "b.sh",
        "container/.pixi/config.toml",
    ):
        tree.write(path, "")
    tree.depend_on("../libs/b", ".")
    workspace = tree.workspace()
    assert workspace.folder == "container"
    assert workspace.place("/app") == "/app/container"
    assert workspace.manifest.file == "container/pixi.toml"
    assert workspace.install_files == (
        "container/pixi.toml",
        "container/pixi.lock",
        "README.md",
        "container/LICENSE",
    )
    assert workspace.config.path == "container/.pixi/config.toml"
    assert workspace.activation_scripts == ("container/a.sh", "b.sh")
    assert workspace.find_links == ("wheels",)
    assert {package.path for package in workspace.own_source} == {"libs/b", "container"}
    assert set(workspace.source_places) == {
        SourcePlace("libs/b", "pypi-folder"),
        SourcePlace("container", "pypi-folder"),
    }
    assert problems_of(workspace) == ()


def test_what_makes_up_the_context_leaves_the_environment_visible(tree: Tree) -> None:
    tree.write("container/Makefile", "")
    (tree.path / "container/.pixi/envs").mkdir(parents=True)
    (tree.path / ".git").mkdir()
    workspace = tree.workspace()
    own = ("container/Makefile", "container/pixi.lock", "container/pixi.toml")
    assert workspace.context_entries == (*own, "data", "libs", "setup.py", "src")
    assert workspace.parts_of(".") == workspace.context_entries
    assert workspace.parts_of("container") == own
    assert workspace.parts_of("libs") == ("libs",)


@pytest.mark.parametrize(
    ("there", "included"),
    [
        (("src", "container/src"), ("container/src",)),
        (("src",), ("src",)),
        (("container/src",), ("container/src",)),
        ((), ()),
    ],
)
def test_the_sources_beside_the_manifest_come_before_those_of_the_context(
    tmp_path: Path, there: tuple[str, ...], included: tuple[str, ...]
) -> None:
    tree = Tree(tmp_path)
    tree.write("container/pixi.toml", MANIFEST)
    tree.write("container/pixi.lock", LOCK)
    for path in there:
        tree.write(f"{path}/main.py", "")
    assert tree.workspace().include == included


def test_what_leaves_the_context_is_an_error_with_one_hint_that_works(tree: Tree) -> None:
    tree.depend_on("../libs/b")
    apart = read_workspace(Inputs(context=str(tree.path / "container")), "linux/amd64")
    (problem,) = problems_of(apart)
    assert problem.message == "package 'b' comes from '../libs/b', outside of the context"
    assert problem.hint.startswith(f"Set 'context' to '{tree.path}' and 'manifest-path' to 'container/pixi.toml':")
    assert problems_of(tree.workspace()) == ()


@pytest.mark.parametrize(
    ("ignored", "include", "refused"),
    [
        ("", "container", True),
        ("", "container/run.py", False),
        ("container/.pixi/envs\n", "container", False),
        ("**/.pixi\n", "container", False),
        ("container\n!container/run.py\n", "container", False),
        ("src\n", "container", True),
    ],
)
def test_environments_of_this_machine_do_not_replace_the_images(
    tree: Tree, ignored: str, include: str, refused: bool
) -> None:
    tree.write("container/.pixi/envs/default/bin/python", "")
    tree.write("container/run.py", "")
    tree.write(".dockerignore", ignored)
    workspace = tree.workspace(include=include)
    assert problems_of(workspace, copies_included=False) == ()
    problems = problems_of(workspace)
    assert [problem.message for problem in problems] == (
        ["the included folder 'container' has this machine's environments, in 'container/.pixi/envs'"] * refused
    )
    if refused:
        assert "Add the line 'container/.pixi/envs' to .dockerignore" in problems[0].hint
