"""What is copied from the context: what BuildKit copies, and nothing from outside of it.

`tests/end_to_end/test_without_builder.py` compares with BuildKit itself.
"""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixi_container.application.context_files import copied_entries
from pixi_container.environment.entries import PathEntry
from pixi_container.errors import UserError
from pixi_container.image.production_stage import ContextCopy
from pixi_container.workspace.build_context import open_sent
from pixi_container.workspace.dockerignore import DockerIgnore

NAMES = st.text(st.sampled_from("ab.-é \n\\'\"=:"), min_size=1, max_size=4).filter(lambda name: name.strip("."))
FILES = st.tuples(st.just("file"), st.binary(max_size=9), st.integers(0, 0o7777))
LINKS = st.tuples(st.just("link"), st.sampled_from(["a", "../b", "/nowhere/c", "é"]), st.just(0))
TREES = st.dictionaries(
    NAMES,
    st.recursive(
        st.one_of(FILES, LINKS),
        lambda inner: st.tuples(
            st.just("folder"), st.dictionaries(NAMES, inner, max_size=3), st.integers(0o700, 0o7777)
        ),
        max_leaves=6,
    ),
    max_size=3,
)


def entries(context: Path, copy: ContextCopy, ignore: str = "") -> dict[str, tuple[PathEntry, bytes]]:
    made: dict[str, tuple[PathEntry, bytes]] = {}
    for entry in copied_entries(context, copy, DockerIgnore.parse(ignore)):
        assert entry.path not in made
        made[entry.path] = (entry, b"".join(entry.content))
    return made


def plant(place: Path, tree: tuple[str, Any, int]) -> None:
    kind, content, mode = tree
    if kind == "link":
        place.symlink_to(content)
        return
    if kind == "file":
        place.write_bytes(content)
    else:
        place.mkdir()
        for name, inner in content.items():
            plant(place / name, inner)
    # Without root, a file that nobody may read cannot be copied either.
    place.chmod(mode | (0o700 if kind == "folder" else 0o400))
    os.utime(place, ns=(0, len(place.name) * 10**9 + 999_999_999))


