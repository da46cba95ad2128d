"""No file of a checkout is read from elsewhere, waited for, read when it is too large, or gives a traceback."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pixi_container.errors import UserError
from pixi_container.image.base_images import DEFAULT_PIXI
from pixi_container.image.workspace_stage import workspace_stage
from pixi_container.inputs import Inputs
from pixi_container.paths import checked_path, exists, is_file, is_in_context, leads_out, read_bytes, read_text
from pixi_container.plan.problems import problems_of
from pixi_container.workspace.workspace import read_workspace
from tests.security.hostile_workspaces import MANIFEST, lock, python_lock
from tests.security.limited import Outcome, outcomes

SECRET = "hunter2 is the password"
LONG_NAME = "a" * 300
LONG_PATH = "a/" * 3000
PATH_OF_ALMOST_4096 = "a/" * 2030


def scripts(path: str) -> str:
    return f'{MANIFEST}[activation]\nscripts = ["{path}"]\n'


def find_links(path: str) -> str:
    return f'{MANIFEST}[pypi-options]\nfind-links = [{{path = "{path}"}}]\n'


def readme(path: str) -> str:
    return f'{MANIFEST}readme = "{path}"\n'


TEXTS = {
    "script: long name": (scripts(LONG_NAME), lock(), "is too long for a file system"),
    "script: long path": (scripts(LONG_PATH), lock(), "is too long for a file system"),
    "script: too long with the folder": (scripts(PATH_OF_ALMOST_4096), lock(), ""),
    "script: NUL": (scripts("a\\u0000b"), lock(), "contains a NUL character"),
    "script: above": (scripts("../../../../../../../etc/passwd"), lock(), "leads out of the context"),
    "script: absolute": (scripts("/etc/passwd"), lock(), "leads out of the context"),
    "readme: long name": (readme(LONG_NAME), lock(), "is too long for a file system"),
    "readme: NUL": (readme("a\\u0000b"), lock(), "contains a NUL character"),
    "readme: absolute": (readme("/etc/passwd"), lock(), "leads out of the context"),
    "find-links: long name": (find_links(LONG_NAME), lock(), "is too long for a file system"),
    "find-links: NUL": (find_links("a\\u0000b"), lock(), "contains a NUL character"),
    "find-links: above": (find_links("../../../../../.."), lock(), "outside of the context"),
    "find-links: absolute": (find_links("/"), lock(), "outside of the context"),
    "package: long name": (MANIFEST, python_lock(place=f"./{LONG_NAME}"), "is too long for a file system"),
    "package: above": (MANIFEST, python_lock(place="../../../../../.."), "outside of the context"),
    "package: absolute": (MANIFEST, python_lock(place="/"), "outside of the context"),
    "package: no URL": (MANIFEST, python_lock(place="'//[x'"), "outside of the context"),
}
"""Manifests and locks with paths, and a part of the error or warning."""


def link(name: str, target: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target.format(outside=folder.parent / "outside"))

    return make


def pipe(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).parent.mkdir(exist_ok=True)
        os.mkfifo(folder / name)

    return make


def sparse(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        with (folder / name).open("w") as file:
            file.truncate(1 << 35)

    return make


def git_configuration(folder: Path) -> None:
    (folder / ".git").mkdir()
    (folder / ".git/config").write_text(f"[http]\nextraheader = {SECRET}\n")
    link("pixi.lock", ".git/config")(folder)


def package(what: Callable[[Path], None]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / "pixi.lock").write_text(python_lock())
        what(folder)

    return make


def package_folder(name: str, target: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / "a").mkdir()
        link(f"a/{name}", target)(folder)

    return package(make)


FILES = {
    "lock: foreign file": (link("pixi.lock", "{outside}"), "is a link that leads out of the context"),
    "lock: endless file": (link("pixi.lock", "/dev/zero"), "is a link that leads out of the context"),
    "lock: loop": (link("pixi.lock", "pixi.lock"), "leads out of the context"),
    "lock: Git's": (git_configuration, "leads out of the context"),
    "lock: pipe": (pipe("pixi.lock"), "not a regular file"),
    "lock: large": (sparse("pixi.lock"), "larger than the limit of 16777216 bytes"),
    "lock: nothing": (link("pixi.lock", "nothing"), "there is no pixi.lock"),
    "manifest: foreign file": (link("pixi.toml", "{outside}"), "is a link that leads out of the context"),
    "manifest: endless file": (link("pixi.toml", "/dev/zero"), "is a link that leads out of the context"),
    "manifest: pipe": (pipe("pixi.toml"), "not a regular file"),
    "manifest: large": (sparse("pixi.toml"), "larger than the limit of 524288 bytes"),
    "manifest: loop": (link("pixi.toml", "pixi.toml"), "no Pixi workspace"),
    "package: everything": (package(link("a", "/")), "outside of the context"),
    "package: pipe": (package(pipe("a/pyproject.toml")), ""),
    "package: endless file": (package_folder("pyproject.toml", "/dev/zero"), ""),
    "package: foreign file": (package_folder("setup.py", "{outside}"), "leads out of the context"),
    "src: foreign folder": (link("src", "/etc"), "leads out of the context"),
}
"""What is made of the folder's files, and a part of the error or warning."""


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Outcome]:
    """How the command ended on each of them."""
    top = tmp_path_factory.mktemp("files")
    (top / "outside").write_text(SECRET)
    runs: dict[str, list[str]] = {}

    def workspace(name: str, manifest: str, locked: str) -> Path:
        folder = top / str(len(runs))
        folder.mkdir()
        (folder / "pixi.toml").write_text(manifest)
        (folder / "pixi.lock").write_text(locked)
        runs[name] = ["plan", "--offline", "--context", str(folder)]
        return folder

    for name, (manifest, locked, _) in TEXTS.items():
        workspace(name, manifest, locked)
    for name, (make, _) in FILES.items():
        make(workspace(name, MANIFEST, lock()))
    return dict(zip(runs, outcomes(list(runs.values())), strict=True))


