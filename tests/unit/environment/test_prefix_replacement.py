"""Replacing the prefix part by part gives what rattler gives for the whole file at once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixi_container.environment.prefix_replacement import replaced_strings, replaced_text

OLD, NEW = "/old/old/prefix", "/new"

pieces = st.lists(
    st.sampled_from(
        [b"/old/old/prefix", b"/old/old", b"/old/", b"\0", b"\0\0", b"x", b"\n", b"#!/bin/sh", b" -e"]
    ),
    max_size=12,
).map(b"".join)
sizes = st.lists(st.integers(1, 20), max_size=30)


def in_parts(content: bytes, lengths: list[int]) -> list[bytes]:
    parts = []
    for length in lengths:
        parts.append(content[:length])
        content = content[length:]
    return [*parts, content]


def whole_strings(content: bytes) -> bytes:
    """Follow rattler's own loop over a file in memory (copy_and_replace_cstring_placeholder)."""
    old, new, done = OLD.encode(), NEW.encode(), b""
    while (at := content.find(old)) >= 0:
        end = content.find(b"\0", at)
        end = len(content) if end < 0 else end
        done += content[:at] + content[at:end].replace(old, new).ljust(end - at, b"\0")
        content = content[end:]
    return done + content


@pytest.mark.slow
@settings(max_examples=60)
@given(pieces, sizes)
def test_strings_of_a_binary(content: bytes, lengths: list[int]) -> None:
    replaced = b"".join(replaced_strings(in_parts(content, lengths), OLD, NEW))
    assert replaced == whole_strings(content)
    assert len(replaced) == len(content)


@pytest.mark.slow
@settings(max_examples=60)
@given(pieces, sizes)
def test_a_text(content: bytes, lengths: list[int]) -> None:
    """A first line, which is looked at as a whole, is always in the first part of a real file."""
    start = b"first line\n"
    replaced = b"".join(replaced_text(in_parts(start + content, [len(start) + 1, *lengths]), OLD, NEW))
    assert replaced == start + content.replace(OLD.encode(), NEW.encode())


def test_a_longer_prefix_has_no_room_in_a_binary() -> None:
    with pytest.raises(ValueError, match="longer"):
        list(replaced_strings([b""], "/short", "/longer prefix"))


P = "/p" * 70
LINES = [
    # As packaged, the new prefix, as installed.
    (f"#!{OLD}/bin/python\n", NEW, f"#!{NEW}/bin/python\n"),
    (f"#!{OLD}/bin/python -s", NEW, f"#!{NEW}/bin/python -s"),
    (f"#!{OLD}/bin/python3.11 -s\nx", P, f"#!/bin/sh\n'''exec' \"{P}/bin/python3.11\" -s \"$0\" \"$@\" #'''\nx"),
    (f"#! {OLD}/bin/perl -w\n", P, "#!/usr/bin/env perl -w\n"),
    (f"#!{OLD}/bin/pythonw\n", P, "#!/usr/bin/env pythonw\n"),
    (f"#!{OLD}/bin/python\n", "/a b", "#!/bin/sh\n'''exec' \"/a b/bin/python\" \"$0\" \"$@\" #'''\n"),
    ("#!/usr/bin/env python\n", "/a b", "#!/usr/bin/env python\n"),
    (f"#!{OLD}/" + "b" * 119 + "\n", "/new", "#!/new/" + "b" * 119 + "\n"),
    (f"#!{OLD}/" + "b" * 121 + "\n", "/new", "#!/usr/bin/env " + "b" * 121 + "\n"),
    (f"no program: #!{OLD}\n", P, f"no program: #!{P}\n"),
]


@pytest.mark.parametrize(("packaged", "prefix", "installed"), LINES)
def test_a_first_line_stays_one_that_linux_can_start(packaged: str, prefix: str, installed: str) -> None:
    assert b"".join(replaced_text([packaged.encode()], OLD, prefix)).decode() == installed


@pytest.mark.parametrize(
    ("name", "is_python"),
    [
        ("python", True),
        ("python3", True),
        ("python3.11", True),
        ("python.", False),
        ("python.3", False),
        ("python3.", False),
        ("pythonw", False),
        ("python3.11.2", False),
        ("perl", False),
    ],
)
def test_a_first_line_that_is_too_long_is_started_by_another_program(name: str, is_python: bool) -> None:
    new = "/" + "n" * 120
    line = f"#!/old/old/prefix/bin/{name} -s"
    replaced = b"".join(replaced_text([f"{line}\nrest\n".encode()], OLD, new)).decode()
    shell = f"#!/bin/sh\n'''exec' \"{new}/bin/{name}\" -s \"$0\" \"$@\" #'''"
    assert replaced == f"{shell if is_python else f'#!/usr/bin/env {name} -s'}\nrest\n"


def test_a_first_line_has_127_bytes() -> None:
    def started(length: int) -> str:
        new = "/" + "n" * (length - len("#!//bin/perl"))
        return b"".join(replaced_text([b"#!/old/old/prefix/bin/perl"], OLD, new)).decode()

    assert len(started(127)) == 127
    assert started(128) == "#!/usr/bin/env perl"


def test_a_path_with_spaces_is_started_by_another_program() -> None:
    assert b"".join(replaced_text([b"#!/old/old/prefix/bin/perl\n"], OLD, "/a b")) == b"#!/usr/bin/env perl\n"
    assert b"".join(replaced_text([b"#!/bin/perl\n"], OLD, "/a b")) == b"#!/bin/perl\n"


def test_a_longer_path_does_not_fit_into_a_binary() -> None:
    with pytest.raises(ValueError, match="/old/old/prefixes"):
        list(replaced_strings([b""], OLD, "/old/old/prefixes"))
    assert b"".join(replaced_strings([b"/old/old/prefix\0"], OLD, "/new/new/prefix")) == b"/new/new/prefix\0"