@pytest.mark.slow
@given(TREES)
@settings(deadline=None)
def test_a_folder_is_copied_as_it_is(tree: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as name:
        context = Path(name)
        plant(context / "src", ("folder", tree, 0o2770))
        made = entries(context, ContextCopy(("src",), "/app/to/src"))
        there = [context / "src", *(context / "src").rglob("*")]
        assert set(made) == {f"app/to/{path.relative_to(context)}" for path in there}
        assert list(made) == sorted(made, key=lambda path: path.split("/"))
        for place in there:
            entry, content = made[f"app/to/{place.relative_to(context)}"]
            status = place.lstat()
            assert entry.mtime == status.st_mtime_ns // 10**9
            if place.is_symlink():
                assert (entry.kind, entry.mode, entry.target) == ("symlink", 0o777, str(place.readlink()))
            elif place.is_dir():
                mode = 0o755 if place.name == "src" else stat.S_IMODE(status.st_mode)
                assert (entry.kind, entry.mode) == ("directory", mode)
            else:
                assert (entry.kind, entry.mode) == ("file", stat.S_IMODE(status.st_mode))
                assert (entry.size, content) == (status.st_size, place.read_bytes())


def test_files_go_into_a_folder_or_are_the_destination(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/a").write_text("a")
    (tmp_path / "b").write_text("b")
    assert set(entries(tmp_path, ContextCopy(("lib/a", "b"), "/app/"))) == {"app/a", "app/b"}
    assert set(entries(tmp_path, ContextCopy(("lib/a",), "/app/lib/a"))) == {"app/lib/a"}


def test_a_link_that_is_named_is_followed_and_one_inside_is_kept(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/file").write_text("x")
    (tmp_path / "real/inside").symlink_to("file")
    (tmp_path / "folder").symlink_to("real")
    (tmp_path / "file").symlink_to("folder/file")
    made = entries(tmp_path, ContextCopy(("folder",), "/app/folder"))
    assert {path: entry.kind for path, (entry, _) in made.items()} == {
        "app/folder": "directory",
        "app/folder/file": "file",
        "app/folder/inside": "symlink",
    }
    for name in ("folder/file", "file"):
        entry, content = entries(tmp_path, ContextCopy((name,), f"/app/{name}"))[f"app/{name}"]
        assert (entry.kind, content) == ("file", b"x")


def test_what_is_excluded_is_left_out_but_for_the_folders_of_exceptions(tmp_path: Path) -> None:
    for name in ("src/keep", "src/old/deep/keep", "src/old/drop", "src/gone/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "src/old").chmod(0o711)
    made = entries(tmp_path, ContextCopy(("src",), "/app/src"), "src/old\n!src/old/deep\nsrc/gone\n")
    expected = ["src", "src/keep", "src/old", "src/old/deep", "src/old/deep/keep"]
    assert list(made) == [f"app/{path}" for path in expected]
    assert made["app/src/old"][0].mode == 0o711
    only = entries(tmp_path, ContextCopy(("src",), "/app/src"), "src\n!src/keep\n")
    assert list(only) == ["app/src", "app/src/keep"]


def test_hard_links_stay_links_within_one_copy(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a").write_text("same")
    (tmp_path / "src/b").hardlink_to(tmp_path / "src/a")
    (tmp_path / "outside").hardlink_to(tmp_path / "src/a")
    made = entries(tmp_path, ContextCopy(("src",), "/app/src"))
    assert (made["app/src/a"][0].kind, made["app/src/a"][1]) == ("file", b"same")
    assert (made["app/src/b"][0].kind, made["app/src/b"][0].target) == ("hardlink", "app/src/a")
    assert entries(tmp_path, ContextCopy(("outside",), "/app/outside"))["app/outside"][1] == b"same"


def test_a_time_before_1970_stays(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("")
    os.utime(tmp_path / "old", ns=(0, -1))
    assert entries(tmp_path, ContextCopy(("old",), "/app/old"))["app/old"][0].mtime == -1


def _socket(src: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("src/socket")


def _no_utf8(src: Path) -> None:
    Path(os.fsdecode(os.fsencode(src) + b"/\xff")).write_text("")


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pipe": (lambda src: os.mkfifo(src / "pipe"), r"src/pipe: this is neither a file, a folder nor a link"),
    "a socket": (_socket, r"src/socket: this is neither a file, a folder nor a link"),
    "a whiteout": (
        lambda src: (src / ".wh.main").write_text(""),
        r"src/\.wh\.main: the name begins with '\.wh\.'",
    ),
    "an opaque folder": (lambda src: (src / ".wh..wh..opq").mkdir(), r"the name begins with '\.wh\.'"),
    "no UTF-8": (_no_utf8, r"has a name that is not UTF-8"),
    "a link to no UTF-8": (
        lambda src: (src / "l").symlink_to(os.fsdecode(b"\xff")),
        r"src/l: this leads to a name that is not UTF-8",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_image_can_have_is_refused(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant_it, message = REFUSED[name]
    # The path of a socket has to be short.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    plant_it(tmp_path / "src")
    with pytest.raises(UserError, match=message) as raised:
        entries(tmp_path, ContextCopy(("src",), "/app/src"))
    assert "exclude it in .dockerignore" in raised.value.hint


@pytest.mark.parametrize("target", ["/etc", "..", "../other", ".git", ".git/config"])
def test_a_link_out_of_the_context_is_not_followed(tmp_path: Path, target: str) -> None:
    context = tmp_path / "context"
    (context / ".git").mkdir(parents=True)
    (context / ".git/config").write_text("token")
    (tmp_path / "other").mkdir()
    (context / "src").symlink_to(target)
    with pytest.raises(UserError, match="'src' leads out of the context"):
        entries(context, ContextCopy(("src",), "/app/src"))


def test_what_is_excluded_altogether_is_an_error_with_the_pattern_to_add(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    with pytest.raises(UserError, match=r"'src' is in the checkout but not in the build context") as raised:
        entries(tmp_path, ContextCopy(("src",), "/app/src"), "src\n")
    assert "'!src'" in raised.value.hint


@pytest.mark.parametrize("content", ["", "longer than it was", "short"])
def test_a_file_that_changes_meanwhile_is_an_error(tmp_path: Path, content: str) -> None:
    file = tmp_path / "file"
    file.write_text("as it was")
    made = copied_entries(tmp_path, ContextCopy(("file",), "/app/file"), DockerIgnore())
    entry = next(made)
    # Nothing is read ahead of its turn, so that a large file is never in memory as a whole.
    file.write_text(content)
    with pytest.raises(UserError, match="changed while it was copied"):
        b"".join(entry.content)


def test_a_link_that_takes_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("token")
    (tmp_path / "context/src").mkdir(parents=True)
    for name in ("a", "b"):
        (tmp_path / "context/src" / name).write_text(name)
    made = copied_entries(tmp_path / "context", ContextCopy(("src",), "/app/src"), DockerIgnore())
    assert [next(made).path, next(made).path] == ["app/src", "app/src/a"]
    swapped = tmp_path / "context/src/b"
    swapped.unlink()
    swapped.symlink_to("../../secret")
    (entry,) = made
    assert (entry.kind, entry.target, tuple(entry.content)) == ("symlink", "../../secret", ())
    with pytest.raises(OSError, match="symbolic links"):
        open_sent(str(swapped))
