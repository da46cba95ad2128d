"""Debian packages in an input: what apt-get takes is accepted, and nothing that a shell reads otherwise."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_container.debian_packages import package_name, parse_installed, parse_packages
from pixi_container.errors import UserError


@pytest.mark.parametrize(
    ("text", "packages"),
    [
        ("", ()),
        ("# nothing\n", ()),
        ("curl git tini", ("curl", "git", "tini")),
        ("curl,git ,\n\ttini\n", ("curl", "git", "tini")),
        ("curl # to download\n# git\ngit", ("curl", "git")),
        ("curl curl", ("curl",)),
        ("g++ libstdc++6 python3.11-dev 0ad r-base", ("g++", "libstdc++6", "python3.11-dev", "0ad", "r-base")),
        ("git=1:2.39.5-0+deb12u2 tini=0.19.0*", ("git=1:2.39.5-0+deb12u2", "tini=0.19.0*")),
        ("x2=2.0~rc1-1 libc6:arm64=2.36-9", ("x2=2.0~rc1-1", "libc6:arm64=2.36-9")),
        ("git/bookworm-backports libc6:i386", ("git/bookworm-backports", "libc6:i386")),
    ],
)  # fmt: skip
def test_accepted(text: str, packages: tuple[str, ...]) -> None:
    assert parse_packages(text) == packages


@pytest.mark.parametrize(
    "text",
    [
        *("Git", "g", "-y", "--yes", "git-", "git=", "git/", "git:", "git=*", "git=-1", "git=~1", "git==1", "*"),
        *("git;id", "$(id)", "`id`", "git&&id", "../x.deb", "./x.deb", "git'", 'git"', "git\\", "git|x", "git>x"),
        *("git=1 | x", "a{b}", "lib*", "git=1;id", "git/a/b", "git\0x", "١٢", "gïtt", "^git"),
    ],
)  # fmt: skip
def test_refused(text: str) -> None:
    with pytest.raises(UserError, match="input 'apt-packages' has an invalid package"):
        parse_packages(text)


@given(st.text(alphabet="abg0 +-.,:=/~*#\n;$'\"\\|&<>()`!?[]{}A\t\0é", max_size=30))
def test_any_text_gives_plain_words_or_is_refused(text: str) -> None:
    try:
        packages = parse_packages(text)
    except UserError:
        return
    for package in packages:
        assert re.fullmatch(r"[a-z0-9][A-Za-z0-9+.:=/~-]+\*?", package)
        assert not package_name(package).endswith("-")
    assert len(set(packages)) == len(packages)


@pytest.mark.parametrize("package", ["git", "git=1:2.3", "git/bookworm", "git:amd64", "git:amd64=1"])
def test_the_name_of_a_package(package: str) -> None:
    assert package_name(package) == "git"


def test_versions_are_read_and_everything_else_is_left_out() -> None:
    printed = "tini\t0.19.0-1\ngit\t1:2.39~x+y-1\nawk\t\n../x\t1\nname version\n\x1b[31m\t1\ng\t1 2\n"
    assert parse_installed(printed) == (("git", "1:2.39~x+y-1"), ("tini", "0.19.0-1"))
    assert parse_installed("") == ()
