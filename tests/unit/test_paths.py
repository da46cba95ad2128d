"""Paths of the user: which ones are accepted, at the limits too, and what is read of the files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pixi_container.errors import UserError
from pixi_container.paths import (
    LFS_POINTER,
    LOCK_BYTES,
    SMALL_FILE_BYTES,
    can_be_mounted,
    check_possible,
    checked_path,
    exists,
    is_below,
    is_empty_folder,
    is_file,
    is_folder,
    is_in_context,
    is_lfs_pointer,
    is_possible,
    is_too_long,
    leads_out,
    read_bytes,
    read_text,
)

SOURCE = "input 'include'"


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A folder with a file, folders, and links that stay inside, lead out, or go round in circles."""
    made = tmp_path / "context"
    for folder in ("empty", "src", ".git", ".pixi/envs"):
        (made / folder).mkdir(parents=True)
    (made / "src/a.py").write_text("one\ntwo\n")
    (made / ".git/config").write_text("token")
    (made / ".pixi/config.toml").write_text("")
    (tmp_path / "secret").write_text("secret")
    (made / "inside").symlink_to("src/a.py")
    (made / "outside").symlink_to("../secret")
    (made / "broken").symlink_to("gone")
    (made / "circle").symlink_to("circle")
    (made / "link").symlink_to("src")
    return made


@pytest.mark.parametrize(
    ("path", "there", "file", "folder", "out", "within"),
    [
        ("src", True, False, True, False, True),
        ("src/a.py", True, True, False, False, True),
        ("src/../src/a.py", True, True, False, False, True),
        ("inside", True, True, False, False, True),
        ("link/a.py", True, True, False, False, True),
        ("gone", False, False, False, False, False),
        ("broken", False, False, False, False, False),
        ("outside", True, True, False, True, False),
        ("../secret", True, True, False, True, False),
        ("circle", False, False, False, True, False),
        (".git/config", True, True, False, True, False),
        (".pixi/envs", True, False, True, True, False),
        (".pixi/config.toml", True, True, False, False, True),
        ("a\0b", False, False, False, True, False),
        ("n" * 256, False, False, False, None, False),
    ],
)
def test_what_a_path_is(
    context: Path, path: str, there: bool, file: bool, folder: bool, out: bool | None, within: bool
) -> None:
    assert exists(context, path) is there
    assert is_file(context, path) is file
    assert is_folder(context, path) is folder
    assert is_in_context(context, path) is within
    if out is not None:
        assert leads_out(context, path) is out


def test_only_an_empty_folder_is_one(context: Path) -> None:
    assert is_empty_folder(context, "empty")
    assert not is_empty_folder(context, "src")
    assert not is_empty_folder(context, "src/a.py")
    assert not is_empty_folder(context, "gone")


def test_a_folder_that_may_not_be_listed_is_not_empty(context: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refused)
    assert is_empty_folder(context, "empty") is False