@pytest.mark.parametrize("name", [*TEXTS, *FILES])
def test_a_path_or_file_is_one_clear_error_or_left_out(ended: Mapping[str, Outcome], name: str) -> None:
    outcome = ended[name]
    outcome.check()
    assert SECRET not in outcome.printed
    assert (TEXTS[name][2] if name in TEXTS else FILES[name][1]) in outcome.printed


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/etc/passwd", "is outside of the context"),
        ("../pixi.toml", "is outside of the context"),
        ("sub/../../pixi.toml", "is outside of the context"),
        ("out/pixi.toml", "is outside of the context"),
        ("out/workspace/pixi.toml", "there is no pixi.lock"),
        ("sub/pixi.toml", "there is no pixi.lock"),
        ("sub; touch x/pixi.toml", "cannot be a path in an image"),
        ("sub/../.git/pixi.toml", "cannot be a path in an image"),
        ("pipe.toml", "is not the name of a Pixi manifest"),
        ("pyproject.toml", "not a regular file"),
        ("mojoproject.toml", "leads out of the context"),
        (LONG_NAME, "there is no manifest"),
        (LONG_PATH, "there is no manifest"),
        (PATH_OF_ALMOST_4096, "there is no manifest"),
        ("sub", "there is no manifest"),
    ],
)
def test_the_manifests_path_leads_nowhere_else(tmp_path: Path, path: str, message: str) -> None:
    folder = tmp_path / "workspace"
    (folder / "sub").mkdir(parents=True)
    for place in (tmp_path, folder, folder / "sub"):
        (place / "pixi.toml").write_text(MANIFEST)
    os.mkfifo(folder / "pipe.toml")
    os.mkfifo(folder / "pyproject.toml")
    (folder / "mojoproject.toml").symlink_to("/dev/zero")
    (folder / "out").symlink_to(tmp_path)
    for name in ("sub; touch x", ".git"):
        (folder / name).mkdir()
        (folder / name / "pixi.toml").write_text(MANIFEST)
    with pytest.raises(UserError, match=message):
        read_workspace(Inputs(context=str(folder), manifest_path=path))


