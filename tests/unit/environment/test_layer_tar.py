"""Layers are the same bytes for the same entries, and tools that read tars and archives read them."""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import random
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from functools import cache
from typing import Any

import deflate
import pytest
import zstandard

from pixi_container.environment.entries import EARLIEST, PathEntry, text_entry
from pixi_container.environment.layer_tar import Compression, LayerBlob, LayerWriter

ROOT = "app/.pixi/envs/default"


@cache
def many_lines() -> bytes:
    chance = random.Random(1)  # noqa: S311
    return b"".join(b"line %d\n" % chance.randrange(1000) for _ in range(150_000))


def entries() -> list[PathEntry]:
    return [
        text_entry("conda-meta/a.json", "{}"),
        PathEntry("bin/tool", mode=0o755, mtime=1_736_899_200, size=4, content=(b"ab", b"cd")),
        PathEntry("bin/again", "hardlink", 0o755, 1_736_899_200, target="bin/tool"),
        PathEntry("lib/noise", size=len(many_lines()), content=(many_lines(),)),
        PathEntry("lib/link", "symlink", 0o777, target="../bin/tool"),
        PathEntry("lib/empty", "directory", 0o755),
        PathEntry("share/" + "deep/" * 60 + "ä\U0001f40d", size=0),
        PathEntry("share/long", "symlink", 0o777, target="../" * 40 + "x"),
    ]


def written(
    given: list[PathEntry], compression: Compression = "gzip", root: str = ROOT
) -> tuple[LayerBlob, bytes]:
    out = io.BytesIO()
    writer = LayerWriter(out, compression)
    writer.add(given, root)
    return writer.finish(), out.getvalue()


def unpacked(content: bytes) -> bytes:
    if content.startswith(b"\x1f\x8b"):
        return gzip.decompress(content)
    return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(content)).read()


@pytest.mark.parametrize(
    ("compression", "media_type"),
    [
        ("gzip", "application/vnd.oci.image.layer.v1.tar+gzip"),
        ("zstd", "application/vnd.oci.image.layer.v1.tar+zstd"),
    ],
)
def test_a_layer_has_what_was_added(compression: Compression, media_type: str) -> None:
    layer, content = written(entries(), compression)
    stream = io.BytesIO(content)
    tar_bytes = (
        zstandard.ZstdDecompressor().stream_reader(stream).read() if compression == "zstd" else unpacked(content)
    )
    assert layer == LayerBlob(
        media_type,
        f"sha256:{hashlib.sha256(content).hexdigest()}",
        len(content),
        f"sha256:{hashlib.sha256(tar_bytes).hexdigest()}",
    )
    with tarfile.open(fileobj=io.BytesIO(tar_bytes)) as tar:
        members = {member.name: member for member in tar}
        noise = tar.extractfile(f"{ROOT}/lib/noise")
        assert noise is not None
        assert noise.read() == many_lines()
    folders = [name for name, member in members.items() if member.isdir()]
    assert folders[:5] == ["app", "app/.pixi", "app/.pixi/envs", ROOT, f"{ROOT}/conda-meta"]
    assert {(members[name].mode, members[name].mtime) for name in folders} == {(0o755, EARLIEST)}
    assert f"{ROOT}/lib/empty" in folders
    assert {(each.uid, each.gid, each.uname, each.gname) for each in members.values()} == {(0, 0, "", "")}
    tool = members[f"{ROOT}/bin/tool"]
    assert (tool.mode, tool.mtime, tool.size) == (0o755, 1_736_899_200, 4)
    assert members[f"{ROOT}/bin/again"].linkname == f"{ROOT}/bin/tool"
    assert members[f"{ROOT}/lib/link"].linkname == "../bin/tool"
    assert members[f"{ROOT}/share/long"].linkname == "../" * 40 + "x"
    assert f"{ROOT}/share/" + "deep/" * 60 + "ä\U0001f40d" in members
    assert len(members) == len(entries()) - 1 + len(folders)