def test_a_folder_that_may_not_be_searched_has_nothing(context: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    for test in ("exists", "is_file", "is_dir"):
        monkeypatch.setattr(Path, test, refused)
    assert (exists(context, "src"), is_file(context, "src/a.py"), is_folder(context, "src")) == (False,) * 3


@pytest.mark.parametrize(
    ("content", "is_pointer"),
    [(f"{LFS_POINTER}\noid sha256:0\n", True), (LFS_POINTER, True), (LFS_POINTER[:-1], False), ("", False)],
)
def test_a_pointer_of_git_lfs_starts_with_its_version(context: Path, content: str, is_pointer: bool) -> None:
    (context / "model.bin").write_text(content)
    assert is_lfs_pointer(context, "model.bin") is is_pointer


def test_a_pointer_is_looked_for_in_files_of_the_context_alone(context: Path) -> None:
    (context.parent / "secret").write_text(LFS_POINTER)
    assert not is_lfs_pointer(context, "outside")
    assert not is_lfs_pointer(context, "src")
    assert not is_lfs_pointer(context, "gone")


@pytest.mark.parametrize(
    ("path", "is_long"),
    [
        ("n" * 255, False),
        ("n" * 256, True),
        ("ö" * 127, False),
        ("ö" * 128, True),
        ("/".join(["n" * 127] * 32), False),
        ("/".join(["n" * 127] * 32) + "/n", True),
        ("\ud800", False),
    ],
)
def test_a_path_is_as_long_as_linux_takes(path: str, is_long: bool) -> None:
    assert is_too_long(path) is is_long
    assert is_possible(path) is not is_long


def test_the_limits_of_a_path() -> None:
    longest = "/".join(["n" * 255] * 16)
    assert len(longest) == 4095
    assert not is_too_long(f"{longest}/")
    assert is_too_long(f"{longest}/n")


@pytest.mark.parametrize(
    ("path", "says"),
    [("a\0b", r"the path 'a\\x00b' contains a NUL character"), ("n" * 256, "is too long for a file system")],
)
def test_an_impossible_path_is_refused_where_it_is_written(path: str, says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        check_possible(path, source=SOURCE, file="pixi.toml")
    assert caught.value.message.startswith(f"{SOURCE}: the path ")
    assert caught.value.file == "pixi.toml"
    assert is_possible(path) is False


@pytest.mark.parametrize(
    ("path", "mounted"),
    [
        (".", True),
        ("a", True),
        ("Az09_.@+-/b", True),
        ("a,b", False),
        ("a b", False),
        ("/a", False),
        ("a/", False),
        ("a//b", False),
        ("", False),
        ("n" * 256, False),
    ],
)
def test_a_mount_has_no_quoting(path: str, mounted: bool) -> None:
    assert can_be_mounted(path) is mounted


@pytest.mark.parametrize(
    ("path", "folders", "below"),
    [
        ("src/a.py", ("src",), True),
        ("src", ("src",), True),
        ("src/a/b.py", ("tests", "src/a"), True),
        ("srcs/a.py", ("src",), False),
        ("src", ("src/a.py",), False),
        ("a", (".",), True),
        ("a", (), False),
    ],
)
def test_a_path_is_below_a_folder_by_whole_names(path: str, folders: tuple[str, ...], below: bool) -> None:
    assert is_below(path, folders) is below


@pytest.mark.parametrize(
    ("path", "normal"),
    [("src", "src"), ("./src/", "src"), ("src//a.py", "src/a.py"), ("link", "link"), ("inside", "inside")],
)
def test_a_path_to_copy_is_in_normal_form(context: Path, path: str, normal: str) -> None:
    assert checked_path(context, path, source=SOURCE) == normal


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/src", "leads out of the context"),
        ("../secret", "leads out of the context"),
        ("src/../../secret", "leads out of the context"),
        (".", "is the whole context; name the folders and files to copy"),
        ("", "is the whole context; name the folders and files to copy"),
        (".git", "is never copied into an image"),
        ("src/.pixi/a", "is never copied into an image"),
        ("broken", "is a symbolic link that is broken or leads out of the context"),
        ("outside", "is a symbolic link that is broken or leads out of the context"),
        ("circle/a", "is a symbolic link that is broken or leads out of the context"),
        ("gone", "does not exist in '"),
        *(
            (f"src{character}", "contains a character that COPY cannot handle")
            for character in '$*?[]\\"\n\x7f\x1f'
        ),
    ],
)
def test_a_path_that_cannot_be_copied_is_refused(context: Path, path: str, says: str) -> None:
    with pytest.raises(UserError) as caught:
        checked_path(context, path, source=SOURCE)
    assert caught.value.message.startswith(f"{SOURCE}: '")
    assert says in caught.value.message
    assert caught.value.hint.startswith("Paths are relative to 'context'.")
    assert ("'manifest-path' to the manifest below it" in caught.value.hint) == (".." in path)


def test_a_file_is_read_up_to_its_limit(context: Path) -> None:
    assert read_text(context, "src/a.py", what="it") == "one\ntwo\n"
    assert read_bytes(context, "src/a.py", what="it", limit=8) == b"one\ntwo\n"
    with pytest.raises(UserError, match="it is larger than the limit of 7 bytes") as caught:
        read_bytes(context, "src/a.py", what="it", limit=7)
    assert caught.value.file == str(context / "src/a.py")
    assert read_text(context, "src/a.py", what="it", limit=8) == "one\ntwo\n"
    with pytest.raises(UserError, match="limit of 7 bytes"):
        read_text(context, "src/a.py", what="it", limit=7)


def test_a_file_without_a_size_is_read_up_to_the_limit_as_well() -> None:
    content = read_bytes(Path("/proc/self"), "stat", what="it")
    assert content
    with pytest.raises(UserError, match="limit of 9 bytes"):
        read_bytes(Path("/proc/self"), "stat", what="it", limit=9)


@pytest.mark.parametrize(("limit", "written"), [(SMALL_FILE_BYTES, 4 * 1024**2), (LOCK_BYTES, 16 * 1024**2)])
def test_the_limits_are_what_is_documented(limit: int, written: int) -> None:
    assert limit == written


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(context: Path) -> None:
    (context / "latin.toml").write_bytes(b"a\nb\n\xe9\n")
    with pytest.raises(UserError, match="it cannot be read: it is not UTF-8") as caught:
        read_text(context, "latin.toml", what="it")
    assert (caught.value.file, caught.value.line) == (str(context / "latin.toml"), 3)
    assert read_text(context, "latin.toml", what="it", errors="replace") == "a\nb\n\ufffd\n"


def test_what_is_no_file_is_not_read(context: Path) -> None:
    os.mkfifo(context / "pipe")
    for path in ("pipe", "src"):
        with pytest.raises(UserError, match="it cannot be read: it is not a regular file") as caught:
            read_text(context, path, what="it")
        assert caught.value.file == str(context / path)
    with pytest.raises(UserError, match="it is a link that leads out of the context, so it is not read") as caught:
        read_text(context, "outside", what="it")
    assert caught.value.file == str(context / "outside")
    assert str(context) in caught.value.hint
    with pytest.raises(FileNotFoundError):
        read_text(context, "gone", what="it")
    with pytest.raises(UserError, match=r"it: the path .* is too long"):
        read_text(context, "n" * 256, what="it")


def test_a_file_that_cannot_be_opened_is_refused(context: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path, *_: object) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pixi_container.paths.os.open", refused)
    with pytest.raises(UserError, match="it cannot be read: Permission denied") as caught:
        read_text(context, "src/a.py", what="it")
    assert caught.value.file == str(context / "src/a.py")