@pytest.mark.parametrize("context", [LONG_NAME, LONG_PATH, "/dev/null", "nothing"])
def test_a_context_that_is_none(context: str) -> None:
    with pytest.raises(UserError, match="is not a folder"):
        read_workspace(Inputs(context=context))


def test_what_leads_out_by_a_link_is_neither_mounted_nor_taken_for_wheels(tmp_path: Path) -> None:
    (tmp_path / "pixi.toml").write_text(find_links("wheels"))
    (tmp_path / "pixi.lock").write_text(python_lock(place="./links/lib"))
    for name in ("wheels", "links"):
        (tmp_path / name).symlink_to("/usr")
    found = read_workspace(Inputs(context=str(tmp_path)))
    assert found.local_channels == ()
    assert workspace_stage(found, DEFAULT_PIXI) is None
    problems = [problem.message for problem in problems_of(found) if problem not in found.stale]
    assert [problem.rpartition(", ")[2] for problem in problems] == ["outside of the context"] * 2


def test_very_many_problems_are_few_errors(tmp_path: Path) -> None:
    names = json.dumps([f"v{number}" for number in range(100)])
    (tmp_path / "pixi.toml").write_text(f"{MANIFEST}build-variants-files = {names}\n")
    (tmp_path / "pixi.lock").write_text(lock())
    assert len(problems_of(read_workspace(Inputs(context=str(tmp_path))))) == 21


class TestPaths:
    """The functions that every file is read by."""

    IMPOSSIBLE = (LONG_NAME, LONG_PATH, PATH_OF_ALMOST_4096, "a\0b", "\ud800", "\udcff" * 200)

    @pytest.mark.parametrize("path", IMPOSSIBLE, ids=range(len(IMPOSSIBLE)))
    def test_no_path_makes_a_question_fail(self, tmp_path: Path, path: str) -> None:
        assert not exists(tmp_path, path)
        assert not is_file(tmp_path, path)
        assert not is_in_context(tmp_path, path)
        leads_out(tmp_path, path)
        with pytest.raises(UserError):
            checked_path(tmp_path, path, source="test")
        with pytest.raises((UserError, FileNotFoundError)):
            read_text(tmp_path, path, what="test")

    def test_a_file_is_read_up_to_its_limit(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"12345")
        assert read_bytes(tmp_path, "a", what="test", limit=5) == b"12345"
        with pytest.raises(UserError, match="larger than the limit of 4 bytes"):
            read_bytes(tmp_path, "a", what="test", limit=4)

    def test_the_line_of_what_is_not_text_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"a\nb\n\xff")
        with pytest.raises(UserError, match="not UTF-8") as caught:
            read_text(tmp_path, "a", what="test")
        assert caught.value.line == 3
        assert read_text(tmp_path, "a", what="test", errors="replace") == "a\nb\n\ufffd"

    def test_links_inside_of_the_context_are_followed(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("text")
        (tmp_path / "b").symlink_to("a")
        assert read_text(tmp_path, "b", what="test") == "text"
        assert is_in_context(tmp_path, "b")

    def test_nothing_is_read_from_gits_folder_by_a_link(self, tmp_path: Path) -> None:
        (tmp_path / ".git").mkdir()
        (tmp_path / ".git/config").write_text(SECRET)
        (tmp_path / "a").symlink_to(".git/config")
        assert not is_in_context(tmp_path, "a")
        with pytest.raises(UserError, match="leads out"):
            read_text(tmp_path, "a", what="test")
