"""A layer has the same bytes whether its files were compressed here, elsewhere or before."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pixi_container.environment.entries import PathEntry
from pixi_container.environment.layer_tar import FORMS, Compression, LayerWriter, file_parts
from pixi_container.environment.shared_contents import Extent, PackageContents, SharedContents
from pixi_container.environment.shared_work import SharedWork
from pixi_container.registry.reference import digest_of

SHA256 = "ab" * 32
FORM = FORMS["gzip"]
APART = 32 << 10
CHANCE = random.Random(1)  # noqa: S311
LARGE = CHANCE.randbytes(1_500_000) * 3
CONTENTS = {
    "lib/small": b"small\n" * 100,
    "lib/below": CHANCE.randbytes(APART - 1),
    "lib/apart": CHANCE.randbytes(APART // 2) + bytes(APART // 2),
    "lib/next": bytes(APART + 1),
    "lib/large": LARGE,
    "lib/changed": LARGE[:APART],
    "lib/last": b"end",
}


def entries() -> list[PathEntry]:
    return [
        PathEntry(
            path,
            size=len(content),
            content=[content[start : start + 300_000] for start in range(0, len(content), 300_000)],
            packaged="" if path == "lib/changed" else path,
        )
        for path, content in CONTENTS.items()
    ]


def layer(members: PackageContents | None, root: str = "app", compression: Compression = "gzip") -> bytes:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "layer"
        with file.open("wb") as out:
            writer = LayerWriter(out, compression)
            writer.add(entries(), root, members)
            blob = writer.finish()
        content = b"".join(file_parts(file, writer.borrowed))
        assert (blob.size, blob.digest) == (len(content), digest_of(content))
        borrowed = sum(each.extent.size for each in writer.borrowed)
        assert file.stat().st_size == len(content) - borrowed, "what is borrowed is not copied"
        return content


def made(folder: Path, root: str = "app", reserve: int = 0) -> tuple[bytes, int]:
    """Return a layer, and how many of its files were compressed before."""
    read = 0
    with SharedContents(SharedWork(folder, reserve)).of_package(SHA256, FORM, lambda: None) as members:

        class Counted:
            def read(self, path: str) -> object:
                nonlocal read
                parts = members.read(path)
                read += parts is not None
                return parts

            def extent(self, path: str) -> Extent:
                return members.extent(path)

            def add(self, path: str, compressed: bytes) -> None:
                members.add(path, compressed)

        return layer(Counted(), root), read  # type: ignore[arg-type]


def kept(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.endswith(".lock")]


class _BrokenError(Exception):
    pass


def fail(shared: SharedContents) -> None:
    with shared.of_package(SHA256, FORM, lambda: None) as members:
        layer(members)
        raise _BrokenError


@pytest.mark.parametrize("root", ["app", "app/.pixi/envs/another-one"])
def test_a_layer_has_the_same_bytes_alone_first_and_later(tmp_path: Path, root: str) -> None:
    alone = layer(None, root)
    assert made(tmp_path) == (layer(None), 0)
    assert made(tmp_path, root) == (alone, 3)
    assert [path.name for path in kept(tmp_path)] == [f"{SHA256}.{FORM}"]
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(alone))) as tar:
        files = {info.name.removeprefix(f"{root}/"): tar.extractfile(info) for info in tar if info.isreg()}
        assert {path: file.read() for path, file in files.items() if file} == CONTENTS


def test_files_are_apart_from_a_size_on_where_they_are_as_packaged() -> None:
    """Each has members of its own, and so has what is between them."""
    content, sizes = layer(None), []
    while content:
        plain = zlib_member(content)
        sizes.append(len(plain[0]))
        content = plain[1]
    around = [
        512 * 2 + 1024 + 512 + 512 + APART + 512,
        512,
        512,
        512 + APART + 512 + 512 + 1024,
    ]
    large = -(-len(LARGE) // 512) * 512
    assert sizes == [around[0], APART, around[1], APART + 512, around[2], 4 << 20, large - (4 << 20), around[3]]


def zlib_member(content: bytes) -> tuple[bytes, bytes]:
    import zlib

    decompressor = zlib.decompressobj(31)
    return decompressor.decompress(content), decompressor.unused_data


def test_zstd_has_no_files_apart() -> None:
    assert "zstd" not in FORMS
    whole = layer(None, compression="zstd")
    assert whole.count(b"\x28\xb5\x2f\xfd") == 1


@pytest.mark.slow
def test_what_is_damaged_is_made_again(tmp_path: Path) -> None:
    first, _ = made(tmp_path)
    (file,) = kept(tmp_path)
    whole = file.read_bytes()
    for position in [0, 1000, len(whole) // 2, *(len(whole) - back for back in (1, 20, 35, 45, 100, 150))]:
        file.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        content, read = made(tmp_path)
        assert (content, read < 3) == (first, True), position
    for size in (0, 1, 39, 40, 100, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:size])
        assert made(tmp_path) == (first, 0)
        assert made(tmp_path) == (first, 3)


def test_nothing_is_kept_of_a_package_that_failed(tmp_path: Path) -> None:
    with pytest.raises(_BrokenError):
        fail(SharedContents(SharedWork(tmp_path, 0)))
    assert kept(tmp_path) == []


@pytest.mark.slow
def test_where_the_disk_is_full_nothing_is_kept(tmp_path: Path) -> None:
    for _ in range(2):
        assert made(tmp_path, reserve=1 << 60) == (layer(None), 0)
    assert kept(tmp_path) == []


def test_a_package_without_large_files_leaves_nothing(tmp_path: Path) -> None:
    with SharedContents(SharedWork(tmp_path, 0)).of_package(SHA256, FORM, lambda: None) as members:
        assert members.read("lib/a") is None
    assert kept(tmp_path) == []