def test_gnu_tar_reads_it() -> None:
    _, content = written(entries())
    done = subprocess.run(["tar", "--list", "--gzip"], input=content, capture_output=True, check=True)
    assert f"{ROOT}/bin/again".encode() in done.stdout
    assert done.stderr == b""


HEADERS: list[dict[str, Any]] = [
    {"path": "a"},
    {"path": "n" * 100},
    {"path": "n" * 101},
    {"path": "ä"},
    {"path": "a", "kind": "symlink", "target": "t" * 101},
    {"path": "a", "kind": "symlink", "target": "t" * 100, "mode": 0o777},
    {"path": "a", "mode": 0o755, "mtime": (1 << 33) - 1},
    {"path": "a", "mtime": 1 << 33},
    {"path": "a", "mtime": -5},
]


@pytest.mark.parametrize("fields", HEADERS)
def test_a_header_is_the_one_that_the_standard_library_writes(fields: dict[str, Any]) -> None:
    entry = PathEntry(**fields)
    info = tarfile.TarInfo(entry.path)
    info.mode, info.mtime, info.linkname = entry.mode, entry.mtime, entry.target
    info.type = tarfile.SYMTYPE if entry.kind == "symlink" else tarfile.REGTYPE
    _, content = written([entry], root="")
    assert unpacked(content)[:-1024] == info.tobuf(tarfile.PAX_FORMAT, "utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_the_same_entries_are_the_same_bytes_however_they_come(compression: Compression) -> None:
    """In parts of any size, by one thread or by several, at any time."""
    expected = written(entries(), compression)
    parts = [
        PathEntry("lib/noise", size=len(many_lines()), content=_cut(size)) for size in (7_777, 1 << 20, 999_999)
    ]
    for noise in parts:
        given = [noise if entry.path == noise.path else entry for entry in entries()]
        assert written(given, compression) == expected
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: written(entries(), compression), range(4))) == {expected}


@pytest.mark.slow
def test_another_process_with_another_clock_and_locale_writes_the_same_bytes() -> None:
    code = (
        "from tests.unit.environment.test_layer_tar import entries, written\n"
        "import time; time.time = lambda: 5.0\n"
        "print(written(entries())[0], written(entries(), 'zstd')[0], sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": "src:.", "TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONHASHSEED": "7"},
    )
    assert done.stdout.splitlines() == [str(written(entries())[0]), str(written(entries(), "zstd")[0])]


def _cut(size: int) -> list[bytes]:
    return [many_lines()[start : start + size] for start in range(0, len(many_lines()), size)]


TWICE = [
    ([PathEntry("a"), PathEntry("a")], "a is in the layer already"),
    ([PathEntry("a/b"), PathEntry("a")], "a is in the layer already"),
    ([PathEntry("a"), PathEntry("a/b")], "a is in the layer already, and no folder"),
    ([PathEntry("a", size=3, content=(b"ab",))], "a has 2 bytes, not 3"),
    ([PathEntry("a", size=1, content=(b"ab",))], "a has 2 bytes, not 1"),
]


