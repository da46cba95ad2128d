"""The files that a build sees: what the digest of them depends on, and what cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pixi_container.errors import UserError
from pixi_container.paths import LFS_POINTER
from pixi_container.workspace import build_context
from pixi_container.workspace.build_context import digest_of, lfs_pointers, read_docker_ignore, sent_paths
from pixi_container.workspace.dockerignore import DockerIgnore

NOTHING = DockerIgnore()


@pytest.fixture
def context(tmp_path: Path) -> Path:
    for folder in (".git", ".pixi", "src/empty", "src/.git"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / ".git/config").write_text("token")
    (tmp_path / "src/a.py").write_text("a")
    (tmp_path / "link").symlink_to("src/a.py")
    return tmp_path


def digest(context: Path, *paths: str) -> str:
    return digest_of(context, paths or (".",), NOTHING)


def test_a_build_sees_everything_but_what_is_never_copied(context: Path) -> None:
    assert sent_paths(context, ".", NOTHING) == {
        ".": str(context),
        "link": str(context / "link"),
        "src": str(context / "src"),
        "src/.git": str(context / "src/.git"),
        "src/a.py": str(context / "src/a.py"),
        "src/empty": str(context / "src/empty"),
    }
    every = sent_paths(context, ".", NOTHING, with_never_copied=True)
    assert {".git", ".git/config", ".pixi"} == every.keys() - sent_paths(context, ".", NOTHING).keys()
    assert sent_paths(context, "src/a.py", NOTHING) == {"src/a.py": str(context / "src/a.py")}
    assert sent_paths(context, "link", NOTHING) == {"link": str(context / "src/a.py")}
    assert sent_paths(context, "gone", NOTHING) == {}
    assert sent_paths(context, "src/a.py/b", NOTHING) == {}


def test_what_is_excluded_is_not_seen(context: Path) -> None:
    ignore = DockerIgnore.parse("src/a.py\nsrc/empty\n", ".dockerignore")
    assert sent_paths(context, "src", ignore).keys() == {"src", "src/.git"}
    assert sent_paths(context, "src/a.py", ignore) == {}
    assert sent_paths(context, "src/empty", ignore) == {}
    all_but_one = DockerIgnore.parse("*\n!src/a.py\n", ".dockerignore")
    assert "src/a.py" in sent_paths(context, ".", all_but_one)
    assert "src/empty" not in sent_paths(context, ".", all_but_one)
    assert sent_paths(context, "src/a.py", DockerIgnore.parse("src", ".dockerignore")) == {}


@pytest.mark.parametrize("path", ["/etc", "..", "src/../.."])
def test_what_leads_out_is_not_read(context: Path, path: str) -> None:
    with pytest.raises(UserError, match="leads out of the context, so it is not read") as caught:
        digest(context, path)
    assert caught.value.message.startswith(f"'{path}' ")
    assert str(context) in caught.value.hint


def test_every_change_that_a_build_sees_is_another_digest(context: Path) -> None:
    digests = [digest(context)]

    def differs() -> None:
        digests.append(digest(context))
        assert len(set(digests)) == len(digests)

    (context / "src/a.py").write_text("b")
    differs()
    (context / "src/a.py").chmod(0o755)
    differs()
    (context / "src/a.py").chmod(0o4755)
    differs()
    (context / "src/a.py").rename(context / "src/b.py")
    differs()
    (context / "link").unlink()
    differs()
    (context / "link").symlink_to("src/b.py")
    differs()
    (context / "new").mkdir()
    differs()
    os.mkfifo(context / "pipe")
    differs()


def test_what_a_build_does_not_see_changes_nothing(context: Path) -> None:
    before = digest(context)
    os.utime(context / "src/a.py", (1, 1))
    (context / "src/a.py").chmod(0o600)
    (context / ".git/config").write_text("another")
    (context / ".pixi/envs").mkdir()
    assert digest(context) == before
    assert digest(context, "src", "link") == digest(context, "link", "src")
    assert digest(context, "gone") == digest_of(context, (), NOTHING)


def test_a_digest_reads_more_than_one_chunk(context: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_context, "_CHUNK", 2)
    (context / "src/a.py").write_text("12345")
    before = digest(context)
    (context / "src/a.py").write_text("12346")
    assert digest(context) != before


def test_a_link_in_a_folder_counts_by_its_target_s_name(context: Path) -> None:
    (context / "src/link").symlink_to("../gone")
    before = digest(context, "src")
    (context / "gone").write_text("there")
    assert digest(context, "src") == before
    assert digest(context, "link") != digest(context, "src/a.py")


@pytest.mark.parametrize(
    ("content", "is_pointer"),
    [
        (f"{LFS_POINTER}\noid sha256:0\n", True),
        (LFS_POINTER, False),
        (f"{LFS_POINTER}\n", True),
        (f"x{LFS_POINTER}\n", False),
        (LFS_POINTER + "\n" * (1024 - len(LFS_POINTER)), True),
        (LFS_POINTER + "\n" * (1025 - len(LFS_POINTER)), False),
    ],
)
def test_a_pointer_of_git_lfs_is_small_and_starts_with_its_version(
    context: Path, content: str, is_pointer: bool
) -> None:
    (context / "src/model").write_text(content)
    (context / "src/link").symlink_to("model")
    assert list(lfs_pointers(context, ("src",), NOTHING)) == (["src/model"] if is_pointer else [])


def test_pointers_are_sorted_and_files_alone(context: Path) -> None:
    for name in ("src/c", "src/b", "b"):
        (context / name).write_text(f"{LFS_POINTER}\n")
    (context / f"src/{LFS_POINTER.replace('/', '')}").mkdir()
    assert list(lfs_pointers(context, ("src", "b"), NOTHING)) == ["src/b", "src/c", "b"]


@pytest.mark.parametrize("function", ["lstat", "scandir", "open", "readlink"])
def test_what_cannot_be_read_is_named(context: Path, monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    def refused(place: str, *_: object) -> None:
        raise PermissionError(13, "Permission denied", place)

    monkeypatch.setattr(os, function, refused)
    with pytest.raises(UserError, match="the build context cannot be read: Permission denied") as caught:
        digest(context, *(["src"] if function != "readlink" else ()))
    assert caught.value.file.startswith(str(context))


def test_a_pointer_that_cannot_be_read_is_named(context: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (context / "src/model").write_text(f"{LFS_POINTER}\n")

    def refused(place: str) -> None:
        raise PermissionError(13, "Permission denied", place)

    monkeypatch.setattr(build_context, "_opened", refused)
    with pytest.raises(UserError, match="the build context cannot be read: Permission denied") as caught:
        list(lfs_pointers(context, ("src",), NOTHING))
    assert caught.value.file == str(context / "src/model")


def test_an_excluded_folder_that_may_not_be_listed_is_left_out(
    context: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(place: str) -> None:
        raise PermissionError(13, "Permission denied", place)

    ignore = DockerIgnore.parse("src\n!src/a.py\n", ".dockerignore")
    monkeypatch.setattr(os, "scandir", refused)
    assert sent_paths(context, "src", ignore) == {}
    with pytest.raises(UserError):
        sent_paths(context, "src", NOTHING)


def test_the_patterns_of_a_dockerfile_take_precedence(context: Path) -> None:
    assert read_docker_ignore(context) == (DockerIgnore(), "")
    (context / ".dockerignore").write_text("all\n")
    (context / "docker").mkdir()
    assert read_docker_ignore(context)[1] == "all\n"
    assert read_docker_ignore(context, "docker/Dockerfile")[1] == "all\n"
    (context / "docker/Dockerfile.dockerignore").write_text("own\n")
    ignore, text = read_docker_ignore(context, "docker/Dockerfile")
    assert text == "own\n"
    (context / "own").write_text("")
    assert sent_paths(context, "own", ignore) == {}
    (context / "docker/Dockerfile.dockerignore").write_text("")
    assert read_docker_ignore(context, "docker/Dockerfile")[1] == ""


def test_patterns_elsewhere_are_not_read(context: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (context / "out").symlink_to(tmp_path_factory.mktemp("elsewhere"))
    with pytest.raises(UserError, match="'out' leads out of the context, so it is not read") as caught:
        read_docker_ignore(context, "out/Dockerfile")
    assert caught.value.file == str(context / "out")
    (context / ".dockerignore").write_text("[\n")
    with pytest.raises(UserError) as caught:
        read_docker_ignore(context)
    assert caught.value.file == str(context / ".dockerignore")
