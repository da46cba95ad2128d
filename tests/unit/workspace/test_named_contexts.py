"""Folders as further build contexts: where they may be, and what of them counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixi_container.build_inputs import BuildContext
from pixi_container.errors import UserError
from pixi_container.workspace.named_contexts import NamedFolder, digest_of_folders, named_folders


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A workspace in a checkout, beside a folder that is shared."""
    checkout = tmp_path / "checkout"
    for folder in (".git/info", "study/data", "shared/a"):
        (checkout / folder).mkdir(parents=True)
    (checkout / "shared/a/file").write_text("1")
    (tmp_path / "outside").mkdir()
    return checkout / "study"


def folder(context: Path, value: str) -> NamedFolder:
    (given,) = named_folders(context, (BuildContext("image", "docker-image://a"), BuildContext("name", value)))
    return given


@pytest.mark.parametrize(
    ("value", "place", "paths"),
    [
        ("../shared", "shared", ("shared",)),
        ("../shared/a/..", "shared", ("shared",)),
        ("data", "study/data", ("study/data",)),
        ("..", "", ("",)),
        (".", "study", ("study",)),
    ],
)
def test_a_folder_of_the_checkout(context: Path, value: str, place: str, paths: tuple[str, ...]) -> None:
    assert folder(context, value) == NamedFolder("name", context.parent / place, paths)
    assert folder(context, str(context / value)).place == context.parent / place


def test_a_link_counts_where_it_is_and_where_it_leads(context: Path) -> None:
    (context / "link").symlink_to("../shared")
    assert folder(context, "link") == NamedFolder("name", context.parent / "shared", ("shared", "study/link"))


@pytest.mark.parametrize(
    "value", ["../..", "../../outside", "/", "/etc", "../.git", "../.git/info", "out", "loop"]
)
def test_a_folder_elsewhere_is_refused(context: Path, value: str) -> None:
    (context / "out").symlink_to("../../outside")
    (context / "loop").symlink_to("loop")
    with pytest.raises(UserError, match="input 'build-contexts': 'name'"):
        folder(context, value)


@pytest.mark.parametrize("value", ["absent", "../shared/a/file", "a" * 300, "a\0b"])
def test_what_is_no_folder_is_refused(context: Path, value: str) -> None:
    with pytest.raises(UserError, match="input 'build-contexts': 'name'"):
        folder(context, value)


def test_without_a_checkout_the_context_is_the_limit(tmp_path: Path) -> None:
    (tmp_path / "study/data").mkdir(parents=True)
    assert folder(tmp_path / "study", "data").paths == ("data",)
    with pytest.raises(UserError, match="leads out of the checkout"):
        folder(tmp_path / "study", "..")


def test_what_the_build_sees_counts(context: Path) -> None:
    shared = context.parent / "shared"

    def digest() -> str:
        return digest_of_folders((folder(context, "../shared"),))

    before = digest()
    (shared / "a/file").write_text("2")
    changed = digest()
    (shared / ".dockerignore").write_text("a\n")
    hidden = digest()
    (shared / "a/file").write_text("3")
    assert len({before, changed, hidden}) == 3
    assert digest() == hidden
    assert digest_of_folders(()) != hidden