@pytest.mark.parametrize(("given", "message"), TWICE)
def test_what_would_make_a_layer_of_two_minds_is_refused(given: list[PathEntry], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        written(given, root="")


def test_folders_of_several_packages_are_there_once() -> None:
    layer, content = written([PathEntry("lib/a"), PathEntry("lib", "directory"), PathEntry("lib/b")], root="")
    with tarfile.open(fileobj=io.BytesIO(unpacked(content))) as tar:
        assert tar.getnames() == ["lib", "lib/a", "lib/b"]
    assert layer.size == len(content)


def test_a_folder_has_the_mode_and_time_of_its_own_entry() -> None:
    given = [PathEntry("src/own", "directory", 0o2750, 77), PathEntry("src/own/file"), PathEntry("src/other/file")]
    _, content = written(given, root="/app")
    with tarfile.open(fileobj=io.BytesIO(unpacked(content))) as tar:
        folders = {member.name: (member.mode, member.mtime) for member in tar if member.isdir()}
    parent = (0o755, EARLIEST)
    assert folders == {"app": parent, "app/src": parent, "app/src/own": (0o2750, 77), "app/src/other": parent}


def test_a_root_may_be_written_with_slashes() -> None:
    roots = ["app", "/app", "app/", "/app/"]
    for one, other in itertools.pairwise(roots):
        assert written([PathEntry("a")], root=one) == written([PathEntry("a")], root=other)


def test_layers_are_those_of_every_release_with_this_layout() -> None:
    """Where this fails, ``LAYOUT_VERSION`` has to be raised: layers of images before would be told wrong."""
    layer, content = written(entries())
    digest = "sha256:231a108483810a16b996f11b5129b661a69b23db99081d0de341719e27ec658d"
    assert layer.diff_id == f"sha256:{hashlib.sha256(unpacked(content)).hexdigest()}" == digest


def test_layers_are_packed_as_tightly_as_is_quick() -> None:
    noise = [PathEntry("noise", size=300_000, content=(many_lines()[:300_000],))]
    _, content = written(noise)
    assert content == deflate.gzip_compress(unpacked(content), 5)
    _, content = written(noise, "zstd")
    sizes = {level: len(zstandard.compress(unpacked(content), level)) for level in (2, 3, 4)}
    assert min(sizes, key=lambda level: abs(sizes[level] - len(content))) == 3
    assert zstandard.get_frame_parameters(content).has_checksum


@pytest.mark.parametrize(
    "beyond", [-1536, *(pytest.param(size, marks=pytest.mark.slow) for size in (-2048, 0, 4 << 20))]
)
def test_a_large_layer_is_one_stream_in_members_of_one_size(beyond: int) -> None:
    """As every tool reads it, and whatever the parts are that it was written in."""
    size = (4 << 20) + beyond
    whole = PathEntry("a", size=size, content=(bytes(size),))
    parts = PathEntry("a", size=size, content=(bytes(1000),) * (size // 1000) + (bytes(size % 1000),))
    layer, content = written([whole], root="")
    assert (layer, content) == written([parts], root="")
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content))) as tar:
        assert tar.getmember("a").size == size
    packed = subprocess.run(["gzip", "--decompress", "--stdout"], input=content, capture_output=True, check=True)
    assert f"sha256:{hashlib.sha256(packed.stdout).hexdigest()}" == layer.diff_id
    members = content.count(b"\x1f\x8b\x08\x00\x00\x00\x00\x00")
    assert members == -(-len(packed.stdout) // (4 << 20))


def test_an_empty_layer_ends_as_every_tar_does() -> None:
    _, content = written([], root="")
    assert unpacked(content) == bytes(1024)


def test_a_content_of_whole_blocks_is_not_filled_up() -> None:
    sizes = {}
    for size in (0, 1, 511, 512, 513):
        _, content = written([PathEntry("a", size=size, content=(bytes(size),))], root="")
        sizes[size] = len(unpacked(content))
    assert sizes == {0: 1536, 1: 2048, 511: 2048, 512: 2048, 513: 2560}


def test_a_symbolic_link_leads_where_it_says_and_a_hard_link_below_the_root() -> None:
    given = [PathEntry("a"), PathEntry("b", "hardlink", target="a"), PathEntry("c", "symlink", target="a")]
    _, content = written(given, root="x/y")
    with tarfile.open(fileobj=io.BytesIO(unpacked(content))) as tar:
        assert [tar.getmember(f"x/y/{name}").linkname for name in "bc"] == ["x/y/a", "a"]
        assert tar.getmember("x/y/b").size == 0


def test_a_file_that_no_package_brings_is_readable_and_of_1980() -> None:
    entry = text_entry("a", "\u00e4")
    assert (entry.kind, entry.mode, entry.size, entry.mtime) == ("file", 0o644, 2, 315532800)
    when = datetime.fromtimestamp(EARLIEST, timezone.utc)
    assert (when.year, when.month, when.day, when.hour) == (1980, 1, 1, 0)
